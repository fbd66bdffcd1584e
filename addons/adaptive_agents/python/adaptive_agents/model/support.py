"""What adaptation learns from: the newest moments of a player, and how they are handed to a graph.

A moment is a tick: of all agents that observed the player at it, one example is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import ObservationError

_SMALLEST_PADDED = 8


def row_of_moment(moment: Any, rows: Any) -> Any:
    """Which of its rows stands for a moment: agents that see the same tick share it, and take turns.

    The fractional parts of multiples of the golden ratio are spread evenly, also over every second or third
    moment, so that all agents have their turn whatever rhythms they decide in (Knuth, TAOCP 3, 6.4).

    Args:
        moment: its number, counted from the player's first; an integer, or an integer array or tensor.
        rows: how many it has, at least 1; an integer, or as many as there are moments.

    Returns:
        A number in [0, rows) for each.
    """
    fraction = moment * 2654435769 & 0xFFFFFFFF  # of 2 ** 32
    return fraction * rows >> 32


@dataclass(frozen=True)
class SupportSet:
    """What one adaptation run learns from, for any number of profiles. Rows of weight 0 are padding."""

    observations: NDArray[np.float32]
    """(profiles, support, input_size): whole windows, where the brain has one."""
    targets: NDArray[np.float32]
    """(profiles, support, target_columns)"""
    weights: NDArray[np.float32]
    """(profiles, support)"""

    def __post_init__(self) -> None:
        shape = self.weights.shape
        if (
            self.weights.ndim != 2
            or self.observations.shape[:-1] != shape
            or self.targets.shape[:-1] != shape
        ):
            raise ObservationError(
                f"support set: observations {self.observations.shape}, targets {self.targets.shape} and "
                f"weights {shape} must agree in their first two axes, (profiles, support)"
            )

    def columns(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Observations, targets and weights."""
        return self.observations, self.targets, self.weights

    @classmethod
    def zeros(cls, profiles: int, support: int, input_size: int, target_columns: int) -> SupportSet:
        """Only padding, to be filled in."""
        return cls(
            np.zeros((profiles, support, input_size), np.float32),
            np.zeros((profiles, support, target_columns), np.float32),
            np.zeros((profiles, support), np.float32),
        )


def padded(examples: Sequence[SupportSet], most: int) -> SupportSet:
    """The examples of several profiles as one support set.

    Args:
        examples: one support set of one profile each, oldest example first, one example or more.
        most: no more padding than up to so many: a brain that keeps the newest of its support would keep it.

    Returns:
        All profiles, padded at the end to few different sizes, for each of which onnxruntime plans its memory
        once.
    """
    longest = max(each.weights.size for each in examples)
    first = examples[0]
    batch = SupportSet.zeros(
        len(examples),
        max(longest, min(most, max(_SMALLEST_PADDED, 1 << (longest - 1).bit_length()))),
        first.observations.shape[2],
        first.targets.shape[2],
    )
    for index, each in enumerate(examples):
        for column, source in zip(batch.columns(), each.columns(), strict=True):
            column[index, : each.weights.size] = source[0]
    return batch


class ExampleRing:
    """The newest `capacity` examples of one player, in the order they came; older ones are overwritten.

    All memory is taken at the start; appending copies into it and makes no Python object per row.
    """

    def __init__(self, capacity: int, input_size: int, target_columns: int) -> None:
        self.capacity = capacity
        self._observations = np.zeros((capacity, input_size), np.float32)
        self._targets = np.zeros((capacity, target_columns), np.float32)
        self._weights = np.zeros(capacity, np.float32)
        self._total = 0

    def __len__(self) -> int:
        return min(self._total, self.capacity)

    @property
    def total(self) -> int:
        """How many examples were ever appended, those overwritten since included."""
        return self._total

    def append(
        self,
        observations: NDArray[np.float32],
        targets: NDArray[np.float32],
        weights: NDArray[np.float32] | None = None,
    ) -> None:
        """Appends n rows: observations `(n, input_size)`, targets `(n, columns)`, weights `(n,)` or all 1.

        Raises:
            ObservationError: the rows have another shape than the ring's, or hold a value that is not finite.
        """
        rows = len(observations)
        if observations.shape[1:] != self._observations.shape[1:] or targets.shape != (
            rows,
            *self._targets.shape[1:],
        ):
            raise ObservationError(
                f"examples of shapes {observations.shape} and {targets.shape} do not fit: "
                f"(n, {self._observations.shape[1]}) and (n, {self._targets.shape[1]}) are needed"
            )
        if not (np.isfinite(observations).all() and np.isfinite(targets).all()):
            raise ObservationError("an example holds a value that is not finite: it is not learned from")
        skipped = max(0, rows - self.capacity)
        start = (self._total + skipped) % self.capacity
        first = min(rows - skipped, self.capacity - start)
        for column, values in (
            (self._observations, observations),
            (self._targets, targets),
            (self._weights, np.ones(rows, np.float32) if weights is None else weights),
        ):
            column[start : start + first] = values[skipped : skipped + first]
            column[: rows - skipped - first] = values[skipped + first :]
        self._total += rows

    def in_order(self) -> SupportSet:
        """A copy of all examples, oldest first, as a support set of one profile."""
        return self.newest(len(self))

    def newest(self, count: int) -> SupportSet:
        """A copy of the newest `count` examples, or of all there are; oldest first."""
        rows = np.arange(self._total - min(count, len(self)), self._total) % self.capacity
        columns = (self._observations, self._targets, self._weights)
        return SupportSet(*(column[None, rows] for column in columns))

    def clear(self) -> None:
        """Forgets all examples."""
        self._total = 0
