"""What a class written with declare.py looks like to the engine: its members by name and Variant type.

register.py turns outlines into ClassDB entries; native/idle_classes.py writes them down as C tables.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from adaptive_agents.godot.declare import Exported, Group, Method, NativeObject, Owner, Signal
from adaptive_agents.godot.variant import VariantType

NORMAL_FLAG, CONST_FLAG, VIRTUAL_FLAG, STATIC_FLAG = 1, 4, 8, 32
RESOURCE_HINT = 17
STORED_AND_EDITED = 6
ENUM_USAGE = 1 << 16
ANY_TYPE_USAGE = 1 << 17

_PYTHON_TYPES: dict[Any, VariantType] = {
    bool: VariantType.BOOL,
    int: VariantType.INT,
    float: VariantType.FLOAT,
    str: VariantType.STRING,
    dict: VariantType.DICTIONARY,
    list: VariantType.ARRAY,
    bytes: VariantType.PACKED_BYTE_ARRAY,
}


@dataclass(frozen=True)
class Info:
    """A value with a name: an argument, a return value, a property (the engine's PropertyInfo)."""

    name: str
    kind: VariantType
    class_name: str = ""
    hint: int = 0
    hint_text: str = ""
    usage: int = STORED_AND_EDITED
    is_reference: bool = False
    """Whether it is a RefCounted of ours."""


@dataclass(frozen=True)
class MethodOutline:
    """A method with its types."""

    name: str
    mark: Method
    arguments: tuple[Info, ...]
    returned: Info | None

    @property
    def flags(self) -> int:
        """The engine's MethodFlags."""
        if self.mark.is_virtual:
            return VIRTUAL_FLAG
        return NORMAL_FLAG | (STATIC_FLAG if self.mark.is_static else 0)


@dataclass(frozen=True)
class PropertyOutline:
    """A property with the names of its getter and setter; an empty setter means read only."""

    info: Info
    getter: str
    setter: str
    declared: Exported[Any]


def info_of(name: str, annotation: Any) -> Info:
    """The Variant type of a Python annotation and, for an object, the engine's name of its class."""
    if get_origin(annotation) is Annotated:
        kind = get_args(annotation)[1]
        usage = STORED_AND_EDITED | (ANY_TYPE_USAGE if kind == VariantType.NIL else 0)
        return Info(name, kind, usage=usage)
    arguments = [part for part in get_args(annotation) if part is not type(None)]
    is_optional = len(arguments) == 1 and type(None) in get_args(annotation)
    if is_optional or get_origin(annotation) is Owner:
        return info_of(name, arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, NativeObject):
        called = annotation.__name__
        return Info(
            name, VariantType.OBJECT, called, RESOURCE_HINT, called, is_reference=annotation.is_reference
        )
    return Info(name, _PYTHON_TYPES[get_origin(annotation) or annotation])


def methods_of(of: type[NativeObject]) -> list[MethodOutline]:
    """The methods that a class declares, in their order."""
    outlines = []
    for item in vars(of).values():
        mark = getattr(item.__func__ if isinstance(item, staticmethod) else item, "native_method", None)
        if isinstance(mark, Method):
            arguments, result = _signature(mark.function)
            infos = tuple(info_of(name, kind) for name, kind in arguments.items())
            returned = None if result is None else info_of("", result)
            outlines.append(MethodOutline(mark.name, mark, infos, returned))
    return outlines


def properties_of(of: type[NativeObject]) -> list[PropertyOutline | Group]:
    """The properties that a class declares, and the headings between them."""
    outlines: list[PropertyOutline | Group] = []
    for item in vars(of).values():
        if isinstance(item, Group):
            outlines.append(item)
        elif isinstance(item, Exported):
            plain = info_of(item.name, item.kind)
            hint = item.hint if item.hint.kind else None
            info = Info(
                item.name,
                plain.kind,
                f"{of.__name__}.{item.enum.__name__}" if item.enum else plain.class_name,
                hint.kind if hint else plain.hint,
                hint.text if hint else plain.hint_text,
                item.usage | (ENUM_USAGE if item.enum else 0),
                plain.is_reference,
            )
            getter = f"{'is' if plain.kind == VariantType.BOOL else 'get'}_{item.name}"
            outlines.append(PropertyOutline(info, getter, f"set_{item.name}" if item.writable else "", item))
    return outlines


def signals_of(of: type[NativeObject]) -> dict[str, tuple[Info, ...]]:
    """The signals that a class declares, with their arguments."""
    return {
        item.name: tuple(info_of(name, kind) for name, kind in item.arguments.items())
        for item in vars(of).values()
        if isinstance(item, Signal)
    }


def _signature(function: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """The annotations of the arguments but `self`, and of the return value."""
    hints = get_type_hints(function, include_extras=True)
    result = hints.pop("return", None)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return {name: hints[name] for name in names}, None if result is type(None) else result
