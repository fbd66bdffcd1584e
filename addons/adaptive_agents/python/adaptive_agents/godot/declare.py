"""How a native class is written down: a Python class whose attributes say what the engine shall see.

    class Counter(NativeObject, base="Node"):
        step = Exported[int](1, hint=Hint.range("1,10"))      # a property, kept here
        total = Exported[int](get=lambda self: self._total)    # a property to read only
        reached = Signal(total=int)

        @method
        def add(self, amount: int) -> int: ...

Types are Python's own or, where the engine is more precise, the names below. outline.py reads these
declarations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_args, overload

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.godot.variant import VariantType, call_variant, new_variant

Floats = Annotated[NDArray[np.float32], VariantType.PACKED_FLOAT32_ARRAY]
Strings = Annotated[list[str], VariantType.PACKED_STRING_ARRAY]
AnyValue = Annotated[Any, VariantType.NIL]

T = TypeVar("T")
N = TypeVar("N", bound="NativeObject")


@dataclass(frozen=True)
class Hint:
    """How the inspector edits a property (the engine's PropertyHint)."""

    kind: int = 0
    text: str = ""

    @classmethod
    def range(cls, text: str) -> Self:
        return cls(1, text)

    @classmethod
    def enum(cls, values: type[IntEnum]) -> Self:
        """A choice; ADAPTATION_OFF is shown as "Off"."""
        return cls(
            2, ",".join(f"{value.name.partition('_')[2].capitalize()}:{int(value)}" for value in values)
        )

    @classmethod
    def directory(cls) -> Self:
        return cls(14, "")

    @classmethod
    def resource(cls, class_name: str) -> Self:
        return cls(17, class_name)


class Usage:
    """What happens to a property (the engine's PropertyUsageFlags)."""

    STORED_AND_EDITED = 2 | 4
    READ_ONLY = 4 | 268435456
    STORED_READ_ONLY = 2 | READ_ONLY
    HIDDEN = 0


class Exported(Generic[T]):
    """A property of the class.

    Without `get` the value is kept in the Python object; with `get` alone it is read only; with `get` and
    `set_` it is kept elsewhere. `native` properties are kept in the C half and read there (aa_instance, in
    native/objects.h).
    `changed` is called with the object after every assignment. An object that is `always` there can be used
    without asking: a release build of the engine crashes where a script calls a method of nothing.
    """

    name: str

    def __init__(
        self,
        default: Any = None,
        *,
        hint: Hint | None = None,
        usage: int | None = None,
        get: Callable[[Any], T] | None = None,
        set_: Callable[[Any, T], None] | None = None,
        native: bool = False,
        writable: bool | None = None,
        changed: Callable[[Any], None] | None = None,
        enum: type[IntEnum] | None = None,
        always: bool = False,
    ) -> None:
        self.default, self.get, self.set = default, get, set_
        self.native, self.changed = native, changed
        self.hint = hint or Hint()
        self.writable = (get is None or set_ is not None) if writable is None else writable
        self.usage = (
            usage if usage is not None else (Usage.STORED_AND_EDITED if self.writable else Usage.READ_ONLY)
        )
        self.enum = enum
        self.always = always

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.slot = f"_{name}"

    @property
    def kind(self) -> Any:
        """The type in the brackets of `Exported[…]`, which typing keeps."""
        return get_args(self.__orig_class__)[0]  # type: ignore[attr-defined]  # set by typing, unknown to it

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: NativeObject, owner: type) -> T: ...
    def __get__(self, instance: NativeObject | None, owner: type) -> Any:
        if instance is None:
            return self
        if self.get is not None:
            return self.get(instance)
        if self.native:
            return getattr(instance.instance, self.name)
        held = instance.__dict__.get(self.slot, self)
        return self.default if held is self else held

    def __set__(self, instance: NativeObject, value: T) -> None:
        if self.set is not None:
            self.set(instance, value)
        else:
            # A RefCounted object lives as long as somebody holds it.
            instance.keep(self.slot, value)
            instance.__dict__[self.slot] = value
        if self.changed is not None:
            self.changed(instance)


class Signal:
    """A signal and its arguments: `Signal(loss_before=float, loss_after=float)`."""

    name: str

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name


@dataclass
class Group:
    """A heading in the inspector for the properties that follow."""

    title: str


@dataclass
class Method:
    """A method's marks; its types come from the annotations of `function`."""

    function: Callable[..., Any]
    is_static: bool = False
    is_const: bool = False
    is_virtual: bool = False
    """A script may define it; the engine's own method of this name is never called."""
    overrides: bool = False
    """The engine calls it (Node._get_configuration_warnings, ResourceFormatLoader._load, …)."""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.function.__name__


F = TypeVar("F", bound=Callable[..., Any])


def _mark(function: F, **marks: bool) -> F:
    function.native_method = Method(function, **marks)  # type: ignore[attr-defined]  # functions carry attributes
    return function


def method(function: F) -> F:
    """A method that scripts can call."""
    return _mark(function)


def static_method(function: F) -> F:
    """A method that scripts call on the class. Write `@staticmethod` above it."""
    return _mark(function, is_static=True)


def script_method(function: F) -> F:
    """A method that a script may define; the body here only documents it."""
    return _mark(function, is_virtual=True)


def engine_method(function: F) -> F:
    """A virtual method of the base class, which the engine calls."""
    return _mark(function, overrides=True)


class NativeObject:
    """Base of all native classes: the Python half of one engine object.

    The engine creates and frees it. `start` takes the place of `__init__`; the engine also makes objects only
    to ask for their default values, so it must be cheap and touch nothing outside.
    """

    base: ClassVar[str] = ""
    notifications: ClassVar[tuple[int, ...]] = ()
    is_reference: ClassVar[bool] = False
    enums: ClassVar[tuple[type[IntEnum], ...]] = ()

    instance: Any
    native_pointer: Any
    handle: Any

    def __init_subclass__(cls, base: str = "", is_reference: bool = False) -> None:
        cls.base, cls.is_reference = base, is_reference

    def start(self) -> None:
        """Called once, when the engine has made the object."""

    def notified(self, what: int) -> None:
        """Called for each of `notifications`."""

    def fail(self, message: str) -> None:
        """Called after an exception in one of this object's callbacks has been reported."""

    def keep(self, slot: str, value: object) -> None:
        """Holds a reference to `value` under a name, as long as it is a RefCounted of ours."""
        references: dict[str, Any] = self.__dict__.setdefault("_references", {})
        references.pop(slot, None)
        if isinstance(value, NativeObject) and value.is_reference:
            references[slot] = new_variant(value, VariantType.OBJECT)

    def emit(self, signal: str, *arguments: object) -> None:
        """Emits one of this class's signals."""
        call_variant(self.variant, "emit_signal", signal, *arguments)

    @property
    def variant(self) -> Any:
        """This object as a Variant."""
        return new_variant(self, VariantType.OBJECT)


class Owner(Generic[N]):
    """A new object, made by Python, and the first reference to it.

    Keep it until the engine or a property holds the object.
    """

    def __init__(self, made: N) -> None:
        self.object = made
        self.native_pointer = made.native_pointer
        self._reference = new_variant(made, VariantType.OBJECT)
