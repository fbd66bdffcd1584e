"""Brains with a window: an agent predicts and learns from the very rows that training builds of its play."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptive_agents.formats.session import read_session
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile
from adaptive_agents.model.support import SupportSet, row_of_moment
from adaptive_agents.model.window import Window
from pytrain.data.dataset import read_players
from tests.engine.scenes import main, record
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC, make_tiny_brain

ARCHER = """\
class_name Archer
extends AdaptiveAgent
## Sees its own number and how often it has looked before, and measures something that changes.

var number := 0
var looks := 0

func _observe() -> PackedFloat32Array:
	looks += 1
	return seen()

func seen() -> PackedFloat32Array:
	return PackedFloat32Array([number, looks, sin(looks * number)])

func tell(action: PackedFloat32Array) -> void:
	print("DECIDED ", JSON.stringify([number, looks, Array(action)], "", true, true))
"""
MEASURE = """
func _measure() -> Variant:
	return {measured}
"""
EXTRA = """
func watched(number: int) -> AdaptiveAgent:
	var made := archer("Archer%d" % number)
	made.number = number
	made.decided.connect(made.tell)
	return made
"""


@dataclass
class Played:
    """What a scene leaves behind that was played while it was recorded."""

    log: str
    session: Path
    learned: SupportSet  # what the player's profile kept
    brain: Brain

    def __post_init__(self) -> None:
        self.examples = read_session(self.session).examples
        """In the order in which they became known."""
        players = read_players([self.session]).with_window(self.brain.window)
        rows = players.history.observed(torch.arange(players.examples), players.window).numpy()
        self.windows = np.empty_like(rows)
        """Of each of them, as training builds it."""
        self.windows[np.argsort(self.examples.ticks, kind="stable")] = rows

    def assert_learned_what_was_recorded(self, told=()):
        """Play keeps one example of each moment, of the agents by turns, and all that the game told."""
        told = set(told)
        moments = groupby(
            range(len(self.examples)), lambda row: (self.examples.ticks[row], row in told and row)
        )
        kept = []
        for number, (_, rows) in enumerate(moments):
            rows = list(rows)
            kept.append(rows[row_of_moment(number, len(rows))])
        np.testing.assert_array_equal(self.learned.observations[0], self.windows[kept])
        np.testing.assert_array_equal(self.learned.targets[0], self.examples.targets[kept])

    def assert_decided_by(self, windows):
        """Each row of the session was decided on by the prediction of its window."""
        decided = {}
        for line in self.log.splitlines():
            if line.startswith("DECIDED "):
                number, looks, action = json.loads(line.removeprefix("DECIDED "))
                decided[number, looks] = action
        newest = self.brain.window.newest(windows, 3)
        actions = np.array([decided[int(number), int(looks)] for number, looks, _ in newest], np.float32)
        np.testing.assert_allclose(actions, self.brain.predict(windows), atol=1e-3)


@pytest.fixture(params=[Window(4), Window(3, 7)], ids=["the last 4", "3, 7 ticks apart"])
def play(make_project, run_godot, request):
    """Plays a scene while it is recorded."""
    window = request.param

    def run(body, *, measured="Vector2(looks % 7, number)", spec=VECTOR_SPEC):
        measure = MEASURE.format(measured=measured) if measured else ""
        save = 'print("kept ", AdaptiveAgents.current_profile.save("user://ann.profile"))'
        scene = main(f"{record()}\n{body}\n{save}", extra=EXTRA)
        project = make_project({"archer.gd": ARCHER + measure, "main.gd": scene})
        # Room for all examples, and no step that would change the weights.
        settings = {"support_size": 2000, "num_inner_steps": 0}
        make_tiny_brain(
            project.path / "archer.brain",
            spec,
            window=window.size,
            stride_ticks=window.stride_ticks,
            inner_loop=settings,
        )
        log = run_godot(["--fixed-fps", "60", "main.tscn"], project=project).stdout
        assert "kept true" in log
        (path,) = (project.user_folder / "sessions").glob("*.session")
        profile = Profile.load(project.user_folder / "ann.profile")
        (memory,) = profile.stored.values()
        return Played(log, path, memory.support, Brain.open(project.path / "archer.brain"))

    return run


def test_an_agent_predicts_and_learns_from_the_windows_that_training_builds_of_its_session(play):
    played = play(
        """
var agents := [watched(1), watched(2), watched(3)]
agents[1].decision_interval = 3
await ticks(40)
agents[0].end_episode()
await ticks(20)
agents[0].decide()
agents[2].decide()
agents[2].decide()
await ticks(20)
agents[1].process_mode = Node.PROCESS_MODE_DISABLED
await ticks(9)
agents[1].process_mode = Node.PROCESS_MODE_INHERIT
await ticks(31)
process_mode = Node.PROCESS_MODE_ALWAYS
for agent in agents:
	agent.process_mode = Node.PROCESS_MODE_PAUSABLE
get_tree().paused = true
await ticks(15)
get_tree().paused = false
await ticks(15)
agents[0].enabled = false
await ticks(2)
agents[0].enabled = true
await ticks(15)
remove_child(agents[2])
await ticks(2)
add_child(agents[2])
await ticks(15)
AdaptiveAgents.end_episode()
var late := watched(4)
await ticks(10)
agents[0].queue_free()
await ticks(25)
"""
    )
    examples = played.examples
    assert len(examples) > 400
    # Rounds end, agents are held up, switched off and taken out: each begins another episode.
    assert [len(np.unique(examples.episodes[examples.agents == agent])) for agent in range(4)] == [4, 3, 3, 1]
    played.assert_decided_by(played.windows)
    played.assert_learned_what_was_recorded()


def test_the_same_holds_for_categories(play):
    played = play(
        """
var agents := [watched(1), watched(2)]
agents[1].decision_interval = 2
await ticks(30)
agents[1].end_episode()
await ticks(30)
""",
        measured="looks % 3",
        spec=CATEGORY_SPEC,
    )
    assert len(played.examples) > 60
    played.assert_decided_by(played.windows)
    played.assert_learned_what_was_recorded()


@pytest.mark.parametrize("decides", [True, False], ids=["deciding", "not deciding"])
def test_examples_that_a_game_gives_have_windows_too(play, decides):
    played = play(
        f"""
var agents := [watched(1), watched(2)]
for agent in agents:
	agent.decision_interval = 100000
await ticks(2)
AdaptiveAgents.end_episode()
for turn in 30:
	for agent in agents:
		{"agent.decide()" if decides else "agent.looks += 1"}
		agent.learn(agent.seen(), Vector2(turn, agent.number))
	await ticks(1 + turn % 3)
	if turn == 20:
		agents[0].end_episode()
""",
        measured="",
    )
    assert len(played.examples) == 60
    assert np.unique(played.examples.episodes).tolist() == [1, 2]
    played.assert_learned_what_was_recorded(told=range(60))
    if decides:
        played.assert_decided_by(played.windows)


def test_an_agent_that_measures_takes_an_example_of_the_game_as_one_more_observation(play):
    played = play(
        """
var agent := watched(1)
await ticks(20)
agent.looks += 1000
agent.learn(agent.seen(), Vector2(5, 5))
agent.looks -= 1000
await ticks(20)
"""
    )
    given = played.examples.observations[:, 1] > 1000
    assert given.sum() == 1
    looks = played.windows[given].reshape(played.brain.window.size, -1)[:-1, 1]
    assert ((looks > 2) & (looks < 1000)).all(), "what it saw before goes with it"
    played.assert_learned_what_was_recorded(told=np.flatnonzero(given))
    played.assert_decided_by(played.windows[~given])
