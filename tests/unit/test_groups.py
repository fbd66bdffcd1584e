"""Three groups of players: who is in which, that nobody is in two, and what happens with too few."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytrain.errors import PytrainError
from pytrain.progress import silent
from pytrain.settings import TrainSettings
from pytrain.training.groups import MOST_JUDGES, read_groups
from tests.synthetic_players import write_sessions


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> Path:
    """A folder of forty players, four seconds each."""
    return write_sessions(tmp_path_factory.mktemp("sessions"), range(40), seconds=4.0)


def groups(sessions: Path, **changes):
    return read_groups(TrainSettings((sessions,), Path("a.brain"), **changes), silent)


def ids(*players) -> list[set[str]]:
    return [set(each.ids) for each in players]


def test_everybody_is_in_one_of_three_groups(sessions):
    found = groups(sessions)
    train, validation, judges = ids(found.train, found.validation, found.judges)
    assert (len(train), len(validation), len(judges)) == (26, 8, 6)
    assert len(train | validation | judges) == 40


def test_another_split_seed_gives_other_groups_and_the_seed_of_the_weights_does_not(sessions):
    one, same, other = groups(sessions), groups(sessions, seed=7), groups(sessions, split_seed=1)
    assert one.judges.ids == same.judges.ids
    assert one.validation.ids == same.validation.ids
    assert one.judges.ids != other.judges.ids


def test_one_more_player_leaves_nearly_all_where_they_are(sessions, tmp_path):
    before = groups(sessions)
    write_sessions(tmp_path, range(40, 41), seconds=4.0)
    after = read_groups(TrainSettings((sessions, tmp_path), Path("a.brain")), silent)
    was, became = (ids(each.train, each.validation, each.judges) for each in (before, after))
    assert all(len(old - new) <= 1 for old, new in zip(was, became, strict=True))
    assert not was[2] & became[0]  # nobody who judged is learned from


def test_too_few_players_have_no_judges_and_are_told_how_many_are_enough(sessions, tmp_path, capsys):
    write_sessions(tmp_path, range(12), seconds=4.0)
    found = groups(tmp_path)
    assert found.judges is None
    assert (len(found.train), len(found.validation)) == (10, 2)
    said = " ".join(capsys.readouterr().err.split())
    assert "12 players are too few to keep some for nothing but judging" in said
    assert "--judge-fraction 0.15 of them is 2, fewer than 5" in said
    assert "record 33 players or more" in said


def test_without_a_fraction_nobody_judges_and_nothing_is_said(sessions, capsys):
    assert groups(sessions, judge_fraction=0.0).judges is None
    assert capsys.readouterr().err == ""


def test_sessions_of_their_own_are_taken_for_each_group(sessions, tmp_path):
    write_sessions(tmp_path / "validation", range(50, 53), seconds=4.0)
    write_sessions(tmp_path / "judges", range(60, 62), seconds=4.0)
    found = groups(
        sessions,
        validation_sessions=(tmp_path / "validation",),
        judge_sessions=(tmp_path / "judges",),
    )
    assert (len(found.train), len(found.validation), len(found.judges)) == (40, 3, 2)


def test_judges_are_taken_from_the_others_where_only_validation_has_sessions(sessions, tmp_path):
    write_sessions(tmp_path, range(50, 53), seconds=4.0)
    found = groups(sessions, validation_sessions=(tmp_path,))
    assert (len(found.train), len(found.validation), len(found.judges)) == (34, 3, 6)


def test_more_judges_than_needed_are_left_to_learn_from(sessions, monkeypatch):
    monkeypatch.setattr("pytrain.training.groups.MOST_JUDGES", 5)
    assert len(groups(sessions).judges) == 5
    assert MOST_JUDGES > 5


def test_a_judge_who_is_learned_from_is_named(sessions):
    with pytest.raises(
        PytrainError, match=r"'player-\d+' is among the players to learn from and those who judge"
    ):
        groups(sessions, judge_sessions=(sessions,))


def test_players_must_have_played_for_a_look_and_a_query(sessions):
    with pytest.raises(PytrainError, match=r"played 3\.9 s, but more than 6 s .*--adapt-at-sec"):
        groups(sessions, adapt_at_sec=(4.0, 8.0))


def test_fractions_that_leave_nobody_to_learn_from_are_refused():
    settings = TrainSettings((), Path("a.brain"), validation_fraction=0.5, judge_fraction=0.5)
    with pytest.raises(PytrainError, match=r"--judge-fraction 0\.5 leave nobody to learn from"):
        settings.check()
