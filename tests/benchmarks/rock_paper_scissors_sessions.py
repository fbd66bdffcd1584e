"""The table of rock-paper-scissors games as `.session` files, for ordinary `pytrain train` and `evaluate`.

One session for each player, in folders by who may see them:

    FOLDER/meta-train  FOLDER/meta-validation  FOLDER/meta-test

A round is a tick and lasts a second, so "after 20 s" is "after 20 rounds". Rounds in which the player's move
is not known are rows of weight 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adaptive_agents.examples import Examples
from adaptive_agents.formats.session import SessionHeader, SessionWriter
from tests.benchmarks.rock_paper_scissors_history import UNKNOWN
from tests.benchmarks.rock_paper_scissors_play import Play, play_of, read_table

META_TEST_PLAYERS = 77
META_VALIDATION_PLAYERS = 55


def convert(table: Path, folder: Path, split: int = 0, keeps_count: bool = True) -> dict[str, int]:
    """Writes the sessions of every player of the table; how many went into each folder.

    Raises FileExistsError for a folder that is there already: two splits must not mix.
    """
    rounds = read_table(table)
    play = play_of(rounds, keeps_count)
    written = {}
    for part, players in split_players(len(rounds.players), split).items():
        (folder / part).mkdir(parents=True)
        for player in players:
            _write(folder / part / f"{rounds.players[player]}.session", play, player, rounds.players[player])
        written[part] = len(players)
    return written


def split_players(players: int, split: int) -> dict[str, list[int]]:
    """Whose play is learned from, chosen by, and tested on; another number, another split."""
    order = np.random.default_rng(split).permutation(players).tolist()
    first_of_train = META_TEST_PLAYERS + META_VALIDATION_PLAYERS
    return {
        "meta-train": sorted(order[first_of_train:]),
        "meta-validation": sorted(order[META_TEST_PLAYERS:first_of_train]),
        "meta-test": sorted(order[:META_TEST_PLAYERS]),
    }


def _write(path: Path, play: Play, player: int, player_id: str) -> None:
    labels = play.next_turn[player]
    rounds = len(labels)
    header = SessionHeader(play.spec, player_id, game_build="rock paper scissors, Brockbank & Vul")
    with SessionWriter(path, header) as writer:
        writer.extend(
            Examples(
                ticks=np.arange(rounds),
                agents=np.zeros(rounds, np.int32),
                episodes=np.zeros(rounds, np.int32),
                observations=play.observations[player],
                targets=np.maximum(labels, 0).astype(np.float32)[:, None],
                weights=(labels != UNKNOWN).astype(np.float32),
            )
        )
