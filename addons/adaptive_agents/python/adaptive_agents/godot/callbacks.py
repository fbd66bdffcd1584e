"""What the engine calls in Python, and the one guard around it.

The round trip, for a method that a script calls on an agent: the engine calls `aa_call` in native/objects.c
with the method's aa_method and the agent's aa_instance; that calls the bridge, which takes the GIL and enters
`aa_on_call` here with the method's index; the callable made by register.py reads the arguments, calls the
Python method with the Python object behind the aa_instance, and writes the result. Whatever is raised on the
way ends in `report`: one engine error with class, method and traceback, and only the object concerned is told
to stop.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from adaptive_agents.errors import AdaptiveAgentsError
from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.godot.engine import push_error
from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.variant import EngineObject

from . import register, variant

callables: list[tuple[str, Callable[[], None]]] = []
"""What the engine may call through a Callable, by index, each with a name for messages."""

F = TypeVar("F", bound=Callable[..., Any])


def _from_engine(function: F) -> F:
    """Makes `function` the Python end of the C callback of the same name (native/callbacks.h)."""
    ffi.def_extern()(function)
    return function


def end() -> None:
    """What to do before the engine exits; start.py puts its own in this place."""


def report(error: Exception, where: str, owner: Any = None) -> None:
    """Tells the engine's log about an exception, and its object that it has failed."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    message = f"{where}: {error}"
    if not isinstance(error, AdaptiveAgentsError):
        message = (
            f"{where}: {type(error).__name__}: {error}\n"
            + "".join(traceback.format_exception(error)).rstrip()
        )
    push_error(message, where, last.filename, last.lineno or 0)
    if owner is not None:
        owner.fail(str(error))


def python_object(instance: Any) -> Any:
    """The Python object behind an aa_instance; None for NULL, as in a static call."""
    return ffi.from_handle(instance.handle) if instance != ffi.NULL and instance.handle != ffi.NULL else None


def new_callable(name: str, function: Callable[[], None]) -> Any:
    """A Callable of `function`, to give to the engine."""
    callables.append((name, function))
    result = variant.uninitialised_variant()
    lib.aa_new_callable(result, len(callables) - 1)
    return EngineObject(variant.owned(result))


@_from_engine
def aa_on_ending() -> None:
    try:
        end()
    except Exception as error:  # noqa: BLE001 - whatever it is, the engine goes on
        report(error, "AdaptiveAgents (end)")


@_from_engine
def aa_on_created(instance: Any) -> bool:
    try:
        register.attach(instance)
    except Exception as error:  # noqa: BLE001 - the guard
        report(error, f"{register.classes[instance.class_index].__name__} (creation)")
        return False
    return True


@_from_engine
def aa_on_freed(instance: Any) -> None:
    made: NativeObject | None = None
    try:
        made = python_object(instance)
        if made is not None:
            register.alive.discard(made)
            instance.handle = ffi.NULL
            # References to other objects go now, not when the garbage collector gets here.
            made.__dict__.clear()
    except Exception as error:  # noqa: BLE001 - the guard
        report(error, f"{type(made).__name__} (end)")


@_from_engine
def aa_on_notification(instance: Any, what: int) -> None:
    made: NativeObject | None = None
    try:
        made = python_object(instance)
        if made is not None:
            made.notified(what)
    except Exception as error:  # noqa: BLE001 - the guard
        report(error, f"{type(made).__name__} (notification {what})", made)


@_from_engine
def aa_on_call(index: int, instance: Any, arguments: Any, result: Any) -> None:
    try:
        register.methods[index](instance, arguments, result)
    except Exception as error:  # noqa: BLE001 - the guard
        report(error, register.method_names[index], python_object(instance))


@_from_engine
def aa_on_callable(index: int) -> None:
    name, function = callables[index]
    try:
        function()
    except Exception as error:  # noqa: BLE001 - the guard
        report(error, name)
