"""What a class written with declare.py looks like to the engine: its members by name and Variant type.

native/class_table.py writes outlines down as the C tables from which the library registers the classes;
register.py answers what is called then. Both count what can be called in the order of `entry_points`.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from adaptive_agents.godot.declare import Exported, Group, Method, NativeObject, Owner, Signal
from adaptive_agents.godot.variant import VariantType

NORMAL_FLAG, CONST_FLAG, VIRTUAL_FLAG, STATIC_FLAG = 1, 4, 8, 32
ENGINE_METHOD_FLAG = 1 << 20  # ours (native/classes.h): the engine calls it, scripts do not
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


@dataclass(frozen=True)
class MethodOutline:
    """A method with its types."""

    name: str
    mark: Method
    arguments: tuple[Info, ...]
    returned: Info | None

    @property
    def flags(self) -> int:
        """The engine's MethodFlags, and our own."""
        if self.mark.overrides:
            return ENGINE_METHOD_FLAG
        if self.mark.is_virtual:
            return VIRTUAL_FLAG
        return NORMAL_FLAG | (STATIC_FLAG if self.mark.is_static else 0)


@dataclass(frozen=True)
class PropertyOutline:
    """A property with the names of its getter and setter; an empty setter means read only."""

    info: Info
    value: Info
    """What the getter returns and the setter takes."""
    getter: str
    setter: str
    declared: Exported[Any]


@dataclass(frozen=True)
class EntryPoint:
    """Something that the engine may call in Python."""

    name: str
    """`Class.method`, for messages."""
    of: type[NativeObject]
    outline: MethodOutline | PropertyOutline
    is_setter: bool = False


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
        return Info(name, VariantType.OBJECT, called, RESOURCE_HINT, called)
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
            )
            getter = f"{'is' if plain.kind == VariantType.BOOL else 'get'}_{item.name}"
            setter = f"set_{item.name}" if item.writable else ""
            outlines.append(PropertyOutline(info, plain, getter, setter, item))
    return outlines


def signals_of(of: type[NativeObject]) -> dict[str, tuple[Info, ...]]:
    """The signals that a class declares, with their arguments."""
    return {
        item.name: tuple(info_of(name, kind) for name, kind in item.arguments.items())
        for item in vars(of).values()
        if isinstance(item, Signal)
    }


def entry_points(classes: Iterable[type[NativeObject]]) -> list[EntryPoint]:
    """Everything that the engine may call in Python; a place in this list is what C calls its index."""
    points = []
    for of in classes:
        points += [
            EntryPoint(f"{of.__name__}.{method.name}", of, method)
            for method in methods_of(of)
            if not method.mark.is_virtual
        ]
        for item in properties_of(of):
            if isinstance(item, PropertyOutline) and not item.declared.native:
                points.append(EntryPoint(f"{of.__name__}.{item.getter}", of, item))
                if item.setter:
                    points.append(EntryPoint(f"{of.__name__}.{item.setter}", of, item, is_setter=True))
    return points


def digest(classes: Iterable[type[NativeObject]]) -> str:
    """Changes with the declarations: the library and the package must have been made from the same."""
    told = [
        (point.name, point.outline.arguments, point.outline.returned)
        if isinstance(point.outline, MethodOutline)
        else (point.name, point.outline.value)
        for point in entry_points(classes)
    ]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _signature(function: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """The annotations of the arguments but `self`, and of the return value."""
    hints = get_type_hints(function, include_extras=True)
    result = hints.pop("return", None)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return {name: hints[name] for name in names}, None if result is type(None) else result
