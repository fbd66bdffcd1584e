"""The recorded world of the fish: who swam where, as runs without a gap, and which games are kept apart.

468 people steered an avatar in 230 games (hawkrobe/fish, experiment 3), some alone, some up to six together,
for about six minutes at 8 rows a second. People of one game see each other, so parts are split by game.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROWS_PER_SEC = 8
FAST_FROM_PX = 4.0  # a row's way: swimmers know two speeds, 2.125 and 7.125 px a row
SPLITS = 4
VALIDATION_EVERY = 7  # of the games in order of their size, one in so many chooses features and settings

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """What one person did without a gap, row by row."""

    first_tick: int
    position: Numbers
    """(rows, 2) px; x to the right, y down."""
    direction: Numbers
    """(rows, 2): where the avatar looks, of length 1."""
    fast: NDArray[np.bool_]
    """(rows,): which of the two speeds was chosen."""
    score: Numbers
    """(rows,): what the person is paid at this place and moment, 0 to 1; they see it."""

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Person:
    """All runs of one person, in order of time."""

    id: str
    game: int
    runs: tuple[Run, ...]

    @property
    def played_sec(self) -> float:
        """The second of their last row."""
        return (self.runs[-1].first_tick + len(self.runs[-1])) / ROWS_PER_SEC


def read_people(tracks: Path) -> list[Person]:
    """The people of `tracks.npz` whose place was recorded; three of the 468 have none."""
    with np.load(tracks) as stored:
        columns = {name: stored[name] for name in stored.files}
    ends = np.append(np.flatnonzero(np.diff(columns["player"])) + 1, len(columns["player"]))
    people = []
    for first, end in zip([0, *ends[:-1]], ends, strict=True):
        rows = {name: column[first:end] for name, column in columns.items()}
        runs = tuple(_runs(rows))
        if runs:
            people.append(Person(f"fish-{rows['player'][0]}", int(rows["game"][0]), runs))
    return people


def _runs(rows: dict[str, NDArray[np.generic]]) -> Iterator[Run]:
    """The stretches in which a person was visible, all is known, and no tick is left out."""
    position = np.stack([rows["x"], rows["y"]], axis=1).astype(np.float64)
    angle, speed, score = (rows[name].astype(np.float64) for name in ("angle_deg", "speed", "score_field"))
    ticks = rows["tick"].astype(np.int64)
    numbers = np.column_stack([position, angle, speed, score])
    known = (rows["visible"] == 1) & np.isfinite(numbers).all(axis=1)
    begins = known & ~np.append(False, known[:-1] & (np.diff(ticks) == 1))
    for first in np.flatnonzero(begins):
        goes_on = known[first + 1 :] & ~begins[first + 1 :]
        end = first + 1 + (len(goes_on) if goes_on.all() else int(goes_on.argmin()))
        part = slice(first, end)
        radians = np.deg2rad(angle[part])
        direction = np.stack([np.sin(radians), -np.cos(radians)], axis=1)
        yield Run(int(ticks[first]), position[part], direction, speed[part] > FAST_FROM_PX, score[part])


def split_games(game_of_person: list[int], split: int) -> dict[str, list[int]]:
    """Whose play is learned from, chosen by, and tested on, as games.

    The meta-validation games are the same in all of the four splits, and nobody in them is ever tested; every
    other game is tested in exactly one. Games of each size are dealt out evenly.
    """
    games, sizes = np.unique(game_of_person, return_counts=True)
    shuffled = np.random.default_rng(0).permutation(len(games))
    by_size = games[shuffled[np.argsort(sizes[shuffled], kind="stable")]].tolist()
    validation = by_size[VALIDATION_EVERY // 2 :: VALIDATION_EVERY]
    others = [game for game in by_size if game not in set(validation)]
    tested = others[split % SPLITS :: SPLITS]
    return {
        "meta-train": sorted(set(others) - set(tested)),
        "meta-validation": sorted(validation),
        "meta-test": sorted(tested),
    }
