"""Agents in the engine: they predict, adapt, and stop alone when their script breaks."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.engine.scenes import ARCHER, main
from tests.tiny_bayes_brain import INITIAL, NOISE, make_bayes_brain, mean_and_deviation
from tests.tiny_brain import CATEGORY_SPEC, make_tiny_brain
from tests.tiny_shared_brains import make_context_brain

FAST = ["--fixed-fps", "60", "main.tscn"]


@pytest.fixture
def play(make_project, run_godot):
    """Plays a scene whose `_ready` is given, with two vector brains and a category one; gives the log."""

    def run(body, *, extra="", allow=(), archer=ARCHER, name="a game"):
        project = make_project({"archer.gd": archer, "main.gd": main(body, extra=extra)}, name=name)
        # Eager, so that what is learned shows within a few hundred ticks.
        make_tiny_brain(project.path / "archer.brain", inner_loop={"inner_lr": 0.3, "num_inner_steps": 20})
        make_tiny_brain(project.path / "mover.brain", CATEGORY_SPEC)
        make_tiny_brain(project.path / "other.brain")
        return run_godot(FAST, project=project, allow=allow).stdout

    return run


def values_after(log: str, word: str) -> list:
    """The JSON after a word that the script printed."""
    return [
        json.loads(line.partition(f"{word} ")[2]) for line in log.splitlines() if line.startswith(f"{word} ")
    ]


def test_an_agent_predicts_what_the_brain_predicts_outside_the_engine(play, tmp_path):
    log = play(
        """
var agent := archer("Archer")
agent.adaptation = AdaptiveAgent.ADAPTATION_OFF
var seen := []
agent.decided.connect(func(action: PackedFloat32Array) -> void: seen.append([agent._observe(), action]))
await ticks(20)
print("SEEN ", JSON.stringify(seen, "", true, true))
print("SAME ", agent.action == seen[-1][1])
"""
    )
    brain = make_tiny_brain(tmp_path / "the same.brain")
    observations, actions = zip(*values_after(log, "SEEN")[0], strict=True)
    assert len(actions) >= 19
    expected = brain.predict(np.asarray(observations, np.float32))
    np.testing.assert_allclose(np.asarray(actions, np.float32), expected, atol=1e-5)
    assert "SAME true" in log


def test_the_observation_property_serves_where_no_script_observes(play, tmp_path):
    log = play(
        """
var agent := AdaptiveAgent.new()
agent.brain = load("res://archer.brain")
agent.observation = PackedFloat32Array([1.0, 2.0, 3.0])
agent.decision_interval = 1
add_child(agent)
await ticks(3)
print("ACTION ", JSON.stringify(Array(agent.action), "", true, true))
"""
    )
    brain = make_tiny_brain(tmp_path / "the same.brain")
    np.testing.assert_allclose(
        values_after(log, "ACTION")[0], brain.predict(np.array([[1, 2, 3]], np.float32))[0], atol=1e-5
    )


def test_agents_adapt_and_their_error_falls(play):
    log = play(
        """
AdaptiveAgents.synchronous = true
var learning := archer("Learning")
var fixed := archer("Fixed")
fixed.adaptation = AdaptiveAgent.ADAPTATION_OFF
learning.adapted.connect(func(before: float, after: float) -> void: print("adapted ", after <= before))
await ticks(400)
print("ERRORS ", JSON.stringify([learning.prediction_error, fixed.prediction_error, learning.confidence]))
print("UNCERTAINTIES ", JSON.stringify([learning.uncertainty, fixed.uncertainty]))
print("EXAMPLES ", AdaptiveAgents.current_profile.examples)
print("STATISTICS ", JSON.stringify(AdaptiveAgents.get_statistics()))
"""
    )
    learning, fixed, confidence = values_after(log, "ERRORS")[0]
    assert learning < 0.7 * fixed
    assert 0 <= confidence <= 1
    sure, unsure = values_after(log, "UNCERTAINTIES")[0]
    assert sure < 0.7 * unsure
    assert 0.4 * fixed < unsure < 1.5 * fixed, "root mean square over two numbers, against a mean distance"
    assert log.count("adapted true") >= 2
    statistics = values_after(log, "STATISTICS")[0]
    assert statistics["agents"] == 2
    assert statistics["runs"] <= 2 * statistics["ticks"], "the frozen model, and the player's weights"
    assert statistics["adaptations"] >= statistics["dropped"] + 2
    assert statistics["projected"] == 0
    assert 0 < statistics["fallback_share"] < 0.5, "what was learned has earned most of the say"


def test_what_was_learned_is_handed_out_as_far_as_it_earned_it(play):
    log = play(
        """
AdaptiveAgents.synchronous = true
var agent := AdaptiveAgent.new()
agent.brain = load("res://archer.brain")
agent.decision_interval = 1
agent.observation = PackedFloat32Array([0.5, 1.0, 0.5])
add_child(agent)
await ticks(3)
print("SHIPPED ", JSON.stringify([Array(agent.action), is_nan(agent.uncertainty)]))
for i in 20:
	agent.learn(agent.observation, PackedFloat32Array([5.0, -5.0]))
await ticks(3)
print("LEARNED ", JSON.stringify([Array(agent.action), AdaptiveAgents.get_statistics().fallback_share]))
for i in 240:
	await ticks(1)
	agent.learn(agent.observation, PackedFloat32Array([5.0, -5.0]))
print("EARNED ", JSON.stringify([Array(agent.action), AdaptiveAgents.get_statistics().fallback_share]))
AdaptiveAgents.guarded = false
await ticks(2)
print("FREE ", JSON.stringify([Array(agent.action), AdaptiveAgents.get_statistics().fallback_share]))
"""
    )
    shipped, is_unknown = values_after(log, "SHIPPED")[0]
    (learned, early), (earned, late), (free, none) = (
        values_after(log, word)[0] for word in ("LEARNED", "EARNED", "FREE")
    )
    assert is_unknown, "nothing was predicted that is known by now"
    assert learned == shipped
    assert early == 1
    assert none == 0
    assert 0 < late < 0.2
    mixture = late * np.array(shipped) + (1 - late) * np.array(free)
    np.testing.assert_allclose(earned, mixture, atol=0.05)
    np.testing.assert_allclose(free, [5, -5], atol=0.1)


def test_a_brain_that_knows_how_sure_it_is_says_so_at_each_decision(make_project, run_godot):
    body = """
AdaptiveAgents.synchronous = true
AdaptiveAgents.forgetting = 1.5
AdaptiveAgents.forgetting = 0.99
print("FORGETTING ", AdaptiveAgents.forgetting)
var agent := archer("Archer")
agent.decided.connect(func(_action: PackedFloat32Array) -> void:
	print("SURE ", JSON.stringify([cos(agent.time), agent.uncertainty], "", true, true))
)
await ticks(120)
print("STATISTICS ", JSON.stringify(AdaptiveAgents.get_statistics()))
AdaptiveAgents.guarded = false  # or the distance between what shipped and what was learned counts, too
await ticks(20)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_bayes_brain(project.path / "archer.brain")
    run = run_godot(FAST, project=project, allow=["forgetting is 1.5, it must be above 0"])
    log = run.stdout
    assert "forgetting is 1.5" in run.log
    assert "FORGETTING 0.99" in log
    said = values_after(log, "SURE")
    for seen, uncertainty in said[:6]:
        assert uncertainty == pytest.approx(mean_and_deviation(INITIAL, seen)[1], rel=1e-4)
    early, late = (np.array(part) for part in (said[:10], said[-10:]))
    assert np.abs(late[:, 1] - NOISE).max() < 0.5 * np.abs(early[:, 1] - NOISE).max()
    statistics = values_after(log, "STATISTICS")[0]
    assert (statistics["dropped"], statistics["projected"]) == (0, 0)
    assert statistics["adaptations"] >= 1


def test_adaptation_on_its_thread_reaches_the_agents(make_project, run_godot):
    body = """
var agent := archer("Archer")
var state := {adapted = 0}
agent.adapted.connect(func(_before: float, _after: float) -> void: state.adapted += 1)
var deadline := Time.get_ticks_msec() + 20000
while state.adapted < 2 and Time.get_ticks_msec() < deadline:
	await get_tree().physics_frame
print("adapted twice ", state.adapted >= 2)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    assert "adapted twice true" in run_godot(["main.tscn"], project=project).stdout


def test_players_with_profiles_of_their_own_learn_apart(play):
    log = play(
        """
AdaptiveAgents.synchronous = true
var ann := archer("Ann")
var bob := archer("Bob")
ann.profile = PlayerProfile.new()
bob.profile = PlayerProfile.new()
bob.time = 1000.0
await ticks(200)
var examples := [ann.profile.examples, bob.profile.examples]
print("EXAMPLES ", JSON.stringify(examples))
print("shared ", AdaptiveAgents.current_profile.examples)
ann.profile.reset()
print("RESET ", ann.profile.examples, " ", bob.profile.examples > 0)
print("STATISTICS ", JSON.stringify(AdaptiveAgents.get_statistics()))
"""
    )
    ann, bob = values_after(log, "EXAMPLES")[0]
    assert ann == bob > 30
    assert "shared 0" in log, "nobody taught the profile of the singleton"
    assert "RESET 0 true" in log
    statistics = values_after(log, "STATISTICS")[0]
    assert statistics["runs"] <= 3 * statistics["ticks"], "the frozen model, and each player's weights"


def test_a_profile_outlives_the_game(play):
    log = play(
        """
AdaptiveAgents.synchronous = true
var agent := archer("Archer")
await ticks(200)
AdaptiveAgents.end_episode()
AdaptiveAgents.current_profile.player_id = "Ann"
print("saved ", AdaptiveAgents.current_profile.save("user://players/ann.profile"))
var loaded := PlayerProfile.load_profile("user://players/ann.profile")
print("loaded ", loaded.player_id, " ", loaded.examples == AdaptiveAgents.current_profile.examples)
print("new ", PlayerProfile.load_profile("user://players/nobody.profile").examples)
"""
    )
    assert "saved true" in log
    assert "loaded Ann true" in log
    assert "new 0" in log


def test_a_category_brain_names_a_class_and_how_sure_it_is(play, tmp_path):
    log = play(
        """
var agent := AdaptiveAgent.new()
agent.brain = load("res://mover.brain")
agent.observation = PackedFloat32Array([1.0, -2.0, 0.5])
add_child(agent)
agent.decide()
print("CATEGORY ", JSON.stringify([agent.category, agent.confidence]), " ", is_nan(agent.uncertainty))
"""
    )
    assert "] true" in log, "nothing is known of how far off a class is"
    logits = make_tiny_brain(tmp_path / "the same.brain", CATEGORY_SPEC).predict(
        np.array([[1, -2, 0.5]], np.float32)
    )[0]
    category, confidence = json.loads(log.partition("CATEGORY ")[2].partition(" true")[0])
    assert category == logits.argmax()
    assert confidence == pytest.approx(np.exp(logits).max() / np.exp(logits).sum(), abs=1e-5)


def test_a_game_gives_examples_of_its_own(play):
    log = play(
        """
var agent := AdaptiveAgent.new()
agent.brain = load("res://archer.brain")
add_child(agent)
for i in 5:
	agent.learn(PackedFloat32Array([i, 1.0, 0.0]), Vector2(i, 0.0))
print("EXAMPLES ", AdaptiveAgents.current_profile.examples)
agent.failed.connect(func(message: String) -> void: print("failed: ", message))
agent.learn(PackedFloat32Array([1.0]), Vector2.ZERO)
agent.learn(PackedFloat32Array([1.0, 2.0, 3.0]), "left")
print("still ", agent.enabled, " ", AdaptiveAgents.current_profile.examples)
""",
        allow=["expects 3 observations", "cannot learn the target 'left'"],
    )
    assert "EXAMPLES 5" in log
    assert re.search(r"failed: .* expects 3 observations .* gave 1", log)
    assert "still true 5" in log


def test_nothing_is_decided_or_learned_while_the_game_is_paused(play):
    log = play(
        """
var agent := archer("Archer")
await ticks(20)
get_tree().paused = true
await ticks(1)
var before: int = AdaptiveAgents.get_statistics().runs
await ticks(30)
print("paused ", AdaptiveAgents.get_statistics().runs == before)
get_tree().paused = false
await ticks(10)
print("goes on ", AdaptiveAgents.get_statistics().runs > before)
"""
    )
    assert "paused true" in log
    assert "goes on true" in log


def test_the_process_mode_of_an_agent_counts(play):
    log = play(
        """
var modes := {"Pausable": PROCESS_MODE_PAUSABLE, "Always": PROCESS_MODE_ALWAYS, "Off": PROCESS_MODE_DISABLED}
var decided := {"Pausable": 0, "Always": 0, "Off": 0}
for called: String in modes:
	var agent := archer(called)
	agent.process_mode = modes[called]
	agent.decided.connect(func(_action: PackedFloat32Array) -> void: decided[called] += 1)
for paused: bool in [false, true]:
	get_tree().paused = paused
	await ticks(1)
	for called: String in modes:
		decided[called] = 0
	await ticks(10)
	print("DECIDED ", JSON.stringify(decided))
"""
    )
    assert values_after(log, "DECIDED") == [
        {"Pausable": 10, "Always": 10, "Off": 0},
        {"Pausable": 0, "Always": 10, "Off": 0},
    ]


def test_an_agent_may_be_freed_from_inside_a_tick(play):
    log = play(
        """
var agents: Array[AdaptiveAgent] = []
for i in 5:
	agents.append(archer("Archer%d" % i))
agents[0].decided.connect(func(_action: PackedFloat32Array) -> void:
	agents[3].free()
	agents[4].queue_free(), CONNECT_ONE_SHOT)
await ticks(3)
agents[1].set_script(null)
agents[1].observation = PackedFloat32Array([1, 2, 3])
agents[2].set("victim", agents[1])
await ticks(3)
print("AGENTS ", AdaptiveAgents.get_statistics().agents)
""",
        archer=ARCHER.replace("func _observe", "var victim: AdaptiveAgent\n\nfunc _observe").replace(
            "\treturn Packed", "\tif victim:\n\t\tvictim.free()\n\treturn Packed"
        ),
    )
    assert "AGENTS 2" in log


def test_an_agent_may_be_freed_by_one_with_another_brain(play):
    log = play(
        """
var first := archer("First")
var others: Array[AdaptiveAgent] = [archer("Second", "res://other.brain"), archer("Third", "res://other.brain")]
await ticks(3)
first.decided.connect(func(_action: PackedFloat32Array) -> void: others[0].free(), CONNECT_ONE_SHOT)
await ticks(3)
var before: PackedFloat32Array = others[1].action
await ticks(3)
print("goes on ", others[1].enabled, " ", others[1].action != before)
"""
    )
    assert "goes on true true" in log


def test_an_agent_goes_on_under_another_parent(play):
    log = play(
        """
var agent := archer("Archer")
var elsewhere := Node.new()
add_child(elsewhere)
await ticks(3)
agent.reparent(elsewhere)
await ticks(3)
var before: PackedFloat32Array = agent.action
await ticks(3)
print("goes on ", agent.action != before)
"""
    )
    assert "goes on true" in log


BROKEN = ARCHER.replace(
    "\treturn Packed",
    '\tif name == &"Broken":\n\t\tvar nobody: Node = null\n\t\tnobody.get_name()\n\treturn Packed',
)


def test_a_script_error_in_one_agent_leaves_the_others_running(play):
    log = play(
        """
var broken := archer("Broken")
var healthy := archer("Healthy")
await ticks(10)
print("ACTIONS ", JSON.stringify([Array(broken.action), Array(healthy.action)]))
""",
        archer=BROKEN,
        allow=["on a null value|on a base object of type 'Nil'|Nil", "agent Broken gave"],
    )
    broken, healthy = values_after(log, "ACTIONS")[0]
    assert broken == []
    assert len(healthy) == 2
    assert len(re.findall("Broken failed: ", log)) == 1


def test_the_same_game_runs_the_same_way_again(play):
    body = """
AdaptiveAgents.synchronous = true
AdaptiveAgents.seed = 7
var agents: Array[AdaptiveAgent] = []
for i in 5:
	agents.append(archer("Archer%d" % i))
	agents[-1].time = i
var actions := PackedFloat32Array()
for i in 150:
	await get_tree().physics_frame
	for agent in agents:
		actions.append_array(agent.action)
		actions.append(agent.prediction_error)
print("HASH ", hash(actions), " ", actions.size())
"""
    runs = [re.search(r"HASH \d+ \d+", play(body))[0]]
    runs.append(re.search(r"HASH \d+ \d+", play(body, name="again"))[0])
    assert runs[0] == runs[1]


def test_an_exception_in_a_callback_stops_that_agent_only(make_project, run_godot):
    body = """
var broken := archer("Broken")
var healthy := archer("Healthy")
await ticks(3)
broken.decide()
print("enabled ", broken.enabled, " ", healthy.enabled)
await ticks(3)
var before := healthy.action
await ticks(3)
print("goes on ", healthy.action != before)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)}, copy=True)
    make_tiny_brain(project.path / "archer.brain")
    source = project.path / "addons/adaptive_agents/python/adaptive_agents/nodes/adaptive_agent.py"
    source.write_text(source.read_text().replace("hub.decide(self)", "self.no_such_thing()"))
    run = run_godot(["--fixed-fps", "60", "main.tscn"], project=project, allow=["no_such_thing"])
    assert "enabled false true" in run.stdout
    assert "goes on true" in run.stdout
    assert len(re.findall("Broken failed: .*no_such_thing", run.stdout)) == 1
    (error,) = re.findall(r"^ERROR: .*", run.stderr, re.MULTILINE)
    assert error.startswith("ERROR: AdaptiveAgent.decide: AttributeError: ")
    assert "Traceback" in run.stderr
    assert "adaptive_agent.py" in run.stderr


@pytest.mark.parametrize("shape", [(5,), ()], ids=["a context of five numbers", "a single number"])
def test_a_brain_of_which_only_a_context_adapts_is_played_saved_and_loaded(make_project, run_godot, shape):
    body = """
AdaptiveAgents.synchronous = true
AdaptiveAgents.current_profile = PlayerProfile.load_profile("user://ann.profile")
print("KNOWN ", AdaptiveAgents.current_profile.examples)
var agent := archer("Archer")
agent.adapted.connect(func(before: float, after: float) -> void: print("adapted ", after <= before))
await ticks(200)
AdaptiveAgents.end_episode()
await ticks(20)
print("saved ", AdaptiveAgents.current_profile.save("user://ann.profile"))
"""
    walking = ARCHER.replace("Vector2(sin(time), -cos(time))", "Vector2(time, 2.0 * time)")
    project = make_project({"archer.gd": walking, "main.gd": main(body)})
    make_context_brain(project.path / "archer.brain", context=shape)
    logs = [run_godot(FAST, project=project).stdout for _ in range(2)]
    for log in logs:
        assert "adapted true" in log
        assert "adapted false" not in log
        assert "saved true" in log
    assert "KNOWN 0" in logs[0]
    assert "KNOWN 32" in logs[1]
