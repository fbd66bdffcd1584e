"""Conditions on what was observed: `--when FIELD<=VALUE`."""

from __future__ import annotations

import pytest
import torch

from adaptive_agents.spec import Field, Spec, Target
from pytrain.errors import PytrainError
from pytrain.evaluation.conditions import Condition

SPEC = Spec((Field("velocity", 2), Field("reload_sec")), Target("vector", "y", 1), 36)
SEEN = torch.tensor([[1.0, -1.0, 0.0], [2.0, 0.5, 0.1], [3.0, 0.0, 0.3]])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("reload_sec<=0.1", [True, True, False]),
        ("reload_sec < 0.1", [True, False, False]),
        (" reload_sec>=0.3", [False, False, True]),
        ("reload_sec[0]==0", [True, False, False]),
        ("velocity[1]>-1e-1", [False, True, True]),
    ],
)
def test_a_condition_compares_one_observed_number(text, kept):
    assert Condition.parse(text, SPEC).holds(SEEN).tolist() == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reload_sec", r"'reload_sec' is no condition.*'velocity\[0\]<=0\.1'"),
        ("reload_sec<=soon", "is no condition"),
        ("reload<=1", "observe no 'reload', but velocity, reload_sec"),
        ("velocity<=1", r"velocity has 2 numbers; name one of them, from velocity\[0\] to velocity\[1\]"),
        ("velocity[2]<=1", "velocity has 2 numbers"),
        ("reload_sec[1]<=1", "reload_sec has 1 number"),
    ],
)
def test_what_is_no_condition_says_how_one_looks(text, message):
    with pytest.raises(PytrainError, match=message):
        Condition.parse(text, SPEC)
