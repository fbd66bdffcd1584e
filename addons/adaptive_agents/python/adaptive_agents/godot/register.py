"""From a class written with declare.py to the engine's ClassDB.

What the engine keeps a pointer to (aa_class, aa_method, names) is held in `_kept` for the life of the
process; what it only reads during the call may go.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from adaptive_agents.godot.declare import Exported, Group, Method, N, NativeObject, Owner, Signal
from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.variant import VariantType, new_string, string_name, to_python, write

VIRTUAL_FLAG, STATIC_FLAG, CONST_FLAG, NORMAL_FLAG = 8, 32, 4, 1
GROUP_USAGE = 64

classes: list[type[NativeObject]] = []
"""Every registered class, by aa_class.index."""
methods: list[Callable[[Any, Any, Any], None]] = []
"""Every callable, by aa_method.index: called with (instance, arguments, result)."""
method_names: list[str] = []
"""`Class.method` of each, for messages."""

alive: set[NativeObject] = set()
"""The Python half of every object that the engine has not freed yet."""

_kept: list[Any] = []
_descriptions: dict[type[NativeObject], Any] = {}

_PYTHON_TYPES: dict[Any, VariantType] = {
    bool: VariantType.BOOL,
    int: VariantType.INT,
    float: VariantType.FLOAT,
    str: VariantType.STRING,
    dict: VariantType.DICTIONARY,
    list: VariantType.ARRAY,
    bytes: VariantType.PACKED_BYTE_ARRAY,
    object: VariantType.OBJECT,
}


def type_of(annotation: Any) -> tuple[VariantType, str]:
    """The Variant type of a Python annotation and, for an object, the engine's name of its class."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[1], ""
    arguments = [part for part in get_args(annotation) if part is not type(None)]
    if len(arguments) == 1 and type(None) in get_args(annotation):
        return type_of(arguments[0])
    if get_origin(annotation) is Owner:
        return type_of(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, NativeObject):
        return VariantType.OBJECT, annotation.__name__
    return _PYTHON_TYPES[get_origin(annotation) or annotation], ""


class _Infos:
    """An array of GDExtensionPropertyInfo with the strings that it points to."""

    def __init__(self, entries: list[tuple[str, VariantType, str, int, str, int]]) -> None:
        self.array = ffi.new("GDExtensionPropertyInfo[]", max(1, len(entries)))
        self.strings = []
        for info, (name, kind, class_name, hint, hint_text, usage) in zip(self.array, entries, strict=False):
            text = new_string(hint_text)
            self.strings.append(text)
            info.type, info.hint, info.usage = int(kind), hint, usage
            info.name, info.class_name, info.hint_string = string_name(name), string_name(class_name), text


DEFAULT_USAGE = 6
ANY_USAGE = 6 | 131072  # PROPERTY_USAGE_NIL_IS_VARIANT
ENUM_USAGE = 65536


def _info(name: str, annotation: Any) -> tuple[str, VariantType, str, int, str, int]:
    kind, class_name = type_of(annotation)
    hint = (17, class_name) if kind == VariantType.OBJECT and class_name else (0, "")
    return (name, kind, class_name, *hint, ANY_USAGE if kind == VariantType.NIL else DEFAULT_USAGE)


def register_class(of: type[NativeObject]) -> None:
    """Makes `of` a class of the engine, with everything it declares."""
    described = ffi.new("aa_class *", {"index": len(classes)})
    classes.append(of)
    _descriptions[of] = described
    described.notifications = sum(1 << what for what in of.notifications)
    marks: list[Method] = [
        item.native_method for item in map(_function, vars(of).values()) if hasattr(item, "native_method")
    ]
    for mark in marks:
        if mark.overrides:
            _add_virtual(of, described, mark)
    info = ffi.new("GDExtensionClassCreationInfo4 *")
    lib.aa_fill_class(info, described)
    info.is_exposed = of.is_exposed
    lib.classdb_register_extension_class4(
        lib.aa_library, string_name(of.__name__), string_name(of.base), info
    )
    for values in of.enums:
        for value in values:
            lib.classdb_register_extension_class_integer_constant(
                lib.aa_library, string_name(of.__name__), string_name(values.__name__),
                string_name(value.name), int(value), 0
            )  # fmt: skip
    for mark in marks:
        if mark.is_virtual:
            _add_script_method(of, mark)
        elif not mark.overrides:
            _add_method(of, mark)
    for item in vars(of).values():
        if isinstance(item, Group):
            title, prefix = new_string(item.title), new_string("")
            lib.classdb_register_extension_class_property_group(
                lib.aa_library, string_name(of.__name__), title, prefix
            )
        elif isinstance(item, Exported):
            _add_property(of, item)
        elif isinstance(item, Signal):
            infos = _Infos([_info(name, kind) for name, kind in item.arguments.items()])
            lib.classdb_register_extension_class_signal(
                lib.aa_library,
                string_name(of.__name__),
                string_name(item.name),
                infos.array,
                len(item.arguments),
            )


def unregister_classes() -> None:
    """Takes every class out of the engine again, the last one first."""
    for of in reversed(classes):
        lib.classdb_unregister_extension_class(lib.aa_library, string_name(of.__name__))


def _function(item: Any) -> Any:
    return item.__func__ if isinstance(item, staticmethod) else item


def _signature(function: Callable[..., Any]) -> tuple[dict[str, Any], Any]:
    """The annotations of the arguments but `self`, and of the return value."""
    hints = get_type_hints(function, include_extras=True)
    result = hints.pop("return", None)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    return {name: hints[name] for name in names}, None if result is type(None) else result


def _new_method(
    name: str,
    invoke: Callable[[Any, Any, Any], None],
    arguments: list[VariantType],
    result: Any,
    is_static: bool = False,
) -> Any:
    """An aa_method that the engine may keep."""
    method = ffi.new(
        "aa_method *", {"index": len(methods), "argument_count": len(arguments), "is_static": is_static}
    )
    method.argument_types[0 : len(arguments)] = [int(kind) for kind in arguments]
    if result is not None:
        kind, class_name = type_of(result)
        method.returns_value, method.return_type = 1, int(kind)
        method.returns_reference = bool(class_name) and _is_reference(result)
    methods.append(invoke)
    method_names.append(name)
    _kept.append(method)
    return method


def _is_reference(annotation: Any) -> bool:
    parts = [annotation, *get_args(annotation)]
    return any(
        isinstance(part, type) and issubclass(part, NativeObject) and part.is_reference for part in parts
    )


def _invoker(
    function: Callable[..., Any], count: int, result: Any, is_static: bool
) -> Callable[[Any, Any, Any], None]:
    kind = type_of(result)[0] if result is not None else None

    def invoke(instance: Any, arguments: Any, returned: Any) -> None:
        values = [to_python(arguments[index]) for index in range(count)]
        value = function(*values) if is_static else function(ffi.from_handle(instance.handle), *values)
        if kind is not None:
            write(value, returned, kind)

    return invoke


def _add_method(of: type[NativeObject], mark: Method) -> None:
    arguments, result = _signature(mark.function)
    invoke = _invoker(mark.function, len(arguments), result, mark.is_static)
    kinds = [type_of(kind)[0] for kind in arguments.values()]
    method = _new_method(f"{of.__name__}.{mark.name}", invoke, kinds, result, mark.is_static)
    flags = NORMAL_FLAG | (STATIC_FLAG if mark.is_static else 0)
    _register_method(of, mark.name, arguments, result, flags, lambda info: lib.aa_fill_method(info, method))


def _register_method(
    of: type[NativeObject],
    name: str,
    arguments: dict[str, Any],
    result: Any,
    flags: int,
    fill: Callable[[Any], Any],
) -> None:
    infos = _Infos([_info(*item) for item in arguments.items()])
    returned = _Infos([_info("", result)] if result is not None else [])
    metadata = ffi.new("GDExtensionClassMethodArgumentMetadata[]", max(1, len(arguments)))
    info = ffi.new("GDExtensionClassMethodInfo *")
    info.name, info.method_flags = string_name(name), flags
    info.has_return_value, info.return_value_info = result is not None, returned.array
    info.argument_count, info.arguments_info, info.arguments_metadata = len(arguments), infos.array, metadata
    fill(info)
    lib.classdb_register_extension_class_method(lib.aa_library, string_name(of.__name__), info)


def _add_script_method(of: type[NativeObject], mark: Method) -> None:
    arguments, result = _signature(mark.function)
    infos = _Infos([_info(*item) for item in arguments.items()])
    returned = _Infos([_info("", result)] if result is not None else [])
    metadata = ffi.new("GDExtensionClassMethodArgumentMetadata[]", max(1, len(arguments)))
    info = ffi.new("GDExtensionClassVirtualMethodInfo *")
    info.name, info.method_flags = string_name(mark.name), VIRTUAL_FLAG
    info.return_value = returned.array[0]
    info.argument_count, info.arguments, info.arguments_metadata = len(arguments), infos.array, metadata
    lib.classdb_register_extension_class_virtual_method(lib.aa_library, string_name(of.__name__), info)


def _add_virtual(of: type[NativeObject], described: Any, mark: Method) -> None:
    arguments, result = _signature(mark.function)
    invoke = _invoker(mark.function, len(arguments), result, False)
    kinds = [type_of(kind)[0] for kind in arguments.values()]
    place = described.virtual_count
    described.virtual_names[place] = string_name(mark.name)
    described.virtuals[place] = _new_method(f"{of.__name__}.{mark.name}", invoke, kinds, result)
    described.virtual_count = place + 1


def _add_property(of: type[NativeObject], item: Exported[Any]) -> None:
    kind, class_name = type_of(item.kind)
    getter, setter = f"get_{item.name}", f"set_{item.name}" if item.writable else ""
    if kind == VariantType.BOOL:
        getter = f"is_{item.name}"

    def read(instance: Any, _arguments: Any, returned: Any) -> None:
        write(item.__get__(ffi.from_handle(instance.handle), of), returned, kind)

    def assign(instance: Any, arguments: Any, _returned: Any) -> None:
        item.__set__(ffi.from_handle(instance.handle), to_python(arguments[0]))

    def fill(
        field: str, invoke: Callable[[Any, Any, Any], None], kinds: list[VariantType], result: Any
    ) -> Callable[[Any], Any]:
        if item.native:
            return lambda info: lib.aa_fill_native_getter(info, field.encode())
        method = _new_method(f"{of.__name__}.{item.name}", invoke, kinds, result)
        return lambda info: lib.aa_fill_method(info, method)

    _register_method(
        of, getter, {}, item.kind, NORMAL_FLAG | CONST_FLAG, fill(item.name, read, [], item.kind)
    )
    if item.writable:
        _register_method(
            of, setter, {item.name: item.kind}, None, NORMAL_FLAG, fill(f"{item.name}=", assign, [kind], None)
        )
    hint = (item.hint.kind, item.hint.text) if item.hint.kind else _info(item.name, item.kind)[3:5]
    usage = item.usage
    if item.enum is not None:
        class_name, usage = f"{of.__name__}.{item.enum.__name__}", usage | ENUM_USAGE
    infos = _Infos([(item.name, kind, class_name, *hint, usage)])
    lib.classdb_register_extension_class_property(
        lib.aa_library, string_name(of.__name__), infos.array, string_name(setter), string_name(getter)
    )  # fmt: skip


def create(of: type[N]) -> N:
    """A new object of the class, the engine's half and the Python half."""
    name = string_name(of.__name__)
    pointer = lib.classdb_construct_object2(string_name(of.base))
    instance = lib.aa_new_instance(_descriptions[of], pointer, name, not of.is_reference)
    made = of()
    made.instance, made.native_pointer = instance, pointer
    made.handle = ffi.new_handle(made)
    instance.handle = made.handle
    alive.add(made)
    made.start()
    return made


def new(of: type[N]) -> Owner[N]:
    """A new object of one of our classes, for Python's own use or to return to the engine."""
    return Owner(create(of))
