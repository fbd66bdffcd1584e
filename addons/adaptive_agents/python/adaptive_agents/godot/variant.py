"""Values between Python and the engine's Variant, in both directions.

A Variant that Python makes lives in memory that cffi frees; `new_variant` ties the engine's destructor to it,
so that nothing the Variant holds outlives it. `write` fills a Variant that belongs to somebody else: a return
value, an element of an array.

=====================  ==================================
Variant                Python
=====================  ==================================
bool, int, float       the same
String, StringName     str
Vector2, 3, 4          tuple of floats
PackedFloat32Array     float32 array (n,)
PackedByteArray        bytes
PackedStringArray      list of str
Array, Dictionary      list, dict
Object                 our own Python object, or EngineObject
=====================  ==================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

import numpy as np

from adaptive_agents.godot.native import ffi, lib


class VariantType(IntEnum):
    """The engine's GDExtensionVariantType, as far as it is used here. NIL stands for "any type"."""

    NIL = 0
    BOOL = 1
    INT = 2
    FLOAT = 3
    STRING = 4
    VECTOR2 = 5
    VECTOR3 = 9
    VECTOR4 = 12
    STRING_NAME = 21
    NODE_PATH = 22
    OBJECT = 24
    CALLABLE = 25
    DICTIONARY = 27
    ARRAY = 28
    PACKED_BYTE_ARRAY = 29
    PACKED_FLOAT32_ARRAY = 32
    PACKED_STRING_ARRAY = 34


class EngineObject:
    """An object of the engine's own (or a Callable).

    Keeps a RefCounted alive; a Node may be freed by the game at any time.
    """

    def __init__(self, variant: Any) -> None:
        self.variant = variant


# The engine keeps the characters of a static StringName where they are, so this dictionary is never emptied.
_names: dict[str, tuple[Any, Any]] = {}


def string_name(text: str) -> Any:
    """The StringName of `text`, made once."""
    if text not in _names:
        characters = ffi.new("char[]", text.encode("ascii"))
        name = ffi.new("uint64_t[1]")
        lib.string_name_new_with_latin1_chars(name, characters, 1)
        _names[text] = (name, characters)
    return _names[text][0]


def new_string(text: str) -> Any:
    """A String, destroyed with the returned memory."""
    data = text.encode()
    result = ffi.gc(ffi.new("uint64_t[1]"), lambda memory: lib.aa_destroy_typed(VariantType.STRING, memory))
    lib.string_new_with_utf8_chars_and_len(result, data, len(data))
    return result


def uninitialised_variant() -> Any:
    """Memory for a Variant that the engine is about to make."""
    return ffi.new("aa_variant *")


def owned(variant: Any) -> Any:
    """The same memory, with the engine's destructor tied to it."""
    return ffi.gc(variant, lib.aa_destroy)


def new_variant(value: object, kind: int = VariantType.NIL) -> Any:
    """A Variant of `value`, destroyed with the returned memory."""
    result = uninitialised_variant()
    lib.aa_nil(result)
    _WRITERS[kind or _natural_kind(value)](value, result)
    return owned(result)


def to_python(variant: Any) -> Any:
    """The Python value of a Variant."""
    # The cast shares the memory but does not own it: `variant` must live as long.
    typed = ffi.cast("aa_variant *", variant)
    kind = lib.aa_type_of(typed)
    reader = _READERS.get(kind)
    if reader is None:
        raise TypeError(f"a value of Variant type {kind} is not understood here")
    return reader(typed)


def write(value: object, result: Any, kind: int = VariantType.NIL) -> None:
    """Replaces the Variant at `result`; `kind` is the type it must have, NIL for the natural one."""
    result = ffi.cast("aa_variant *", result)
    lib.aa_clear(result)
    _WRITERS[kind or _natural_kind(value)](value, result)


def _natural_kind(value: object) -> int:
    if value is None:
        return VariantType.NIL
    for kind, python_types in _NATURAL:
        if isinstance(value, python_types):
            return kind
    return VariantType.OBJECT


_NATURAL: tuple[tuple[int, type | tuple[type, ...]], ...] = (
    (VariantType.BOOL, (bool, np.bool_)),
    (VariantType.INT, (int, np.integer)),
    (VariantType.FLOAT, (float, np.floating)),
    (VariantType.STRING, str),
    (VariantType.PACKED_FLOAT32_ARRAY, np.ndarray),
    (VariantType.PACKED_BYTE_ARRAY, bytes),
    (VariantType.DICTIONARY, Mapping),
    (VariantType.ARRAY, (list, tuple)),
)


# ---- reading


def _inner(variant: Any, kind: str) -> Any:
    return ffi.cast(kind, lib.aa_inner(variant))


def _read_string(variant: Any) -> str:
    string = lib.aa_inner(variant)
    size = lib.string_to_utf8_chars(string, ffi.NULL, 0)
    buffer = ffi.new("char[]", size + 1)
    lib.string_to_utf8_chars(string, buffer, size)
    text: str = ffi.buffer(buffer, size)[:].decode()
    return text


def _convert(variant: Any, kind: int) -> Any:
    """The same value as another Variant type, by the engine's constructor."""
    result, error = uninitialised_variant(), ffi.new("GDExtensionCallError *")
    lib.variant_construct(kind, result, [variant], 1, error)
    return owned(result)


def _read_floats(variant: Any) -> np.ndarray:
    size = lib.aa_variant_to_floats(variant, ffi.NULL, 0)
    values = np.empty(size, np.float32)
    if size:
        lib.aa_variant_to_floats(variant, ffi.from_buffer("float[]", values), size)
    return values


def call_variant(variant: Any, method: str, *arguments: object) -> Any:
    """Calls a method of a Variant; returns the owned Variant of the answer."""
    held = [new_variant(argument) for argument in arguments]
    result, error = uninitialised_variant(), ffi.new("GDExtensionCallError *")
    lib.variant_call(variant, string_name(method), held, len(held), result, error)
    result = owned(result)
    if error.error:
        raise RuntimeError(
            f"the engine refuses {method}{arguments!r}: call error {error.error}, argument {error.argument}"
        )
    return result


def _size(variant: Any) -> int:
    size: int = to_python(call_variant(variant, "size"))
    return size


def _read_bytes(variant: Any) -> bytes:
    size = _size(variant)
    if not size:
        return b""
    data: bytes = ffi.buffer(lib.packed_byte_array_operator_index(lib.aa_inner(variant), 0), size)[:]
    return data


def _read_array(variant: Any) -> list[Any]:
    array = lib.aa_inner(variant)
    return [to_python(lib.array_operator_index_const(array, index)) for index in range(_size(variant))]


def _read_dictionary(variant: Any) -> dict[Any, Any]:
    return dict(
        zip(to_python(call_variant(variant, "keys")), to_python(call_variant(variant, "values")), strict=True)
    )


def _read_object(variant: Any) -> Any:
    pointer = lib.aa_object_in(variant)
    if pointer == ffi.NULL:
        return None
    instance = lib.aa_instance_of(pointer)
    if instance != ffi.NULL:
        return ffi.from_handle(instance.handle) if instance.handle != ffi.NULL else None
    copy = uninitialised_variant()
    lib.variant_new_copy(copy, variant)
    return EngineObject(owned(copy))


_READERS: dict[int, Callable[[Any], Any]] = {
    VariantType.NIL: lambda _: None,
    VariantType.BOOL: lambda variant: bool(_inner(variant, "uint8_t *")[0]),
    VariantType.INT: lambda variant: int(_inner(variant, "int64_t *")[0]),
    VariantType.FLOAT: lambda variant: float(_inner(variant, "double *")[0]),
    VariantType.STRING: _read_string,
    VariantType.STRING_NAME: lambda variant: _read_string(_convert(variant, VariantType.STRING)),
    VariantType.NODE_PATH: lambda variant: _read_string(_convert(variant, VariantType.STRING)),
    VariantType.VECTOR2: lambda variant: tuple(_inner(variant, "float *")[0:2]),
    VariantType.VECTOR3: lambda variant: tuple(_inner(variant, "float *")[0:3]),
    VariantType.VECTOR4: lambda variant: tuple(_inner(variant, "float *")[0:4]),
    VariantType.PACKED_FLOAT32_ARRAY: _read_floats,
    VariantType.PACKED_BYTE_ARRAY: _read_bytes,
    VariantType.PACKED_STRING_ARRAY: lambda variant: _read_array(_convert(variant, VariantType.ARRAY)),
    VariantType.ARRAY: _read_array,
    VariantType.DICTIONARY: _read_dictionary,
    VariantType.OBJECT: _read_object,
}


# ---- writing


def _write_string(value: Any, result: Any) -> None:
    lib.aa_wrap(VariantType.STRING, result, new_string(value))


def _write_floats(value: Any, result: Any) -> None:
    values = np.ascontiguousarray(value, np.float32).reshape(-1)
    lib.aa_floats_to_variant(ffi.from_buffer("float[]", values), len(values), result)


def _empty(kind: int, result: Any, size: int = 0) -> Any:
    """An empty container of `size` elements at `result`; returns the typed value inside it."""
    lib.variant_construct(kind, result, ffi.NULL, 0, ffi.new("GDExtensionCallError *"))
    if size:
        call_variant(result, "resize", size)
    return lib.aa_inner(result)


def _write_bytes(value: Any, result: Any) -> None:
    array = _empty(VariantType.PACKED_BYTE_ARRAY, result, len(value))
    if value:
        ffi.memmove(lib.packed_byte_array_operator_index(array, 0), value, len(value))


def _write_array(value: Iterable[Any], result: Any) -> None:
    values = list(value)
    array = _empty(VariantType.ARRAY, result, len(values))
    for index, element in enumerate(values):
        write(element, lib.array_operator_index(array, index))


def _write_strings(value: Iterable[str], result: Any) -> None:
    array = new_variant(list(value), VariantType.ARRAY)
    lib.variant_construct(
        VariantType.PACKED_STRING_ARRAY, result, [array], 1, ffi.new("GDExtensionCallError *")
    )


def _write_dictionary(value: Mapping[Any, Any], result: Any) -> None:
    dictionary = _empty(VariantType.DICTIONARY, result)
    for key, element in value.items():
        write(element, lib.dictionary_operator_index(dictionary, new_variant(key)))


def _write_vector(kind: int) -> Callable[[Any, Any], None]:
    return lambda value, result: lib.aa_wrap(
        kind, result, ffi.new("float[]", [float(part) for part in value])
    )


def _write_object(value: Any, result: Any) -> None:
    if value is None:
        return
    if isinstance(value, EngineObject):
        lib.variant_new_copy(result, value.variant)
    elif hasattr(value, "native_pointer"):
        lib.aa_wrap(VariantType.OBJECT, result, ffi.new("void **", value.native_pointer))
    else:
        raise TypeError(f"a value of type {type(value).__name__} has no place in a Variant")


_WRITERS: dict[int, Callable[[Any, Any], None]] = {
    VariantType.NIL: lambda _value, _result: None,
    VariantType.BOOL: lambda value, result: lib.aa_wrap(
        VariantType.BOOL, result, ffi.new("uint8_t *", bool(value))
    ),
    VariantType.INT: lambda value, result: lib.aa_wrap(
        VariantType.INT, result, ffi.new("int64_t *", int(value))
    ),
    VariantType.FLOAT: lambda value, result: lib.aa_wrap(
        VariantType.FLOAT, result, ffi.new("double *", float(value))
    ),
    VariantType.STRING: _write_string,
    VariantType.STRING_NAME: lambda value, result: lib.aa_wrap(
        VariantType.STRING_NAME, result, string_name(value)
    ),
    VariantType.VECTOR2: _write_vector(VariantType.VECTOR2),
    VariantType.VECTOR3: _write_vector(VariantType.VECTOR3),
    VariantType.VECTOR4: _write_vector(VariantType.VECTOR4),
    VariantType.OBJECT: _write_object,
    VariantType.DICTIONARY: _write_dictionary,
    VariantType.ARRAY: _write_array,
    VariantType.PACKED_BYTE_ARRAY: _write_bytes,
    VariantType.PACKED_FLOAT32_ARRAY: _write_floats,
    VariantType.PACKED_STRING_ARRAY: _write_strings,
}
