"""The beginning and the end of the runtime inside the engine.

native/entry.c has started the interpreter; when the first object of ours is needed, it calls `start`. The
classes are registered by then, and their objects idle. The interpreter itself is never ended: CPython cannot
be started twice in a process, and the engine is about to exit.
"""

from __future__ import annotations

import gc
import sys

from adaptive_agents.godot import callbacks, register
from adaptive_agents.godot.memory import settle
from adaptive_agents.godot.native import ffi, lib

# Python's own 5 ms would be a stutter: a worker lets go within this time when a tick wants it.
SWITCH_INTERVAL_SEC = 0.0001


def start(address: int) -> None:
    """Joins the library, whose aa_host is at `address`.

    Raises where that fails: the objects stay idle then.
    """
    host = ffi.cast("aa_host *", address)
    if not lib.aa_load_interface(host):
        raise RuntimeError("this engine is too old: Adaptive Agents needs Godot 4.4 or newer")
    from adaptive_agents import nodes

    register.take_classes(nodes.CLASSES, ffi.string(host.digest).decode())
    nodes.begin(register.attach(host.singleton))

    def end() -> None:
        nodes.end()
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()

    sys.setswitchinterval(SWITCH_INTERVAL_SEC)
    callbacks.end = end
    settle()
    lib.aa_join(host)  # last: from now on the library calls Python
