"""The harness of the engine tests: real Godot processes, judged by exit status and log.

A test makes a small project of its own, runs it, and looks at what it printed:

    def test_agent_warns(make_project, run_godot):
        project = make_project({"main.gd": "extends Node\nfunc _ready() -> void: ..."})
        run = run_godot(["main.tscn"], project=project, allow=[r"agent .* has no brain"])
        assert "ready" in run.stdout

`run_godot` fails the test by itself when the engine exits with another status than expected, prints an
error that the test does not allow, leaks objects, cannot load a library, or does not end in time. With
`window=xvfb` it opens a window on a virtual display; `Project.take_screenshot` says how to see what it shows.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pytrain.setup.engine import Engine, find_xvfb, require_godot

ADDON = Path(__file__).resolve().parents[2] / "addons" / "adaptive_agents"
LIMIT_SEC = 60.0

# What the engine says when something went wrong, though it exits with 0.
PROBLEM = re.compile(
    r"^(?:USER )?(?:SCRIPT )?(?:ERROR|FATAL):"
    r"|^Traceback \(most recent call last\)|^From cffi callback|^Fatal Python error"
    r"|ObjectDB instances? (?:was |were )?leaked|Leaked instance|resources still in use"
    r"|RIDs? of type .* leaked"
    r"|Can't open dynamic library|GDExtension dynamic library not found|error while loading shared libraries"
    r"|handle_crash"
)
PROJECT = """\
config_version=5

[application]

config/name="{name}"
config/features=PackedStringArray("4.4")

[display]

window/size/viewport_width=640
window/size/viewport_height=360

[rendering]

renderer/rendering_method="gl_compatibility"
textures/vram_compression/import_etc2_astc=false
"""
SCENE = """\
[gd_scene load_steps=2 format=3]

[ext_resource type="Script" path="res://{script}" id="1"]

[node name="Main" type="{base}"]
script = ExtResource("1")
"""
SCREENSHOT = """\
extends Node
## Saves what the window shows after a while, and ends the run.

var _frames: int = 0


func _process(_delta: float) -> void:
	_frames += 1
	if _frames == {frames}:
		get_viewport().get_texture().get_image().save_png("user://screenshot.png")
		get_tree().quit()
"""


@dataclass(frozen=True)
class Project:
    """A throw-away Godot project; what it writes to `user://` lies in `user_folder`."""

    path: Path
    name: str
    home: Path

    @property
    def user_folder(self) -> Path:
        return self.home / "data" / "godot" / "app_userdata" / self.name

    def write(self, name: str, text: str) -> Path:
        """Adds or replaces a file of the project."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def take_screenshot(self, after_frames: int = 20) -> None:
        """Makes the next run with a window save a picture after some frames, and then end."""
        self.write("screenshot.gd", SCREENSHOT.format(frames=after_frames))
        with (self.path / "project.godot").open("a", encoding="utf-8") as settings:
            settings.write('\n[autoload]\n\nScreenshot="*res://screenshot.gd"\n')

    def read_screenshot(self) -> np.ndarray:
        """The saved picture, (height, width, 3) in 0…255."""
        with Image.open(self.user_folder / "screenshot.png") as picture:
            return np.asarray(picture.convert("RGB"))


@dataclass(frozen=True)
class EngineRun:
    """How a run of the engine ended and what it said."""

    command: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    problems: list[str] = field(default_factory=list)

    @property
    def log(self) -> str:
        return f"$ {' '.join(self.command)}\n{self.stdout}\n{self.stderr}\n(exit status {self.exit_code})"


@dataclass(frozen=True)
class Window:
    """A virtual display that a run may open its window on."""

    display: str


def find_problems(log: str, allow: Sequence[str] = ()) -> list[str]:
    """The errors in a log, each with the lines that belong to it; without those that match one of `allow`."""
    problems: list[list[str]] = []
    inside = False
    for line in log.splitlines():
        if not inside and PROBLEM.search(line):
            problems.append([line])
            inside = "ERROR:" in line
        elif inside:
            problems[-1].append(line)
            inside = re.match(r"\s+at: ", line) is None
    texts = ["\n".join(lines) for lines in problems]
    return [text for text in texts if not any(re.search(pattern, text) for pattern in allow)]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that `make setup` found or fetched."""
    return require_godot()


@pytest.fixture(scope="session")
def godot(engine) -> Path:
    """Its program."""
    return engine.path


@pytest.fixture(scope="session")
def make_project_in() -> Callable[..., Project]:
    """As `make_project`, in a folder that is given: for a run that several tests look at."""
    return _make_project


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Makes a Godot project from files given as text; the addon is linked into it.

    The path has a space in it. A script `main.gd` gets a scene `main.tscn` with one node of its base class.
    """
    return functools.partial(_make_project, tmp_path)


def _make_project(
    folder: Path, files: Mapping[str, str], *, name: str = "a game", addon: bool = True, copy: bool = False
) -> Project:
    project = Project(folder / name, name, folder / f"home of {name}")
    project.path.mkdir()
    project.write("project.godot", PROJECT.format(name=name))
    if addon:
        _install_addon(project, copy)
    for file, text in files.items():
        project.write(file, text)
        scene = file.replace(".gd", ".tscn")
        if file.endswith(".gd") and "/" not in file and scene not in files:
            base = re.search(r"^extends (\w+)$", text, re.MULTILINE)
            project.write(scene, SCENE.format(script=file, base=base.group(1) if base else "Node"))
    return project


def _install_addon(project: Project, copy: bool) -> None:
    target = project.path / "addons" / "adaptive_agents"
    target.parent.mkdir()
    if copy:
        shutil.copytree(ADDON, target)
    else:
        target.symlink_to(ADDON, target_is_directory=True)
    extensions = [f"res://addons/adaptive_agents/{file.name}\n" for file in ADDON.glob("*.gdextension")]
    project.write(".godot/extension_list.cfg", "".join(extensions))


@pytest.fixture(scope="session")
def run_godot(godot: Path) -> Callable[..., EngineRun]:
    """Runs the engine and fails the test on anything that is not in order; see the head of this file."""

    def run(
        args: Sequence[str],
        *,
        project: Project,
        timeout_sec: float = LIMIT_SEC,
        env: Mapping[str, str] | None = None,
        allow: Sequence[str] = (),
        exit_code: int = 0,
        window: Window | None = None,
    ) -> EngineRun:
        shown = ["--rendering-driver", "opengl3", "--audio-driver", "Dummy"] if window else ["--headless"]
        command = [str(godot), *shown, "--path", str(project.path), *args]
        result = _run(command, _environment(project, window, env or {}), timeout_sec)
        problems = find_problems(f"{result.stdout}\n{result.stderr}", allow)
        if result.exit_code != exit_code:
            pytest.fail(
                f"the engine exited with {result.exit_code}, not {exit_code}\n{result.log}", pytrace=False
            )
        if problems:
            pytest.fail("the engine reported:\n" + "\n".join(problems) + f"\n\n{result.log}", pytrace=False)
        return result

    return run


def _environment(project: Project, window: Window | None, extra: Mapping[str, str]) -> dict[str, str]:
    """The test's own folders for what Godot saves, and its own display or none."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    folders = {f"XDG_{kind.upper()}_HOME": str(project.home / kind) for kind in ("data", "config", "cache")}
    display = {"DISPLAY": window.display, "LIBGL_ALWAYS_SOFTWARE": "1"} if window else {}
    return {**kept, **folders, **display, **extra}


def _run(command: list[str], environment: Mapping[str, str], timeout_sec: float) -> EngineRun:
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout_sec)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            run = EngineRun(tuple(command), process.returncode, stdout, stderr)
            pytest.fail(f"the engine did not end within {timeout_sec:g} s\n{run.log}", pytrace=False)
    return EngineRun(tuple(command), process.returncode, stdout, stderr)


@pytest.fixture(scope="session")
def xvfb() -> Iterator[Window]:
    """A virtual display of the tests' own, on a number that the server chooses."""
    server = find_xvfb()
    if server is None:
        pytest.fail("no Xvfb; run `make setup`", pytrace=False)
    read_end, write_end = os.pipe()
    command = [str(server), "-displayfd", str(write_end), "-screen", "0", "1280x720x24", "-nolisten", "tcp"]
    process = subprocess.Popen(
        command, pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(write_end)
    try:
        with os.fdopen(read_end, encoding="ascii") as answer:
            number = answer.readline().strip()  # ends at once when the server dies
        assert number, f"{server} did not start"
        yield Window(f":{number}")
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def addon(tmp_path_factory) -> Path:
    """The addon as a game developer unpacks it, with its library and runtime; not to be changed."""
    from tests.engine import shipping  # it builds on this module

    together = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        together = together.parent
    return shipping.unpack_addon(together / "the addon")
