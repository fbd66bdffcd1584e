"""Sessions become players: joined by player id, sorted by time, and split so that nobody is on both sides."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.dataset import read_players, split_by_player, who_played_longer
from pytrain.data.tasks import observed_between
from pytrain.errors import PytrainError
from tests.synthetic_players import HORIZON_TICKS, make_players, sinusoid_spec, write_sessions


def write(
    path: Path, player: str, ticks: list[int], started_at: str = "", weights: list[float] | None = None
):
    """A session whose first observed value says which tick it is."""
    with SessionWriter(path, SessionHeader(sinusoid_spec(), player, started_at=started_at)) as writer:
        for tick, weight in zip(ticks, weights or [1.0] * len(ticks), strict=True):
            writer.add(tick, 0, 0, [tick, 0, 0], [tick / 2], weight)


def test_players_are_sorted_by_id_and_own_their_examples(tmp_path):
    write(tmp_path / "1.session", "zoe", [10, 20])
    write(tmp_path / "2.session", "ann", [5, 6, 7])
    players = read_players([tmp_path])
    assert players.ids == ("ann", "zoe")
    assert players.first.tolist() == [0, 3]
    assert players.end.tolist() == [3, 5]
    assert players.history.observations[:, 0].tolist() == [5, 6, 7, 10, 20]
    assert players.history.targets[:, 0].tolist() == [2.5, 3, 3.5, 5, 10]


def test_ticks_of_play_count_from_the_first_observation(tmp_path):
    write(tmp_path / "1.session", "ann", [1000, 1006])
    assert read_players([tmp_path]).history.ticks.tolist() == [0, 6]


def test_a_later_session_goes_on_a_horizon_after_the_one_before(tmp_path):
    write(tmp_path / "a.session", "ann", [0, 6], started_at="2026-01-02T00:00:00+00:00")
    write(tmp_path / "b.session", "ann", [0, 6], started_at="2026-01-01T00:00:00+00:00")
    players = read_players([tmp_path])
    assert players.sessions == 2
    assert players.history.ticks.tolist() == [0, 6, 6 + HORIZON_TICKS + 1, 12 + HORIZON_TICKS + 1]


def test_examples_come_in_order_of_time(tmp_path):
    write(tmp_path / "1.session", "ann", [12, 0, 6])
    assert read_players([tmp_path]).history.observations[:, 0].tolist() == [0, 6, 12]


def test_examples_without_a_label_are_left_out(tmp_path):
    write(tmp_path / "1.session", "ann", [0, 6, 12], weights=[1.0, 0.0, 0.5])
    players = read_players([tmp_path])
    assert players.history.ticks.tolist() == [0, 12]
    assert players.history.weights.tolist() == [1.0, 0.5]


def test_files_and_folders_may_be_mixed_and_named_twice(tmp_path):
    write(tmp_path / "1.session", "ann", [0, 6])
    assert read_players([tmp_path, tmp_path / "1.session"]).examples == 2


def test_a_folder_without_sessions_says_how_to_record_some(tmp_path):
    with pytest.raises(PytrainError, match=r"no \.session file in .*pytrain record"):
        read_players([tmp_path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PytrainError, match=r"nobody\.session"):
        read_players([tmp_path / "nobody.session"])


def test_a_folder_in_which_nothing_can_be_used_is_refused(tmp_path, capsys):
    write(tmp_path / "1.session", "ann", [])
    (tmp_path / "2.session").write_bytes(b"not a session")
    with pytest.raises(PytrainError, match="none of 2 session files can be used"):
        read_players([tmp_path])
    assert len(warnings(capsys)) == 2


def warnings(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04 a picture, perhaps", r"'.*bad\.session' is not a session"),
        (b"", r"'.*bad\.session' is not a session"),
        (b"\x89AAses\r\n\x10\x00", r"'.*bad\.session' ends inside its header"),
    ],
)
def test_a_damaged_or_foreign_file_is_left_out_with_one_warning(tmp_path, capsys, content, why):
    write(tmp_path / "1.session", "ann", [0, 6])
    (tmp_path / "bad.session").write_bytes(content)
    assert read_players([tmp_path]).ids == ("ann",)
    (warning,) = warnings(capsys)
    assert re.search(f"left out: session {why}", warning)


def test_a_player_without_any_label_is_left_out_with_a_warning(tmp_path, capsys):
    write(tmp_path / "1.session", "ann", [0, 6])
    write(tmp_path / "2.session", "bob", [0], weights=[0.0])
    assert read_players([tmp_path]).ids == ("ann",)
    (warning,) = warnings(capsys)
    assert "2.session' holds no labelled example" in warning


def test_a_session_cut_by_a_crash_is_used_up_to_its_last_chunk(tmp_path, capsys):
    path = tmp_path / "1.session"
    write(path, "ann", list(range(0, 600, 2)))  # 256 rows in the first chunk, 44 in the second
    path.write_bytes(path.read_bytes()[:-10])
    assert read_players([tmp_path]).examples == 256
    (warning,) = warnings(capsys)
    assert "1.session' ends in a cut chunk" in warning
    assert "256 examples" in warning


def other_spec_session(path: Path, started_at: str = "") -> None:
    spec = Spec((Field("x"), Field("distraction", 3)), Target("vector", "y", 1), HORIZON_TICKS)
    with SessionWriter(path, SessionHeader(spec, "bob", started_at=started_at)) as writer:
        writer.add(0, 0, 0, [0, 0, 0, 0], [0])


def test_a_session_of_another_spec_than_most_is_left_out_with_both_values(tmp_path, capsys):
    other_spec_session(tmp_path / "1.session")
    write(tmp_path / "2.session", "ann", [0])
    write(tmp_path / "3.session", "zoe", [0])
    assert read_players([tmp_path]).ids == ("ann", "zoe")
    (warning,) = warnings(capsys)
    assert re.search(
        r"the spec of 2 sessions expects distraction\[2\].*1\.session' has distraction\[3\]", warning
    )


def test_of_two_specs_as_frequent_the_one_recorded_last_is_used(tmp_path):
    write(tmp_path / "1.session", "ann", [0], started_at="2026-01-01T00:00:00+00:00")
    other_spec_session(tmp_path / "2.session", started_at="2026-01-02T00:00:00+00:00")
    assert read_players([tmp_path]).ids == ("bob",)


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 100))
def test_a_split_by_player_has_no_overlap_and_loses_nobody(count, fraction, seed):
    players = make_players(count, seconds=1.0)
    kept, held_out = split_by_player(players, fraction, seed)
    assert not set(kept.ids) & set(held_out.ids)
    assert sorted(kept.ids + held_out.ids) == sorted(players.ids)
    assert len(kept) >= 1
    assert len(held_out) >= 1
    assert kept.examples + held_out.examples == players.examples


def test_a_split_is_the_same_for_the_same_seed():
    players = make_players(20, seconds=1.0)
    assert split_by_player(players, 0.2, 3)[1].ids == split_by_player(players, 0.2, 3)[1].ids
    assert split_by_player(players, 0.2, 3)[1].ids != split_by_player(players, 0.2, 4)[1].ids


def test_players_who_stopped_early_are_left_out_with_one_warning(tmp_path, capsys):
    write(tmp_path / "1.session", "ann", [0, 1200])
    write(tmp_path / "2.session", "bob", [0, 1206])
    write(tmp_path / "3.session", "zoe", [0, 60])
    players = read_players([tmp_path])
    assert who_played_longer(players, 20.0, "--adapt-at-sec").ids == ("bob",)
    warning = " ".join(capsys.readouterr().err.split())
    assert "left out: 2 of 3 players; player 'ann' played 20.0 s, but more than 20 s are needed" in warning
    assert who_played_longer(players, 0.5, "--min-cut-sec") is players
    with pytest.raises(PytrainError, match=r"no player's play is long enough: player 'ann' .*--adapt-at-sec"):
        who_played_longer(players, 60.0, "--adapt-at-sec")


def test_one_player_cannot_be_split():
    with pytest.raises(PytrainError, match="'player-0'"):
        split_by_player(make_players(1), 0.2, 0)


def test_selected_players_keep_their_own_examples():
    players = make_players(5, seconds=2.0)
    chosen = players.select([3, 1])
    assert chosen.ids == ("player-3", "player-1")
    assert chosen.examples == 2 * players.examples // 5
    who = torch.tensor([1])
    theirs, found = (
        observed_between(each, who, torch.tensor([0]), torch.tensor([120])) for each in (players, chosen)
    )
    assert torch.equal(found.observations, theirs.observations)
    assert torch.equal(found.targets, theirs.targets)


def test_recorded_numbers_arrive_unchanged(tmp_path):
    folder = write_sessions(tmp_path / "sessions", range(3), seconds=5.0)
    read, made = read_players([folder]), make_players(3, seconds=5.0)
    assert np.array_equal(read.history.observations, made.history.observations)
    assert np.array_equal(read.history.targets, made.history.targets)
    assert torch.equal(read.history.ticks, made.history.ticks)
    assert torch.equal(read.history.back, made.history.back)
    assert torch.equal(read.starts, made.starts)
