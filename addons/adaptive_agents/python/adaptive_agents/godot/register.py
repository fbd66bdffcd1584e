"""From a class written with declare.py to the engine's ClassDB.

What the engine keeps a pointer to (aa_class, aa_method, names) is held here for the life of the process; what
it only reads during the call may go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adaptive_agents.godot.declare import Group, N, NativeObject, Owner
from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.outline import (
    CONST_FLAG,
    NORMAL_FLAG,
    Info,
    MethodOutline,
    PropertyOutline,
    info_of,
    methods_of,
    properties_of,
    signals_of,
)
from adaptive_agents.godot.variant import new_string, string_name, to_python, write

Invoke = Callable[[Any, Any, Any], None]
"""Called with an aa_instance, the arguments as Variants, and the Variant for the result."""

classes: list[type[NativeObject]] = []
"""Every registered class, by aa_class.index."""
methods: list[Invoke] = []
"""Every callable, by aa_method.index."""
method_names: list[str] = []
"""`Class.method` of each, for messages."""
alive: set[NativeObject] = set()
"""The Python half of every object that the engine has not freed yet."""

_kept: list[Any] = []
_descriptions: dict[type[NativeObject], Any] = {}


class _Infos:
    """An array of GDExtensionPropertyInfo with the strings that it points to."""

    def __init__(self, entries: Sequence[Info]) -> None:
        self.array = ffi.new("GDExtensionPropertyInfo[]", max(1, len(entries)))
        self._strings = [new_string(entry.hint_text) for entry in entries]
        for info, entry, hint_text in zip(self.array, entries, self._strings, strict=False):
            info.type, info.hint, info.usage = int(entry.kind), entry.hint, entry.usage
            info.name, info.class_name = string_name(entry.name), string_name(entry.class_name)
            info.hint_string = hint_text


def register_class(of: type[NativeObject]) -> None:
    """Makes `of` a class of the engine, with everything it declares."""
    described = ffi.new("aa_class *", {"index": len(classes)})
    classes.append(of)
    _descriptions[of] = described
    described.notifications = sum(1 << what for what in of.notifications)
    outlines = methods_of(of)
    for outline in outlines:
        if outline.mark.overrides:
            _add_virtual(of, described, outline)
    name = string_name(of.__name__)
    info = ffi.new("GDExtensionClassCreationInfo4 *")
    lib.aa_fill_class(info, described)
    info.is_exposed = of.is_exposed
    lib.classdb_register_extension_class4(lib.aa_library, name, string_name(of.base), info)
    for values in of.enums:
        for value in values:
            lib.classdb_register_extension_class_integer_constant(
                lib.aa_library, name, string_name(values.__name__), string_name(value.name), int(value), 0
            )
    for outline in outlines:
        if outline.mark.is_virtual:
            _add_script_method(name, outline)
        elif not outline.mark.overrides:
            _add_method(of, outline)
    for item in properties_of(of):
        if isinstance(item, Group):
            title, prefix = new_string(item.title), new_string("")
            lib.classdb_register_extension_class_property_group(lib.aa_library, name, title, prefix)
        else:
            _add_property(of, item)
    for signal, arguments in signals_of(of).items():
        infos = _Infos(arguments)
        lib.classdb_register_extension_class_signal(
            lib.aa_library, name, string_name(signal), infos.array, len(arguments)
        )


def unregister_classes() -> None:
    """Takes every class out of the engine again, the last one first."""
    for of in reversed(classes):
        lib.classdb_unregister_extension_class(lib.aa_library, string_name(of.__name__))


def _new_method(
    name: str, invoke: Invoke, arguments: Sequence[Info], returned: Info | None, *, is_static: bool = False
) -> Any:
    """An aa_method that the engine may keep."""
    method = ffi.new("aa_method *", {"index": len(methods), "argument_count": len(arguments)})
    method.argument_types[0 : len(arguments)] = [int(info.kind) for info in arguments]
    method.is_static = is_static
    if returned is not None:
        method.returns_value, method.return_type = 1, int(returned.kind)
        method.returns_reference = returned.is_reference
    methods.append(invoke)
    method_names.append(name)
    _kept.append(method)
    return method


def _method_of(of: type[NativeObject], outline: MethodOutline) -> Any:
    """An aa_method that calls the Python method of an outline."""
    function, is_static = outline.mark.function, outline.mark.is_static
    count = len(outline.arguments)
    kind = outline.returned.kind if outline.returned is not None else None

    def invoke(instance: Any, arguments: Any, result: Any) -> None:
        values = [to_python(arguments[index]) for index in range(count)]
        value = function(*values) if is_static else function(ffi.from_handle(instance.handle), *values)
        if kind is not None:
            write(value, result, kind)

    name = f"{of.__name__}.{outline.name}"
    return _new_method(name, invoke, outline.arguments, outline.returned, is_static=is_static)


def _add_method(of: type[NativeObject], outline: MethodOutline) -> None:
    method = _method_of(of, outline)
    _register_method(
        of,
        outline.name,
        outline.arguments,
        outline.returned,
        outline.flags,
        lambda info: lib.aa_fill_method(info, method),
    )


def _register_method(
    of: type[NativeObject],
    name: str,
    arguments: Sequence[Info],
    returned: Info | None,
    flags: int,
    fill: Callable[[Any], Any],
) -> None:
    argument_infos, return_infos = _Infos(arguments), _Infos([returned] if returned is not None else [])
    metadata = ffi.new("GDExtensionClassMethodArgumentMetadata[]", max(1, len(arguments)))
    info = ffi.new("GDExtensionClassMethodInfo *")
    info.name, info.method_flags = string_name(name), flags
    info.has_return_value, info.return_value_info = returned is not None, return_infos.array
    info.argument_count, info.arguments_info = len(arguments), argument_infos.array
    info.arguments_metadata = metadata
    fill(info)
    lib.classdb_register_extension_class_method(lib.aa_library, string_name(of.__name__), info)


def _add_script_method(class_name: Any, outline: MethodOutline) -> None:
    infos = _Infos(outline.arguments)
    returned = _Infos([outline.returned] if outline.returned is not None else [])
    metadata = ffi.new("GDExtensionClassMethodArgumentMetadata[]", max(1, len(outline.arguments)))
    info = ffi.new("GDExtensionClassVirtualMethodInfo *")
    info.name, info.method_flags = string_name(outline.name), outline.flags
    info.return_value = returned.array[0]
    info.argument_count, info.arguments = len(outline.arguments), infos.array
    info.arguments_metadata = metadata
    lib.classdb_register_extension_class_virtual_method(lib.aa_library, class_name, info)


def _add_virtual(of: type[NativeObject], described: Any, outline: MethodOutline) -> None:
    place = described.virtual_count
    described.virtual_names[place] = string_name(outline.name)
    described.virtuals[place] = _method_of(of, outline)
    described.virtual_count = place + 1


def _add_property(of: type[NativeObject], outline: PropertyOutline) -> None:
    declared, info = outline.declared, outline.info
    value = info_of(info.name, declared.kind)

    def read(instance: Any, _arguments: Any, result: Any) -> None:
        write(declared.__get__(ffi.from_handle(instance.handle), of), result, info.kind)

    def assign(instance: Any, arguments: Any, _result: Any) -> None:
        declared.__set__(ffi.from_handle(instance.handle), to_python(arguments[0]))

    def fill(
        field: str, invoke: Invoke, arguments: Sequence[Info], returned: Info | None
    ) -> Callable[[Any], Any]:
        if declared.native:
            return lambda method_info: lib.aa_fill_native_getter(method_info, field.encode())
        method = _new_method(f"{of.__name__}.{info.name}", invoke, arguments, returned)
        return lambda method_info: lib.aa_fill_method(method_info, method)

    getter = fill(info.name, read, (), value)
    _register_method(of, outline.getter, (), value, NORMAL_FLAG | CONST_FLAG, getter)
    if outline.setter:
        setter = fill(f"{info.name}=", assign, (value,), None)
        _register_method(of, outline.setter, (value,), None, NORMAL_FLAG, setter)
    names = string_name(of.__name__), string_name(outline.setter), string_name(outline.getter)
    infos = _Infos([info])
    lib.classdb_register_extension_class_property(lib.aa_library, names[0], infos.array, *names[1:])


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
