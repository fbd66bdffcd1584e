"""Exports from the command line: what goes along, and one clear message instead of a game that cannot start.

One project is exported many times; each test leaves it as it was.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zipfile

import pytest

from tests.engine.conftest import _environment, _run
from tests.engine.shipping import (
    LIBRARY,
    RUNTIME,
    install_addon,
    link_tree,
    make_empty_root,
    prepare_project,
    preset,
    replace_file,
)

pytestmark = pytest.mark.engine
GAME = """\
extends Node

func _ready() -> void:
	var agent := AdaptiveAgent.new()
	print("runs with ", agent.get_class())
	agent.free()
	get_tree().quit()
"""
# What the engine adds when a shared object is missing, which is how an export is stopped.
STOPPED = r"this export was stopped|Project export for preset"


@pytest.fixture(scope="module")
def studio(tmp_path_factory, make_project_in, engine, addon):
    """A small game with the addon, ready to export."""
    project = make_project_in(tmp_path_factory.mktemp("studio"), {"main.gd": GAME}, addon=False)
    install_addon(project, addon)
    prepare_project(project, engine)
    return project


@pytest.fixture
def bin_folder(studio):
    """The addon's built files, for a test to damage; mended afterwards."""
    folder = studio.path / "addons" / "adaptive_agents" / "bin"
    kept = studio.path.with_name("kept bin")
    link_tree(folder, kept)
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)


@pytest.fixture
def extension_list():
    """What the editor finds in its list of extensions at the next export."""
    return ["res://addons/adaptive_agents/adaptive_agents.gdextension"]


@pytest.fixture
def export(studio, run_godot, tmp_path, extension_list):
    """Exports the game with some preset and returns (folder, run)."""

    def run(name="game.x86_64", mode="--export-release", exit_code=0, allow=(), **settings):
        studio.write("export_presets.cfg", preset(**settings))
        studio.write(".godot/extension_list.cfg", "".join(f"{each}\n" for each in extension_list))
        target = tmp_path / "exported"
        target.mkdir(exist_ok=True)
        command = [mode, "Linux", str(target / name)]
        return target, run_godot(command, project=studio, exit_code=exit_code, allow=allow, timeout_sec=120)

    return run


@pytest.fixture
def refuse(export):
    """Exports what must not be exported: returns the one message; nothing may be left behind."""

    def run(allow=(), **settings):
        # The library, too, has its say when the editor starts.
        expected = [STOPPED, r"^ERROR: Adaptive Agents: ", r"^ERROR: Adaptive Agents is switched off", *allow]
        target, run = export(exit_code=1, allow=expected, **settings)
        assert list(target.iterdir()) == []
        (message,) = re.findall(r"^ERROR: Adaptive Agents: (.*)$", run.stderr, re.MULTILINE)
        return message

    return run


def check_that_it_plays(target, tmp_path, engine, program="game.x86_64"):
    machine = make_empty_root(tmp_path / "root", engine)
    run = machine.run(target, program=program, env={"XDG_DATA_HOME": "/kept"})
    assert "runs with AdaptiveAgent" in run.stdout


def test_a_debug_export_is_whole(export, tmp_path, engine):
    target, _ = export(mode="--export-debug")
    check_that_it_plays(target, tmp_path, engine)


def test_an_exported_archive_is_whole(export, tmp_path, engine):
    target, _ = export("game.zip")
    with zipfile.ZipFile(target / "game.zip") as archive:
        archive.extractall(target)
    (program,) = (
        path
        for path in target.iterdir()
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF" and path.name != LIBRARY
    )
    program.chmod(0o755)
    check_that_it_plays(target, tmp_path, engine, program.name)


def test_with_selected_scenes_the_extension_comes_along_though_the_engine_forgets_it(
    export, tmp_path, engine
):
    target, _ = export(filter="scenes", files=["res://main.tscn"])
    assert {path.name for path in target.iterdir()} == {"game.x86_64", "game.pck", LIBRARY, RUNTIME}
    check_that_it_plays(target, tmp_path, engine)


def test_a_preset_that_excludes_the_addon_gets_none_of_it(export):
    target, run = export(exclude="addons/*")
    assert {path.name for path in target.iterdir()} == {"game.x86_64", "game.pck"}
    assert "Left out" in run.stdout


@pytest.mark.parametrize(("architecture", "machine"), [("x86_32", 3), ("arm64", 183)])
def test_a_platform_that_the_addon_has_not_is_refused(refuse, tmp_path, architecture, machine):
    template = tmp_path / "template"
    header = bytearray(64)
    header[:7] = b"\x7fELF\x02\x01\x01"
    struct.pack_into("<HH", header, 16, 2, machine)
    template.write_bytes(bytes(header) + bytes(4096))
    message = refuse(architecture=architecture, template=str(template))
    assert f"(linux.{architecture})" in message
    assert "linux.x86_64" in message


@pytest.mark.parametrize("has_runtime", [False, True])
def test_a_game_for_windows_takes_the_runtime_where_the_addon_has_one(
    bin_folder, export, tmp_path, has_runtime
):
    """Without one it is exported all the same, with a warning: its agents stay idle, and it can start."""
    template, library = tmp_path / "template.exe", "libadaptive_agents.windows.x86_64.dll"
    template.write_bytes(b"MZ" + bytes(58) + struct.pack("<I4sH", 64, b"PE", 0x8664) + bytes(4096))
    (bin_folder / library).unlink(missing_ok=True)
    (bin_folder / library).write_bytes(b"a library")
    runtime = bin_folder / "adaptive_agents.windows.x86_64"
    if has_runtime:
        (runtime / "site").mkdir(parents=True)
        (runtime / "site" / "module.pyc").write_bytes(b"12345")
        home = "version=0.1.0\nfile=5 site/module.pyc\ncomplete=yes\n"
        (runtime / "python_home.cfg").write_text(home, encoding="utf-8")
    target, run = export("game.exe", platform="Windows Desktop", template=str(template))
    warned = re.search(
        r"WARNING: Adaptive Agents: There is no Python runtime for windows\.x86_64", run.stderr
    )
    assert bool(warned) != has_runtime
    assert (target / library).read_bytes() == b"a library"
    assert (target / runtime.name / "site" / "module.pyc").is_file() == has_runtime


def test_a_library_that_was_not_built_is_named(bin_folder, refuse):
    (bin_folder / LIBRARY).unlink()
    without_classes = ["Parse Error", "Failed to load script", "Adaptive Agents is not whole"]
    message = refuse(allow=[*without_classes, "open_dynamic_library", r"adaptive_agents\.gdextension"])
    assert f"'res://addons/adaptive_agents/bin/{LIBRARY}' is missing" in message


def test_a_runtime_that_is_missing_is_named(bin_folder, refuse):
    shutil.rmtree(bin_folder / RUNTIME)
    message = refuse()
    assert str(bin_folder / RUNTIME) in message
    assert "linux-x86_64" in message


def test_a_damaged_file_of_the_runtime_is_named_with_both_sizes(bin_folder, refuse):
    file = bin_folder / RUNTIME / "python311.zip"
    size = file.stat().st_size
    replace_file(file, file.read_bytes()[:-7])
    message = refuse()
    assert f"python311.zip' has {size - 7} bytes instead of {size}" in message


@pytest.mark.parametrize(
    ("line", "changed", "says"),
    [
        (r"^version=.*$", "version=9.9.9", "that of version 9.9.9, the addon is 0.1.0"),
        (r"^complete=yes$", "", "half written"),
    ],
)
def test_a_runtime_that_is_another_or_half_is_refused(bin_folder, refuse, line, changed, says):
    home = bin_folder / RUNTIME / "python_home.cfg"
    text = re.sub(line, changed, home.read_text(encoding="utf-8"), flags=re.MULTILINE)
    replace_file(home, text.encode())
    assert says in refuse()


def test_a_project_that_has_the_addon_twice_is_told_both_places(studio, extension_list, refuse):
    again = studio.path / "addons" / "copy" / "adaptive_agents.gdextension"
    again.parent.mkdir()
    shutil.copy(studio.path / "addons" / "adaptive_agents" / again.name, again)
    extension_list.append("res://addons/copy/adaptive_agents.gdextension")
    try:
        message = refuse(allow=[r"This project has Adaptive Agents twice"])
    finally:
        shutil.rmtree(again.parent)
    assert "2 times" in message
    assert "res://addons/copy/adaptive_agents.gdextension" in message


def test_a_missing_template_is_the_engines_message_and_leaves_nothing(export, tmp_path):
    target, run = export(exit_code=1, allow=[r"^ERROR: "], template=str(tmp_path / "none"))
    assert "template" in run.stderr
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    ("megabytes", "says"),
    [
        (60, r"No room for the runtime: it takes \d+\.\d MB, and '.*full' has \d+\.\d MB left"),
        (150, r"The runtime was not copied whole, perhaps for want of room: .*full"),
    ],
    ids=["seen before", "seen while copying"],
)
def test_a_disk_without_room_is_named_and_left_empty(studio, godot, tmp_path, megabytes, says):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system lets no process have mounts of its own")
    target = tmp_path / "full"
    target.mkdir()
    studio.write("export_presets.cfg", preset())
    small_disk = f'mount -t tmpfs -o size={megabytes}m none "$0" && "$@"; code=$?; ls -A "$0"; exit $code'
    export = [str(godot), "--headless", "--path", str(studio.path), "--export-release", "Linux"]
    command = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        small_disk,
        str(target),
        *export,
        str(target / "game.x86_64"),
    ]
    run = _run(command, _environment(studio, None, {}), 60)
    assert run.exit_code == 1
    messages = re.findall(r"^ERROR: Adaptive Agents: .*$", run.stderr, re.MULTILINE)
    assert len(messages) == 1, run.log
    assert re.search(says, messages[0])
    assert not re.search(r"^(game|adaptive_agents)\.", run.stdout, re.MULTILINE)
