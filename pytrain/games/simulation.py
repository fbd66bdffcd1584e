"""The demo game's headless simulation, driven from here: which players, how long, how the archers aim.

One engine process plays many arenas at once, but on one core; `simulate` therefore deals the players out to
several processes. Both `pytrain record` and `pytrain play` are built on it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pytrain.errors import PytrainError
from pytrain.games.processes import Job, run_side_by_side
from pytrain.progress import ProgressCallback, silent
from pytrain.setup.engine import require_clone, require_godot

SCENE = "res://demo_game/simulation.tscn"
# What the engine prints about an error that does not change its exit code.
ENGINE_ERROR = r"^(?:USER )?(?:SCRIPT )?ERROR: .*$"

Population = Literal["meta-train", "meta-validation", "meta-test", "unseen-family"]
Aim = Literal["none", "linear", "brain"]


@dataclass(frozen=True)
class Players:
    """Player numbers of one population, half open: `0:64` is the first 64."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> Players:
        """Read `first:last`."""
        match = re.fullmatch(r"(\d+):(\d+)", text)
        if not match or int(match[1]) >= int(match[2]):
            raise PytrainError(f"players {text!r} is not a range of players; write first:last, such as 0:64")
        return cls(int(match[1]), int(match[2]))

    def __len__(self) -> int:
        return self.last - self.first

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"

    def deal(self, parts: int) -> list[Players]:
        """Cut into at most `parts` ranges of nearly the same size."""
        size = math.ceil(len(self) / parts)
        return [Players(n, min(n + size, self.last)) for n in range(self.first, self.last, size)]


@dataclass(frozen=True)
class Simulation:
    """What one engine process plays; the words are those of `demo_game/simulation/simulation_options.gd`."""

    population: Population
    players: Players
    seconds: int
    aim: Aim
    log: Path
    brain: Path | None = None
    adapts: bool = False
    record: Path | None = None
    results: Path | None = None
    arenas: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value in (("--seconds", self.seconds), ("--arenas", self.arenas)):
            if value < 1:
                raise PytrainError(f"{option} is {value}: it must be 1 or more")

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"simulating {self.population} players {self.players} ({self.log.stem})"

    def words(self) -> list[str]:
        """The command line after `--`."""
        words = {
            "population": self.population,
            "from": self.players.first,
            "to": self.players.last,
            "seconds": self.seconds,
            "arenas": self.arenas,
            "aim": self.aim,
            "adaptation": "player" if self.adapts else "off",
            "seed": self.seed,
            "brain": self.brain and self.brain.resolve(),
            "record": self.record and self.record.resolve(),
            "results": self.results and self.results.resolve(),
        }
        return [f"{key}={value}" for key, value in words.items() if value is not None]

    def deal(self, parts: int) -> list[Simulation]:
        """The same simulation in at most `parts` processes, each with its own log and results."""
        if parts < 1:
            raise PytrainError(f"--jobs is {parts}: at least 1 process is needed to play")
        if parts == 1:
            return [self]
        return [
            replace(
                self,
                players=players,
                log=self.log.with_stem(f"{self.log.stem}-{index}"),
                results=self.results and self.results.with_stem(f"{self.results.stem}-{index}"),
            )
            for index, players in enumerate(self.players.deal(parts))
        ]


def simulate(
    simulations: Sequence[Simulation], at_once: int, stage: str, progress: ProgressCallback = silent
) -> None:
    """Run each simulation in its own engine process, at most `at_once` side by side.

    Raises SetupError without an engine, and PytrainError for a process that fails, hangs or reports a
    script error.
    """
    game = require_clone("a simulation")
    engine = require_godot()
    jobs = [
        Job(
            name=simulation.name,
            command=[
                *(str(engine.path), "--headless", "--path", str(game), "--fixed-fps", "60", SCENE),
                *("--", *simulation.words()),
            ],
            log=simulation.log,
            units=len(simulation.players),
            timeout_sec=120.0 + 0.5 * simulation.seconds * len(simulation.players),
            failure=ENGINE_ERROR,
        )
        for simulation in simulations
    ]
    run_side_by_side(jobs, at_once, stage, progress)
