"""`pytrain play`: what adaptation gains in play. The archers' hit rate on players no brain has seen.

The same players play several times, with the same habits and the same chance, against archers that aim
(a) at where the player is, (b) along the velocity (linear lead), (c) where a brain that never adapts
predicts, (d) where that brain predicts if it is fine-tuned, (e) where an adapting brain predicts.
Comparisons are paired by player.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from tyro.conf import FlagCreatePairsOff, Positional, arg

from pytrain.console import results, watch
from pytrain.errors import PytrainError
from pytrain.evaluation.intervals import Estimate, bands, mean_with_interval, ratio_with_interval
from pytrain.games.simulation import Aim, Players, Population, Simulation, simulate
from pytrain.progress import ProgressCallback, silent

STAGE = "play in the engine"
AIMS: dict[str, Aim] = {
    "no_lead": "none",
    "linear_lead": "linear",
    "frozen": "brain",
    "pooled": "brain",
    "adapting": "brain",
}
ADAPTING = ("pooled", "adapting")
CONDITIONS = tuple(AIMS)
PAIRS = tuple(("adapting", name) for name in CONDITIONS if name != "adapting")
CURVE_SEC = 5


@dataclass(frozen=True)
class PlaySettings:
    """Measure how often archers hit: without a brain, frozen, fine-tuned, and adapting."""

    brain: Annotated[Positional[Path], arg(metavar="BRAIN")]
    """The .brain file that adapts."""
    frozen: Annotated[Path | None, arg(metavar="BRAIN", help_behavior_hint="(default: BRAIN)")] = None
    """The .brain file of the conditions that did not learn to adapt, best a pooled one."""
    population: Population = "meta-test"
    """Which people play."""
    players: Annotated[str, arg(metavar="FIRST:LAST")] = "0:64"
    """Their numbers, from the first to before the last."""
    seconds: int = 60
    """Seconds of play per player, the first ones before any adaptation included."""
    seed: int = 1
    """What chance does in play; the same in all conditions."""
    jobs: int = 2
    """Engine processes side by side."""
    arenas: int = 16
    """Players at once in each engine process."""
    out: Path = Path("build/play")
    """Folder for the engine's results and logs."""
    json: Annotated[bool, FlagCreatePairsOff] = False
    """Print the figures as JSON instead of a table."""


@dataclass(frozen=True)
class Condition:
    """How the archers fared in one condition, per player and second: `(players, seconds)` each."""

    shots: NDArray[np.float64]
    hits: NDArray[np.float64]

    @property
    def hit_rate(self) -> NDArray[np.float64]:
        """Hits per shot over the whole session `(players,)`."""
        return np.asarray(self.hits.sum(axis=1) / self.shots.sum(axis=1))

    def curve(self) -> list[Estimate]:
        """Hit rate in each `CURVE_SEC` seconds of play, players weighted by their shots."""
        whole = self.shots.shape[1] // CURVE_SEC * CURVE_SEC
        shape = (len(self.shots), -1, CURVE_SEC)
        shots, hits = (part[:, :whole].reshape(shape).sum(axis=2) for part in (self.shots, self.hits))
        return bands(hits / np.maximum(shots, 1))


@dataclass(frozen=True)
class PlayResult:
    """Hit rates of the same players in each condition."""

    population: str
    player_ids: tuple[str, ...]
    seconds: int
    conditions: Mapping[str, Condition]

    def hit_rate(self, condition: str) -> Estimate:
        """Mean over players."""
        return mean_with_interval(self.conditions[condition].hit_rate)

    def paired_ratio(self, above: str, below: str) -> Estimate:
        """Ratio of mean hit rates, resampled over the same players."""
        return ratio_with_interval(self.conditions[above].hit_rate, self.conditions[below].hit_rate)

    def to_dict(self) -> dict[str, Any]:
        """`play` of `report.json`, and the curves."""
        return {
            "players": len(self.player_ids),
            "methods": {name: {"hit_rate": self.hit_rate(name).to_dict()} for name in CONDITIONS},
            "paired_ratio": {
                f"{a}/{b}": self.paired_ratio(a, b).to_dict()
                for a, b in PAIRS
                if self.conditions[b].hits.any()  # nothing is so many times as often as never
            },
            "population": self.population,
            "seconds": self.seconds,
            "curve_sec": [
                second + CURVE_SEC / 2 for second in range(0, self.seconds - CURVE_SEC + 1, CURVE_SEC)
            ],
            "curves": {
                name: [estimate.to_dict() for estimate in self.conditions[name].curve()]
                for name in CONDITIONS
            },
        }


def play(settings: PlaySettings, progress: ProgressCallback = silent) -> PlayResult:
    """Play all conditions in the engine, `settings.jobs` processes side by side.

    Raises PytrainError for a brain that is not there, an engine process that fails, or results that are
    not of the same players.
    """
    frozen = settings.frozen or settings.brain
    brains = {"frozen": frozen, "pooled": frozen, "adapting": settings.brain}
    for brain in brains.values():
        if not brain.is_file():
            raise PytrainError(f"brain '{brain}' is not there: train one with pytrain train … --out {brain}")
    settings.out.mkdir(parents=True, exist_ok=True)
    players = Players.parse(settings.players)
    parts: dict[str, list[Simulation]] = {}
    # The slowest first, so that no process is left working alone at the end.
    for name in reversed(CONDITIONS):
        whole = Simulation(
            population=settings.population,
            players=players,
            seconds=settings.seconds,
            aim=AIMS[name],
            brain=brains.get(name),
            adapts=name in ADAPTING,
            log=settings.out / f"{name}.log",
            results=settings.out / f"{name}.json",
            arenas=settings.arenas,
            seed=settings.seed,
        )
        parts[name] = whole.deal(settings.jobs)
    simulate([part for name in parts for part in parts[name]], settings.jobs, STAGE, progress)
    return read_results(settings, {name: [part.results for part in parts[name]] for name in CONDITIONS})


def read_results(settings: PlaySettings, files: Mapping[str, list[Path | None]]) -> PlayResult:
    """Put the engine's result files of each condition together and check that they can be paired."""
    conditions: dict[str, Condition] = {}
    first: list[tuple[str, int]] = []
    for name, paths in files.items():
        rows = [row for path in paths if path for row in _read(path)]
        rows.sort(key=lambda row: str(row["player_id"]))
        players = [(str(row["player_id"]), int(row["seed"])) for row in rows]
        first = first or players
        if players != first:
            raise PytrainError(
                f"the players of {name} are not those of {next(iter(files))} ({len(players)} and "
                f"{len(first)} players): the conditions cannot be paired; delete {settings.out}, play again"
            )
        if idle := [row["player_id"] for row in rows if not row["shots"]]:
            raise PytrainError(f"in {name} nobody shot at {len(idle)} players ({idle[0]}…): play longer")
        conditions[name] = Condition(
            _by_second(rows, "shots_by_second", settings.seconds),
            _by_second(rows, "hits_by_second", settings.seconds),
        )
    return PlayResult(settings.population, tuple(player for player, _ in first), settings.seconds, conditions)


def run(settings: PlaySettings) -> None:
    """The command."""
    from pytrain.evaluation.tables import play_table

    with watch() as progress:
        result = play(settings, progress)
    if settings.json:
        results.print_json(json.dumps(result.to_dict()))
    else:
        results.print(play_table(result.to_dict()))


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        stored: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["players"]
    except (ValueError, KeyError, TypeError) as error:
        raise PytrainError(f"results '{path}' cannot be read ({error}): see the log beside them") from error
    return stored


def _by_second(rows: list[dict[str, Any]], key: str, seconds: int) -> NDArray[np.float64]:
    table = np.zeros((len(rows), seconds))
    for row, line in zip(rows, table, strict=True):
        counts = row[key][:seconds]
        line[: len(counts)] = counts
    return table
