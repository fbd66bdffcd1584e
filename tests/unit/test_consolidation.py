"""What of a player lasts: an average of weights, statistics of all play, or the examples alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adaptive_agents.errors import BrainError, DamagedProfileError
from adaptive_agents.model import profile as profile_module
from adaptive_agents.model.adaptation import (
    AdaptationOutcome,
    AdaptationSettings,
    AdaptationWorker,
    apply,
    is_due,
    make_job,
    run_job,
    submit_due,
)
from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.consolidation import LEAK, distance
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.posterior import PRECISION, RESPONSE, with_posterior
from adaptive_agents.model.profile import Profile
from tests.tiny_bayes_brain import INITIAL, absorbed, make_bayes_brain
from tests.tiny_brain import make_tiny_brain
from tests.tiny_shared_brains import make_prototype_brain

FORGETTING = 0.95


def examples(count: int, seed: int = 0, columns: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    observations = random.normal(size=(count, 3)).astype(np.float32)
    targets = observations[:, :1] * np.array([2, -1], np.float32)
    return observations, targets[:, :columns]


def adapt(memory: BrainMemory, tick: int = 0) -> AdaptationOutcome:
    (outcome,) = run_job(make_job([memory], tick))
    apply(outcome)
    return outcome


def assert_same(one: Params, other: Params, **tolerance: float) -> None:
    for name, array in one.items():
        np.testing.assert_allclose(array, other[name], **(tolerance or {"rtol": 0}))


def saved_and_loaded(profile: Profile) -> Profile:
    return Profile.from_bytes(profile.to_bytes(), "ann.profile")


# ---- average


@pytest.fixture
def averaging(tmp_path: Path) -> Brain:
    return make_tiny_brain(tmp_path / "a.brain")


def test_a_round_moves_the_slow_weights_towards_the_mean_of_its_fast_ones(averaging: Brain) -> None:
    memory = BrainMemory(averaging)
    memory.end_episode(0.25)
    assert memory.slow_params is averaging.init_params
    fast = []
    for round_part in range(3):
        memory.support.append(*examples(10, round_part))
        adapt(memory)
        fast.append(memory.fast_params)
    memory.end_episode(0.25)
    for name, slow in memory.slow_params.items():
        init, mean = averaging.init_params[name], np.mean([each[name] for each in fast], axis=0)
        moved = 0.75 * init + 0.25 * mean
        np.testing.assert_allclose(slow, moved + LEAK * (init - moved), rtol=1e-5)
        assert slow.dtype == np.float32


@pytest.mark.parametrize("make", [make_tiny_brain, make_bayes_brain, make_prototype_brain])
def test_the_end_of_a_round_counts_once(tmp_path: Path, make: object) -> None:
    memory = BrainMemory(make(tmp_path / "a.brain"))
    observations, targets = examples(20, columns=memory.brain.spec.target_columns)
    memory.support.append(observations, np.abs(np.trunc(targets)) if targets.shape[1] == 1 else targets)
    adapt(memory)
    memory.end_episode(0.25)
    slow, fast = memory.slow_params, memory.fast_params
    for _ in range(20):
        memory.end_episode(0.25)
    assert memory.slow_params is slow
    assert memory.fast_params is fast


def test_a_player_who_is_away_at_the_end_of_a_round_does_not_erase_it(averaging: Brain) -> None:
    memory = BrainMemory(averaging)
    for part in range(30):
        observations, targets = examples(20, part)
        memory.support.append(observations, targets if part < 20 else np.zeros_like(targets))
        adapt(memory)
    memory.end_episode(1.0)
    observations, targets = examples(100, 99)
    errors = [
        np.abs(averaging.predict(observations, params) - targets).mean()
        for params in (averaging.init_params, memory.fast_params, memory.slow_params)
    ]
    assert errors[2] < 0.8 * min(errors[:2])


def test_slow_weights_heal_over_rounds_without_evidence_for_them(averaging: Brain) -> None:
    memory = BrainMemory(averaging)
    memory.support.append(*examples(40))
    adapt(memory)
    memory.end_episode(1.0)
    far = distance(memory.slow_params, averaging.init_params)
    for _ in range(50):
        memory.weights.take(memory.slow_params, 0)  # what is learned says: stay
        memory.end_episode(0.2)
    assert distance(memory.slow_params, averaging.init_params) == pytest.approx(
        (1 - LEAK) ** 50 * far, rel=1e-3
    )


def test_saved_weights_beyond_the_trust_region_are_drawn_back(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", inner_loop={"trust_radius": 0.5})
    profile = Profile("ann")
    memory = profile.memory_for(brain)
    memory.weights.slow = {name: array + 100 for name, array in brain.init_params.items()}
    again = saved_and_loaded(profile).memory_for(brain)
    assert distance(again.slow_params, brain.init_params) == pytest.approx(0.5, rel=1e-4)
    assert again.guard.shares(again.weights.present).tolist() == [1, 0, 0]


# ---- statistics


@pytest.fixture
def counting(tmp_path: Path) -> Brain:
    return make_bayes_brain(
        tmp_path / "a.brain",
        inner_loop={"forgetting": FORGETTING, "round_forgetting": 0.5, "support_size": 32},
    )


def test_statistics_take_in_every_example_once(counting: Brain) -> None:
    memory, expected = BrainMemory(counting), counting.init_params
    for count in (3, 1, 20, 7):
        observations, targets = examples(count, count)
        memory.support.append(observations, targets)
        assert not adapt(memory).reason
        expected = absorbed(expected, observations[:, 0], targets, FORGETTING)
        assert_same(expected, memory.fast_params, rtol=1e-4)
    assert memory.slow_params is counting.init_params


def test_players_of_one_run_absorb_what_each_would_alone(counting: Brain) -> None:
    memories = [BrainMemory(counting) for _ in range(3)]
    for count, memory in enumerate(memories, start=1):
        memory.support.append(*examples(5 * count, count))
    for memory, outcome in zip(memories, run_job(make_job(memories, 0)), strict=True):
        apply(outcome)
        observations, targets = (column[0] for column in memory.support.in_order().columns()[:2])
        assert_same(
            absorbed(counting.init_params, observations[:, 0], targets, FORGETTING),
            memory.fast_params,
            rtol=1e-4,
        )


def test_one_example_is_enough_for_what_is_exact(counting: Brain, averaging: Brain) -> None:
    for brain, enough in ((counting, True), (averaging, False)):
        memory = BrainMemory(brain)
        memory.support.append(*examples(1))
        assert is_due(memory, 0, AdaptationSettings()) == enough


def test_what_takes_in_only_the_new_adapts_more_often(counting: Brain, averaging: Brain) -> None:
    for brain, soon in ((counting, True), (averaging, False)):
        memory = BrainMemory(brain)
        memory.support.append(*examples(10))
        adapt(memory, 100)
        memory.support.append(*examples(1))
        assert not is_due(memory, 114, AdaptationSettings(interval_ticks=60))
        assert is_due(memory, 115, AdaptationSettings(interval_ticks=60)) == soon
        assert is_due(memory, 160, AdaptationSettings(interval_ticks=60))


def test_saved_statistics_that_cannot_be_are_given_up_for_the_examples(counting: Brain) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(counting)
    memory.support.append(*examples(20))
    adapt(memory)
    known = memory.fast_params
    memory.weights.fast = {**known, PRECISION: -known[PRECISION]}
    again = saved_and_loaded(profile).memory_for(counting)
    assert again.fast_params is counting.init_params
    adapt(again)
    assert_same(known, again.fast_params, rtol=1e-4)


def test_a_game_may_set_how_fast_statistics_forget(counting: Brain) -> None:
    memory, worker = BrainMemory(counting), AdaptationWorker(synchronous=True)
    observations, targets = examples(20)
    memory.support.append(observations, targets)
    submit_due(worker, [memory], 0, replace(AdaptationSettings(), forgetting=0.5))
    for outcome in worker.poll():
        apply(outcome)
    expected = absorbed(counting.init_params, observations[:, 0], targets, 0.5)
    assert_same(expected, memory.fast_params, rtol=1e-4)


def halved(params: Params) -> Params:
    """With half of what was added to the prior left."""
    sums = {name: 0.5 * (INITIAL[name] + params[name]) for name in (PRECISION, RESPONSE)}
    return with_posterior({**params, **sums})


def test_a_round_lowers_what_statistics_count(counting: Brain) -> None:
    memory = BrainMemory(counting)
    memory.support.append(*examples(10))
    adapt(memory)
    before = memory.fast_params
    memory.end_episode(0.2)
    assert_same(halved(before), memory.fast_params)
    assert memory.slow_params is memory.fast_params


def test_the_end_of_a_round_is_not_undone_by_an_adaptation_under_way(counting: Brain) -> None:
    memory = BrainMemory(counting)
    memory.support.append(*examples(10))
    job = make_job([memory], 0)
    memory.end_episode(0.2)
    assert memory.fast_params is counting.init_params
    apply(run_job(job)[0])
    expected = absorbed(counting.init_params, *_columns(memory), FORGETTING)
    assert_same(halved(expected), memory.fast_params, rtol=1e-4)


def _columns(memory: BrainMemory) -> tuple[np.ndarray, np.ndarray]:
    support = memory.support.in_order()
    return support.observations[0, :, 0], support.targets[0]


def test_examples_that_spoil_the_statistics_are_dropped_and_not_tried_again(counting: Brain) -> None:
    memory = BrainMemory(counting)
    memory.support.append(*examples(5))
    adapt(memory)
    before = memory.fast_params
    memory.support.append(np.full((1, 3), 1e30, np.float32), np.ones((1, 2), np.float32))
    assert "not finite" in adapt(memory, 60).reason
    assert memory.fast_params is before
    observations, targets = examples(4, 4)
    memory.support.append(observations, targets)
    assert not adapt(memory, 120).reason
    assert_same(absorbed(before, observations[:, 0], targets, FORGETTING), memory.fast_params, rtol=1e-4)


def test_a_player_without_a_posterior_does_not_spoil_the_others(counting: Brain) -> None:
    good, bad = BrainMemory(counting), BrainMemory(counting)
    good.support.append(*examples(5))
    bad.support.append(np.full((1, 3), 1e30, np.float32), np.ones((1, 2), np.float32))
    outcomes = run_job(make_job([bad, good], 0))
    assert ["not finite" in outcome.reason for outcome in outcomes] == [True, False]
    assert [apply(outcome) for outcome in outcomes] == [False, True]
    assert outcomes[0].error is None, "it is the examples that are wrong, not the program"


def test_a_closed_worker_leaves_the_examples_for_later(counting: Brain) -> None:
    memory = BrainMemory(counting)
    memory.support.append(*examples(10))
    make_job([memory], 0)
    apply(AdaptationOutcome(memory, memory.generation, 10, "the worker was closed", was_run=False))
    assert memory.fast_params is counting.init_params
    adapt(memory)
    expected = absorbed(counting.init_params, *_columns(memory), FORGETTING)
    assert_same(expected, memory.fast_params, rtol=1e-4)


def test_statistics_outlive_the_game_and_nothing_counts_twice(counting: Brain) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(counting)
    for part in range(4):  # more than the ring of 32 holds
        memory.support.append(*examples(20, part))
        adapt(memory)
    late = examples(6, 9)
    memory.support.append(*late)  # not absorbed by the time of the save
    known = memory.fast_params
    again = saved_and_loaded(profile).memory_for(counting)
    assert_same(known, again.fast_params)
    assert is_due(again, 0, AdaptationSettings())
    adapt(again)
    assert_same(absorbed(known, late[0][:, 0], late[1], FORGETTING), again.fast_params, rtol=1e-4)
    third = saved_and_loaded(profile)
    assert_same(third.memory_for(counting).fast_params, known)


def test_a_retrained_brain_absorbs_the_examples_anew(counting: Brain, tmp_path: Path) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(counting)
    memory.support.append(*examples(20))
    adapt(memory)
    retrained = make_bayes_brain(tmp_path / "a.brain", inner_loop={"forgetting": 0.9})
    again = saved_and_loaded(profile).memory_for(retrained)
    assert again.fast_params is retrained.init_params
    adapt(again)
    assert_same(absorbed(retrained.init_params, *_columns(memory), 0.9), again.fast_params, rtol=1e-4)


# ---- examples


def test_of_examples_nothing_lasts_but_themselves(tmp_path: Path) -> None:
    brain = make_prototype_brain(tmp_path / "a.brain", inner_loop={"consolidation": "examples"})
    profile = Profile("ann")
    memory = profile.memory_for(brain)
    observations, _ = examples(30)
    memory.support.append(observations, (np.arange(30)[:, None] % 3).astype(np.float32))
    adapt(memory)
    known = memory.fast_params
    memory.end_episode(0.5)
    assert memory.slow_params is brain.init_params
    assert memory.fast_params is known
    assert profile.to_bytes().count(b"prototypes") == 0, "what follows from the examples is not saved"
    again = saved_and_loaded(profile).memory_for(brain)
    adapt(again)
    assert_same(known, again.fast_params)


# ---- all


def test_what_the_guard_knows_of_a_player_outlives_the_game(averaging: Brain) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(averaging)
    memory.support.append(*examples(20))
    adapt(memory)
    memory.end_episode(0.5)
    memory.guard.restore([0.1, 0.6, 0.3])
    again = saved_and_loaded(profile).memory_for(averaging)
    np.testing.assert_allclose(again.guard.shares(again.weights.present), [0.1, 0.9, 0])
    adapt(again)
    np.testing.assert_allclose(again.guard.shares(again.weights.present), [0.1, 0.6, 0.3])


def test_a_profile_of_before_the_guard_starts_with_the_frozen_model(
    averaging: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(averaging)
    memory.support.append(*examples(20))
    adapt(memory)
    memory.end_episode(0.5)
    written = profile_module._to_dict
    monkeypatch.setattr(
        profile_module,
        "_to_dict",
        lambda *known: {k: v for k, v in written(*known).items() if k not in ("guard", "unabsorbed")},
    )
    again = saved_and_loaded(profile).memory_for(averaging)
    assert_same(memory.slow_params, again.slow_params)
    assert again.guard.shares(again.weights.present).tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"guard": [1, -1, 1]}, "the guard"),
        ({"guard": "all"}, "all"),
        ({"unabsorbed": 21}, "21 of its 20 examples"),
    ],
)
def test_a_profile_that_says_what_cannot_be_is_damaged(
    averaging: Brain, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], message: str
) -> None:
    profile = Profile("ann")
    profile.memory_for(averaging).support.append(*examples(20))
    written = profile_module._to_dict
    monkeypatch.setattr(profile_module, "_to_dict", lambda *known: {**written(*known), **wrong})
    with pytest.raises(DamagedProfileError, match=message):
        saved_and_loaded(profile)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"consolidation": "hope"}, "consolidation = 'hope', this addon knows average, statistics, examples"),
        ({"forgetting": 0}, "forgetting = 0, it must be above 0 and at most 1"),
        ({"forgetting": 1.5}, "forgetting = 1.5"),
        ({"round_forgetting": True}, "round_forgetting = True"),
    ],
)
def test_a_brain_whose_kind_or_forgetting_cannot_be_is_refused(
    tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(BrainError, match=message):
        make_bayes_brain(tmp_path / "a.brain", inner_loop=wrong)
