"""Agents in a fixed order; observations, measurements and actions cross for all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.variant import VariantType, new_variant, string_name

NOT_NUMBERS: int = lib.AA_NOT_NUMBERS
NO_METHOD: int = lib.AA_NO_METHOD
FREED: int = lib.AA_FREED


class AgentRows:
    """n agents. Valid until one of them is freed.

    An agent that a script frees during one of the calls is left out by the rest of that call.
    """

    def __init__(self, agents: Sequence[NativeObject]) -> None:
        self._count = len(agents)
        self._pointers = ffi.new("aa_instance *[]", [agent.instance for agent in agents])
        self._observe, self._measure = string_name("_observe"), string_name("_measure")
        self._emit_signal = string_name("emit_signal")
        self._adapted = new_variant("adapted", VariantType.STRING_NAME)
        self._decided = new_variant("decided", VariantType.STRING_NAME)

    def find_able(self) -> NDArray[np.bool_]:
        """(n,): whether the engine lets each process now, by its `process_mode` and the tree's pause."""
        able = np.empty(self._count, bool)
        can_process = engine.method_bind("Node", "can_process")
        lib.aa_find_able(self._pointers, self._count, can_process, ffi.from_buffer("uint8_t[]", able))
        return able

    def observe(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """What each agent observes: rows (n, size), and how many numbers each gave (n,).

        A row is filled only where that number is `size`. It is NOT_NUMBERS where the answer is no row of
        numbers.
        """
        return self._gather(lib.aa_gather_observations, self._observe, size)

    def measure(self, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """What each agent measures, as `observe`; NO_METHOD where the agent has no `_measure`."""
        return self._gather(lib.aa_gather_measurements, self._measure, size)

    def hand_out(
        self, rows: NDArray[np.float32], uncertainties: NDArray[np.float64] | None, *, is_category: bool
    ) -> None:
        """Gives each agent its row (n, size) as `action`, and its `uncertainty` (n,); emits `decided`.

        None leaves the uncertainties as they are.
        """
        rows = np.ascontiguousarray(rows, np.float32)
        lib.aa_hand_out(
            self._pointers,
            self._count,
            self._emit_signal,
            self._decided,
            ffi.from_buffer("float[]", rows),
            rows.shape[1],
            ffi.NULL if uncertainties is None else ffi.from_buffer("double[]", uncertainties),
            is_category,
        )

    def emit_adapted(self, loss_before: float, loss_after: float) -> None:
        """Gives each agent its new `loss`, and emits `adapted`."""
        lib.aa_emit_adapted(
            self._pointers, self._count, self._emit_signal, self._adapted, loss_before, loss_after
        )

    def set_scores(
        self,
        errors: NDArray[np.float64],
        confidences: NDArray[np.float64],
        uncertainties: NDArray[np.float64],
    ) -> None:
        """Gives each its `prediction_error`, `confidence` and `uncertainty`; NaN leaves one as it is."""
        lib.aa_set_scores(
            self._pointers,
            self._count,
            ffi.from_buffer("double[]", errors),
            ffi.from_buffer("double[]", confidences),
            ffi.from_buffer("double[]", uncertainties),
        )

    def _gather(self, function: Any, method: Any, size: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        rows = np.zeros((self._count, size), np.float32)
        sizes = np.empty(self._count, np.int64)
        buffers = ffi.from_buffer("float[]", rows), ffi.from_buffer("int64_t[]", sizes)
        function(self._pointers, self._count, method, size, *buffers)
        return rows, sizes
