"""The beginning and the end of the runtime inside the engine.

native/entry.c has started the interpreter and calls `start`; the engine then announces its initialisation
levels, on which the classes come and go. The interpreter itself is never ended: CPython cannot be started
twice in a process, and the engine is about to exit.
"""

from __future__ import annotations

import gc
import sys

from adaptive_agents.godot.native import ffi, lib

from . import callbacks, register

SCENE_LEVEL, EDITOR_LEVEL = 2, 3
# Python's own 5 ms would be a stutter: a worker lets go within this time when a tick wants it.
SWITCH_INTERVAL_SEC = 0.0001


def settle() -> None:
    """Tells the garbage collector that what exists by now stays.

    It need not walk over every imported module again in the middle of a game.
    """
    gc.collect()
    gc.freeze()


def start(get_proc_address: int, library: int, initialization: int) -> None:
    """Takes the engine's functions over and says what to call on its levels. Raises where that fails."""
    if not lib.aa_load_interface(
        ffi.cast("GDExtensionInterfaceGetProcAddress", get_proc_address), ffi.cast("void *", library)
    ):  # fmt: skip
        raise RuntimeError("this engine is too old: Adaptive Agents needs Godot 4.4 or newer")
    # Import everything now: what is missing must be found while the engine can still go on without the
    # classes.
    from adaptive_agents import nodes

    def change_level(level: int, starting: bool) -> None:
        if level == SCENE_LEVEL and starting:
            for of in nodes.CLASSES:
                register.register_class(of)
            nodes.begin()
            settle()
        elif level == SCENE_LEVEL:
            nodes.end()
            gc.collect()
            register.unregister_classes()
            sys.stdout.flush()
            sys.stderr.flush()
        elif level == EDITOR_LEVEL and starting:
            nodes.begin_editor()

    sys.setswitchinterval(SWITCH_INTERVAL_SEC)
    callbacks.level_changed = change_level
    lib.aa_fill_initialization(ffi.cast("GDExtensionInitialization *", initialization))
