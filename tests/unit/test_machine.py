"""What the set-up says about a machine that lacks something, before it starts anything long.

Each test runs the real checks in a process of its own, in a copy of the set-up's files (so that no engine is
there yet), with a PATH that holds only what the test puts on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytrain.setup import engine, machine, templates
from pytrain.setup.debian import SetupError

MODULES = ("__init__.py", "setup/__init__.py", "setup/machine.py", "setup/engine.py", "setup/debian.py")
OLD_PYTHON = """
import runpy, sys
sys.version_info = (3, 9, 2, "final", 0)
sys.argv = ["machine", "check"]
runpy.run_module("pytrain.setup.machine", run_name="__main__")
"""


class FreshMachine:
    """A clone without an engine, and a PATH of the test's own."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.clone = folder / "a clone"
        self.tools = folder / "tools"
        self.tools.mkdir(parents=True)
        (self.clone / "pytrain" / "setup").mkdir(parents=True)
        for module in MODULES:
            shutil.copy(root / "pytrain" / module, self.clone / "pytrain" / module)

    def add_tool(self, name: str, script: str = "exit 0") -> Path:
        tool = self.tools / name
        tool.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        tool.chmod(0o755)
        return tool

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *(arguments or ("-m", "pytrain.setup.machine", "check"))]
        kept = {name: value for name, value in os.environ.items() if name not in ("CC", "GODOT")}
        env = {**kept, "PATH": str(self.tools), **environment}
        return subprocess.run(command, cwd=self.clone, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def fresh(tmp_path, root) -> FreshMachine:
    return FreshMachine(tmp_path, root)


@pytest.fixture
def complete(fresh) -> FreshMachine:
    """A machine with a compiler, an engine and a virtual display."""
    fresh.add_tool("cc")
    fresh.add_tool("Xvfb")
    fresh.add_tool("godot4", "echo 4.5.1.stable.official")
    return fresh


def test_a_machine_with_everything_passes(complete):
    answer = complete.run()
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_missing_compiler_is_named_with_the_line_that_installs_it(complete):
    (complete.tools / "cc").unlink()
    answer = complete.run()
    assert answer.returncode == 2
    assert "a C compiler (cc)" in answer.stderr
    assert "apt-get install gcc" in answer.stderr


def test_an_old_python_is_named_with_both_versions(complete):
    answer = complete.run("-c", OLD_PYTHON)
    assert answer.returncode == 2
    assert "Python 3.11 or newer" in answer.stderr
    assert "is 3.9.2" in answer.stderr
    assert "make PYTHON=" in answer.stderr


def test_without_apt_it_says_how_to_bring_an_engine(complete):
    (complete.tools / "godot4").unlink()
    answer = complete.run()
    assert answer.returncode == 2
    assert "Godot 4.4 or newer (fetching it needs `apt-get`, `dpkg-deb`)" in answer.stderr
    assert "export GODOT=" in answer.stderr


def test_everything_that_lacks_is_named_at_once(fresh):
    answer = fresh.run()
    assert answer.returncode == 2
    assert "C compiler" in answer.stderr
    assert "Godot" in answer.stderr


def test_another_distributions_sources_are_not_taken_for_debians(complete):
    (complete.tools / "godot4").unlink()
    complete.add_tool("dpkg-deb")
    complete.add_tool("apt-get", "echo http://archive.example/ubuntu/")
    answer = complete.run()
    assert answer.returncode == 2
    assert "a mirror of Debian among the machine's apt sources" in answer.stderr


def test_an_engine_that_is_too_old_is_passed_over_on_the_path(complete):
    complete.add_tool("godot4", "echo 4.3.stable.official")
    complete.add_tool("godot", "echo 4.6.3.stable")
    assert complete.run().returncode == 0
    (complete.tools / "godot").unlink()
    assert complete.run().returncode == 2


def test_the_engine_that_the_user_named_is_never_passed_over(complete):
    old = complete.add_tool("my-godot", "echo 4.3.stable.official")
    answer = complete.run(GODOT=str(old))
    assert answer.returncode == 2
    assert f"names '{old}', version 4.3.stable.official, but 4.4 or newer is needed" in answer.stderr


def test_an_engine_that_the_user_named_must_exist(monkeypatch):
    monkeypatch.setenv("GODOT", "/nowhere/godot")
    with pytest.raises(SetupError, match="'/nowhere/godot', which is no program"):
        engine.find_godot()


@pytest.mark.parametrize(
    ("version", "enough"), [("4.4.stable", True), ("4.10.1.rc2", True), ("5.0.dev", True), ("4.3.9", False)]
)
def test_versions_are_compared_as_numbers(version, enough):
    assert engine.is_new_enough(version) is enough


def test_a_wrong_request_shows_the_usage(complete):
    answer = complete.run("-m", "pytrain.setup.machine", "destroy")
    assert answer.returncode == 2
    assert "usage:" in answer.stderr


def test_a_changed_requirement_changes_the_environments_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    monkeypatch.setattr(machine, "CONSTRAINTS", tmp_path / ".constraints.txt")
    (tmp_path / "pyproject.toml").write_text("one", encoding="utf-8")
    (tmp_path / ".constraints.txt").write_text("two", encoding="utf-8")
    before = machine._environment_hash()
    (tmp_path / ".constraints.txt").write_text("three", encoding="utf-8")
    assert machine._environment_hash() != before


@pytest.mark.parametrize(
    ("lacks_engine", "xvfb", "fetched"),
    [
        (False, None, {"godot": False, "xvfb": True}),
        (True, "/usr/bin/Xvfb", {"godot": True, "xvfb": False}),
        (False, "/usr/bin/Xvfb", None),
    ],
    ids=["the user's own engine, no display", "a display, no engine", "both are there"],
)
def test_only_what_is_missing_is_fetched(monkeypatch, lacks_engine, xvfb, fetched):
    calls = []
    monkeypatch.setattr(engine, "settle", lambda: None)
    monkeypatch.setattr(engine, "lacks_engine", lambda: lacks_engine)
    monkeypatch.setattr(engine, "find_xvfb", lambda: xvfb)
    monkeypatch.setattr(engine, "fetch", lambda **parts: calls.append(parts))
    machine.make_engine()
    assert calls == ([fetched] if fetched else [])


def test_a_fetch_keeps_what_the_start_scripts_of_the_other_part_need(tmp_path):
    (tmp_path / "Xvfb").write_text('#!/bin/sh\nroot="$here/xvfb_1-abc/root"\n', encoding="utf-8")
    for folder in ("xvfb_1-abc", "godot_1-old", "download"):
        (tmp_path / folder / "root").mkdir(parents=True)
    engine._clear_up(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Xvfb", "xvfb_1-abc"]


def test_templates_go_where_the_editor_of_that_version_looks(tmp_path):
    release, debug = tmp_path / "release", tmp_path / "debug"
    for template in (release, debug):
        template.write_bytes(b"")
    found = templates.Templates(release, debug, None)
    version = templates.template_version(engine.Engine(tmp_path, "4.6.3.stable.official.89cea1439"))
    found.install(tmp_path / "data", version)
    folder = tmp_path / "data" / "godot" / "export_templates" / "4.6.3.stable"
    assert (folder / "linux_release.x86_64").resolve() == release
    assert (folder / "linux_debug.x86_64").resolve() == debug


def test_a_user_without_templates_is_told_where_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    own = engine.Engine(tmp_path / "godot", "4.5.1.stable.official")
    assert templates.find_templates(own) is None
    assert "4.5.1.stable" in templates.where_to_get(own)
    assert "Manage Export Templates" in templates.where_to_get(own)
