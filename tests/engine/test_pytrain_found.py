"""Where the editor finds pytrain when the addon comes from its archive: no clone, no other environment."""

from __future__ import annotations

import pytest

from tests.engine.shipping import install_addon

pytestmark = pytest.mark.engine
SCRIPT = """\
extends SceneTree

func _init() -> void:
	var pytrain := load("res://addons/adaptive_agents/editor/pytrain.gd")
	print("found: ", pytrain.find())
	print(pytrain.get_advice())
	quit()
"""


@pytest.fixture
def ask(make_project, run_godot, addon):
    """Runs the search in a project with the unpacked addon; returns (the project, a function)."""
    project = make_project({"ask.gd": SCRIPT}, addon=False)
    install_addon(project, addon)

    def run(path: str) -> str:
        return run_godot(["--script", "res://ask.gd"], project=project, env={"PATH": path}).stdout

    return project, run


def test_without_pytrain_it_says_how_to_install_the_wheel(ask):
    project, run = ask
    said = run("/usr/bin:/bin")
    assert "found: \n" in said
    assert f"looked for {project.path}/.venv/bin/pytrain, and on PATH" in said
    assert f"python3 -m venv {project.path}/.venv" in said
    assert "pip install adaptive_agents-0.1.0-py3-none-any.whl" in said


def test_it_is_found_in_the_projects_environment_and_on_path(ask, tmp_path):
    project, run = ask
    on_path = tmp_path / "tools" / "pytrain"
    own = project.path / ".venv" / "bin" / "pytrain"
    for program in (on_path, own):
        program.parent.mkdir(parents=True)
    on_path.touch()
    assert f"found: {on_path}\n" in run(f"/usr/bin:/bin:{on_path.parent}")
    own.touch()
    assert f"found: {own}\n" in run(f"/usr/bin:/bin:{on_path.parent}")
