"""Brains with a window: an agent predicts and learns from the very rows that training builds of its play."""

from __future__ import annotations

import json

import numpy as np
import pytest

from adaptive_agents.formats.session import read_session
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile
from tests.engine.scenes import main, record
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC, make_tiny_brain

WINDOW = 4

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


@pytest.fixture
def play(make_project, run_godot):
    """Plays a scene while it is recorded; gives log, session, what the player's profile learned, brain."""

    def run(body, *, measured="Vector2(looks % 7, number)", spec=VECTOR_SPEC):
        measure = MEASURE.format(measured=measured) if measured else ""
        save = 'print("kept ", AdaptiveAgents.current_profile.save("user://ann.profile"))'
        scene = main(f"{record()}\n{body}\n{save}", extra=EXTRA)
        project = make_project({"archer.gd": ARCHER + measure, "main.gd": scene})
        # Room for all examples, and no step that would change the weights.
        settings = {"support_size": 2000, "num_inner_steps": 0}
        make_tiny_brain(project.path / "archer.brain", spec, window=WINDOW, inner_loop=settings)
        log = run_godot(["--fixed-fps", "60", "main.tscn"], project=project).stdout
        assert "kept true" in log
        (path,) = (project.user_folder / "sessions").glob("*.session")
        profile = Profile.load(project.user_folder / "ann.profile")
        (memory,) = profile.stored.values()
        return log, read_session(path).examples, memory.support, Brain.open(project.path / "archer.brain")

    return run


def windows_of_training(examples):
    """For each row of a session: the last observations of the same agent in the same episode."""
    windows = np.zeros((len(examples), WINDOW * examples.observations.shape[1]), np.float32)
    seen = {}
    for row in np.argsort(examples.ticks, kind="stable"):
        past = seen.setdefault((examples.agents[row], examples.episodes[row]), [])
        past.append(examples.observations[row])
        windows[row] = np.concatenate(([past[0]] * WINDOW + past)[-WINDOW:])
    return windows


def in_any_order(*columns):
    rows = np.concatenate(columns, axis=1)
    return rows[np.lexsort(rows.T[::-1])]


def assert_learned_what_was_recorded(examples, windows, learned):
    """Play keeps examples as they become known, a session as they were observed, several agents mixed."""
    np.testing.assert_array_equal(
        in_any_order(learned.observations[0], learned.targets[0]), in_any_order(windows, examples.targets)
    )


def assert_decided_by(windows, log, brain):
    """Each row of the session was decided on by the prediction of its window."""
    decided = {}
    for line in log.splitlines():
        if line.startswith("DECIDED "):
            number, looks, action = json.loads(line.removeprefix("DECIDED "))
            decided[number, looks] = action
    newest = windows[:, -3:]
    actions = np.array([decided[int(number), int(looks)] for number, looks, _ in newest], np.float32)
    np.testing.assert_allclose(actions, brain.predict(windows), atol=1e-3)


def test_an_agent_predicts_and_learns_from_the_windows_that_training_builds_of_its_session(play):
    log, examples, learned, brain = play(
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
    windows = windows_of_training(examples)
    assert len(examples) > 400
    # Rounds end, agents are held up, switched off and taken out: each begins another episode.
    assert [len(np.unique(examples.episodes[examples.agents == agent])) for agent in range(4)] == [4, 3, 3, 1]
    assert_decided_by(windows, log, brain)
    assert_learned_what_was_recorded(examples, windows, learned)


def test_the_same_holds_for_categories(play):
    log, examples, learned, brain = play(
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
    windows = windows_of_training(examples)
    assert len(examples) > 60
    assert_decided_by(windows, log, brain)
    assert_learned_what_was_recorded(examples, windows, learned)


@pytest.mark.parametrize("decides", [True, False], ids=["deciding", "not deciding"])
def test_examples_that_a_game_gives_have_windows_too(play, decides):
    log, examples, learned, brain = play(
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
    windows = windows_of_training(examples)
    assert len(examples) == 60
    assert np.unique(examples.episodes).tolist() == [1, 2]
    assert_learned_what_was_recorded(examples, windows, learned)
    if decides:
        assert_decided_by(windows, log, brain)


def test_an_agent_that_measures_takes_an_example_of_the_game_as_one_more_observation(play):
    log, examples, learned, brain = play(
        """
var agent := watched(1)
await ticks(20)
agent.looks += 1000
agent.learn(agent.seen(), Vector2(5, 5))
agent.looks -= 1000
await ticks(20)
"""
    )
    windows = windows_of_training(examples)
    given = examples.observations[:, 1] > 1000
    assert given.sum() == 1
    assert (windows[given].reshape(WINDOW, 3)[:-1, 1] > 10).all(), "what it saw before goes with it"
    assert_learned_what_was_recorded(examples, windows, learned)
    assert_decided_by(windows[~given], log, brain)
