"""Bad input: each gives one clear error, and the game runs on."""

from __future__ import annotations

import re

import pytest

from tests.engine.scenes import ARCHER, main, record
from tests.tiny_brain import make_tiny_brain

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


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            '"player_velocity[2]", "range"',
            r"expects distance as observation field 3|expects distance .* has range",
        ),
        ('"player_velocity[3]", "distance"', r"expects player_velocity\[2\] .* has player_velocity\[3\]"),
        ('"player_velocity[2]"', r"expects 3 observations .* has 2 observations"),
    ],
)
def test_a_spec_that_does_not_fit_the_brain(play, fields, expected):
    body = AGENT.replace(
        "var healthy", f"agent.observation_fields = PackedStringArray([{fields}])\nvar healthy"
    )
    log = play(body, allow=["agent Archer"])
    assert "agent decided false, healthy decided true" in log
    assert len(errors_in(log)) == 1
    assert re.search(expected, errors_in(log)[0])
    assert log.count("Archer failed: ") == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            "PackedFloat32Array([1, 2])",
            r"expects 3 observations \(player_velocity\[2\], distance\), agent Archer gave 2",
        ),
        ("PackedFloat32Array([1, 2, 3, 4])", r"expects 3 observations .* agent Archer gave 4"),
        ("PackedFloat32Array([1, NAN, 3])", r"agent Archer gave nan for player_velocity, value 2 of 2"),
        ("PackedFloat32Array([1, 2, -INF])", r"agent Archer gave -inf for distance"),
    ],
)
def test_an_observation_that_cannot_be_used(play, answer, expected):
    archer = ARCHER.replace(
        "\treturn PackedFloat32Array([cos",
        f'\tif name == &"Archer":\n\t\treturn {answer}\n\treturn PackedFloat32Array([cos',
    )
    log = play(archer=archer, allow=["agent Archer"])
    assert "agent decided false, healthy decided true" in log
    assert len(errors_in(log)) == 1
    assert re.search(expected, errors_in(log)[0])
    assert log.count("Archer failed: ") == 1


def test_an_agent_decides_again_once_its_observation_is_good(play):
    archer = ARCHER.replace(
        "\treturn PackedFloat32Array([cos",
        "\tif time < 2.0:\n\t\treturn PackedFloat32Array()\n\treturn PackedFloat32Array([cos",
    )
    log = play(archer=archer, allow=["agent .* gave 0"])
    assert "agent decided true, healthy decided true" in log
    assert len(errors_in(log)) == 2


@pytest.mark.parametrize("answer", ["Vector3.ONE", "NAN", '"left"', "null"])
def test_a_measurement_that_cannot_be_used(play, answer):
    archer = ARCHER.replace(
        "\treturn Vector2(", f'\tif name == &"Archer":\n\t\treturn {answer}\n\treturn Vector2('
    )
    log = play(archer=archer, allow=["agent Archer"])
    assert "agent decided true, healthy decided true" in log, "it cannot learn, but it predicts"
    assert len(errors_in(log)) == 1
    assert re.search(
        r"target player_displacement\[2\] needs 2 finite numbers from _measure\(\)", errors_in(log)[0]
    )


def test_a_session_directory_that_cannot_be_written(play, tmp_path):
    (tmp_path / "a file").write_text("in the way")
    body = f"{AGENT}{record(str(tmp_path / 'a file'))}\nawait ticks(30)\nprint('still here')"
    log = play(body, allow=["session directory"])
    assert "still here" in log
    assert len(errors_in(log)) == 1
    assert re.search(r"session directory '.*a file' cannot be made \(.*\): choose", errors_in(log)[0])


def test_a_profile_that_is_damaged_is_kept_aside(play):
    body = """
FileAccess.open("user://ann.profile", FileAccess.WRITE).store_string("no profile")
var profile := PlayerProfile.load_profile("user://ann.profile")
print("examples ", profile.examples, " saved ", profile.save("user://ann.profile"))
print("cannot save ", profile.save("/proc/ann.profile"))
print("kept ", FileAccess.get_file_as_string("user://ann.profile.old"))
"""
    log = play(body, allow=["ann.profile"])
    assert "examples 0 saved true" in log
    assert "cannot save false" in log
    assert any("is no profile" in error and "kept as" in error for error in errors_in(log))
    assert any("cannot be written" in error for error in errors_in(log))
    assert "kept no profile" in log
