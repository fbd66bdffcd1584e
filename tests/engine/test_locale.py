"""Letters beyond ASCII in every path, under locales that know none: Python starts, plays and records."""

from __future__ import annotations

import pytest

from tests.engine.scenes import ARCHER, main
from tests.tiny_brain import make_tiny_brain

pytestmark = pytest.mark.engine

NAME = "Spiel äöü 游戏"
PLAY = """
var recorder := SessionRecorder.new()
recorder.player_id = "Jürgen"
add_child(recorder)
var agent := archer("Archer")
AdaptiveAgents.synchronous = true
await ticks(100)
print("decided ", not agent.action.is_empty())
recorder.save()
PlayerProfile.load_profile("user://ä.profile").save("user://ä.profile")
"""


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1", "C.UTF-8"])
def test_python_starts_and_records_in_any_locale(make_project_in, run_godot, tmp_path, locale):
    # A copy: the addon's own Python files, the bridge and its home file then lie under that name, too.
    project = make_project_in(tmp_path, {"archer.gd": ARCHER, "main.gd": main(PLAY)}, name=NAME, copy=True)
    make_tiny_brain(project.path / "archer.brain")
    environment = {"LC_ALL": locale, "LANG": locale, "HOME": str(project.home)}
    run = run_godot(["--fixed-fps", "60", "main.tscn"], project=project, env=environment)
    assert "decided true" in run.stdout
    assert [path.suffix for path in (project.user_folder / "sessions").iterdir()] == [".session"]
    assert (project.user_folder / "ä.profile").is_file()
