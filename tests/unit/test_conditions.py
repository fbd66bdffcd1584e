<<<<<<< HEAD
"""Conditions on what was observed: `--when FIELD<=VALUE`."""
=======
"""Supports count moments, come from anywhere in a play, and are the same for any number of agents."""
>>>>>>> 6ffbe44 (Name the conditions of --when as such: moments are ticks elsewhere)

from __future__ import annotations

import pytest
import torch
<<<<<<< HEAD

from adaptive_agents.spec import Field, Spec, Target
from pytrain.errors import PytrainError
from pytrain.evaluation.conditions import Condition

SPEC = Spec((Field("velocity", 2), Field("reload_sec")), Target("vector", "y", 1), 36)
SEEN = torch.tensor([[1.0, -1.0, 0.0], [2.0, 0.5, 0.1], [3.0, 0.0, 0.3]])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("reload_sec<=0.1", [True, True, False]),
        ("reload_sec < 0.1", [True, False, False]),
        (" reload_sec>=0.3", [False, False, True]),
        ("reload_sec[0]==0", [True, False, False]),
        ("velocity[1]>-1e-1", [False, True, True]),
    ],
)
def test_a_condition_compares_one_observed_number(text, kept):
    assert Condition.parse(text, SPEC).holds(SEEN).tolist() == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reload_sec", r"'reload_sec' is no condition.*'velocity\[0\]<=0\.1'"),
        ("reload_sec<=soon", "is no condition"),
        ("reload<=1", "observe no 'reload', but velocity, reload_sec"),
        ("velocity<=1", r"velocity has 2 numbers; name one of them, from velocity\[0\] to velocity\[1\]"),
        ("velocity[2]<=1", "velocity has 2 numbers"),
        ("reload_sec[1]<=1", "reload_sec has 1 number"),
    ],
)
def test_what_is_no_condition_says_how_one_looks(text, message):
    with pytest.raises(PytrainError, match=message):
        Condition.parse(text, SPEC)
=======
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

<<<<<<<< HEAD:tests/unit/test_moments.py
from adaptive_agents.model.support import row_of_moment
from pytrain.data.dataset import Players
from pytrain.data.tasks import Batch, Cuts, TaskSampler, newest_known, spread_between
from tests.walking_players import AGENT, HORIZON_TICKS, TICK, TICKS_APART, X, habits, make_walkers
========
from adaptive_agents.spec import Field, Spec, Target
from pytrain.errors import PytrainError
from pytrain.evaluation.conditions import Condition
>>>>>>>> 6ffbe44 (Name the conditions of --when as such: moments are ticks elsewhere):tests/unit/test_conditions.py

CUTS = Cuts(2.0, 30.0, 20.0)


@pytest.fixture(scope="module")
def walkers(tmp_path_factory) -> Players:
    return make_walkers(tmp_path_factory.mktemp("walkers"), range(2))


@pytest.fixture(scope="module")
def watched_by_one(tmp_path_factory) -> Players:
    return make_walkers(tmp_path_factory.mktemp("alone"), range(2), agents=1)


def ticks_of(batch: Batch) -> Tensor:
    """The tick of each example; -1 where none is there."""
    return torch.where(batch.weights > 0, batch.observations[..., TICK], -1).long()


def test_walkers_move_slowly_and_change_their_habit(walkers):
    """What other tests take for granted."""
    moments = spread_between(walkers, torch.tensor([0]), torch.tensor([0]), walkers.last_ticks[:1] + 1, 6000)
    x, y = moments.observations[0, :, X], moments.targets[0, :, 0]
    assert torch.corrcoef(torch.stack([x[1:], x[:-1]]))[0, 1] > 0.9
    (amplitude, phase), after = habits(0)
    assert torch.allclose(y[:2900], amplitude * torch.sin(2 * x[:2900] + phase), atol=1e-4)
    assert torch.allclose(y[3100:], after[0] * torch.sin(2 * x[3100:] + after[1]), atol=1e-4)


def test_supports_are_drawn_from_the_whole_of_a_players_play(walkers):
    support, query = (
        ticks_of(batch)
        for batch in (lambda tasks: (tasks.supports[0], tasks.query))(
            TaskSampler(walkers, CUTS, 0).whole_tasks(500, 300, 16)
        )
    )
    first_second = torch.where(support < 0, 10**9, support).amin(1) / 60
    by_minute = torch.histc(first_second, bins=10, min=0, max=600) / 500
    assert (by_minute > 0.04).all(), "a tenth of them starts in each minute"
    assert (query.amin(1) > support.amax(1)).all()
    assert (query.amax(1) - support.amax(1)).max() <= 60 * CUTS.query_window_sec + HORIZON_TICKS + TICKS_APART


def test_a_query_has_its_whole_window_even_at_the_end_of_the_play(walkers):
    query = ticks_of(TaskSampler(walkers, CUTS, 0).whole_tasks(500, 1, 400).query)
    assert ((query.amax(1) - query.amin(1)) > 0.9 * 60 * CUTS.query_window_sec).all()


def test_a_support_after_the_change_shows_the_new_habit_alone(walkers):
    tasks = TaskSampler(walkers.select([0]), CUTS, 0).whole_tasks(200, 300, 16)
    (support,) = tasks.supports
    is_new = ((support.weights == 0) | (ticks_of(support) >= 300 * 60)).all(1)
    assert 0.3 < is_new.float().mean() < 0.7
    amplitude, phase = habits(0)[1]
    expected = amplitude * torch.sin(2 * support.observations[..., X] + phase)
    there = support.weights[is_new] > 0
    assert torch.allclose(support.targets[is_new][..., 0][there], expected[is_new][there], atol=1e-4)


@given(seed=st.integers(0, 1000))
def test_a_moment_counts_once_whatever_the_number_of_agents(walkers, seed):
    tasks = TaskSampler(walkers, CUTS, seed).whole_tasks(8, 100, 4)
    for support in (
        *tasks.supports,
        newest_known(walkers, torch.tensor([0, 1]), torch.tensor([900, 9000]), 100),
    ):
        for ticks in ticks_of(support):
            there = ticks[ticks >= 0]
            assert there.diff().eq(TICKS_APART).all()


@given(seed=st.integers(0, 1000))
def test_a_player_gives_the_same_supports_whether_one_agent_watches_or_four(walkers, watched_by_one, seed):
    for draw in (
        lambda sampler: sampler.tasks(8, 100, 4, 3, 16).supports,
        lambda sampler: sampler.whole_tasks(8, 100, 4, from_nothing=True).supports,
    ):
        many, one = (draw(TaskSampler(players, CUTS, seed)) for players in (walkers, watched_by_one))
        for of_many, of_one in zip(many, one, strict=True):
            assert torch.equal(ticks_of(of_many), ticks_of(of_one))
            assert torch.equal(of_many.targets, of_one.targets)


def test_what_is_newest_is_the_same_whether_one_agent_watches_or_four(walkers, watched_by_one):
    at = torch.tensor([0, 1]), torch.tensor([60 * 20, 60 * 400]), 300
    many, one = (newest_known(players, *at) for players in (walkers, watched_by_one))
    assert torch.equal(ticks_of(many), ticks_of(one))
    assert torch.equal(many.targets, one.targets)


@pytest.mark.parametrize("how", ["drawn", "newest"])
def test_all_agents_have_their_turn(walkers, how):
    if how == "drawn":
        batch = TaskSampler(walkers, CUTS, 0).tasks(64, 300, 4, 1, 64).supports[0]
    else:
        batch = newest_known(walkers, torch.tensor([0]), torch.tensor([60 * 60]), 512)
    agents = batch.observations[..., AGENT][batch.weights > 0].long()
    shares = torch.bincount(agents, minlength=4) / len(agents)
    assert ((shares > 0.2) & (shares < 0.3)).all()


@given(start=st.integers(0, 10**6), step=st.integers(1, 12), agents=st.integers(1, 12))
def test_agents_take_turns_whatever_rhythm_they_meet_in(start, step, agents):
    moments = start + step * torch.arange(1000)
    turns = torch.bincount(row_of_moment(moments, torch.tensor(agents)), minlength=agents)
    assert len(turns) == agents
    assert turns.min() > 0.7 * 1000 / agents
    assert (
        turns.tolist()
        == torch.bincount(
            torch.tensor([row_of_moment(int(moment), agents) for moment in moments]), minlength=agents
        ).tolist()
    )
>>>>>>> 6ffbe44 (Name the conditions of --when as such: moments are ticks elsewhere)
