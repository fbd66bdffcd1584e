"""`pytrain record`: sessions of the demo game's scripted players, recorded in the engine.

The way data goes starts here: the game's own SessionRecorder writes the `.session` files while the
archers shoot with linear lead, so that players have something to dodge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from adaptive_agents.formats.session import read_header
from pytrain.console import messages, results, watch
from pytrain.errors import PytrainError
from pytrain.games.simulation import Players, Population, Simulation, simulate
from pytrain.progress import ProgressCallback, silent

STAGE = "record in the engine"


@dataclass(frozen=True)
class RecordSettings:
    """Record scripted players in the demo game, headless and faster than real time."""

    out: Path
    """Folder for the .session files, and for the engine's logs."""
    population: Population = "meta-train"
    """Which people play; the four populations have no player in common."""
    players: Annotated[str, arg(metavar="FIRST:LAST")] = "0:192"
    """Their numbers, from the first to before the last. A number is the same player every time."""
    seconds: int = 60
    """Seconds of play per player."""
    seed: int = 0
    """What chance does in play; a player's habits stay the same."""
    jobs: int = 2
    """Engine processes side by side; one per core is best."""
    arenas: int = 16
    """Players at once in each engine process."""


def record(recordings: Sequence[RecordSettings], progress: ProgressCallback = silent) -> list[Path]:
    """Record one or several populations, in as many processes side by side as the first one says.

    Returns the sessions, in order of player. Raises PytrainError when a folder already holds sessions
    (mixing two recordings of the same players would count them twice), or when a player's session is
    missing afterwards.
    """
    simulations: list[Simulation] = []
    for settings in recordings:
        _prepare(settings.out)
        whole = Simulation(
            population=settings.population,
            players=Players.parse(settings.players),
            seconds=settings.seconds,
            aim="linear",
            log=settings.out / "logs" / f"record-{settings.population}.log",
            record=settings.out,
            arenas=settings.arenas,
            seed=settings.seed,
        )
        simulations += whole.deal(settings.jobs)
    simulate(simulations, recordings[0].jobs, STAGE, progress)
    return [session for settings in recordings for session in _recorded(settings)]


def run(settings: RecordSettings) -> None:
    """The command."""
    with watch() as progress:
        sessions = record([settings], progress)
    megabytes = sum(session.stat().st_size for session in sessions) / 1e6
    results.print(f"{len(sessions)} sessions, {megabytes:.1f} MB, in {settings.out}", markup=False)
    next_step = f"next: pytrain inspect {sessions[0]}, or pytrain train {settings.out} --out archer.brain"
    messages.print(next_step, style="dim", markup=False, soft_wrap=True)


def _prepare(folder: Path) -> None:
    if folder.is_dir() and next(folder.rglob("*.session"), None):
        raise PytrainError(
            f"'{folder}' already holds sessions, and recording the same players again would count them "
            "twice: give another --out, or delete the folder first"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PytrainError(
            f"the session folder '{folder}' cannot be created ({error.strerror}): "
            "choose a folder you can write"
        ) from error


def _recorded(settings: RecordSettings) -> list[Path]:
    players = Players.parse(settings.players)
    expected = {f"{settings.population}-{number:04d}" for number in range(players.first, players.last)}
    found = {read_header(path).player_id: path for path in sorted(settings.out.rglob("*.session"))}
    if missing := sorted(expected - found.keys()):
        raise PytrainError(
            f"{len(missing)} of {len(expected)} players left no session in '{settings.out}' "
            f"({', '.join(missing[:3])}…): see the logs in '{settings.out / 'logs'}'"
        )
    return [found[player] for player in sorted(expected)]
