"""The first hour of a game developer: what the editor does and says about a fresh or half installation."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.engine.shipping import EDITOR_PLUGIN, LIBRARY, install_addon

pytestmark = pytest.mark.engine
GAME = {"main.gd": "extends Node\n"}


@pytest.fixture
def project(make_project, addon):
    """A project with the unpacked archive, its plugin enabled, that no editor has opened yet."""
    made = make_project(GAME, addon=False)
    install_addon(made, addon)
    shutil.rmtree(made.path / ".godot")
    settings = (made.path / "project.godot").read_text(encoding="utf-8")
    made.write("project.godot", settings + EDITOR_PLUGIN)
    return made


def test_the_first_import_of_a_project_ends_well(project, run_godot):
    """The engine aborts there (godot#111048) as long as nobody waits for its documentation."""
    run_godot(["--import"], project=project)
    listed = (project.path / ".godot" / "extension_list.cfg").read_text(encoding="utf-8")
    assert "adaptive_agents.gdextension" in listed


def test_an_addon_without_its_library_says_what_to_do(project, run_godot):
    (project.path / "addons" / "adaptive_agents" / "bin" / LIBRARY).unlink()
    engines_own = [
        r"adaptive_agents\.gdextension",
        "open_dynamic_library",
        r"^ERROR: Adaptive Agents is not whole",
    ]
    run = run_godot(["--editor", "--quit-after", "60"], project=project, allow=engines_own)
    (message,) = re.findall(r"^ERROR: (Adaptive Agents is not whole.*)$", run.stderr, re.MULTILINE)
    assert f"bin/{LIBRARY}' is missing" in message
    assert "archive for linux-x86_64" in message
    assert "build.py" in message
    assert "restart the editor" in message


def test_an_addon_that_is_not_switched_on_is_warned_of(project, make_project, run_godot):
    run = run_godot(["--import"], project=project)
    assert "not switched on" not in run.stderr
    forgotten = make_project(GAME, name="forgotten")
    run = run_godot(["--editor", "--quit-after", "60"], project=forgotten)
    (message,) = re.findall(r"^WARNING: (.*not switched on.*)$", run.stderr, re.MULTILINE)
    assert "an exported game would get no Python" in message
