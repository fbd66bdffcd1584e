"""What the engine calls, as Python callables, and the Python halves of its objects.

The library has registered the classes (native/classes.c, from the same declarations). A call comes in with
the place of what is called in `entry_points`; an object has a Python half from its creation on (`attach`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adaptive_agents.godot.declare import N, NativeObject, Owner
from adaptive_agents.godot.native import ffi, lib
from adaptive_agents.godot.outline import EntryPoint, MethodOutline, digest, entry_points
from adaptive_agents.godot.variant import string_name, to_python, write

Invoke = Callable[[Any, Any, Any], None]
"""Called with an aa_instance, the arguments as Variants, and the Variant for the result."""

classes: list[type[NativeObject]] = []
"""Every class, by its place in the library's table."""
methods: list[Invoke] = []
"""Every callable, by its index there."""
method_names: list[str] = []
"""`Class.method` of each, for messages."""
alive: set[NativeObject] = set()
"""The Python half of every object that the engine has not freed yet."""


def take_classes(listed: Sequence[type[NativeObject]], built_with: str) -> None:
    """Makes the classes callable.

    Raises:
        RuntimeError: the library was built from other declarations.
    """
    found = digest(listed)
    if found != built_with:
        raise RuntimeError(
            f"the native library was built from other class declarations ({built_with}) than the Python "
            f"package has ({found}): the two are of different versions"
        )
    classes.extend(listed)
    for point in entry_points(listed):
        methods.append(_invoke(point))
        method_names.append(point.name)


def _invoke(point: EntryPoint) -> Invoke:
    if isinstance(point.outline, MethodOutline):
        return _invoke_method(point.outline)
    declared, kind, of = point.outline.declared, point.outline.info.kind, point.of

    def read(instance: Any, _arguments: Any, result: Any) -> None:
        write(declared.__get__(ffi.from_handle(instance.handle), of), result, kind)

    def assign(instance: Any, arguments: Any, _result: Any) -> None:
        declared.__set__(ffi.from_handle(instance.handle), to_python(arguments[0]))

    return assign if point.is_setter else read


def _invoke_method(outline: MethodOutline) -> Invoke:
    function, is_static = outline.mark.function, outline.mark.is_static
    count = len(outline.arguments)
    kind = outline.returned.kind if outline.returned is not None else None

    def invoke(instance: Any, arguments: Any, result: Any) -> None:
        values = [to_python(arguments[index]) for index in range(count)]
        value = function(*values) if is_static else function(ffi.from_handle(instance.handle), *values)
        if kind is not None:
            write(value, result, kind)

    return invoke


def attach(instance: Any) -> NativeObject:
    """Makes the Python half of an object."""
    made: NativeObject = classes[instance.class_index]()
    made.instance, made.native_pointer = instance, instance.object
    made.handle = ffi.new_handle(made)
    instance.handle = made.handle
    alive.add(made)
    made.start()
    return made


def new(of: type[N]) -> Owner[N]:
    """A new object of one of our classes, for Python's own use or to return to the engine."""
    pointer = lib.classdb_construct_object2(string_name(of.__name__))
    made: N = ffi.from_handle(lib.aa_instance_of(pointer).handle)
    return Owner(made)
