"""How well the predictions turned out: a running error per agent, which games can show."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.spec import Spec


class RunningPredictionError:
    """Exponentially weighted mean error of matured predictions, in target units.

    vector: Euclidean distance between predicted and true target, or, if `is_squared`, the mean square of its
    numbers. category: share of wrong classes.
    Early on, when less than `memory` predictions matured, it is their plain mean.
    """

    def __init__(self, spec: Spec, slots: int = 16, memory: int = 50, *, is_squared: bool = False) -> None:
        self._is_squared = is_squared
        self._is_vector = spec.target.kind == "vector"
        self._memory = memory
        self._seen = np.zeros(slots, np.int64)
        self._errors = np.zeros(slots)

    def update(
        self, slots: NDArray[np.intp], predictions: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Takes in matured predictions `(n, outputs)` of agents `slots` (n,), no slot twice.

        Args:
            slots: which agents (or profiles), any numbers; memory grows with the largest.
            predictions: (n, outputs); rows of NaN, where nothing was predicted, are passed over.
            targets: (n, target_columns)

        Returns:
            (n,) the error of each prediction; NaN where there was none.
        """
        errors = self.errors_of(predictions, targets)
        found = errors
        missing = np.isnan(errors)
        if missing.any():
            slots, found = slots[~missing], errors[~missing]
        if len(slots):
            self._grow(int(slots.max()) + 1)
            seen = self._seen.take(slots) + 1
            self._seen[slots] = seen
            before = self._errors.take(slots)
            self._errors[slots] = before + (found - before) / np.minimum(seen, self._memory)
        return errors

    def errors_of(
        self, predictions: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """(n,) errors of predictions `(n, outputs)` against targets `(n, target_columns)`, not taken in."""
        if self._is_vector:
            difference = predictions.astype(np.float64) - targets
            squares = np.square(difference)
            if self._is_squared:
                return np.asarray(squares.mean(axis=1))
            distances: NDArray[np.float64] = np.sqrt(squares.sum(axis=1))
            return distances
        wrong: NDArray[np.float64] = (predictions.argmax(axis=1) != targets[:, 0]).astype(np.float64)
        wrong[np.isnan(predictions).any(axis=1)] = np.nan
        return wrong

    def __getitem__(self, slot: int) -> float:
        """The running error of one agent; NaN before its first matured prediction."""
        seen = slot < len(self._seen) and self._seen[slot]
        return float(self._errors[slot]) if seen else math.nan

    def values_of(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n,) the running errors of agents `slots` (n,); NaN before their first matured prediction."""
        if len(slots):
            self._grow(int(slots.max()) + 1)
        return np.where(self._seen[slots] > 0, self._errors[slots], np.nan)

    def reset(self, slot: int) -> None:
        """Starts anew for one agent: its slot was given to another, or its weights were exchanged."""
        self._grow(slot + 1)
        self._seen[slot] = 0
        self._errors[slot] = 0

    def _grow(self, slots: int) -> None:
        have = len(self._seen)
        if slots > have:
            more = max(slots, 2 * have) - have
            self._seen = np.pad(self._seen, (0, more))
            self._errors = np.pad(self._errors, (0, more))
