"""A game leaves the machine: the addon as a game developer gets it, the export, and a player's machine.

The player's machine is an *empty root*: a folder that a process is locked into (mount namespace, chroot),
with the C library and those that Debian's template names, and nothing else: no Python, no shell, no home.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytrain.setup import debian
from pytrain.setup.engine import Engine, own_templates
from pytrain.setup.templates import Templates, find_templates, template_version, where_to_get
from tests.engine.conftest import ADDON, EngineRun, Project, _run, find_problems

RUNTIME = "adaptive_agents.linux.x86_64"
LIBRARY = "libadaptive_agents.linux.x86_64.so"
EDITOR_PLUGIN = '\n[editor_plugins]\n\nenabled=PackedStringArray("res://addons/adaptive_agents/plugin.cfg")\n'
PRESET = """\
[preset.0]

name="Linux"
platform="{platform}"
runnable=true
export_filter="{filter}"
export_files=PackedStringArray({files})
include_filter="{include}"
exclude_filter="{exclude}"

[preset.0.options]

binary_format/architecture="{architecture}"
texture_format/s3tc_bptc=true
application/modify_resources=false
custom_template/debug="{template}"
custom_template/release="{template}"
"""
# Of every machine that runs a program at all; what the runtime adds to the libraries of the template.
_SYSTEM_LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
    *("libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"),
)
# The engine asks a program for the desktop's folders, through a shell; there is neither.
NO_SHELL = 'Cannot create pipe from command: "xdg-user-dir"'
# Mounts in its own namespace, steps into the root and becomes the game. Nothing of it is inside the root.
_LOCK_IN = """
import json, os, subprocess, sys
order = json.loads(sys.argv[1])
for source, target, read_only in order["mounts"]:
    os.makedirs(target, exist_ok=True) if os.path.isdir(source) else open(target, "a").close()
    subprocess.run([order["mount"], "--rbind", source, target], check=True)
    if read_only:
        subprocess.run([order["mount"], "-o", "remount,bind,ro", target], check=True)
os.chroot(order["root"])
os.chdir(order["cwd"])
os.execve(order["command"][0], order["command"], order["environment"])
"""


def preset(
    *,
    platform: str = "Linux",
    filter: str = "all_resources",  # noqa: A002 - as in the file
    files: Sequence[str] = (),
    include: str = "",
    exclude: str = "",
    architecture: str = "x86_64",
    template: str = "",
) -> str:
    """An `export_presets.cfg` with one preset, named Linux whatever its platform."""
    named = ", ".join(f'"{file}"' for file in files)
    return PRESET.format(
        platform=platform,
        filter=filter,
        files=named,
        include=include,
        exclude=exclude,
        architecture=architecture,
        template=template,
    )


def require_templates(engine: Engine, *, leaves_machine: bool) -> Templates:
    """The templates to export with; skips the test where the user's own engine has none."""
    templates = find_templates(engine, leaves_machine=leaves_machine)
    if templates is None:
        pytest.skip(where_to_get(engine))
    return templates


def prepare_project(project: Project, engine: Engine, *, leaves_machine: bool = True) -> None:
    """Names the scene to start, enables the plugin, adds a preset, puts templates where its editor looks."""
    templates = require_templates(engine, leaves_machine=leaves_machine)
    templates.install(project.home / "data", template_version(engine))
    settings = (project.path / "project.godot").read_text(encoding="utf-8")
    if "run/main_scene" not in settings:
        scene = 'run/main_scene="res://main.tscn"'
        settings = settings.replace("[application]\n", f"[application]\n\n{scene}", 1)
    if "[editor_plugins]" not in settings:
        settings += EDITOR_PLUGIN
    project.write("project.godot", settings)
    project.write("export_presets.cfg", preset())


def unpack_addon(folder: Path) -> Path:
    """The addon as its archive has it, unpacked below `folder`; the first process makes it for all."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = folder / "unpacked"
        if not unpacked.is_dir():
            pack = [sys.executable, str(ADDON / "native" / "pack.py"), "--out", str(folder)]
            subprocess.run(pack, check=True, capture_output=True, timeout=900)  # the first time on a machine
            (archive,) = folder.glob("*.zip")
            with zipfile.ZipFile(archive) as contents:
                contents.extractall(folder / "unfinished")
            (folder / "unfinished").rename(unpacked)
    return unpacked / "addons" / "adaptive_agents"


def install_addon(project: Project, addon: Path) -> None:
    """Puts an unpacked addon into a project that has none."""
    link_tree(addon, project.path / "addons" / "adaptive_agents")
    project.write(".godot/extension_list.cfg", "res://addons/adaptive_agents/adaptive_agents.gdextension\n")


def link_tree(source: Path, target: Path) -> None:
    """A copy whose files are hard links where the disk allows that: to replace single files in."""
    shutil.copytree(source, target, copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def replace_file(path: Path, content: bytes) -> None:
    """Another content for a file that may be a hard link to one that others use."""
    path.unlink()
    path.write_bytes(content)


@dataclass(frozen=True)
class EmptyRoot:
    """A player's machine."""

    path: Path
    kept: Path
    """Folder on this machine that lies in the root as `/kept`: for what a game saves."""
    extra: dict[str, Path] = field(default_factory=dict)
    """More folders of this machine, by their place in the root."""

    def run(
        self,
        game: Path,
        args: Sequence[str] = (),
        *,
        place: str = "/game",
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        read_only: bool = False,
        program: str = "game.x86_64",
        allow: Sequence[str] = (),
        exit_code: int = 0,
        timeout_sec: float = 60.0,
    ) -> EngineRun:
        """Runs an exported game that lies in the folder `game`; fails the test as `run_godot` does.

        `env` is all of its environment: none of this machine's gets in.
        """
        mounts = [("/proc", "/proc", False), (str(self.kept), "/kept", False)]
        mounts += [(f"/dev/{device}", f"/dev/{device}", False) for device in ("null", "urandom")]
        mounts += [(str(source), at, False) for at, source in self.extra.items()]
        mounts += [(str(game), place, read_only)]
        order = {
            "root": str(self.path),
            "mount": shutil.which("mount"),
            "mounts": [(source, f"{self.path}{target}", ro) for source, target, ro in mounts],
            "cwd": cwd or place,
            "command": [f"{place}/{program}", "--headless", "--fixed-fps", "60", *args],
            "environment": {"PATH": "", **(env or {})},
        }
        command = [*_unshare(), sys.executable, "-I", "-c", _LOCK_IN, json.dumps(order)]
        result = _run(command, {"LC_ALL": "C.UTF-8"}, timeout_sec)
        problems = find_problems(f"{result.stdout}\n{result.stderr}", [NO_SHELL, *allow])
        if result.exit_code != exit_code or problems:
            pytest.fail(f"the game reported {problems or 'no error'}\n{result.log}", pytrace=False)
        return result


@functools.cache
def _unshare() -> list[str]:
    """The command that gives a process mounts of its own; skips the test where the system allows none."""
    program = shutil.which("unshare")
    for options in (["--mount"], ["--mount", "--map-root-user"]):
        command = [str(program), *options]
        if program and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip(
        "this system lets no process have mounts of its own (unshare --mount), so there is no empty root"
    )


def make_empty_root(path: Path, engine: Engine) -> EmptyRoot:
    """A root for games that were exported with the unpatched templates of our own engine."""
    unpacked = own_templates()
    if unpacked is None:
        pytest.skip(f"an empty root takes its libraries from our own engine; this one is {engine.path}")
    libraries = debian.find_libraries(unpacked)
    inside = path / "lib" / libraries.name
    for folder in (inside, path / "lib64", path / "dev", path / "proc", path / "tmp"):
        folder.mkdir(parents=True)
    for name in {*_SYSTEM_LIBRARIES, *_needed_libraries(unpacked)}:
        _link(str((libraries / name).resolve()), str(inside / name))
    loader = debian.find_loader(unpacked)
    _link(str(loader.resolve()), str(path / "lib64" / loader.name))
    kept = path.with_name(f"{path.name} kept")
    kept.mkdir()
    return EmptyRoot(path, kept)


def _needed_libraries(unpacked: Path) -> set[str]:
    """What both templates link, and what that links in turn."""
    names: set[str] = set()
    for template in ("godot-template-release", "godot-template-debug"):
        program = unpacked / "usr" / "bin" / template
        loader = [str(debian.find_loader(unpacked)), "--list", str(program)]
        listing = subprocess.run(loader, capture_output=True, text=True, check=True).stdout
        names |= set(re.findall(r"^\s*(\S+) => ", listing, re.MULTILINE))
    return names
