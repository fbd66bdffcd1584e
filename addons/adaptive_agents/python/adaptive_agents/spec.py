"""What an agent observes, what it predicts, and how far ahead: the contract between game, session and brain.

A spec is written into every session and every brain and compared by name, so that an observation whose order
or meaning changed is noticed before a brain is fed the wrong numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import ObservationError, SpecError

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[([0-9]{1,6})\])?")
_FIELDS_SHOWN = 6

TargetKind = Literal["vector", "category"]


def _parse_name_and_size(text: str, what: str) -> tuple[str, int]:
    match = _FIELD.fullmatch(text.strip())
    if match is None:
        raise SpecError(
            f"{what} {text!r} is not written as a name with an optional size: "
            'write for example "player_velocity[2]", or "distance" for a single number'
        )
    return match[1], int(match[2] or 1)


def _check_name_and_size(name: str, size: int, smallest: int, what: str) -> None:
    if _FIELD.fullmatch(name) is None or "[" in name:
        raise SpecError(
            f"{what} {name!r} is not a name: use letters, digits and _, and do not start with a digit"
        )
    if size < smallest:
        raise SpecError(
            f"{what} {name!r} has size {size}, the smallest is {smallest}: write {name}[{smallest}]"
        )


@dataclass(frozen=True)
class Field:
    """One named part of an observation, `size` numbers wide."""

    name: str
    size: int = 1

    def __post_init__(self) -> None:
        _check_name_and_size(self.name, self.size, 1, "observation field")

    @classmethod
    def parse(cls, text: str) -> Field:
        """Reads "player_velocity[2]" or "distance" (one number).

        Raises:
            SpecError: the text is not a name with an optional size.
        """
        return cls(*_parse_name_and_size(text, "observation field"))

    def __str__(self) -> str:
        return self.name if self.size == 1 else f"{self.name}[{self.size}]"


@dataclass(frozen=True)
class Target:
    """What is predicted.

    vector: the change of a measured quantity over the horizon; `size` is the number of its dimensions.
    category: the class that is measured at the horizon; `size` is the number of classes.
    """

    kind: TargetKind
    name: str
    size: int

    def __post_init__(self) -> None:
        if self.kind not in ("vector", "category"):
            raise SpecError(f"target kind {self.kind!r} is not known: use 'vector' or 'category'")
        _check_name_and_size(self.name, self.size, 1 if self.kind == "vector" else 2, f"{self.kind} target")

    @classmethod
    def parse(cls, kind: TargetKind, text: str) -> Target:
        """Reads "player_displacement[2]" (dimensions) or "next_move[3]" (classes).

        Raises:
            SpecError: the text is not a name with a size, or a category has fewer than two classes.
        """
        return cls(kind, *_parse_name_and_size(text, f"{kind} target"))

    def __str__(self) -> str:
        return f"{self.name}[{self.size}]"


@dataclass(frozen=True)
class Spec:
    """Observation fields in their order, the target, and the horizon in ticks at `tick_rate_hz`."""

    observation: tuple[Field, ...]
    target: Target
    horizon_ticks: int
    tick_rate_hz: int = 60

    def __post_init__(self) -> None:
        if not self.observation:
            raise SpecError(
                "the spec has no observation fields: name at least one, for example player_velocity[2]"
            )
        seen: set[str] = set()
        for field in self.observation:
            if field.name in seen:
                raise SpecError(
                    f"observation field {field.name!r} is named twice: each field needs a name of its own"
                )
            seen.add(field.name)
        if self.horizon_ticks < 1:
            raise SpecError(f"horizon is {self.horizon_ticks} ticks: it must be 1 or more")
        if self.tick_rate_hz < 1:
            raise SpecError(f"tick rate is {self.tick_rate_hz} Hz: it must be 1 or more")

    @property
    def observation_size(self) -> int:
        """Number of values in one observation, over all fields."""
        return sum(field.size for field in self.observation)

    @property
    def target_columns(self) -> int:
        """Numbers stored per target: the dimensions of a vector; 1 (the class index) for a category."""
        return self.target.size if self.target.kind == "vector" else 1

    @property
    def horizon_sec(self) -> float:
        """The horizon in seconds."""
        return self.horizon_ticks / self.tick_rate_hz

    def describe_observation(self) -> str:
        """For messages: "14 observations (player_velocity[2], …)"."""
        shown = ", ".join(str(field) for field in self.observation[:_FIELDS_SHOWN])
        more = ", …" if len(self.observation) > _FIELDS_SHOWN else ""
        return f"{self.observation_size} observations ({shown}{more})"

    def to_dict(self) -> dict[str, Any]:
        """The form stored in sessions, brains and profiles: plain strings and numbers."""
        return {
            "observation": [str(field) for field in self.observation],
            "target": {"kind": self.target.kind, "name": self.target.name, "size": self.target.size},
            "horizon_ticks": self.horizon_ticks,
            "tick_rate_hz": self.tick_rate_hz,
        }

    @classmethod
    def from_dict(cls, stored: object, source: str) -> Spec:
        """Reads what `to_dict` gave; `source` (such as "brain 'archer.brain'") is named in errors.

        Raises:
            SpecError: something is missing or of the wrong kind.
        """
        entries = _mapping(stored, source, "the spec")
        observation = entries.get("observation")
        if isinstance(observation, str) or not isinstance(observation, Sequence):
            raise SpecError(
                f"{source}: the spec's observation is {observation!r}, it must be a list of fields"
            )
        target = _mapping(entries.get("target"), source, "the spec's target")
        try:
            return cls(
                observation=tuple(Field.parse(str(field)) for field in observation),
                target=Target(
                    kind=cast("TargetKind", target.get("kind")),
                    name=str(target.get("name")),
                    size=_integer(target.get("size"), "target size"),
                ),
                horizon_ticks=_integer(entries.get("horizon_ticks"), "horizon_ticks"),
                tick_rate_hz=_integer(entries.get("tick_rate_hz"), "tick_rate_hz"),
            )
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from None

    def check_fits(self, other: Spec, mine: str = "this spec", theirs: str = "the other") -> None:
        """Compares two specs by field name, size and order, target, horizon and tick rate.

        Args:
            other: the spec that should be equal to this one.
            mine: whose spec this is, for the message: "brain 'archer.brain'".
            theirs: whose the other one is: "agent Archer3".

        Raises:
            SpecError: names the first difference, both values, and what to do.
        """
        for index, (own, given) in enumerate(zip(self.observation, other.observation, strict=False)):
            if own != given:
                raise SpecError(
                    f"{mine} expects {own} as observation field {index + 1}, {theirs} has {given}: "
                    "give the fields in the same order and size, or retrain with sessions of the new spec"
                )
        if len(self.observation) != len(other.observation):
            raise SpecError(
                f"{mine} expects {self.describe_observation()}, {theirs} has {other.describe_observation()}: "
                "add or remove the last fields, or retrain with sessions of the new spec"
            )
        differences = (
            ("target", f"{self.target.kind} {self.target}", f"{other.target.kind} {other.target}"),
            ("horizon", f"{self.horizon_ticks} ticks", f"{other.horizon_ticks} ticks"),
            ("tick rate", f"{self.tick_rate_hz} Hz", f"{other.tick_rate_hz} Hz"),
        )
        for what, own_value, other_value in differences:
            if own_value != other_value:
                raise SpecError(
                    f"{mine} has the {what} {own_value}, {theirs} has {other_value}: "
                    "make them equal, or retrain with sessions of the new spec"
                )

    def check_observation(self, values: NDArray[np.float32], mine: str, theirs: str) -> None:
        """Checks one observation `(obs_dim,)`: its size, and that every value is finite.

        Raises:
            ObservationError: says both sizes, or names the field that is not finite.
        """
        if values.shape != (self.observation_size,):
            gave = str(values.shape[0]) if values.ndim == 1 else f"shape {values.shape}"
            raise ObservationError(f"{mine} expects {self.describe_observation()}, {theirs} gave {gave}")
        if not np.isfinite(values).all():
            index = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ObservationError(
                f"{theirs} gave {values[index]} for {self.name_of_column(index)} "
                f"(observation {index + 1} of {self.observation_size}), {mine} needs finite numbers: "
                "look for a division by zero or an unset value"
            )

    def check_target(self, values: NDArray[np.float32], theirs: str) -> None:
        """Checks one target `(target_columns,)`: its size, finite, and for a category a class that exists.

        Raises:
            ObservationError: names the target, what it allows, and what was given.
        """
        if values.shape != (self.target_columns,):
            raise ObservationError(
                f"target {self.target} needs shape ({self.target_columns},), {theirs} gave {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ObservationError(
                f"{theirs} gave {values.tolist()} for target {self.target}: it must be finite"
            )
        self.check_classes(values, theirs)

    def check_classes(self, targets: NDArray[np.float32], theirs: str) -> None:
        """Checks that targets of any shape are classes that exist; vector targets always pass.

        Raises:
            ObservationError: names the target, what it allows, and what was given.
        """
        if self.target.kind == "category":
            wrong = ~((targets >= 0) & (targets < self.target.size) & (targets == np.floor(targets)))
            if wrong.any():
                raise ObservationError(
                    f"{theirs} gave class {targets[wrong].flat[0]:g} for target {self.target}: "
                    f"use a whole number from 0 to {self.target.size - 1}"
                )

    def name_of_column(self, column: int) -> str:
        """The field that a column of an observation belongs to: "player_velocity, value 2 of 2"."""
        for field in self.observation:
            if column < field.size:
                return field.name if field.size == 1 else f"{field.name}, value {column + 1} of {field.size}"
            column -= field.size
        raise IndexError(f"an observation has {self.observation_size} columns")


def _mapping(stored: object, source: str, what: str) -> Mapping[str, object]:
    if not isinstance(stored, Mapping):
        raise SpecError(f"{source}: {what} is missing or is not a table of names and values")
    return stored


def _integer(stored: object, what: str) -> int:
    if isinstance(stored, bool) or not isinstance(stored, int):
        raise SpecError(f"{what} is {stored!r}, it must be a whole number")
    return stored
