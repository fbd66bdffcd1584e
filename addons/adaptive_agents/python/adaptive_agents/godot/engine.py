"""Calls into the engine: objects by method name, singletons, error messages, files.

Method calls go by name, through the engine's own dynamic call. What happens every tick does not come through
here (native/agents.c).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.variant import (
    EngineObject,
    VariantType,
    call_variant,
    new_variant,
    owned,
    string_name,
    to_python,
    uninitialised_variant,
)


def call(target: Any, method: str, *arguments: object) -> Any:
    """Calls a method of an engine object, or of one of ours, by name."""
    return to_python(call_variant(_variant_of(target), method, *arguments))


def _variant_of(target: Any) -> Any:
    if isinstance(target, EngineObject):
        return target.variant
    return new_variant(target, VariantType.OBJECT)


def singleton(name: str) -> EngineObject:
    """One of the engine's singletons: Engine, ResourceLoader, ProjectSettings, …"""
    pointer = lib.global_get_singleton(string_name(name))
    variant = uninitialised_variant()
    lib.aa_wrap(VariantType.OBJECT, variant, ffi.new("void **", pointer))
    return EngineObject(owned(variant))


def push_error(message: str, function: str = "adaptive_agents", file: str = "", line: int = 0) -> None:
    """One error in the engine's log, and in the editor's debugger."""
    text = message.encode(errors="replace")
    lib.print_error_with_message(text, text, function.encode(), file.encode(), line, 1)


def push_warning(message: str) -> None:
    """One warning in the engine's log."""
    text = message.encode(errors="replace")
    lib.print_warning_with_message(text, text, b"adaptive_agents", b"", 0, 1)


@cache
def is_editor() -> bool:
    """Whether this is the editor itself, not a running game."""
    return bool(call(singleton("Engine"), "is_editor_hint"))


def read_file(path: str) -> bytes:
    """The content of a `res://`, `user://` or plain path, through FileAccess: `res://` may lie inside a .pck.

    Raises OSError where there is no such file.
    """
    if not call_static("FileAccess", "file_exists", path):
        raise FileNotFoundError(f"there is no file '{path}'")
    data: bytes = call_static("FileAccess", "get_file_as_bytes", path)
    return data


def absolute_path(path: str) -> str:
    """The path on disk of a `user://` or `res://` path; other paths come back as they are."""
    absolute: str = call(singleton("ProjectSettings"), "globalize_path", path)
    return absolute


# The engine finds a method by the hash of its signature (extension_api.json); it keeps old hashes working.
_SIGNATURES = {
    ("FileAccess", "file_exists"): 2323990056,
    ("FileAccess", "get_file_as_bytes"): 659035735,
    ("Node", "can_process"): 36873697,
}


@cache
def method_bind(class_name: str, method: str) -> Any:
    """The engine's pointer to one of the methods named above."""
    signature = _SIGNATURES[class_name, method]
    return lib.classdb_get_method_bind(string_name(class_name), string_name(method), signature)


def call_static(class_name: str, method: str, *arguments: object) -> Any:
    """Calls one of the static methods named above."""
    bind = method_bind(class_name, method)
    held = [new_variant(argument) for argument in arguments]
    result, error = uninitialised_variant(), ffi.new("GDExtensionCallError *")
    lib.object_method_bind_call(bind, ffi.NULL, held, len(held), result, error)
    return to_python(owned(result))
