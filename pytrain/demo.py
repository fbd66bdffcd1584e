"""`pytrain demo`: the whole main job on real parts, from recording in the engine to a report.

    record ──► train ──► evaluate ──► play ──► engine benchmark ──► report

Every stage is one that a game developer can run alone; training and evaluation are started exactly as the
commands that the report prints, two processes side by side.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from pytrain.console import PROGRESS_VARIABLE, messages, results, watch
from pytrain.errors import PytrainError
from pytrain.evaluation.goals import judge, summary
from pytrain.evaluation.report import write_report
from pytrain.evaluation.tables import engine_table, play_table, prediction_table, target_list
from pytrain.games.benchmark import benchmark
from pytrain.games.play import PlaySettings, play
from pytrain.games.processes import Job, run_side_by_side
from pytrain.games.record import RecordSettings, record
from pytrain.games.simulation import Population
from pytrain.settings import Algorithm, EvaluateSettings
from pytrain.setup.engine import require_clone, require_godot

POOLED: Algorithm = "pooled"
LEARNERS: dict[Algorithm, tuple[str, ...]] = {"memory": (), "fomaml": ("--inner-rates", "per-weight")}
"""What is compared with the baselines: the default, and a learner by gradient with what it is given beside
its defaults. The wide comparison belongs to the benchmarks."""
MODEL = ("--window", "5", "--window-stride", "30", "--hidden-sizes", "128", "64", "64")
"""What every method sees: now and .5, 1, 1.5, 2 s ago, through a first layer that is wide enough for it."""

ACTING = "agent_reload_sec<=0.1"
"""When an archer is about to shoot."""
MADE_BY = ".made-by-pytrain-demo"
TRAIN_TIMEOUT_SEC = 900.0


@dataclass(frozen=True)
class DemoSettings:
    """Record, train, evaluate and play, and show what adaptation gained."""

    out: Path = Path("build/demo")
    """Folder for everything that the demo makes; what an earlier demo left there is replaced."""
    train_players: int = 1024
    """Players that are learnt from."""
    validation_players: int = 32
    """Players on whom every method's settings are chosen."""
    test_players: int = 96
    """Players on whom prediction is measured."""
    play_players: int = 64
    """Players whom the archers shoot at in play."""
    unseen_players: int = 64
    """Players of a family that is kept out of training."""
    seconds: int = 60
    """Seconds of play per player."""
    meta_steps: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: the algorithm's own)")
    ] = None
    """Meta steps of each training."""
    jobs: int = 2
    """Processes side by side; one per core is best."""
    seed: int = 0
    """Seed of recording, training and play."""


@dataclass
class _Stages:
    """Announces each stage, says what it is for, and keeps its wall time."""

    total: int
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, purpose: str, work: Callable[[], str]) -> None:
        messages.print(
            f"\n[bold]{len(self.seconds) + 1}/{self.total} {name.capitalize()}[/]  {purpose}", soft_wrap=True
        )
        started = time.monotonic()
        outcome = work()
        self.seconds[name] = round(time.monotonic() - started, 1)
        messages.print(f"  [green]done[/] in {self.seconds[name]:.0f} s: {outcome}", soft_wrap=True)


class Demo:
    """One run of the whole job; `report` fills up stage by stage."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings = settings
        self.sessions = settings.out / "sessions"
        self.brains = {name: settings.out / "brains" / f"{name}.brain" for name in (POOLED, *LEARNERS)}
        self.logs = settings.out / "logs"
        self.report: dict[str, Any] = {}
        self.commands: list[str] = []

    def run(self) -> None:
        """Every stage; the tables come last."""
        require_godot()
        _check_amounts(self.settings)
        _clear(self.settings.out)
        stages = _Stages(total=6)
        stages.run(
            "record", "Scripted players with habits of their own dodge the archers' arrows.", self.record
        )
        stages.run(
            "train", "What all players have in common, and from many how to learn from one.", self.train
        )
        stages.run(
            "evaluate", "How well it predicts players it never saw, and a family it never saw.", self.evaluate
        )
        stages.run("play", "The same new players face archers that aim in five ways.", self.play)
        stages.run("engine", "What 100 adapting agents cost the game's main thread.", self.measure_engine)
        self.report["seconds"] = stages.seconds
        stages.run("report", "The figures as a page, and as numbers for other programs.", self.write)

    def record(self) -> str:
        """All populations in one go, so that no core waits for the other."""
        amounts: dict[Population, int] = {
            "meta-train": self.settings.train_players,
            "meta-validation": self.settings.validation_players,
            "meta-test": self.settings.test_players,
            "unseen-family": self.settings.unseen_players,
        }
        recordings = [
            RecordSettings(
                out=self.sessions / population,
                population=population,
                players=f"0:{players}",
                seconds=self.settings.seconds,
                seed=self.settings.seed,
                jobs=self.settings.jobs,
            )
            for population, players in amounts.items()
        ]
        for recording in recordings:
            self._note(
                *("record", "--population", recording.population, "--players", recording.players),
                *("--seconds", str(recording.seconds), "--out", str(recording.out)),
            )
        with watch() as progress:
            sessions = record(recordings, progress)
        megabytes = sum(path.stat().st_size for path in sessions) / 1e6
        return f"{len(sessions)} players of {self.settings.seconds} s each, {megabytes:.0f} MB"

    def train(self) -> str:
        """The pooled model, and then the learners that start from it, one process of one thread each."""
        (self.settings.out / "brains").mkdir()
        pooled = ("--pooled", str(self.brains[POOLED]))
        learners = [self._training(name, *pooled, *words) for name, words in LEARNERS.items()]
        with watch() as progress:
            seconds = run_side_by_side(
                [self._training(POOLED)], self.settings.jobs, "train the pooled model", progress
            )
            seconds |= run_side_by_side(learners, self.settings.jobs, "meta-train and export", progress)
        return ", ".join(f"{name.removeprefix('training ')} {took:.0f} s" for name, took in seconds.items())

    def _training(self, algorithm: Algorithm, *given: str) -> Job:
        words = [
            *("train", str(self.sessions / "meta-train"), "--algorithm", algorithm),
            *("--out", str(self.brains[algorithm])),
            *("--validation-sessions", str(self.sessions / "meta-validation")),
            *("--log-dir", str(self.settings.out / "tensorboard")),
            *("--seed", str(self.settings.seed)),
            *MODEL,
            *given,
        ]
        if self.settings.meta_steps is not None:
            words += ["--meta-steps", str(self.settings.meta_steps)]
        return self._job(f"training {algorithm}", words, units=100)

    def evaluate(self) -> str:
        """Held-out players of the known families, and of the family kept out of training."""
        jobs = []
        populations = {"prediction": "meta-test", "unseen_family": "unseen-family"}
        for key, population in populations.items():
            words = ["evaluate", *map(str, self.brains.values()), str(self.sessions / population), "--json"]
            words += ["--baselines", "--fit-sessions", str(self.sessions / "meta-validation")]
            words += ["--when", ACTING]
            jobs.append(
                self._job(f"evaluating {population}", words, units=100, output=self.logs / f"{key}.json")
            )
        with watch() as progress:
            run_side_by_side(jobs, self.settings.jobs, "predict and adapt", progress)
        for key, job in zip(populations, jobs, strict=True):
            if job.output is not None:
                figures = json.loads(job.output.read_text(encoding="utf-8"))
                self.report[key] = {**figures, "unit": "px"}  # the arena measures in pixels
        return f"{len(self.report['prediction']['methods'])} methods"

    def play(self) -> str:
        """Hit rates in the engine, with the brain that was best on the meta-validation players."""
        adapting = self.brains[best_on_validation(self.brains)]
        settings = PlaySettings(
            brain=adapting,
            frozen=self.brains[POOLED],
            players=f"0:{self.settings.play_players}",
            seconds=self.settings.seconds,
            seed=self.settings.seed + 1,
            jobs=self.settings.jobs,
            out=self.settings.out / "play",
        )
        self._note(
            *("play", str(settings.brain), "--frozen", str(settings.frozen), "--players", settings.players),
            *("--seconds", str(settings.seconds)),
        )
        with watch() as progress:
            result = play(settings, progress)
        self.report["play"] = {**result.to_dict(), "brain": adapting.name, "frozen_brain": "pooled.brain"}
        shots = sum(condition.shots.sum() for condition in result.conditions.values())
        return f"{shots:,.0f} arrows at {len(result.player_ids)} players, adapting with {adapting.name}"

    def measure_engine(self) -> str:
        """100 agents in real time, with the brain that the play stage used."""
        brain = self.settings.out / "brains" / self.report["play"]["brain"]
        with watch() as progress:
            self.report["engine"] = benchmark(brain, self.settings.out / "engine", progress)
        return f"{self.report['engine']['ticks']} ticks"

    def write(self) -> str:
        """`report.json` and `report.html`."""
        self.report["commands"] = self.commands
        self.report["engine_version"] = f"Godot {require_godot().version}"
        write_report(self.report, self.settings.out)
        return str(self.settings.out / "report.html")

    def show(self) -> None:
        """The tables, and in plain sentences what adaptation gained."""
        report = self.report
        after = f"after {report['prediction']['headline_sec']:g} s of play"
        known, unseen = report["prediction"], report["unseen_family"]
        results.print(prediction_table(known, f"Prediction {after}, {known['players']} new players"))
        results.print(
            prediction_table(unseen, f"The same, {unseen['players']} players of a kind never trained on")
        )
        results.print(play_table(report["play"]))
        results.print(engine_table(report["engine"]))
        results.print(target_list(judge(report)))
        results.print()
        for sentence in summary(report):
            results.print(sentence)
        stages = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in report["seconds"].items())
        results.print(f"Wall time {sum(report['seconds'].values()):.0f} s: {stages}.")

    def _note(self, *words: str) -> None:
        self.commands.append(shlex.join(["pytrain", *words]))

    def _job(self, name: str, words: Sequence[str], units: int, output: Path | None = None) -> Job:
        self._note(*words)
        return Job(
            name=name,
            command=[sys.executable, "-m", "pytrain", *words],
            log=self.logs / f"{name.replace(' ', '-')}.log",
            units=units,
            output=output,
            timeout_sec=TRAIN_TIMEOUT_SEC,
            environment={PROGRESS_VARIABLE: "lines", "OMP_NUM_THREADS": "1"},
        )


def run(settings: DemoSettings) -> None:
    """The command."""
    demo = Demo(settings)
    demo.run()
    demo.show()
    if has_display():
        brain = settings.out / "brains" / demo.report["play"]["brain"]
        messages.print(f"\nNow you: the arena opens with {brain.name}, which has never seen you play.")
        open_game(brain)


def has_display() -> bool:
    """Whether a window can be shown, and is wanted."""
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(shown) and os.environ.get("HEADLESS") != "1"


def open_game(brain: Path) -> None:
    """The playable game, until its window is closed."""
    godot, game = require_godot().path, require_clone("the demo")
    subprocess.run([godot, "--path", game, "--", f"brain={brain.resolve()}"], check=False)


def best_on_validation(brains: dict[Algorithm, Path]) -> Algorithm:
    """The learner whose adapted error on the meta-validation players is lowest; never chosen on test."""
    from adaptive_agents.model.brain import Brain

    errors = {name: Brain.open(brains[name]).scores["meta_validation"]["score"] for name in LEARNERS}
    return min(LEARNERS, key=lambda name: float(errors[name]))


def _check_amounts(settings: DemoSettings) -> None:
    """Before the recording, which takes minutes."""
    for name in (
        "train_players",
        "validation_players",
        "test_players",
        "play_players",
        "unseen_players",
        "jobs",
    ):
        amount = getattr(settings, name)
        if amount < 1:
            raise PytrainError(f"--{name.replace('_', '-')} is {amount}: it must be 1 or more")
    measured_from = EvaluateSettings().query_from_sec
    if settings.seconds <= measured_from + 1:
        raise PytrainError(
            f"--seconds is {settings.seconds}, but the error is measured on what is played after "
            f"{measured_from:g} s: give {measured_from + 2:g} or more"
        )


def _clear(out: Path) -> None:
    """An empty folder for this run; only what an earlier demo made is deleted."""
    if out.is_dir() and any(out.iterdir()):
        if not (out / MADE_BY).exists():
            raise PytrainError(
                f"'{out}' holds files that no demo made, and a demo replaces what is in its folder: "
                "give another --out"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MADE_BY).touch()
