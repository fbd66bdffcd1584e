"""The fish as `.session` files, for ordinary `pytrain train` and `evaluate`.

One session for each person, in folders by who may see them:

    FOLDER/meta-train  FOLDER/meta-validation  FOLDER/meta-test

A row is a tick. A gap in what was recorded ends an episode, so neither a window nor a label reaches over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from adaptive_agents.examples import Examples
from adaptive_agents.formats.session import SessionHeader, SessionWriter
from tests.benchmarks.fish_play import displacements_of, observations_of, spec
from tests.benchmarks.fish_tracks import Person, Run, split_games


def convert(
    people: Sequence[Person], folder: Path, split: int, horizon_ticks: int, test_from_sec: float
) -> dict[str, list[Person]]:
    """Writes a session for every person; who went into each folder.

    Who left before there was half a minute after `test_from_sec` cannot be tested, and is left out of that
    folder. Raises FileExistsError for a folder that is there already: two splits must not mix.
    """
    written = {}
    for part, games in split_games([person.game for person in people], split).items():
        (folder / part).mkdir(parents=True)
        least_sec = test_from_sec + 30 if part == "meta-test" else 0.0
        written[part] = [
            person for person in people if person.game in set(games) and person.played_sec > least_sec
        ]
        for person in written[part]:
            write(folder / part / f"{person.id}.session", person, horizon_ticks)
    return written


def write(path: Path, person: Person, horizon_ticks: int) -> None:
    """Writes one person's session."""
    header = SessionHeader(spec(horizon_ticks), person.id, game_build=f"fish, game {person.game}")
    with SessionWriter(path, header, chunk_rows=1024) as writer:
        for episode, run in enumerate(person.runs):
            writer.extend(examples_of(run, episode, horizon_ticks))


def examples_of(run: Run, episode: int, horizon_ticks: int) -> Examples:
    """A run's rows; those whose label was not recorded any more weigh nothing."""
    targets = displacements_of(run, horizon_ticks)
    known = np.isfinite(targets).all(axis=1)
    return Examples(
        ticks=run.first_tick + np.arange(len(run)),
        agents=np.zeros(len(run), np.int32),
        episodes=np.full(len(run), episode, np.int32),
        observations=observations_of(run),
        targets=np.where(known[:, None], targets, 0.0).astype(np.float32),
        weights=known.astype(np.float32),
    )
