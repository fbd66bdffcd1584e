"""Labels for free: pairs what agents observed at tick t with what they measure at t + horizon.

Agents of one brain share a `PendingLabels`. Each has a slot in it, and each tick of the last `horizon` has
a row, so that a tick costs a few NumPy calls however many agents there are:

    due = labels.due(tick)                      # whose measurement is needed now
    examples = labels.mature(tick, due, ...)    # pairs them
    labels.observe(tick, slots, ...)            # remembers what agents saw and predicted now
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import ObservationError
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec


@dataclass(frozen=True)
class MaturedLabels:
    """Observations of one tick whose targets became known now."""

    tick: int
    """When they were observed."""
    slots: NDArray[np.intp]
    """(n,): of which agents."""
    windows: NDArray[np.float32]
    """(n, input_size): what they had seen until then, the newest observation last."""
    targets: NDArray[np.float32]
    """(n, target_columns): the change since then (vector) or the class now (category)."""
    predictions: NDArray[np.float32]
    """(n, outputs): what was predicted then; NaN where nothing was."""
    experts: NDArray[np.float32] | None = None
    """(n, experts, outputs): what that was mixed from; NaN, or None for all, where nothing was mixed."""


class PendingLabels:
    """Observations of agents that share a spec, waiting for their horizon."""

    def __init__(self, spec: Spec, window: Window | None = None, slots: int = 16) -> None:
        """Without a window their newest observation is all that agents see."""
        self.spec = spec
        self._rows = spec.horizon_ticks + 1
        self._ticks = np.full(self._rows, -1, np.int64)
        self._is_vector = spec.target.kind == "vector"
        self._waiting = np.zeros((self._rows, slots), bool)
        width = (window or Window()).input_size(spec.observation_size)
        self._windows = np.zeros((self._rows, slots, width), np.float32)
        self._predictions = np.zeros((self._rows, slots, spec.target.size), np.float32)
        self._measurements = np.zeros((self._rows, slots, spec.target_columns), np.float32)
        self._experts: NDArray[np.float32] | None = None  # as long as nothing is mixed

    def observe(
        self,
        tick: int,
        slots: NDArray[np.intp],
        windows: NDArray[np.float32],
        measurements: NDArray[np.float32] | None = None,
        predictions: NDArray[np.float32] | None = None,
        experts: NDArray[np.float32] | None = None,
    ) -> None:
        """Remembers what agents observe at a tick, until `tick + horizon`.

        Args:
            tick: now; never smaller than before.
            slots: (n,) which agents; their numbers may be any, memory grows with the largest.
            windows: (n, input_size) what they have seen until now.
            measurements: (n, target_columns) of a vector target now; a category needs none.
            predictions: (n, outputs) of the brain for these windows, if there is one.
            experts: (n, experts, outputs) what they were mixed from, if they were.

        Raises:
            ObservationError: a measurement is missing or not finite; nothing is remembered.
        """
        if len(slots) == 0:
            return
        if self._is_vector:
            if measurements is None:
                raise ObservationError(
                    f"target {self.spec.target} is a change: its measurement is needed at the observation too"
                )
            self._check(slots, measurements)
        self._grow(int(slots.max()) + 1)
        row = self._row(tick)
        self._waiting[row][slots] = True
        self._windows[row][slots] = windows
        self._predictions[row][slots] = np.nan if predictions is None else predictions
        if measurements is not None:
            self._measurements[row][slots] = measurements
        if experts is not None and self._experts is None:
            self._experts = np.full((*self._predictions.shape[:2], *experts.shape[1:]), np.nan, np.float32)
        if self._experts is not None:
            self._experts[row][slots] = np.nan if experts is None else experts

    def due(self, tick: int) -> NDArray[np.intp]:
        """(n,) the slots of the agents that must be measured at this tick."""
        row = (tick - self.spec.horizon_ticks) % self._rows
        if self._ticks[row] != tick - self.spec.horizon_ticks:
            return np.empty(0, np.intp)
        return np.flatnonzero(self._waiting[row])

    def mature(self, tick: int, slots: NDArray[np.intp], measurements: NDArray[np.float32]) -> MaturedLabels:
        """Pairs measurements of now with the observations of `tick - horizon`; each pair is given once.

        Args:
            tick: now.
            slots: (n,) some or all of `due(tick)`; those left out are dropped at the next round of the ring.
            measurements: (n, target_columns): the quantity (vector) or the class index (category) now.

        Raises:
            ObservationError: a measurement is not finite or no such class exists; nothing is paired.
        """
        self._check(slots, measurements)
        self.spec.check_classes(measurements, "a measurement")
        then = tick - self.spec.horizon_ticks
        row = then % self._rows
        if self._ticks[row] != then:
            slots, measurements = slots[:0], measurements[:0]
        kept = self._waiting[row].take(slots)
        if not kept.all():
            slots, measurements = slots[kept], measurements[kept]
        self._waiting[row][slots] = False
        targets = measurements
        if self._is_vector:
            targets = measurements - self._measurements[row].take(slots, axis=0)
        return MaturedLabels(
            tick=then,
            slots=slots,
            windows=self._windows[row].take(slots, axis=0),
            targets=targets,
            predictions=self._predictions[row].take(slots, axis=0),
            experts=None if self._experts is None else self._experts[row].take(slots, axis=0),
        )

    def end_episode(self, slots: NDArray[np.intp] | int) -> None:
        """Drops what these agents have pending: the world they observed is gone."""
        self._grow(int(np.max(slots, initial=-1)) + 1)
        self._waiting[:, slots] = False

    def _check(self, slots: NDArray[np.intp], measurements: NDArray[np.float32]) -> None:
        needed = (len(slots), self.spec.target_columns)
        if measurements.shape != needed:
            raise ObservationError(
                f"target {self.spec.target} needs measurements of shape {needed}, "
                f"they have {measurements.shape}"
            )
        if not np.isfinite(measurements).all():
            index = int(np.flatnonzero(~np.isfinite(measurements).all(axis=1))[0])
            raise ObservationError(
                f"agent number {slots[index]} measured {measurements[index].tolist()} for target "
                f"{self.spec.target}: it must be finite; look for a division by zero or an unset value"
            )

    def _row(self, tick: int) -> int:
        row = tick % self._rows
        if self._ticks[row] != tick:
            self._ticks[row] = tick
            self._waiting[row] = False
        return row

    def _grow(self, slots: int) -> None:
        have = self._waiting.shape[1]
        if slots > have:
            more = ((0, 0), (0, max(slots, 2 * have) - have))
            self._waiting = np.pad(self._waiting, more)
            self._windows = np.pad(self._windows, (*more, (0, 0)))
            self._predictions = np.pad(self._predictions, (*more, (0, 0)))
            self._measurements = np.pad(self._measurements, (*more, (0, 0)))
            if self._experts is not None:
                self._experts = np.pad(self._experts, (*more, (0, 0), (0, 0)))
