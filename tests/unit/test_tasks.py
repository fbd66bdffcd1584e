"""Tasks: the support set is what was known at the cut, the query set was observed strictly after it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.model.window import Window
from pytrain.data.dataset import Players
from pytrain.data.tasks import Batch, Cuts, TaskSampler, newest_known, observed_between, spread_between
from tests.synthetic_players import HORIZON_TICKS, TICKS_APART, make_players, players_of, sinusoid_spec


def telling_players(count: int, examples: int) -> Players:
    """Players whose observations say who they are and at which tick it was."""
    ticks = (torch.arange(examples) * TICKS_APART).repeat(count)
    who = torch.arange(count).repeat_interleave(examples)
    observations = torch.stack([who, ticks, torch.zeros_like(who)], dim=1).float()
    return players_of(sinusoid_spec(), ticks, [examples] * count, observations, torch.zeros(len(ticks), 1))


def ticks_of(batch: Batch, task: int) -> list[int]:
    """The ticks of the examples that are there."""
    return batch.observations[task, batch.weights[task] > 0, 1].long().tolist()


@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 64))
def test_queries_are_observed_after_every_support_label_was_known(seed, examples, support_size):
    players = telling_players(4, 30 + examples)
    tasks = TaskSampler(players, Cuts(1.0, 20.0, 5.0), seed).tasks(8, support_size, 16, 2, 8)
    for task in range(8):
        query = ticks_of(tasks.query, task)
        assert query
        for support in tasks.supports:
            known = [tick + HORIZON_TICKS for tick in ticks_of(support, task)]
            assert all(moment <= observed for moment in known for observed in query)


@given(st.integers(0, 1000))
def test_support_and_query_are_of_the_same_player(seed):
    tasks = TaskSampler(telling_players(5, 600), Cuts(), seed).tasks(8, 16, 16, 3, 4)
    for task in range(8):
        (who,) = {*tasks.query.observations[task, :, 0].tolist()}
        for support in tasks.supports:
            assert {*support.observations[task, :, 0].tolist()} == {who}


def test_inner_steps_see_different_parts_of_the_newest_examples():
    tasks = TaskSampler(telling_players(2, 600), Cuts(20.0, 20.0, 5.0), 0).tasks(4, 50, 1, 200, 20)
    seen = {tick for support in tasks.supports for tick in ticks_of(support, 0)}
    assert seen == set(range(max(seen), max(seen) - 50 * TICKS_APART, -TICKS_APART))
    assert ticks_of(tasks.supports[0], 0) != ticks_of(tasks.supports[1], 0)


def test_the_support_set_holds_the_newest_examples_whose_label_was_known():
    players = telling_players(2, 100)
    support = newest_known(players, torch.tensor([1]), torch.tensor([120]), 4)
    assert ticks_of(support, 0) == [66, 72, 78, 84]  # 84 + 36 ticks of horizon = 120
    assert support.observations[0, :, 0].tolist() == [1, 1, 1, 1]


def test_a_short_past_is_padded_with_weight_0():
    support = newest_known(telling_players(2, 100), torch.tensor([1]), torch.tensor([42]), 4)
    assert support.weights[0].tolist() == [0, 0, 1, 1]
    assert ticks_of(support, 0) == [0, 6]


def test_before_the_first_label_nothing_is_known():
    support = newest_known(
        telling_players(2, 100), torch.tensor([0, 1]), torch.tensor([0, HORIZON_TICKS - 1]), 4
    )
    assert support.weights.sum() == 0


def test_a_window_holds_all_that_was_observed_in_it_and_nothing_of_others():
    players = telling_players(3, 20)
    window = observed_between(
        players, torch.tensor([0, 2]), torch.tensor([60, 108]), torch.tensor([78, 9999])
    )
    assert ticks_of(window, 0) == [60, 66, 72]
    assert ticks_of(window, 1) == [108, 114]
    assert window.observations[1, window.weights[1] > 0, 0].tolist() == [2, 2]


def test_queries_stay_inside_the_window_after_the_cut():
    tasks = TaskSampler(telling_players(3, 600), Cuts(10.0, 10.0, 3.0), 0).whole_tasks(16, 8, 32)
    for task in range(16):
        known = max(ticks_of(tasks.supports[0], task)) + HORIZON_TICKS
        assert set(ticks_of(tasks.query, task)) <= set(range(known, known + 180 + TICKS_APART, TICKS_APART))


def test_cuts_come_at_all_times_after_the_start_of_a_task():
    tasks = TaskSampler(telling_players(3, 600), Cuts(2.0, 30.0, 5.0), 0).whole_tasks(2000, 400, 1)
    known = tasks.supports[0].weights.sum(1) * TICKS_APART + HORIZON_TICKS
    assert 2 * 60 - TICKS_APART <= known.min() < 3 * 60
    assert 29 * 60 < known.max() <= 30 * 60 + TICKS_APART


def test_a_whole_support_set_holds_each_moment_once_oldest_first_padded_in_front():
    tasks = TaskSampler(telling_players(3, 600), Cuts(2.0, 30.0, 5.0), 0).whole_tasks(64, 100, 1)
    (support,) = tasks.supports
    assert support.observations.shape == (64, 100, 3)
    for task in range(64):
        ticks = ticks_of(support, task)
        assert ticks == list(range(ticks[0], ticks[0] + len(ticks) * TICKS_APART, TICKS_APART))
        assert support.weights[task].tolist() == [0] * (100 - len(ticks)) + [1] * len(ticks)


def test_a_learner_may_ask_for_tasks_in_which_nothing_was_seen_yet():
    players = telling_players(3, 600)
    sampler = TaskSampler(players, Cuts(1.0, 1.2, 5.0), 0)
    for draw in (
        sampler.whole_tasks(400, 20, 4, from_nothing=True),
        sampler.tasks(400, 20, 4, 1, 8, from_nothing=True),
    ):
        (support,) = draw.supports
        nothing = (support.weights == 0).all(1).float().mean()
        assert 0.4 < nothing < 0.6  # cut before the horizon of .6 s was over, of up to 1.2 s
        assert (draw.query.weights == 1).all()
    assert (sampler.tasks(400, 20, 4, 1, 8).supports[0].weights == 1).all()


def test_minibatches_are_of_one_player_each_and_of_different_examples():
    tasks = TaskSampler(telling_players(4, 600), Cuts(), 0).minibatches(8, 3, 16)
    batches = tasks.supports
    assert len(batches) == 3
    assert tasks.query is batches[-1]
    who = torch.stack([batch.observations[:, :, 0] for batch in batches], dim=1)
    assert (who == who[:, :1, :1]).all()
    assert not torch.equal(batches[0].observations, batches[1].observations)


def test_weights_of_the_recording_travel_into_the_tasks():
    players = make_players(2)
    players.history.weights[:] = 0.5
    tasks = TaskSampler(players, Cuts(), 0).tasks(4, 8, 8, 1, 8)
    assert set(tasks.query.weights.flatten().tolist()) == {0.5}


def test_one_seed_gives_one_sequence_of_tasks():
    players = make_players(5)
    one, same, other = (TaskSampler(players, Cuts(), seed) for seed in (1, 1, 2))
    for _ in range(3):
        a, b, c = (sampler.tasks(4, 8, 8, 1, 8) for sampler in (one, same, other))
        assert torch.equal(a.query.observations, b.query.observations)
        assert not torch.equal(a.query.observations, c.query.observations)


def test_a_restored_sampler_goes_on_with_the_same_tasks():
    players = make_players(5)
    sampler, later = TaskSampler(players, Cuts(), 1), TaskSampler(players, Cuts(), 2)
    sampler.tasks(4, 8, 8, 1, 8)
    later.restore(sampler.state())
    expected, found = sampler.tasks(4, 8, 8, 1, 8), later.tasks(4, 8, 8, 1, 8)
    assert torch.equal(expected.query.observations, found.query.observations)


def test_without_a_support_set_there_is_no_inner_step_but_a_query():
    tasks = TaskSampler(telling_players(4, 600), Cuts(), 0).tasks(8, 0, 16, 5, 8)
    assert tasks.supports == ()
    assert (tasks.query.weights == 1).all()


@pytest.mark.parametrize("window", [Window(), Window(3, 6)], ids=str)
def test_a_support_set_of_size_0_is_empty(window):
    players = telling_players(2, 100).with_window(window)
    support = newest_known(players, torch.tensor([0, 1]), torch.tensor([120, 240]), 0)
    assert support.observations.shape == (2, 0, window.input_size(3))
    assert support.targets.shape == (2, 0, 1)
    assert support.weights.shape == (2, 0)


def test_what_is_spread_covers_all_that_was_observed_evenly():
    players = telling_players(3, 100)
    who, start, end = torch.tensor([2, 0, 1]), torch.tensor([60, 60, 594]), torch.tensor([300, 78, 9999])
    spread = spread_between(players, who, start, end, 4)
    assert ticks_of(spread, 0) == [60, 120, 180, 240]
    assert ticks_of(spread, 1) == [60, 60, 66, 72]
    assert ticks_of(spread, 2) == [594] * 4
    assert spread.observations[:, 0, 0].tolist() == [2, 0, 1]


def test_what_is_spread_over_nothing_has_no_weight():
    one = torch.tensor([1])
    assert spread_between(telling_players(2, 10), one, one * 999, one * 9999, 4).weights.sum() == 0


def test_windows_travel_into_support_and_query():
    players = telling_players(3, 600).with_window(Window(3))
    tasks = TaskSampler(players, Cuts(), 0).tasks(8, 16, 16, 2, 8)
    for batch in (*tasks.supports, tasks.query):
        seen = batch.observations.view(*batch.observations.shape[:2], 3, 3)
        assert (seen[..., 0] == seen[..., :1, 0]).all()  # one player
        oldest, newest = seen[:, :, 0, 1], seen[:, :, 2, 1]
        assert torch.equal(oldest, (newest - 2 * TICKS_APART).clamp(min=0))


def test_one_seed_draws_the_same_examples_through_any_window():
    players = telling_players(3, 600)
    narrow, wide = (TaskSampler(each, Cuts(), 0) for each in (players, players.with_window(Window(4))))
    expected, found = (sampler.tasks(8, 16, 16, 2, 8) for sampler in (narrow, wide))
    assert torch.equal(expected.query.observations, found.query.observations[..., -3:])


@given(st.integers(0, 1000), st.integers(20, 400))
def test_what_counts_at_a_cut_of_a_stretch_was_known_before_every_query_of_it(seed, examples):
    players = telling_players(3, 60 + examples)
    tasks = TaskSampler(players, Cuts(1.0, 20.0, 5.0), seed).tracks(6, 64, 5, 4)
    (support,), spans = tasks.supports, tasks.spans
    weights = spans.weights(support.weights)
    for task in range(6):
        ticks = support.observations[task, :, 1].long()
        assert ticks_of(support, task) == sorted({*ticks_of(support, task)})
        for cut in range(5):
            known = ticks[weights[task, cut] > 0].tolist()
            asked = tasks.query.observations[task, 4 * cut : 4 * cut + 4, 1].long().tolist()
            there = tasks.query.weights[task, 4 * cut : 4 * cut + 4] > 0
            assert len(known) == int(spans.end[task, cut] - spans.first[task, cut])
            assert all(
                tick + HORIZON_TICKS <= moment
                for tick in known
                for moment, is_there in zip(asked, there, strict=True)
                if is_there
            )


def test_the_cuts_of_stretches_know_nothing_little_and_all():
    tasks = TaskSampler(telling_players(3, 600), Cuts(), 0).tracks(40, 200, 8, 2)
    counted = (tasks.spans.end - tasks.spans.first).flatten().tolist()
    assert counted.count(0) > 5
    assert sum(1 <= each <= 5 for each in counted) > 25
    assert sum(each > 100 for each in counted) > 20
    starts = {int(first) for first in tasks.supports[0].observations[:, 0, 1]}
    assert min(starts) < 600
    assert max(starts) > 1800
