"""Bad input: each gives one clear error, and the game runs on."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from adaptive_agents.model.profile import Profile
from tests.engine.scenes import ARCHER, main, record
from tests.tiny_brain import CATEGORY_SPEC, make_tiny_brain

AGENT = """
var agent := archer("Archer")
var healthy := archer("Healthy", "res://healthy.brain")
await ticks(30)
print("agent decided ", not agent.action.is_empty(), ", healthy decided ", not healthy.action.is_empty())
"""


@pytest.fixture
def play(make_project, run_godot):
    """Plays a scene with an agent whose brain or script is spoilt; gives the log."""

    def run(body=AGENT, *, spoil=lambda project: None, allow=(), archer=ARCHER, env=None):
        project = make_project({"archer.gd": archer, "main.gd": main(body)})
        make_tiny_brain(project.path / "healthy.brain")
        make_tiny_brain(project.path / "archer.brain")
        spoil(project)
        result = run_godot(["--fixed-fps", "60", "main.tscn"], project=project, allow=allow, env=env)
        return f"{result.stdout}\n{result.stderr}"

    return run


def errors_in(log):
    return [line for line in log.splitlines() if re.match(r"(USER |SCRIPT )?ERROR:", line)]


def test_a_missing_brain(play):
    log = play(spoil=lambda project: (project.path / "archer.brain").unlink(), allow=["archer.brain"])
    assert "agent decided false, healthy decided true" in log
    assert any("brain 'res://archer.brain' cannot be opened" in error for error in errors_in(log))


def test_a_damaged_brain(play):
    def cut(project):
        file = project.path / "archer.brain"
        file.write_bytes(file.read_bytes()[:2000])

    log = play(spoil=cut, allow=["is damaged"])
    assert "agent decided false, healthy decided true" in log
    assert len(errors_in(log)) == 1
    assert "brain 'res://archer.brain' is damaged or is no brain" in errors_in(log)[0]


SEVERAL = """
var agents := {}
for called: String in NAMES:
	agents[called] = archer(called)
	SETTING
var healthy := archer("Healthy")
await ticks(30)
for called: String in NAMES:
	print("DECIDED ", called, " ", not agents[called].action.is_empty())
print("healthy decided ", not healthy.action.is_empty())
"""


def check_each(log, expected, *, decides=False):
    """One error and one `failed` for each agent, with the expected words; the healthy one goes on."""
    assert "healthy decided true" in log
    errors = errors_in(log)
    assert len(errors) == len(expected)
    for name, words in expected.items():
        assert any(re.search(words, error) for error in errors if f"agent {name}" in error), (words, errors)
        assert log.count(f"{name} failed: ") == 1
        assert f"DECIDED {name} {str(decides).lower()}" in log


def test_a_spec_that_does_not_fit_the_brain(play):
    fields = {
        "Other": (["player_velocity[2]", "range"], "expects distance as observation field 3|has range"),
        "Wide": (["player_velocity[3]", "distance"], r"expects player_velocity\[2\] .* player_velocity\[3\]"),
        "Short": (["player_velocity[2]"], "expects 3 observations .* has 2 observations"),
    }
    table = json.dumps({name: given for name, (given, _) in fields.items()})
    setting = f"agents[called].observation_fields = PackedStringArray({table}[called])"
    body = SEVERAL.replace("NAMES", table).replace("SETTING", setting)
    log = play(body, allow=["agent (Other|Wide|Short) has"])
    check_each(log, {name: words for name, (_, words) in fields.items()})


def by_name(method, answers):
    """The archer's script, where one of its methods answers otherwise by the agent's name."""
    lines = "".join(f'\tif name == &"{name}":\n\t\treturn {answer}\n' for name, answer in answers.items())
    return re.sub(rf"(func {method}\(\).*\n)", lambda found: found[0] + lines, ARCHER)


def test_observations_that_cannot_be_used(play):
    answers = {
        "Short": "PackedFloat32Array([1, 2])",
        "Long": "PackedFloat32Array([1, 2, 3, 4])",
        "Odd": "PackedFloat32Array([1, NAN, 3])",
        "Endless": "PackedFloat32Array([1, 2, -INF])",
    }
    body = SEVERAL.replace("NAMES", json.dumps(list(answers))).replace("SETTING", "pass")
    log = play(body, archer=by_name("_observe", answers), allow=["agent (Short|Long|Odd|Endless) gave"])
    check_each(
        log,
        {
            "Short": r"expects 3 observations \(player_velocity\[2\], distance\), agent Short gave 2",
            "Long": "expects 3 observations .* agent Long gave 4",
            "Odd": "agent Odd gave nan for player_velocity, value 2 of 2",
            "Endless": "agent Endless gave -inf for distance",
        },
    )


def test_measurements_that_cannot_be_used(play):
    answers = {"Wide": "Vector3.ONE", "Odd": "NAN", "Text": '"left"', "Null": "null"}
    body = SEVERAL.replace("NAMES", json.dumps(list(answers))).replace("SETTING", "pass")
    log = play(body, archer=by_name("_measure", answers), allow=["agent (Wide|Odd|Text|Null) gave"])
    needed = r"target player_displacement\[2\] needs 2 finite numbers from _measure\(\)"
    check_each(log, dict.fromkeys(answers, needed), decides=True)


def test_an_agent_decides_again_once_its_observation_is_good(play):
    archer = ARCHER.replace(
        "\treturn PackedFloat32Array([cos",
        "\tif time < 2.0:\n\t\treturn PackedFloat32Array()\n\treturn PackedFloat32Array([cos",
    )
    log = play(archer=archer, allow=["agent .* gave 0"])
    assert "agent decided true, healthy decided true" in log
    assert len(errors_in(log)) == 2


def test_a_session_directory_that_cannot_be_written(play, tmp_path):
    (tmp_path / "a file").write_text("in the way")
    body = f"{AGENT}{record(str(tmp_path / 'a file'))}\nawait ticks(30)\nprint('still here')"
    log = play(body, allow=["session directory"])
    assert "still here" in log
    assert len(errors_in(log)) == 1
    assert re.search(r"session directory '.*a file' cannot be made \(.*\): choose", errors_in(log)[0])


def test_a_profile_for_another_spec_is_kept_aside(play, tmp_path):
    def know_the_player(project):
        brain = make_tiny_brain(tmp_path / "old.brain", CATEGORY_SPEC)
        brain.source = "res://archer.brain"
        known = Profile("Ann")
        known.memory_for(brain).support.append(np.ones((4, 3), np.float32), np.ones((4, 1), np.float32))
        known.save(project.path / "ann.profile")

    body = """
var profile := PlayerProfile.load_profile("res://ann.profile")
AdaptiveAgents.current_profile = profile
var agent := archer("Archer")
await ticks(30)
print("decided ", not agent.action.is_empty(), " saved ", profile.save("res://ann.profile"))
print("kept ", PlayerProfile.load_profile("res://ann.profile.old").examples)
print("new ", PlayerProfile.load_profile("res://ann.profile").examples == profile.examples)
"""
    log = play(body, spoil=know_the_player, allow=["the player starts afresh"])
    assert len(errors_in(log)) == 1
    assert "the next save keeps the older file as .old" in errors_in(log)[0]
    assert "decided true saved true" in log
    assert "kept 4" in log
    assert "new true" in log


def test_a_profile_that_is_damaged_is_kept_aside(play):
    body = """
var known := PlayerProfile.new()
print("first ", known.save("user://ann.profile"))
var file := FileAccess.open("user://ann.profile", FileAccess.READ_WRITE)
file.seek(60)
file.store_8(0)
file.store_8(255)
file.close()
var profile := PlayerProfile.load_profile("user://ann.profile")
print("examples ", profile.examples, " saved ", profile.save("user://ann.profile"))
print("cannot save ", profile.save("/proc/ann.profile"))
print("kept ", FileAccess.file_exists("user://ann.profile.old"))
"""
    log = play(body, allow=["ann.profile"])
    assert "first true" in log
    assert "examples 0 saved true" in log
    assert "cannot save false" in log
    assert any("is damaged" in error and "kept as" in error for error in errors_in(log))
    assert any("cannot be written" in error for error in errors_in(log))
    assert "kept true" in log


@pytest.mark.parametrize("path", ["user://slots/", "user://slots", "", "user://"])
def test_a_folder_is_no_profile_and_stays_where_it_is(play, path):
    body = f"""
DirAccess.make_dir_recursive_absolute("user://slots")
FileAccess.open("user://slots/other.save", FileAccess.WRITE).store_string("precious")
var profile := PlayerProfile.load_profile("{path}")
print("examples ", profile.examples, " saved ", profile.save("{path}"))
print("there ", FileAccess.get_file_as_string("user://slots/other.save"))
"""
    log = play(body, allow=["is left as it is", "is not replaced"])
    assert "examples 0 saved false" in log
    assert "there precious" in log
    assert len(errors_in(log)) == 2


def test_somebody_elses_file_is_neither_moved_nor_replaced(play):
    body = """
FileAccess.open("user://ann.profile", FileAccess.WRITE).store_string("a diary")
var profile := PlayerProfile.load_profile("user://ann.profile")
print("examples ", profile.examples, " saved ", profile.save("user://ann.profile"))
print("there ", FileAccess.get_file_as_string("user://ann.profile"))
FileAccess.open("user://ben.profile", FileAccess.WRITE).close()
print("over an empty file ", PlayerProfile.new().save("user://ben.profile"))
"""
    log = play(body, allow=["is no profile"])
    assert "examples 0 saved false" in log
    assert "there a diary" in log
    assert "over an empty file true" in log


def test_there_is_always_a_current_profile(play):
    body = """
print("saved ", AdaptiveAgents.current_profile.save("user://ann.profile"))
var mine := PlayerProfile.new()
mine.player_id = "ben"
AdaptiveAgents.current_profile = mine
print("mine ", AdaptiveAgents.current_profile.player_id)
AdaptiveAgents.current_profile = null
print("none ", AdaptiveAgents.current_profile.player_id.is_empty())
"""
    log = play(body)
    assert "saved true" in log
    assert "mine ben" in log
    assert "none true" in log
