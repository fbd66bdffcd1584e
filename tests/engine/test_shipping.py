"""An exported game on a machine that has nothing: it adapts, records, remembers, and says what is damaged.

One game is exported once, from the addon as its archive has it, and run in an empty root (see shipping.py).
"""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from adaptive_agents.formats.session import read_session
from tests.engine.conftest import find_problems
from tests.engine.scenes import ARCHER, main, record
from tests.engine.shipping import (
    LIBRARY,
    NO_SHELL,
    RUNTIME,
    install_addon,
    link_tree,
    make_empty_root,
    prepare_project,
    replace_file,
)
from tests.tiny_brain import make_tiny_brain

pytestmark = pytest.mark.engine
BODY = f"""
AdaptiveAgents.synchronous = true
AdaptiveAgents.current_profile = PlayerProfile.load_profile("user://ann.profile")
print("KNOWN ", AdaptiveAgents.current_profile.examples)
{record()}
var agent := archer("Archer")
await ticks(600)
AdaptiveAgents.end_episode()
await ticks(20)
print("saved profile ", AdaptiveAgents.current_profile.save("user://ann.profile"))
print("STATISTICS ", JSON.stringify(AdaptiveAgents.get_statistics()))
print("ERROR LEFT ", agent.prediction_error)
"""
IDLE = r"plays on without adaptive|switched off"


@pytest.fixture(scope="session")
def exported(tmp_path_factory, make_project_in, run_godot, engine, addon) -> Path:
    """The folder of a small game, exported from the command line."""
    folder = tmp_path_factory.mktemp("studio")
    project = make_project_in(folder, {"archer.gd": ARCHER, "main.gd": main(BODY)}, addon=False)
    install_addon(project, addon)
    make_tiny_brain(project.path / "archer.brain")
    prepare_project(project, engine)
    target = folder / "exported"
    target.mkdir()
    log = run_godot(
        ["--export-release", "Linux", str(target / "game.x86_64")], project=project, timeout_sec=120
    ).stdout
    assert re.search(rf"Adds the Python runtime {re.escape(RUNTIME)}: \d+ files, \d+\.\d MB", log)
    return target


@pytest.fixture
def machine(tmp_path, engine):
    """A player's machine."""
    return make_empty_root(tmp_path / "root", engine)


@pytest.fixture
def play(machine, exported):
    """Plays the exported game on the player's machine, saving to `/kept`."""
    return functools.partial(machine.run, exported, env={"XDG_DATA_HOME": "/kept"})


def saved(machine, kind: str) -> list[Path]:
    return sorted(machine.kept.rglob(f"*.{kind}"))


def only_error(run) -> str:
    (error,) = find_problems(run.stderr, [NO_SHELL])
    return error


def check_that_it_adapted(log: str, known: bool = False) -> None:
    statistics = json.loads(re.search(r"^STATISTICS (.*)$", log, re.MULTILINE)[1])
    assert statistics["adaptations"] > statistics["dropped"]
    assert ("KNOWN 0" in log) != known
    assert "saved profile true" in log


def test_the_folder_of_the_game_holds_its_python_and_no_editor(exported):
    assert sorted(path.name for path in exported.iterdir()) == sorted(
        ["game.x86_64", "game.pck", LIBRARY, RUNTIME]
    )
    pack = (exported / "game.pck").read_bytes()
    for left_out in (b"editor/sessions_panel", b"native/entry.c", b"python_runtime.gdc", b"doc_classes"):
        assert pack.count(left_out + b".gdc") == 0
    assert b"stage.py" not in pack


def test_it_adapts_records_and_remembers_its_player_on_a_machine_without_python(machine, play):
    check_that_it_adapted(play().stdout)
    (session,) = saved(machine, "session")
    examples = read_session(session).examples
    assert len(examples) > 500
    (profile,) = saved(machine, "profile")
    assert profile.stat().st_size > 0
    check_that_it_adapted(play().stdout, known=True)
    assert len(saved(machine, "session")) == 2


def test_without_a_home_folder_it_saves_beside_itself(machine, exported, tmp_path):
    """No HOME and no folder of the desktop's: the engine then takes the game's own."""
    game = tmp_path / "carried about"
    link_tree(exported, game)
    check_that_it_adapted(machine.run(game, cwd="/kept").stdout)
    (session,) = (game / "godot" / "app_userdata" / "a game" / "sessions").iterdir()
    assert len(read_session(session).examples) > 500


def test_it_plays_from_read_only_media_and_writes_nothing_beside_itself(machine, play, exported):
    before = sorted(exported.rglob("*"))
    check_that_it_adapted(play(read_only=True).stdout)
    assert sorted(exported.rglob("*")) == before


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_DE.ISO-8859-1"])
def test_it_plays_from_a_path_in_many_scripts_whatever_the_locale(machine, play, locale):
    env = {"LC_ALL": locale, "XDG_DATA_HOME": "/kept/höme 用户"}
    check_that_it_adapted(play(place="/Spiel äöü 游戏", cwd="/", env=env).stdout)
    assert len(saved(machine, "session")) == 1


def test_it_tells_nobody_and_leaves_nothing_but_its_own_files(machine, exported):
    """onnxruntime would keep an identity in the player's home, and report to its makers."""
    check_that_it_adapted(machine.run(exported, cwd="/", env={"HOME": "/kept"}).stdout)
    written = {str(path.relative_to(machine.kept)) for path in machine.kept.rglob("*") if path.is_file()}
    own = {path for path in written if path.startswith(".local/share/godot/app_userdata/a game/")}
    assert {Path(path).suffix for path in own} <= {".session", ".profile", ".log"}
    assert written == own


def test_nothing_of_the_players_environment_reaches_it(machine, exported, tmp_path):
    hostile = tmp_path / "hostile"
    (hostile / "bin").mkdir(parents=True)
    for module in ("numpy", "onnxruntime", "os", "encodings", "sitecustomize", "adaptive_agents"):
        (hostile / f"{module}.py").write_text("raise SystemExit('hostile module imported')\n")
    shutil.copy2(sys.executable, hostile / "bin" / "python3")
    machine.extra["/hostile"] = hostile
    python = dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE"), "/hostile")
    env = {
        **python,
        "PATH": "/hostile/bin",
        "XDG_DATA_HOME": "/kept",
        "PYTHONVERBOSE": "1",
        "HOME": "/hostile",
    }
    run = machine.run(exported, cwd="/hostile", env=env)
    check_that_it_adapted(run.stdout)
    assert "hostile" not in run.stderr


DAMAGES = {
    "deleted": lambda path: path.unlink(),
    "truncated": lambda path: replace_file(path, path.read_bytes()[:-1000]),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "file", ["libpython3.11.so.1.0", "python311.zip", "site/numpy/_core/_multiarray_umath", "site/msgpack"]
)
def test_with_a_damaged_file_the_game_plays_on_and_names_it(machine, exported, tmp_path, damage, file):
    game = tmp_path / "damaged"
    link_tree(exported, game)
    victim = next(
        path for path in sorted((game / RUNTIME).rglob("*")) if file in str(path) and path.is_file()
    )
    DAMAGES[damage](victim)
    run = machine.run(game, env={"XDG_DATA_HOME": "/kept"}, allow=[IDLE])
    error = only_error(run)
    assert str(victim.relative_to(game / RUNTIME)) in error
    assert "ERROR LEFT" in run.stdout, "it did not play to its end"


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [("version", "9.9.9", "9.9.9"), ("python", "3.99", "3.99"), ("complete", "no", "")],
)
def test_a_runtime_of_another_version_is_refused_with_both(machine, exported, tmp_path, key, value, named):
    game = tmp_path / "another"
    link_tree(exported, game)
    home = game / RUNTIME / "python_home.cfg"
    text = home.read_text(encoding="utf-8")
    replace_file(home, re.sub(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE).encode())
    run = machine.run(game, env={"XDG_DATA_HOME": "/kept"}, allow=[IDLE])
    error = only_error(run)
    assert named in error
