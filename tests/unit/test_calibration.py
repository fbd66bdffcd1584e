"""Coverage and calibration error are what they are for predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from adaptive_agents.model.support import SupportSet
from adaptive_agents.spec import Target
from pytrain.evaluation.calibration import calibration
from pytrain.evaluation.predictors import LEVELS, NORMAL_INTERVALS, Answers

VECTOR = Target("vector", "where", 2)
CATEGORY = Target("category", "move", 3)
PLAYERS, ROWS = 4, 20_000


def query_of(targets: np.ndarray) -> SupportSet:
    players, rows = targets.shape[:2]
    return SupportSet(np.zeros((players, rows, 1), np.float32), targets, np.ones((players, rows), np.float32))


def normal(said: float) -> tuple[Answers, SupportSet]:
    """Errors of deviation 2, said to be of `said`."""
    random = np.random.default_rng(0)
    targets = (2 * random.standard_normal((PLAYERS, ROWS, 2))).astype(np.float32)
    half = np.broadcast_to(said * np.array(NORMAL_INTERVALS, np.float32), (PLAYERS, ROWS, 2, 3))
    return Answers(np.zeros_like(targets), half), query_of(targets)


def test_intervals_of_the_right_width_hold_what_they_say():
    figures = calibration(VECTOR, *normal(said=2.0))
    assert figures.coverage == pytest.approx(np.tile(LEVELS, (PLAYERS, 1)), abs=0.01)
    assert np.abs(figures.gaps.mean(0)).sum() < 0.005


def test_intervals_that_are_too_narrow_are_found_out():
    figures = calibration(VECTOR, *normal(said=1.0))
    assert figures.coverage.mean(0) == pytest.approx([0.264, 0.478, 0.673], abs=0.01)
    assert np.abs(figures.gaps.mean(0)).sum() == pytest.approx(0.278, abs=0.01)


def test_who_does_not_know_how_sure_it_is_has_no_coverage():
    answers, query = normal(said=1.0)
    assert calibration(VECTOR, Answers(answers.predictions), query) is None


def test_rows_of_no_weight_do_not_count():
    answers, query = normal(said=2.0)
    weights = query.weights.copy()
    weights[:, ROWS // 2 :] = 0
    far = query.targets.copy()
    far[:, ROWS // 2 :] = 1e6
    figures = calibration(VECTOR, answers, SupportSet(query.observations, far, weights))
    assert figures.coverage == pytest.approx(np.tile(LEVELS, (PLAYERS, 1)), abs=0.015)


def category(sharper: float) -> tuple[Answers, SupportSet]:
    """Classes drawn from random chances; what is said is those, or surer by a factor of the logits."""
    random = np.random.default_rng(1)
    logits = 1.5 * random.standard_normal((PLAYERS, ROWS, 3))
    drawn = (logits + random.gumbel(size=logits.shape)).argmax(-1)
    return Answers((sharper * logits).astype(np.float32)), query_of(drawn[..., None].astype(np.float32))


def test_sets_of_classes_hold_what_they_say_if_the_chances_are_right():
    figures = calibration(CATEGORY, *category(sharper=1.0))
    assert figures.coverage == pytest.approx(np.tile(LEVELS, (PLAYERS, 1)), abs=0.015)
    assert np.abs(figures.gaps.mean(0)).sum() < 0.02


def test_chances_that_are_too_sure_are_found_out():
    right, sure = (calibration(CATEGORY, *category(sharper)) for sharper in (1.0, 3.0))
    assert (sure.coverage.mean(0) < right.coverage.mean(0) - 0.05).all()
    assert np.abs(sure.gaps.mean(0)).sum() > 0.15
    assert (sure.brier > right.brier).all()


def test_of_three_equal_chances_every_level_holds_its_part():
    targets = np.zeros((1, 6, 1), np.float32)
    figures = calibration(CATEGORY, Answers(np.zeros((1, 6, 3), np.float32)), query_of(targets))
    assert figures.coverage[0] == pytest.approx(LEVELS)
    assert figures.brier[0] == pytest.approx(2 / 3)


def test_a_certain_and_right_answer_is_covered_as_often_as_the_level_says_and_costs_nothing():
    targets = np.ones((1, 4, 1), np.float32)
    figures = calibration(
        CATEGORY, Answers(np.tile(np.float32([-50, 50, -50]), (1, 4, 1))), query_of(targets)
    )
    assert figures.coverage[0] == pytest.approx(LEVELS)
    assert figures.brier[0] == pytest.approx(0.0)
    assert np.abs(figures.gaps).sum() == pytest.approx(0.0)
