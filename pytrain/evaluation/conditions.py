"""Moments of play by what was observed then: `agent_reload_sec<=0.1` are those at which an archer can shoot.

A mean over all moments hides how a prediction does when it matters. A condition compares one observed number
with a value; several are measured beside each other.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaptive_agents.spec import Spec
from pytrain.errors import PytrainError

ALL = "all"
"""The name of all moments, beside those of conditions."""

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(
    r"\s*(?P<field>[^\s\[\]<>=]+)(?:\[(?P<index>\d+)\])?\s*(?P<how><=|>=|==|<|>)\s*(?P<value>\S+)\s*"
)


@dataclass(frozen=True)
class Condition:
    """A comparison of one observed number with a value."""

    text: str
    column: int
    compare: Callable[[Any, Any], Any]
    value: float

    @classmethod
    def parse(cls, text: str, spec: Spec) -> Condition:
        """From `FIELD<=VALUE` or `FIELD[INDEX]<=VALUE`; also <, >, >= and ==.

        Raises PytrainError for another form, or for a field that the spec does not have.
        """
        match = _FORM.fullmatch(text)
        try:
            value = float(match["value"]) if match else None
        except ValueError:
            value = None
        if match is None or value is None:
            example = spec.observation[0]
            raise PytrainError(
                f"--when {text!r} is no condition: write a field, a comparison and a number, such as "
                f"'{example.name}{'[0]' if example.size > 1 else ''}<=0.1'"
            )
        first = 0
        for field in spec.observation:
            if field.name == match["field"]:
                index = int(match["index"] or 0)
                if index >= field.size or (match["index"] is None and field.size > 1):
                    one_of = f"from {field.name}[0] to {field.name}[{field.size - 1}]"
                    raise PytrainError(
                        f"--when {text!r}: {field.name} has {field.size} number{'s' * (field.size > 1)}; "
                        f"name one of them, {one_of}"
                    )
                return cls(text.strip(), first + index, _COMPARISONS[match["how"]], value)
            first += field.size
        names = ", ".join(field.name for field in spec.observation)
        raise PytrainError(f"--when {text!r}: the sessions observe no {match['field']!r}, but {names}")

    def holds(self, observations: Tensor) -> Tensor:
        """For `observations (…, obs_dim)`, each a single one: whether it holds `(…)`."""
        kept: Tensor = self.compare(observations[..., self.column], torch.tensor(self.value))
        return kept
