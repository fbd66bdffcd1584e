"""What an opponent that keeps count expects next: how often each move followed in the situations of the game.

Features for `rock_paper_scissors_play`. Players repeat themselves ("after a loss I play what would have won")
and answer bots that repeat themselves, so the counts are of both sides' moves, once as moves and once as
turns from the player's last move. Each count forgets slowly, as people change their minds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Moves = NDArray[np.int64]
"""Moves, turns or situations by number; UNKNOWN where nobody knows."""
UNKNOWN = -1

FORGETTING = 0.9  # what the counts of a situation keep each time that it is met
PRIOR_COUNT = 1.5  # rounds' worth of not knowing in every situation
SITUATIONS = {
    "any": 1,
    "own": 3,
    "opponent": 3,
    "outcome": 3,
    "both": 9,
    "two_own": 9,
    "two_opponent": 9,
    "three_outcomes": 27,
    "two_rounds_turned": 27,
    "two_rounds": 81,
    "three_rounds_turned": 243,
}
"""What the last rounds may have been, and in how many ways."""


class History:
    """The counts of many games side by side: `add` a round, ask for `expectations`."""

    def __init__(self, players: int) -> None:
        self._own = np.full((players, 3), UNKNOWN)  # the last three rounds, newest last
        self._opponent = np.full((players, 3), UNKNOWN)
        self._counts = {
            (name, what): np.zeros((players, ways, 3))
            for name, ways in SITUATIONS.items()
            for what in ("own", "own_turn", "opponent", "opponent_turn")
        }

    def add(self, own: Moves, opponent: Moves, last_move: Moves) -> None:
        """Counts a round `(players,)` that followed a player's last known move."""
        followed = {
            "own": own,
            "own_turn": turn(own, last_move),
            "opponent": opponent,
            "opponent_turn": turn(opponent, last_move),
        }
        situations = self._situations()
        for (name, what), counts in self._counts.items():
            situation, move = situations[name], followed[what]
            known = np.flatnonzero((situation != UNKNOWN) & (move != UNKNOWN))
            counts[known, situation[known]] *= FORGETTING
            counts[known, situation[known], move[known]] += 1
        self._own = np.column_stack((self._own[:, 1:], own))
        self._opponent = np.column_stack((self._opponent[:, 1:], opponent))

    def expectations(self, last_move: Moves) -> dict[str, NDArray[np.float64]]:
        """For each situation `(players, 13)`: how often each turn followed it, four times, and how sure.

        The four are the player's and the opponent's next move, counted as moves and as turns; all are told as
        turns from the player's last move.
        """
        every = np.arange(len(last_move))
        as_turns = (last_move[:, None] + np.arange(3)) % 3
        fields = {}
        for name, situation in self._situations().items():
            told = []
            for what in ("own", "own_turn", "opponent", "opponent_turn"):
                here = np.where(
                    (situation == UNKNOWN)[:, None], 0.0, self._counts[name, what][every, situation]
                )
                met = here.sum(1, keepdims=True)
                often = (here + PRIOR_COUNT / 3) / (met + PRIOR_COUNT)
                told.append(often if what.endswith("turn") else np.take_along_axis(often, as_turns, 1))
                if what == "own":
                    sure = met / (met + 2 * PRIOR_COUNT)
            fields[f"after_{name}"] = np.concatenate((*told, sure), axis=1)
        return fields

    def situations(self) -> dict[str, NDArray[np.float64]]:
        """Which situation the game is in, without any count: ones and zeros `(players, ways)`."""
        numbers = self._situations()
        return {
            f"in_{name}": (numbers[name][:, None] == np.arange(SITUATIONS[name])).astype(np.float64)
            for name in ("both", "two_rounds_turned")
        }

    def _situations(self) -> dict[str, Moves]:
        """Which of its ways each situation is in `(players,)`; UNKNOWN where a move of it is."""
        own, opponent = self._own.T[::-1], self._opponent.T[::-1]  # [0] is the newest
        outcome, own_turn = turn(opponent, own), turn(own[0], own[1])
        return {
            "any": np.zeros_like(own[0]),
            "own": own[0],
            "opponent": opponent[0],
            "outcome": outcome[0],
            "both": _numbered(own[0], opponent[0]),
            "two_own": _numbered(own[0], own[1]),
            "two_opponent": _numbered(opponent[0], opponent[1]),
            "three_outcomes": _numbered(*outcome),
            "two_rounds_turned": _numbered(*outcome[:2], own_turn),
            "two_rounds": _numbered(own[0], opponent[0], own[1], opponent[1]),
            "three_rounds_turned": _numbered(*outcome, own_turn, turn(own[1], own[2])),
        }


def turn(moves: Moves, from_moves: Moves) -> Moves:
    """0: the same move, 1: the one that beats it, 2: the one that it beats; UNKNOWN if either is."""
    return np.where((moves == UNKNOWN) | (from_moves == UNKNOWN), UNKNOWN, (moves - from_moves) % 3)


def _numbered(*parts: Moves) -> Moves:
    number = np.zeros_like(parts[0])
    for part in parts:
        number = 3 * number + part
    return np.where(np.min(parts, axis=0) == UNKNOWN, UNKNOWN, number)
