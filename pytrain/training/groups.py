"""Who is learned from, whom settings are chosen on, and who judges: three groups of players without overlap.

Without sessions of their own, meta-validation players and judges are taken from the players to learn from, in
the order of a hash of their ids: one more player moves hardly any other into another group, and yesterday's
judges do not become today's training.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from adaptive_agents.errors import SpecError
from adaptive_agents.model.window import Window
from pytrain.console import warn
from pytrain.data.dataset import Players, read_players, who_played_longer
from pytrain.errors import PytrainError
from pytrain.progress import ProgressCallback
from pytrain.settings import TrainSettings

MOST_JUDGES = 64  # more would not make the interval much narrower, but the training poorer
LEAST_JUDGES = 5  # fewer say nothing: then there are none
PLAY_FOR_QUERY = 1.5  # whoever is measured has played so many times as long as the first look takes


@dataclass(frozen=True)
class Groups:
    """The players of a training."""

    train: Players
    validation: Players
    judges: Players | None  # None: too few players for three groups

    def with_window(self, window: Window) -> Groups:
        """The same players, seen through such windows."""
        judges = None if self.judges is None else self.judges.with_window(window)
        return Groups(self.train.with_window(window), self.validation.with_window(window), judges)


def read_groups(settings: TrainSettings, progress: ProgressCallback) -> Groups:
    """Reads all sessions and says who is in which group; nobody is in two.

    Raises:
        PytrainError: sessions that cannot be used together, or too few players.
    """
    players = who_played_longer(
        read_players(settings.sessions, progress), settings.min_cut_sec, "--min-cut-sec"
    )
    validation = _of_their_own(players, settings, settings.validation_sessions, "validation", progress)
    judges = _of_their_own(players, settings, settings.judge_sessions, "judge", progress)
    if validation is None or (judges is None and settings.judge_fraction > 0):
        players, kept, kept_judges = _split(players, settings)
        validation, judges = validation or kept, judges or kept_judges
    if validation is None:
        raise PytrainError("no meta-validation players: raise --validation-fraction")
    groups = Groups(players, validation, judges)
    _check_apart(groups)
    return groups


def _of_their_own(
    players: Players,
    settings: TrainSettings,
    sessions: Sequence[Path],
    name: str,
    progress: ProgressCallback,
) -> Players | None:
    """The players of the sessions that were given for a group; None if there were none."""
    if not sessions:
        return None
    found = read_players(sessions, progress)
    try:
        players.spec.check_fits(
            found.spec,
            mine=f"the training session folder {settings.sessions[0]}",
            theirs=f"the {name} session folder {sessions[0]}",
        )
    except SpecError as error:
        raise PytrainError(f"these sessions cannot be used together: {error}") from error
    return who_played_longer(found, _least_sec(settings), "--adapt-at-sec")


def _split(players: Players, settings: TrainSettings) -> tuple[Players, Players | None, Players | None]:
    """The players without those who are kept, and the kept meta-validation players and judges."""
    wants_validation = not settings.validation_sessions
    wants_judges = not settings.judge_sessions and settings.judge_fraction > 0
    players = who_played_longer(players, _least_sec(settings), "--adapt-at-sec")
    count = len(players)
    judges = min(MOST_JUDGES, round(settings.judge_fraction * count)) if wants_judges else 0
    if wants_judges and judges < LEAST_JUDGES:
        enough = round(LEAST_JUDGES / settings.judge_fraction)
        warn(
            f"{count} players are too few to keep some for nothing but judging: --judge-fraction "
            f"{settings.judge_fraction:g} of them is {judges}, fewer than {LEAST_JUDGES} say nothing. What "
            "adapting gains is then measured on the players whom its settings were chosen on, which flatters "
            f"it; record {enough} players or more"
        )
        judges = 0
    if count < 2 and wants_validation:
        raise PytrainError(
            f"{count} player ({players.ids[0]!r}) cannot be split into players to learn from and "
            "players to validate on: record at least 2, better 50"
        )
    validation = max(1, round(settings.validation_fraction * count)) if wants_validation else 0
    validation = min(validation, count - 1 - judges)
    order = sorted(range(count), key=lambda index: _rank(players.ids[index], settings.split_seed))

    def group(indices: Sequence[int]) -> Players | None:
        return players.select(sorted(indices)) if indices else None

    kept = judges + validation
    return (
        players.select(sorted(order[kept:])),
        group(order[judges:kept]),
        group(order[:judges]),
    )


def _rank(player_id: str, split_seed: int) -> str:
    """By which players are ordered before they are split."""
    return hashlib.sha256(f"{split_seed} {player_id}".encode()).hexdigest()


def _least_sec(settings: TrainSettings) -> float:
    """How long somebody has to have played to be measured at all: a first look, and a query after it."""
    return PLAY_FOR_QUERY * min(settings.adapt_at_sec)


def _check_apart(groups: Groups) -> None:
    named = {"to learn from": groups.train, "to validate on": groups.validation}
    if groups.judges is not None:
        named["who judge"] = groups.judges
    for (one, of_one), (other, of_other) in combinations(named.items(), 2):
        both = sorted(set(of_one.ids) & set(of_other.ids))
        if both:
            raise PytrainError(
                f"player {both[0]!r} is among the players {one} and those {other} "
                f"({len(both)} such players): leave them out of one of the two"
            )
