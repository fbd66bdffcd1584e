"""Rock, paper, scissors as an opponent sees it: the table of rounds in, observations and labels out.

First station of the benchmark with real people. After each round the opponent knows the moves so far and how
long the player took; it wants the player's next move. Who the player is, which bot they face and why is not
observed: a game would have to find that out from the play, and so has the brain.

The game looks the same when every move is turned to the one that beats it. So moves are told by their turn
from the player's last move (0: the same, 1: what beats it, 2: what it beats), the next one too. That says as
much, and a habit learned with rock is known with paper.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.spec import Field, Spec, Target
from tests.benchmarks.rock_paper_scissors_history import UNKNOWN, History, Moves, turn

MOVES = ("rock", "paper", "scissors")  # each beats the one before it

ROUNDS_AGO = 4  # rounds that an observation tells one by one
ROUNDS_PLAYED_SCALE = 100.0
REACTION_SEC = (0.1, 5.0)  # shorter and longer ones are told as these


@dataclass(frozen=True)
class Rounds:
    """What people played, round by round; a shorter game ends in rounds of which nothing is known."""

    players: tuple[str, ...]
    own: Moves  # (players, rounds): the player's move
    opponent: Moves  # (players, rounds)
    took_sec: NDArray[np.float64]  # (players, rounds): 0 where there is no move

    def __post_init__(self) -> None:
        for name in ("own", "opponent", "took_sec"):
            shape = getattr(self, name).shape
            if shape != (len(self.players), self.own.shape[1]):
                raise ValueError(f"{name} has shape {shape} for {len(self.players)} players")


def read_table(path: Path) -> Rounds:
    """The rounds of `rounds.csv.gz`; a round that the table leaves out stays unknown."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    players = tuple(dict.fromkeys(row["player"] for row in rows))
    shape = len(players), max(int(row["round"]) for row in rows)
    own, opponent, took_sec = np.full(shape, UNKNOWN), np.full(shape, UNKNOWN), np.zeros(shape)
    number = {move: index for index, move in enumerate(MOVES)} | {"": UNKNOWN}
    index_of = {player: index for index, player in enumerate(players)}
    for row in rows:
        at = index_of[row["player"]], int(row["round"]) - 1
        own[at], opponent[at] = number[row["player_move"]], number[row["opponent_move"]]
        if own[at] != UNKNOWN:
            took_sec[at] = float(row["reaction_msec"]) / 1000
    return Rounds(players, own, opponent, took_sec)


@dataclass(frozen=True)
class Play:
    """Observations before every round and what they should tell: row r is known once r rounds are over."""

    spec: Spec
    observations: NDArray[np.float32]  # (players, rounds, obs_dim)
    next_turn: Moves  # (players, rounds): the player's move of round r + 1 as a turn from `turned_from`
    turned_from: Moves  # (players, rounds): the player's last known move; rock before there is one

    def next_move(self) -> Moves:
        """The labels as moves `(players, rounds)`."""
        return np.where(self.next_turn == UNKNOWN, UNKNOWN, (self.turned_from + self.next_turn) % 3)


def play_of(rounds: Rounds, keeps_count: bool = True) -> Play:
    """What the opponent of each player sees before every round, and the label.

    An opponent that keeps count also knows what `History` expects; the other one sees the last rounds only.
    """
    players, count = rounds.own.shape
    history = History(players)
    last_move = np.full(players, UNKNOWN)
    columns: list[dict[str, NDArray[np.float64]]] = []
    next_turn, turned_from = np.empty((2, players, count), np.int64)
    for done in range(count):
        turned_from[:, done] = np.maximum(last_move, 0)
        known = history.expectations(turned_from[:, done]) if keeps_count else history.situations()
        columns.append(_last_rounds(rounds, done, last_move) | known)
        own, opponent = rounds.own[:, done], rounds.opponent[:, done]
        next_turn[:, done] = turn(own, turned_from[:, done])
        history.add(own, opponent, last_move)
        last_move = np.where(own == UNKNOWN, last_move, own)
    fields = tuple(Field(name, values.shape[1]) for name, values in columns[0].items())
    observations = np.stack([np.concatenate(list(column.values()), axis=1) for column in columns], axis=1)
    spec = Spec(fields, Target("category", "next_turn", 3), horizon_ticks=1, tick_rate_hz=1)
    return Play(spec, observations.astype(np.float32), next_turn, turned_from)


def _last_rounds(rounds: Rounds, done: int, last_move: Moves) -> dict[str, NDArray[np.float64]]:
    """The last of the rounds that are done one by one, newest first, and how the game stands."""
    players = len(rounds.players)
    fields = {}
    for ago in range(1, ROUNDS_AGO + 1):
        moves = [
            side[:, done - ago] if ago <= done else np.full(players, UNKNOWN)
            for side in (rounds.own, rounds.opponent)
        ]
        fields[f"moves_{ago}_ago"] = np.concatenate(
            [_one_hot(turn(each, last_move)) for each in moves], axis=1
        )
    fields["last_move"] = _one_hot(last_move)
    moved = rounds.own[:, done - 1] != UNKNOWN if done else np.ones(players, bool)
    took_sec = np.clip(rounds.took_sec[:, done - 1] if done else 1.0, *REACTION_SEC)
    fields["no_move"] = (~moved[:, None]).astype(float)
    fields["log_reaction_sec"] = np.where(moved, np.log(took_sec), 0.0)[:, None]
    fields["rounds_played"] = np.full((players, 1), done / ROUNDS_PLAYED_SCALE)
    return fields


def _one_hot(numbers: Moves) -> NDArray[np.float64]:
    """`(n,)` -> `(n, 3)`; zeros for what is unknown."""
    hot: NDArray[np.float64] = (numbers[:, None] == np.arange(3)).astype(np.float64)
    return hot
