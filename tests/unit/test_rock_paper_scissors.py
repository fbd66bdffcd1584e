"""Converted games of rock, paper, scissors: what an opponent sees and is to tell, and who is kept apart."""

import csv
import gzip
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from adaptive_agents.formats.session import read_session
from pytrain.data.dataset import read_players
from tests.benchmarks.rock_paper_scissors_history import UNKNOWN
from tests.benchmarks.rock_paper_scissors_play import MOVES, Rounds, play_of, read_table
from tests.benchmarks.rock_paper_scissors_sessions import convert, split_players

COLUMNS = (
    "player",
    "round",
    "player_move",
    "opponent_move",
    "reaction_msec",
    "opponent_strategy",
    "experiment",
)


def some_rounds(players: int = 5, count: int = 30, seed: int = 0) -> Rounds:
    """Random games in which a move is missing now and then."""
    random = np.random.default_rng(seed)
    own = random.choice([UNKNOWN, 0, 1, 2], (players, count), p=[0.1, 0.3, 0.3, 0.3])
    names = tuple(f"p{player}" for player in range(players))
    took_sec = np.where(own == UNKNOWN, 0.0, random.uniform(0.3, 3.0, (players, count)))
    return Rounds(names, own, random.integers(0, 3, (players, count)), took_sec)


def columns_of(spec, name: str) -> slice:
    first = 0
    for field in spec.observation:
        if field.name == name:
            return slice(first, first + field.size)
        first += field.size
    raise KeyError(name)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """140 players of 12 rounds in the table's format; player 7's fourth round was not recorded."""
    path = tmp_path_factory.mktemp("table") / "rounds.csv.gz"
    rounds = some_rounds(140, 12)
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for player in range(140):
            for index in range(12):
                if (player, index) == (7, 3):
                    continue
                moves = [rounds.own[player, index], rounds.opponent[player, index]]
                names = ["" if move == UNKNOWN else MOVES[move] for move in moves]
                writer.writerow([player, index + 1, *names, 1000 * rounds.took_sec[player, index], "bot", 2])
    return path


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sessions")
    convert(table, folder, split=1)
    return folder


@pytest.mark.parametrize("round_changed", [0, 1, 7, 29])
@pytest.mark.parametrize("keeps_count", [True, False])
def test_an_observation_knows_nothing_of_the_round_that_it_should_tell(round_changed, keeps_count):
    rounds = some_rounds()
    before = play_of(rounds, keeps_count).observations
    for side in ("own", "opponent", "took_sec"):
        getattr(rounds, side)[:, round_changed] = (getattr(rounds, side)[:, round_changed] + 1) % 3
    after = play_of(rounds, keeps_count).observations
    np.testing.assert_array_equal(before[:, : round_changed + 1], after[:, : round_changed + 1])
    if round_changed < 29:
        assert (before[:, round_changed + 1] != after[:, round_changed + 1]).any()


def test_labels_turn_back_into_the_moves_that_were_played():
    rounds = some_rounds()
    np.testing.assert_array_equal(play_of(rounds).next_move(), rounds.own)


def test_the_same_habit_with_turned_moves_looks_the_same_but_for_the_last_move():
    rounds = some_rounds()
    turned = Rounds(
        rounds.players,
        np.where(rounds.own == UNKNOWN, UNKNOWN, (rounds.own + 1) % 3),
        (rounds.opponent + 1) % 3,
        rounds.took_sec,
    )
    one, other = play_of(rounds), play_of(turned)
    same = np.ones(one.spec.observation_size, bool)
    same[columns_of(one.spec, "last_move")] = False
    met_a_move = (rounds.own != UNKNOWN).cumsum(1)[:, :-1] > 0  # before that, turns are told from rock
    np.testing.assert_allclose(
        one.observations[:, 1:, same][met_a_move], other.observations[:, 1:, same][met_a_move]
    )
    np.testing.assert_array_equal(one.next_turn[:, 1:][met_a_move], other.next_turn[:, 1:][met_a_move])


def test_what_always_followed_is_expected():
    """A player who beats the opponent's last move, whatever that was."""
    opponent = np.random.default_rng(1).integers(0, 3, (1, 60))
    own = np.concatenate(([[0]], (opponent[:, :-1] + 1) % 3), axis=1)
    play = play_of(Rounds(("p",), own, opponent, np.ones((1, 60))))
    after_opponent = play.observations[0, :, columns_of(play.spec, "after_opponent")]
    own_next = after_opponent[:, :3]
    assert (own_next[30:].argmax(1) == play.next_turn[0, 30:]).all()
    assert own_next[30:].max(1).min() > 0.8


def test_an_opponent_that_keeps_no_count_forgets_all_but_the_last_rounds():
    rounds = some_rounds()
    before = play_of(rounds, keeps_count=False).observations
    rounds.own[:, :5] = (rounds.own[:, :5] + 1) % 3
    after = play_of(rounds, keeps_count=False).observations
    assert (before[:, 5] != after[:, 5]).any()
    np.testing.assert_array_equal(before[:, 15:], after[:, 15:])


@pytest.mark.parametrize("split", [0, 1, 2])
def test_a_player_is_in_one_part_of_a_split_only(split):
    parts = split_players(409, split)
    assert {name: len(players) for name, players in parts.items()} == {
        "meta-train": 277,
        "meta-validation": 55,
        "meta-test": 77,
    }
    assert sorted(chain(*parts.values())) == list(range(409))
    assert parts != split_players(409, split + 1)


def test_a_player_is_in_one_folder_only(folder):
    files = sorted(folder.rglob("*.session"))
    assert len(files) == 140
    assert len({read_session(file).header.player_id for file in files}) == 140
    assert {path.name for path in folder.iterdir()} == {"meta-train", "meta-validation", "meta-test"}


def test_a_session_holds_the_moves_of_its_player_and_weighs_the_missing_ones_nothing(folder, table):
    rounds = read_table(table)
    play = play_of(rounds)
    for player, name in enumerate(rounds.players):
        (file,) = folder.rglob(f"{name}.session")
        examples = read_session(file).examples
        known = rounds.own[player] != UNKNOWN
        np.testing.assert_array_equal(examples.weights > 0, known)
        turns = examples.targets[:, 0].astype(int)
        np.testing.assert_array_equal(
            ((play.turned_from[player] + turns) % 3)[known], rounds.own[player][known]
        )
        np.testing.assert_array_equal(examples.ticks, np.arange(12))


def test_a_round_that_was_not_recorded_is_a_round_without_a_label(folder):
    (file,) = folder.rglob("7.session")
    assert read_session(file).examples.weights[3] == 0


def test_two_splits_do_not_mix_in_one_folder(folder, table):
    with pytest.raises(FileExistsError):
        convert(table, folder, split=2)


def test_training_reads_a_round_as_a_second(folder):
    players = read_players([folder / "meta-test"])
    assert len(players) == 77
    assert (players.spec.tick_rate_hz, players.spec.horizon_ticks) == (1, 1)
    assert int(players.last_ticks.max()) == 11
