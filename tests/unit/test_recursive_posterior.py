"""A posterior is what a float64 solve over all examples gives, however many, and never nonsense."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import PosteriorError
from adaptive_agents.model.recursive_posterior import RecursivePosterior

K, D = 5, 2


def prior(size: int = K) -> tuple[np.ndarray, np.ndarray]:
    """A precision (k, k) and a mean (k, d)."""
    random = np.random.default_rng(1)
    root = random.normal(size=(size, size))
    return root @ root.T + np.eye(size), random.normal(size=(size, D))


def solved(
    features: np.ndarray, targets: np.ndarray, weights: np.ndarray, forgetting: float, size: int = K
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance, in one piece and in double precision."""
    precision, mean = prior(size)
    left = forgetting ** np.cumsum((weights > 0)[::-1])[::-1] / np.where(weights > 0, forgetting, 1) * weights
    whole = precision + (features * left[:, None]).T @ features
    return np.linalg.solve(whole, precision @ mean + (features * left[:, None]).T @ targets), np.linalg.inv(
        whole
    )


@given(
    players=st.integers(1, 4),
    forgetting=st.sampled_from([1.0, 0.99, 0.5, 0.01]),
    weights=st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=1, max_size=25),
)
def test_it_equals_the_solution_in_one_piece(players: int, forgetting: float, weights: list[float]) -> None:
    random = np.random.default_rng(len(weights))
    posterior = RecursivePosterior(*prior(), players)
    features = random.normal(size=(len(weights), players, K)).astype(np.float32)
    targets = random.normal(size=(len(weights), players, D)).astype(np.float32)
    for seen, target, weight in zip(features, targets, weights, strict=True):
        posterior.absorb(seen, target, weight, forgetting)
    for player in range(players):
        mean, covariance = solved(features[:, player], targets[:, player], np.array(weights), forgetting)
        np.testing.assert_allclose(posterior.mean(player), mean, atol=1e-4)
        np.testing.assert_allclose(posterior.covariance(player), covariance, atol=1e-5)


def test_players_without_an_example_forget_nothing() -> None:
    posterior, alone = RecursivePosterior(*prior(), 2), RecursivePosterior(*prior())
    random = np.random.default_rng(0)
    for step in range(10):
        features = random.normal(size=(2, K)).astype(np.float32)
        targets = random.normal(size=(2, D)).astype(np.float32)
        posterior.absorb(features, targets, np.array([1.0, step % 2]), 0.9)
        if step % 2:
            alone.absorb(features[1:], targets[1:], 1.0, 0.9)
    np.testing.assert_allclose(posterior.mean(1), alone.mean(), atol=1e-5)


def test_a_million_updates_stay_symmetric_positive_and_near_a_float64_solve() -> None:
    players, steps, forgetting, size = 1000, 1000, 0.998, 9
    random = np.random.default_rng(0)
    posterior = RecursivePosterior(*prior(size), players)
    features = random.normal(size=(steps, players, size)).astype(np.float32)
    features[..., 1] = features[..., 0] + 0.1 * features[..., 1]  # nearly the same twice: ill conditioned
    targets = random.normal(size=(steps, players, D)).astype(np.float32)
    for seen, target in zip(features, targets, strict=True):
        posterior.absorb(seen, target, 1.0, forgetting)
    for player in range(0, players, 50):
        seen, target = features[:, player].astype(np.float64), targets[:, player].astype(np.float64)
        mean, covariance = solved(seen, target, np.ones(steps), forgetting, size)
        precision = posterior.precision(player)
        np.testing.assert_array_equal(precision, precision.T)
        assert np.linalg.eigvalsh(precision).min() > 0
        np.testing.assert_allclose(posterior.mean(player), mean, atol=1e-3 * np.abs(mean).max())
        np.testing.assert_allclose(posterior.covariance(player), covariance, atol=1e-3 * covariance.max())


@pytest.mark.slow
def test_one_player_may_play_for_a_million_examples() -> None:
    posterior, random, forgetting = RecursivePosterior(*prior()), np.random.default_rng(0), 0.9999
    features = random.normal(size=(1_000_000, 1, K)).astype(np.float32)
    targets = random.normal(size=(1_000_000, 1, D)).astype(np.float32)
    for seen, target in zip(features, targets, strict=True):
        posterior.absorb(seen, target, 1.0, forgetting)
    mean, covariance = solved(features[:, 0], targets[:, 0], np.ones(1_000_000), forgetting)
    np.testing.assert_allclose(posterior.mean(), mean, atol=1e-3 * np.abs(mean).max())
    np.testing.assert_allclose(posterior.covariance(), covariance, atol=1e-3 * covariance.max())


def test_one_example_and_a_thousand_identical_ones_are_absorbed() -> None:
    feature, target = np.ones((1, K), np.float32), np.array([[3, -1]], np.float32)
    for count in (1, 1000):
        posterior = RecursivePosterior(*prior())
        for _ in range(count):
            posterior.absorb(feature, target)
        mean, _ = solved(np.repeat(feature, count, 0), np.repeat(target, count, 0), np.ones(count), 1.0)
        np.testing.assert_allclose(posterior.mean(), mean, rtol=1e-3)
    np.testing.assert_allclose(feature @ posterior.mean(), target, rtol=1e-2)


@pytest.mark.parametrize("players", [1, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("where", ["features", "targets"])
def test_what_is_not_finite_or_too_large_is_refused_and_nothing_of_it_stays(
    players: int, bad: float, where: str
) -> None:
    posterior = RecursivePosterior(*prior(), players)
    before = posterior.mean()
    numbers = {"features": np.ones((players, K), np.float32), "targets": np.ones((players, D), np.float32)}
    numbers[where][-1, 0] = bad
    with pytest.raises(PosteriorError, match=f"player {players - 1} has"):
        posterior.absorb(**numbers, forgetting=0.5)
    np.testing.assert_array_equal(posterior.mean(), before)


@pytest.mark.parametrize("forgetting", [0.0, -0.5, 1.0001, np.nan])
def test_a_forgetting_that_is_none_is_refused(forgetting: float) -> None:
    posterior = RecursivePosterior(*prior())
    with pytest.raises(PosteriorError, match="must be above 0 and at most 1"):
        posterior.absorb(np.ones((1, K), np.float32), np.ones((1, D), np.float32), 1.0, forgetting)


@pytest.mark.parametrize("players", [1, 2])
@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_refused(players: int, weight: float) -> None:
    features, targets = np.ones((players, K), np.float32), np.ones((players, D), np.float32)
    with pytest.raises(PosteriorError, match="weight"):
        RecursivePosterior(*prior(), players).absorb(features, targets, weight)


def test_examples_of_another_shape_are_refused() -> None:
    with pytest.raises(PosteriorError, match=r"\(2, 5\) and \(2, 2\) are needed"):
        RecursivePosterior(*prior(), 2).absorb(np.ones((1, K), np.float32), np.ones((1, D), np.float32))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda precision: -precision,
        lambda precision: precision * np.nan,
        lambda precision: precision + np.triu(np.ones((K, K)), 1),
        lambda precision: precision[:3],
    ],
)
def test_a_prior_that_is_none_is_refused(spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    precision, mean = prior()
    with pytest.raises(PosteriorError, match="prior"):
        RecursivePosterior(spoil(precision), mean)


def test_a_posterior_that_was_spoiled_says_so_instead_of_predicting() -> None:
    posterior = RecursivePosterior(*prior())
    posterior._sums[0, 0, 0] = -1e6
    for ask in (posterior.mean, posterior.covariance):
        with pytest.raises(PosteriorError, match=r"posterior of player 0 is .* not positive definite"):
            ask()
