"""The beginning and the end of the runtime inside the engine.

native/entry.c has started the interpreter; when the first object of ours is needed, it calls `start`. The
classes are registered by then, and their objects idle. The interpreter itself is never ended: CPython cannot
be started twice in a process, and the engine is about to exit.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Sequence

from adaptive_agents.godot import callbacks, register
from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.godot.memory import settle
from adaptive_agents.godot.native import ffi, lib

# Python's own 5 ms would be a stutter: a worker lets go within this time when a tick wants it.
SWITCH_INTERVAL_SEC = 0.0001


def start(
    address: int,
    classes: Sequence[type[NativeObject]],
    begin: Callable[[NativeObject], None],
    end: Callable[[], None],
) -> None:
    """Joins the library. Raises where that fails: its objects stay idle then.

    Args:
        address: of the library's aa_host.
        classes: the native classes, as the library has registered them.
        begin: called with the singleton, the first object that has a Python half.
        end: called before the engine exits.
    """
    host = ffi.cast("aa_host *", address)
    if not lib.aa_load_interface(host):
        raise RuntimeError("this engine is too old: Adaptive Agents needs Godot 4.4 or newer")
    register.take_classes(classes, ffi.string(host.digest).decode())
    begin(register.attach(host.singleton))

    def end_all() -> None:
        end()
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()

    sys.setswitchinterval(SWITCH_INTERVAL_SEC)
    callbacks.end = end_all
    settle()
    lib.aa_join(host)  # last: from now on the library calls Python
