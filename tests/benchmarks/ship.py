"""What the addon adds to a game that ships: size, start, memory, and how old a player's system may be.

The addon's archive is packed and installed into a small project as a game developer does it; the project is
exported with and without the addon, with the engine's own template, and both games run here. A start is the
whole process with `--headless --quit-after 2`, with an agent and its brain or without; they take turns.
"""

from __future__ import annotations

import os
import re
import resource
import select
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from adaptive_agents.spec import Field, Spec, Target
from pytrain.setup.debian import SetupError
from pytrain.setup.engine import Engine, require_godot
from pytrain.setup.templates import find_templates, template_version, where_to_get
from tests.benchmarks.report import BenchSettings, CannotRun, Progress, Result
from tests.engine import shipping
from tests.engine.conftest import ADDON, Project, _environment, _make_project
from tests.engine.scenes import ARCHER
from tests.tiny_brain import make_tiny_brain

NAME = "ship"
TIMED = True

DISK_LIMIT_MB = 100
ZIP_LIMIT_MB = 35
START_LIMIT_SEC = 0.4
DECISION_LIMIT_SEC = 1.0
MEMORY_LIMIT_MB = 55
GLIBC_LIMIT = 28
"""Of 2.28, which Debian 10 and Ubuntu 18.10 had."""
PAIRS = 9
PLAYED_TICKS = 300
PARTS = {
    "libpython": r"libpython",
    "standard library": r"python\d+\.zip|lib-dynload/",
    "numpy": r"site/numpy/",
    "openblas": r"site/numpy\.libs/",
    "onnxruntime": r"site/onnxruntime/",
    "the rest": r"",
}
SPEC = Spec((Field("position", 2), Field("one")), Target("vector", "place", 2), 1)
MAIN = """\
extends Node

func _ready() -> void:
{agent}
	if not OS.get_cmdline_user_args().has("play"):
		return
	for tick in {ticks}:
		await get_tree().physics_frame
	print("played")
	await get_tree().create_timer(20.0).timeout
"""
AGENT = """\
	var archer: AdaptiveAgent = preload("res://archer.gd").new()
	archer.brain = load("res://archer.brain")
	archer.decision_interval = 1
	var tell := func(_action: Variant) -> void: print("decided at ", Time.get_ticks_msec())
	archer.decided.connect(tell, CONNECT_ONE_SHOT)
	add_child(archer)
"""


@dataclass(frozen=True)
class Game:
    """An exported game."""

    program: Path
    environment: Mapping[str, str]

    def start(self) -> tuple[float, float]:
        """Seconds of one start: on the clock, and of the processor."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        self._run("--quit-after", "2")
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def first_decision(self) -> float:
        """Seconds from the engine's start to the first decision of an agent."""
        said = self._run("--quit-after", "60")
        return int(re.findall(r"decided at (\d+)", said)[0]) / 1000

    def memory(self) -> dict[str, float]:
        """Megabytes after some seconds of play: resident, proportional, and anonymous (no file behind it)."""
        command = [str(self.program), "--headless", "--", "play"]
        with subprocess.Popen(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        ) as process:
            try:
                _wait_for("played", process)
                rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            finally:
                process.kill()
        sizes = {key: int(size) for key, size in re.findall(r"^(\w+):\s+(\d+) kB$", rollup, re.MULTILINE)}
        return {key: sizes[key] * 1024 / 1e6 for key in ("Rss", "Pss", "Anonymous")}

    def _run(self, *words: str) -> str:
        command = [str(self.program), "--headless", *words]
        run = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        if "ERROR" in run.stdout + run.stderr:
            raise RuntimeError(f"the exported game is not in order:\n{run.stdout}{run.stderr}")
        return run.stdout


def run(settings: BenchSettings, progress: Progress) -> Iterable[Result]:
    """Yield sizes and versions first, which need no engine, then what is measured on the exported games."""
    if sys.platform != "linux":
        raise CannotRun("the runtime of this platform cannot be staged; run it on Linux")
    with tempfile.TemporaryDirectory(prefix="ship ") as temporary:
        folder = Path(temporary)
        progress("packing the addon")
        addon = shipping.unpack_addon(folder / "addon")
        runtime = addon / "bin" / shipping.RUNTIME
        (archive,) = (folder / "addon").glob("*.zip")
        yield from _sizes(runtime, archive)
        yield from _glibc(addon)
        engine = _engine()
        games = {}
        for name in ("without", "with"):
            progress(f"exporting the game {name} the addon")
            games[name] = _export(folder, name, addon if name == "with" else None, engine)
        yield from _starts(games, 3 if settings.quick else PAIRS, progress)
        progress("playing")
        yield from _played(games)


def _sizes(runtime: Path, archive: Path) -> Iterator[Result]:
    files = {path.relative_to(runtime).as_posix(): path for path in runtime.rglob("*") if path.is_file()}
    total = sum(path.stat().st_size for path in files.values())
    yield _within("ship/size/disk", total / 1e6, "MB of runtime", DISK_LIMIT_MB, f"{len(files)} files")
    yield _within("ship/size/zip", archive.stat().st_size / 1e6, "MB, the addon", ZIP_LIMIT_MB)
    with zipfile.ZipFile(archive) as contents:
        packed = {entry.filename: entry.compress_size for entry in contents.infolist()}
    for part, pattern in PARTS.items():
        names = [name for name in files if re.match(pattern, name)]
        size = sum(files.pop(name).stat().st_size for name in names)
        zipped = sum(packed[f"addons/adaptive_agents/bin/{runtime.name}/{name}"] for name in names)
        yield Result(
            f"ship/size/{part.replace(' ', '-')}", size / 1e6, "MB", note=f"{zipped / 1e6:.1f} MB in the zip"
        )


def _glibc(addon: Path) -> Iterator[Result]:
    """The newest symbol of the C library that each part asks for."""
    sys.path.insert(0, str(ADDON / "native"))
    import elf

    inside = f"{shipping.RUNTIME}/"
    wanted: dict[str, tuple[int, ...]] = {}
    for path in addon.rglob("*.so*"):
        part = next(
            part for part, pattern in {"bridge": "site/_adaptive", "library": "libadaptive", **PARTS}.items()
            if re.match(pattern, path.relative_to(addon / "bin").as_posix().removeprefix(inside))
        )  # fmt: skip
        wanted[part] = max(wanted.get(part, ()), elf.newest_version(path.read_bytes()))
    for part, version in wanted.items():
        minor = version[1] if len(version) > 1 else 0
        name = f"ship/glibc/{part.replace(' ', '-')}"
        yield _within(name, minor, "newest symbol, as the 28 of 2.28", GLIBC_LIMIT)


def _engine() -> Engine:
    try:
        engine = require_godot()
    except SetupError as error:
        raise CannotRun(str(error)) from error
    if find_templates(engine) is None:
        raise CannotRun(where_to_get(engine))
    return engine


def _export(folder: Path, name: str, addon: Path | None, engine: Engine) -> Game:
    script = MAIN.format(agent=AGENT if addon else "\tpass", ticks=PLAYED_TICKS)
    files = {"main.gd": script, **({"archer.gd": ARCHER} if addon else {})}
    project = _make_project(folder, files, name=f"game {name}", addon=False)
    templates = find_templates(engine)
    if templates is None:
        raise CannotRun(where_to_get(engine))
    templates.install(project.home / "data", template_version(engine))
    if addon:
        shipping.install_addon(project, addon)
        make_tiny_brain(project.path / "archer.brain", SPEC)
    _configure(project, addon is not None)
    exported = folder / f"exported {name}"
    exported.mkdir()
    environment = _environment(project, None, {})
    command = [engine.path, "--headless", "--path", project.path, "--export-release", "Linux"]
    done = subprocess.run(
        [*command, exported / "game.x86_64"],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode or not (exported / "game.x86_64").is_file():
        raise RuntimeError(f"the export of the game {name} the addon failed:\n{done.stdout}{done.stderr}")
    return Game(exported / "game.x86_64", environment)


def _configure(project: Project, has_addon: bool) -> None:
    settings = (project.path / "project.godot").read_text(encoding="utf-8")
    settings = settings.replace(
        "[application]\n",
        '[application]\n\nrun/main_scene="res://main.tscn"\nrun/flush_stdout_on_print=true\n',
        1,
    )
    project.write("project.godot", settings + (shipping.EDITOR_PLUGIN if has_addon else ""))
    project.write("export_presets.cfg", shipping.preset())


def _starts(games: Mapping[str, Game], pairs: int, progress: Progress) -> Iterator[Result]:
    for game in games.values():
        game.start()  # the files are in the system's cache from here on
    added: list[tuple[float, float]] = []
    whole: dict[str, list[float]] = {name: [] for name in games}
    for pair in range(pairs):
        progress(f"start {pair + 1} of {pairs}")
        seconds = {name: games[name].start() for name in (games if pair % 2 else reversed(games))}
        added.append(tuple(a - b for a, b in zip(seconds["with"], seconds["without"], strict=True)))  # type: ignore[arg-type]
        for name in games:
            whole[name].append(seconds[name][0])
    for what, values in zip(("wall", "cpu"), zip(*added, strict=True), strict=True):
        note = ""
        if what == "wall":
            note = f"{median(whole['with']):.2f} s with, {median(whole['without']):.2f} s without"
        yield _within(
            f"ship/start/{what}", median(values), f"s added, median of {pairs} pairs", START_LIMIT_SEC,
            f"{note}; load average {os.getloadavg()[0]:.1f}".lstrip("; "), (min(values), max(values)),
        )  # fmt: skip


def _played(games: Mapping[str, Game]) -> Iterator[Result]:
    decisions = [games["with"].first_decision() for _ in range(3)]
    yield _within(
        "ship/start/first-decision", median(decisions), "s after the engine's start", DECISION_LIMIT_SEC,
        spread=(min(decisions), max(decisions)),
    )  # fmt: skip
    memory = {name: game.memory() for name, game in games.items()}
    added = {key: memory["with"][key] - memory["without"][key] for key in memory["with"]}
    whole = ", ".join(f"{sizes['Rss']:.0f} MB {name}" for name, sizes in memory.items())
    note = f"{whole}, after {PLAYED_TICKS} ticks"
    yield _within("ship/memory/resident", added["Rss"], "MB added", MEMORY_LIMIT_MB, note)
    yield Result(
        "ship/memory/proportional", added["Pss"], "MB added", note="pages that others use too count in part"
    )
    yield Result(
        "ship/memory/anonymous", added["Anonymous"], "MB added", note="no file behind it: what a game misses"
    )


def _within(
    name: str, ours: float, unit: str, limit: float, note: str = "", spread: tuple[float, float] | None = None
) -> Result:
    """A figure that may be as large as the limit, and no larger."""
    return Result.against(
        name, ours, unit, "its limit", limit, lower_is_better=True, goal=1.0, note=note, spread=spread
    )


def _wait_for(word: str, process: subprocess.Popen[bytes], timeout_sec: float = 60.0) -> None:
    """Until the process prints the word."""
    said, deadline = b"", time.monotonic() + timeout_sec
    assert process.stdout is not None
    while word.encode() not in said:
        ready, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not more:
            raise RuntimeError(f"the game did not print '{word}':\n{said.decode(errors='replace')}")
        said += more
