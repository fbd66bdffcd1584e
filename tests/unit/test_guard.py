"""What is handed out is never much worse than the frozen model, and soon as good as the best expert."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from adaptive_agents.model.guard import (
    EXPERTS,
    FAST,
    FROZEN,
    RATE_PER_SEC,
    SLOW,
    Guard,
    losses_of,
    mixed,
    softmax,
)
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC

HZ, INTERVAL, HORIZON = 60, 6, 36
"""As in a game: ten decisions a second, known .6 s later."""
ALL = (True, True, True)
NEW = (True, False, True)
"""A player whose slow weights are still the brain's."""

Player = Callable[[int, np.random.Generator], np.ndarray]


def play(player: Player, seconds: float, guard: Guard | None = None) -> np.ndarray:
    """(decisions, 1 + experts): the losses of what was handed out, and of each expert.

    `player` gives what the frozen model and the fast weights predict and what happens, as an offset from
    nought: (3, 2).
    """
    guard, random = guard or Guard(HZ), np.random.default_rng(0)
    waiting, losses = [], []
    for decision in range(round(seconds * HZ / INTERVAL)):
        frozen, fast, truth = player(decision, random)
        said = np.array([[frozen, frozen, fast]], np.float32)
        told = mixed(VECTOR_SPEC, said, guard.shares(NEW)[None])
        target = np.array([truth], np.float32)
        everyone = losses_of(VECTOR_SPEC, np.concatenate([told[:, None], said], axis=1), target)[0]
        losses.append(everyone)
        waiting.append(everyone)
        if len(waiting) > HORIZON // INTERVAL:
            told_then, *of_experts = waiting.pop(0)
            guard.update(decision * INTERVAL, np.array(of_experts), told_then, NEW)
    return np.array(losses)


def unpredictable(decision: int, random: np.random.Generator) -> np.ndarray:
    """Fast weights that were fitted to chance."""
    return np.stack([np.zeros(2), random.normal(0, 0.5, 2), random.normal(size=2)])


def contrary(decision: int, random: np.random.Generator) -> np.ndarray:
    """A player who does the opposite of what was learned."""
    learned = random.normal(size=2)
    return np.stack([np.zeros(2), learned, -learned])


def moody(decision: int, random: np.random.Generator) -> np.ndarray:
    """A player whose habit changes every three seconds, just when the fast weights have followed."""
    habit = 1.0 if decision // 30 % 2 else -1.0
    learned = 1.0 if (decision - 30) // 30 % 2 else -1.0
    return np.array([[0, 0], [learned, 0], [habit + random.normal(0, 0.3), random.normal(0, 0.3)]])


def turncoat(seconds: float) -> Player:
    """A player who does as they did for so long, and then the opposite: each time the guard has noticed."""

    def player(decision: int, random: np.random.Generator) -> np.ndarray:
        sign = 1.0 if decision // round(seconds * 10) % 2 else -1.0
        learned = random.normal(size=2)
        return np.stack([np.zeros(2), learned, sign * learned])

    return player


def wild(decision: int, random: np.random.Generator) -> np.ndarray:
    """Fast weights that are mostly right, and sometimes predict the end of the world."""
    truth = random.normal(size=2)
    learned = np.full(2, 1e6) if decision % 40 == 39 else truth
    return np.stack([np.zeros(2), learned, truth])


@pytest.mark.parametrize(
    "player", [unpredictable, contrary, moody, *(turncoat(seconds) for seconds in (0.3, 0.6, 1, 2, 4))]
)
def test_what_is_handed_out_is_never_worse_than_the_frozen_model_by_much(player: Player) -> None:
    losses = play(player, 60).mean(axis=0)
    told, frozen, fast = losses[0], losses[1 + FROZEN], losses[1 + FAST]
    assert fast > 0.95 * frozen, "or the test shows nothing"
    assert told < 1.07 * frozen


def test_a_player_who_keeps_a_habit_is_met_with_what_was_learned_within_seconds() -> None:
    def steady(decision: int, random: np.random.Generator) -> np.ndarray:
        truth = random.normal(size=2)
        return np.stack([np.zeros(2), truth + random.normal(0, 0.4, 2), truth])

    losses = play(steady, 20)
    told, fast, frozen = (losses[:, place] for place in (0, 1 + FAST, 1 + FROZEN))
    assert told[:7].tolist() == frozen[:7].tolist(), "before it has earned anything, the frozen model"
    assert told[50:].mean() < fast[50:].mean() + 0.1 * (frozen - fast)[50:].mean()


def test_weights_that_were_good_and_turn_bad_lose_their_say_within_seconds() -> None:
    def turning(decision: int, random: np.random.Generator) -> np.ndarray:
        truth = random.normal(size=2)
        learned = truth if decision < 600 else -truth
        return np.stack([np.zeros(2), learned, truth])

    losses = play(turning, 80)
    assert losses[500:600, 0].mean() < 0.1
    after = losses[600:, 0] - losses[600:, 1 + FROZEN]
    assert after[40:].mean() < 0.05
    assert after.sum() < 30, "all that the turn costs: three seconds at twice the frozen model's loss"


def test_a_single_disaster_counts_for_little() -> None:
    guard = Guard(HZ)
    play(wild, 30, guard)
    assert guard.shares(NEW)[FAST] > 0.5
    before = guard.shares(NEW)[FROZEN]
    guard.update(10**6, np.array([1.0, 1.0, np.nan]), 1.0, NEW)
    assert np.isfinite(guard.weights).all()
    assert guard.shares(NEW)[FROZEN] > before


def test_the_pace_of_decisions_does_not_change_what_a_second_is_worth() -> None:
    shares = []
    for interval in (1, 6, 30):
        guard = Guard(HZ)
        for tick in range(0, 3 * HZ + 1, interval):
            guard.update(tick, np.array([1.0, 1.0, 0.5]), 0.7, NEW)
        shares.append(guard.shares(NEW)[FAST])
    assert max(shares) - min(shares) < 0.15
    assert RATE_PER_SEC > 0


def test_a_scale_that_is_a_thousand_times_larger_makes_no_difference() -> None:
    guards = [Guard(HZ), Guard(HZ)]
    for tick in range(0, 300, 6):
        for guard, unit in zip(guards, (1.0, 1000.0), strict=True):
            guard.update(tick, unit * np.array([1.0, 0.9, 0.5 + 0.3 * (tick % 4)]), unit, ALL)
    np.testing.assert_allclose(guards[0].weights, guards[1].weights, rtol=1e-9)


def test_what_an_expert_earned_goes_to_the_one_that_takes_its_place() -> None:
    guard = Guard(HZ)
    guard.restore([0.1, 0.2, 0.7])
    np.testing.assert_allclose(guard.shares((True, True, False)), [0.1, 0.9, 0])
    np.testing.assert_allclose(guard.shares((True, False, True)), [0.3, 0, 0.7])
    np.testing.assert_allclose(guard.shares((True, False, False)), [1, 0, 0])
    np.testing.assert_allclose(guard.shares(ALL), [0.1, 0.2, 0.7])


def test_labels_without_anything_learned_give_nobody_a_say() -> None:
    guard = Guard(HZ)
    for tick in range(0, 6000, 6):
        guard.update(tick, np.ones(EXPERTS), 1.0, (True, False, False))
    assert guard.shares(ALL).tolist() == [1, 0, 0]


@pytest.mark.parametrize("bad", [[1, 0], [1, -1, 1], [0, 0, 0], [np.nan, 0, 1]])
def test_weights_that_are_none_are_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="needed"):
        Guard(HZ).restore(bad)


def test_categories_mix_by_their_probabilities_and_lose_by_them() -> None:
    logits = np.log(np.array([[[0.8, 0.1, 0.1], [0.8, 0.1, 0.1], [0.2, 0.6, 0.2]]], np.float32))
    told = mixed(CATEGORY_SPEC, logits + 5, np.array([[0.25, 0.25, 0.5]]))
    np.testing.assert_allclose(softmax(told.astype(np.float64)), [[0.5, 0.35, 0.15]], atol=1e-6)
    losses = losses_of(CATEGORY_SPEC, logits, np.array([[1]], np.float32))[0]
    np.testing.assert_allclose(losses[[FROZEN, FAST]], [0.8**2 + 0.9**2 + 0.1**2, 0.24], atol=1e-6)
    assert losses[FROZEN] == losses[SLOW]


def test_a_confident_error_is_no_infinite_one() -> None:
    logits = np.array([[[0, 1e4, -1e4]] * EXPERTS], np.float32)
    told = mixed(CATEGORY_SPEC, logits, np.array([[1.0, 0, 0]]))
    assert np.isfinite(told).all()
    assert losses_of(CATEGORY_SPEC, logits, np.array([[2]], np.float32))[0].tolist() == [2, 2, 2]
