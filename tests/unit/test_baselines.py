"""Baselines look up in the player's own examples as their formulas say, and learn from nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Target
from pytrain.evaluation.baselines import (
    Constant,
    Features,
    KernelRidge,
    NearestNeighbours,
    chances,
    frozen_prior,
)
from pytrain.evaluation.chosen import settings_of
from pytrain.evaluation.fitting import Search, baselines
from pytrain.evaluation.predictors import Answers
from pytrain.settings import EvaluateSettings
from tests.synthetic_players import make_players

VECTOR = Target("vector", "where", 2)
CATEGORY = Target("category", "move", 3)
ONE = Window()
NEUTRAL = Features(np.ones((1, 3)), np.ones((1, 3)))


def support_of(random: np.random.Generator, players: int = 2, rows: int = 12) -> SupportSet:
    return SupportSet(
        random.standard_normal((players, rows, 3)).astype(np.float32),
        random.standard_normal((players, rows, 2)).astype(np.float32),
        np.ones((players, rows), np.float32),
    )


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def kernel(**settings: object) -> KernelRidge:
    return KernelRidge(VECTOR, ONE, NEUTRAL, Constant(np.array([3.0, -1.0])), **settings)  # type: ignore[arg-type]


def test_kernel_ridge_is_its_formula_for_each_player_alone(random):
    support = support_of(random)
    asked = random.standard_normal((2, 5, 3)).astype(np.float32)
    answers = kernel(width=0.4, ridge=0.2).fit(support)(asked)
    for player in range(2):
        x, y = support.observations[player].astype(float), support.targets[player].astype(float)
        width = 0.4 * np.sqrt(6)

        def alike(a, b, width=width):
            return np.exp(-np.linalg.norm(a[:, None] - b[None], axis=-1) / width)

        shares = np.linalg.solve(alike(x, x) + 0.2 * np.eye(12), y - [3.0, -1.0])
        expected = alike(asked[player].astype(float), x) @ shares + [3.0, -1.0]
        assert np.allclose(answers.predictions[player], expected, atol=1e-5)


def test_rows_of_no_weight_are_no_examples(random):
    support = support_of(random, rows=8)
    asked = random.standard_normal((2, 5, 3)).astype(np.float32)
    padded = SupportSet(
        np.concatenate([np.full((2, 3, 3), 0.1, np.float32), support.observations], axis=1),
        np.concatenate([np.full((2, 3, 2), 1e6, np.float32), support.targets], axis=1),
        np.concatenate([np.zeros((2, 3), np.float32), support.weights], axis=1),
    )
    for predictor in (kernel(), nearest(3)):
        expected = predictor.fit(support)(asked).predictions
        assert np.allclose(predictor.fit(padded)(asked).predictions, expected, atol=1e-5)


def nearest(count: int) -> NearestNeighbours:
    return NearestNeighbours(VECTOR, ONE, NEUTRAL, Constant(np.array([3.0, -1.0])), neighbours=count)


def test_nearest_neighbours_are_the_mean_of_the_k_most_alike(random):
    support = support_of(random)
    asked = support.observations[:, :4] + np.float32(1e-3)
    assert np.allclose(nearest(1).fit(support)(asked).predictions, support.targets[:, :4], atol=1e-6)
    everything = nearest(100).fit(support)(asked).predictions
    assert np.allclose(everything, support.targets.mean(1, keepdims=True), atol=1e-5)


def test_who_has_shown_nothing_is_expected_to_do_what_others_do(random):
    nothing = SupportSet(
        np.zeros((2, 0, 3), np.float32), np.zeros((2, 0, 2), np.float32), np.zeros((2, 0), np.float32)
    )
    unknown = SupportSet(*(np.zeros((2, 4, *shape), np.float32) for shape in ((3,), (2,), ())))
    asked = random.standard_normal((2, 5, 3)).astype(np.float32)
    for predictor in (kernel(), nearest(3)):
        for support in (nothing, unknown):
            assert np.allclose(predictor.fit(support)(asked).predictions, [3.0, -1.0])


def test_a_frozen_models_kernel_learns_only_what_that_got_wrong(random):
    support = support_of(random)

    def right(observations):
        return Answers(observations[..., :2])

    told = SupportSet(support.observations, support.observations[..., :2].copy(), support.weights)
    residual = KernelRidge(VECTOR, ONE, NEUTRAL, frozen_prior(VECTOR, right))
    asked = random.standard_normal((2, 5, 3)).astype(np.float32)
    assert np.allclose(residual.fit(told)(asked).predictions, asked[..., :2], atol=1e-6)
    far = asked + np.float32(1e4)
    assert np.allclose(residual.fit(support)(far).predictions, far[..., :2], rtol=1e-5)


def test_a_category_is_answered_in_chances_that_add_up_to_one(random):
    support = support_of(random)
    classes = random.integers(0, 3, (2, 12, 1)).astype(np.float32)
    told = SupportSet(support.observations, classes, support.weights)
    prior = Constant(np.full(3, 1 / 3))
    look_up = NearestNeighbours(CATEGORY, ONE, NEUTRAL, prior, neighbours=1)
    for predictor in (KernelRidge(CATEGORY, ONE, NEUTRAL, prior), look_up):
        logits = predictor.fit(told)(support.observations).predictions
        assert np.allclose(chances(logits.astype(float)).sum(-1), 1.0)
        assert (logits.argmax(-1) == classes[..., 0]).all()


def test_the_past_counts_by_what_has_changed_since(random):
    """Two windows that end alike, and moved alike, are alike wherever they are."""
    steps = random.standard_normal((40, 2, 3)).astype(np.float32)
    features = Features.of(steps.reshape(40, 6), Window(2))
    window = steps[:1].copy()
    moved = window + np.float32(5.0)
    moved[:, 1] = window[:, 1]
    change = features(window.reshape(1, 1, 6)) - features(moved.reshape(1, 1, 6))
    assert np.abs(change[0, 0, 3:]).max() < 1e-6
    assert np.abs(change[0, 0, :3]).min() > 1.0


def test_a_number_that_never_changes_does_not_count():
    rows = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)
    rows[:, 1] = 7.0
    features = Features.of(rows, ONE)
    assert np.isinf(features.scale[0, 1])
    assert features(np.full((1, 1, 3), 9.0, np.float32)).shape == (1, 1, 2)
    assert features.typical_distance == pytest.approx(2.0)


SETTINGS = EvaluateSettings(curve_sec=(10.0,), headline_sec=10.0, query_from_sec=10.0, query_sec=10.0)


def test_settings_are_chosen_on_the_fit_players_and_gain_on_others():
    """Of three observed numbers one matters: the fit players say which, and those who are measured need
    not."""
    search = Search(make_players(8, seconds=20.0), SETTINGS)
    others = Search(make_players(8, seconds=20.0, first=50), SETTINGS)
    neutral = baselines(others.players, {}, ONE, None)
    fitted = baselines(others.players, {}, ONE, search)
    weights = np.array(settings_of(fitted["kernel"][""])["weights"])
    assert (weights[0, 1:] < weights[0, 0]).all()
    for name in ("kernel", "knn"):
        before, after = (others.score(each[name][""]) for each in (neutral, fitted))
        assert after < 0.8 * before


def test_settings_do_not_depend_on_who_is_measured():
    search = Search(make_players(3, seconds=20.0), SETTINGS)
    of = (make_players(3, seconds=20.0, first=first) for first in (50, 80))
    one, other = (baselines(players, {}, ONE, search) for players in of)
    for name in ("kernel", "knn"):
        assert settings_of(one[name][""]) == settings_of(other[name][""])
