"""CPython inside the engine: isolated, quiet when it cannot start, and gone without a trace at the end."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.engine.scenes import ARCHER, main
from tests.tiny_brain import make_tiny_brain

PLAY = """
var agent := archer("Archer")
AdaptiveAgents.synchronous = true
await ticks(100)
print("decided ", not agent.action.is_empty())
"""
PLAIN = """\
extends Node

func _ready() -> void:
	AdaptiveAgents.seed = 1
	print("the game runs ", ClassDB.class_exists(&"AdaptiveAgent"))
	get_tree().quit()
"""


def test_the_players_python_does_not_reach_the_game(make_project, run_godot, tmp_path):
    project = make_project({"archer.gd": ARCHER, "main.gd": main(PLAY)})
    make_tiny_brain(project.path / "archer.brain")
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise SystemExit('the wrong numpy')")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('customised')")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    run = run_godot(["--fixed-fps", "60", "main.tscn"], project=project, env=environment)
    assert "decided true" in run.stdout


def test_no_torch_in_the_game_and_nothing_left_at_the_end(make_project, run_godot):
    body = f"""{PLAY}
var maps := FileAccess.open("/proc/self/maps", FileAccess.READ)
var found := {{python = false, torch = false}}
while not maps.eof_reached():
	var line := maps.get_line()
	found.python = found.python or "libpython" in line
	found.torch = found.torch or "libtorch" in line
print("found ", found.python, " ", found.torch)
"""
    project = make_project({"archer.gd": ARCHER, "main.gd": main(body)})
    make_tiny_brain(project.path / "archer.brain")
    log = run_godot(["--verbose", "--fixed-fps", "60", "main.tscn"], project=project).stdout
    assert "found true false" in log
    assert "Orphan StringName" not in log


@pytest.fixture
def spoilt(make_project):
    """A project with a copy of the addon of its own, to break."""

    def make(break_it):
        project = make_project({"main.gd": PLAIN}, copy=True)
        break_it(project.path / "addons" / "adaptive_agents")
        return project

    return make


def replace_in_home(pattern, replacement):
    def change(addon):
        file = addon / "bin" / "python_home.cfg"
        file.write_text(re.sub(pattern, replacement, file.read_text(), flags=re.MULTILINE))

    return change


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (
            lambda addon: (addon / "bin" / "python_home.cfg").unlink(),
            r"there is no Python home beside the library: '.*python_home.cfg' is missing",
        ),
        (
            replace_in_home("^libpython=.*", "libpython=/nowhere/libpython3.so"),
            r"the Python library '/nowhere/libpython3.so', which is not there",
        ),
        (replace_in_home("^home=.*", ""), r"does not name libpython, home and path"),
        (
            replace_in_home("^path=.*(site-packages)$", "path=/nowhere"),
            r"No module named '(numpy|_cffi_backend|msgpack)'",
        ),
        (replace_in_home("^path=.*$", "path=/nowhere"), r"Python does not start from|No module named"),
    ],
    ids=["no file", "no libpython", "no home", "no packages", "no standard library"],
)
def test_without_a_python_home_the_game_runs_on(spoilt, run_godot, break_it, expected):
    run = run_godot(["main.tscn"], project=spoilt(break_it), allow=["its agents stay idle"])
    errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR:")]
    assert len(errors) == 1
    assert re.search(expected, run.stderr)
    assert "native/build.py" in run.stderr
    assert "the game runs" in run.stdout


IDLE = """
var agent := archer("Archer")
agent.horizon = 12
await ticks(5)
print("idle ", [agent.action, agent.horizon, agent.decision_interval, agent.enabled, agent.brain.algorithm])
agent.learn(PackedFloat32Array([1.0]), 2.0)
agent.decide()
AdaptiveAgents.seed = 3
print("singleton ", AdaptiveAgents.seed, " ", AdaptiveAgents.get_statistics())
var profile := PlayerProfile.load_profile("user://ann.profile")
print("profile ", profile.examples, " ", profile.save("user://ann.profile"))
print("current ", AdaptiveAgents.current_profile.save("user://ben.profile"))
var recorder := SessionRecorder.new()
recorder.session_saved.connect(func(path: String) -> void: print(path))
add_child(recorder)
print("adapts ", agent.adaptation == AdaptiveAgent.ADAPTATION_PLAYER, recorder.save())
"""


def test_without_a_python_home_scripts_that_name_the_classes_run_and_agents_stay_idle(
    make_project, run_godot
):
    project = make_project({"archer.gd": ARCHER, "main.gd": main(IDLE)}, copy=True)
    make_tiny_brain(project.path / "archer.brain")
    (project.path / "addons" / "adaptive_agents" / "bin" / "python_home.cfg").unlink()
    run = run_godot(["--verbose", "main.tscn"], project=project, allow=["its agents stay idle"])
    assert 'idle [[], 12, 1, true, ""]' in run.stdout
    assert "singleton 3 {  }" in run.stdout
    assert "profile 0 false" in run.stdout
    assert "current false" in run.stdout
    assert "adapts true" in run.stdout
    assert len(re.findall("^ERROR:", run.stderr, re.MULTILINE)) == 1


def test_building_again_does_nothing(root):
    build = [sys.executable, root / "addons" / "adaptive_agents" / "native" / "build.py"]
    subprocess.run(build, check=True, capture_output=True)
    again = subprocess.run(build, check=True, capture_output=True, text=True)
    assert again.stdout.startswith("up to date")
