"""What the garbage collector need not look at, and what need not stay in memory."""

from __future__ import annotations

import gc

from adaptive_agents.godot.native import lib

START_UP_CODE = b"onnxruntime_pybind11_state"
"""onnxruntime runs through most of its code once, 28 MB, to register its operators, and then uses little."""


def settle() -> None:
    """Tells the garbage collector that what exists by now stays.

    It need not walk over every imported module again in the middle of a game. Code that only the start runs
    is given back, ten megabytes of it.
    """
    gc.collect()
    gc.freeze()
    lib.aa_forget_code(START_UP_CODE)
