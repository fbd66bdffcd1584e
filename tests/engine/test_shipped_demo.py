"""The demo game, exported from this working tree, plays to the same figures as it does unexported."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from pytrain.setup.engine import ROOT
from tests.engine.conftest import Project, _run, find_problems
from tests.engine.shipping import RUNTIME, prepare_project

pytestmark = pytest.mark.engine
WORDS = [
    "population=unseen-family",
    "from=0",
    "to=4",
    "seconds=20",
    "arenas=4",
    "aim=brain",
    "adaptation=player",
]


@pytest.fixture
def demo(tmp_path, engine) -> Project:
    """This repository's project, starting with its simulation. Its runtime is staged by the export."""
    project = Project(tmp_path / "demo", "Adaptive Agents demo", tmp_path / "home of the demo")
    (project.path / "addons").mkdir(parents=True)
    (project.path / "addons" / "adaptive_agents").symlink_to(ROOT / "addons" / "adaptive_agents")
    shutil.copytree(ROOT / "demo_game", project.path / "demo_game")
    settings = (ROOT / "project.godot").read_text(encoding="utf-8")
    project.write("project.godot", settings.replace("demo_game/main.tscn", "demo_game/simulation.tscn"))
    project.write(".godot/extension_list.cfg", "res://addons/adaptive_agents/adaptive_agents.gdextension\n")
    prepare_project(project, engine, leaves_machine=False)
    return project


def test_the_exported_demo_plays_to_the_same_figures(demo, run_godot, tmp_path):
    game = tmp_path / "Spiel äöü 游戏"
    game.mkdir()
    export = ["--export-release", "Linux", str(game / "demo.x86_64")]
    log = run_godot(export, project=demo, timeout_sec=200).stdout
    assert f"Adds the Python runtime {RUNTIME}" in log
    figures = {}
    for kind in ("as it is", "exported"):
        results = tmp_path / f"{kind}.json"
        words = ["--", *WORDS, "seed=3", "brain=res://demo_game/archer.brain", f"results={results}"]
        if kind == "exported":
            environment = {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(tmp_path / "player")}
            command = [str(game / "demo.x86_64"), "--headless", "--fixed-fps", "60", *words]
            run = _run(command, environment, 100)
            assert run.exit_code == 0, run.log
            assert not find_problems(f"{run.stdout}\n{run.stderr}")
        else:
            run_godot(["--fixed-fps", "60", *words], project=demo, timeout_sec=100)
        figures[kind] = json.loads(results.read_text(encoding="utf-8"))
    assert figures["as it is"]
    assert figures["exported"] == figures["as it is"]
