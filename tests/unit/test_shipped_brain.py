"""The brain that ships with the demo game is the one whose command its README tells, and fits the game."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adaptive_agents.model.brain import Brain

GAME = Path(__file__).parents[2] / "demo_game"


@pytest.fixture(scope="module")
def brain() -> Brain:
    return Brain.open(GAME / "archer.brain")


def test_the_command_in_the_readme_is_the_one_that_trained_it(brain):
    readme = (GAME / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [" ".join(line.split()) for line in re.findall(r"^pytrain train .*$", readme, re.MULTILINE)]
    assert brain.training["command"] in commands


def test_it_observes_what_the_enemies_see(brain):
    source = (GAME / "enemies" / "observation.gd").read_text(encoding="utf-8")
    fields = re.findall(r'^\t"([a-z_]+(?:\[\d+\])?)",$', source, re.MULTILINE)
    assert [str(field) for field in brain.spec.observation] == fields


def test_it_was_judged_better_than_a_brain_that_does_not_adapt(brain):
    judged = brain.scores["judge"]
    assert judged["players"] >= 50
    assert judged["error_after"] < judged["error_before"]
