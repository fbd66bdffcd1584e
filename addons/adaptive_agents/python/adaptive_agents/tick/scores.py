"""How well agents predict, as they and their games may read it: error, confidence, uncertainty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.spec import Spec
from adaptive_agents.tick.decisions import Decisions
from adaptive_agents.tick.labels import MaturedLabels
from adaptive_agents.tick.prediction_error import RunningPredictionError


class Scores:
    """The running scores of a crowd's agents, by slot."""

    def __init__(self, spec: Spec, *, has_deviations: bool) -> None:
        self._is_vector = spec.target.kind == "vector"
        self._has_deviations = has_deviations
        self._errors = RunningPredictionError(spec)
        self._sizes = RunningPredictionError(spec)
        """Of predicting that nothing changes: what the confidence compares with."""
        self._squares = RunningPredictionError(spec, is_squared=True)

    def reset(self, slot: int) -> None:
        """Starts anew for one agent."""
        for running in (self._errors, self._sizes, self._squares):
            running.reset(slot)

    def take(
        self, labels: MaturedLabels
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Takes in what is known now.

        Returns:
            (n,) each: prediction errors, confidences and uncertainties; NaN where these labels do not tell.
        """
        slots, predictions, targets = labels.slots, labels.predictions, labels.targets
        self._errors.update(slots, predictions, targets)
        errors = self._errors.values_of(slots)
        nothing = np.full(len(errors), np.nan)
        if not self._is_vector:
            return errors, nothing, nothing
        self._squares.update(slots, predictions, targets)
        # How much better than to assume that nothing changes.
        self._sizes.update(slots, np.zeros_like(targets), targets)
        confidences = np.clip(1 - errors / np.maximum(self._sizes.values_of(slots), 1e-12), 0, 1)
        uncertainties = nothing if self._has_deviations else np.sqrt(self._squares.values_of(slots))
        return errors, confidences, uncertainties

    def uncertainties_of(self, slots: NDArray[np.intp], decisions: Decisions) -> NDArray[np.float64] | None:
        """(n,): how far each of these decisions may be off, where the brain can tell; None: it cannot.

        Where it does not know of single ones (a frozen part gives no deviations), the errors so far stand in.
        """
        if decisions.deviations is None and not self._has_deviations:
            return None
        if decisions.deviations is None:
            return np.asarray(np.sqrt(self._squares.values_of(slots)))
        told: NDArray[np.float64] = np.sqrt(np.square(decisions.deviations, dtype=np.float64).mean(axis=1))
        unknown = np.isnan(told)
        if unknown.any():
            told[unknown] = np.sqrt(self._squares.values_of(slots[unknown]))
        return told
