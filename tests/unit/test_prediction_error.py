"""The running error is a mean at first and follows the newest predictions later."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adaptive_agents.tick.prediction_error import RunningPredictionError
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC


def test_a_vectors_error_is_the_distance_in_target_units() -> None:
    errors = RunningPredictionError(VECTOR_SPEC)
    found = errors.update(
        np.array([2, 40]), np.array([[3, 4], [1, 1]], np.float32), np.array([[0, 0], [1, 1]], np.float32)
    )
    assert found.tolist() == [5.0, 0.0]
    assert (errors[2], errors[40]) == (5.0, 0.0)
    np.testing.assert_array_equal(errors.values_of(np.array([40, 3, 2, 99])), [0.0, np.nan, 5.0, np.nan])
    assert math.isnan(errors[3])
    assert math.isnan(errors[10_000])


def test_a_categorys_error_is_the_share_of_wrong_classes() -> None:
    errors, slot = RunningPredictionError(CATEGORY_SPEC), np.array([0])
    for truth in (0, 2, 0, 0):
        errors.update(slot, np.array([[5, 1, 2]], np.float32), np.array([[truth]], np.float32))
    assert errors[0] == 0.25


def test_it_is_the_mean_at_first_and_follows_a_change_later() -> None:
    errors, slot = RunningPredictionError(VECTOR_SPEC, memory=10), np.array([0])
    for size in (1, 2, 3):
        errors.update(slot, np.array([[size, 0]], np.float32), np.zeros((1, 2), np.float32))
    assert errors[0] == pytest.approx(2)
    for _ in range(60):
        errors.update(slot, np.array([[8, 0]], np.float32), np.zeros((1, 2), np.float32))
    assert errors[0] == pytest.approx(8, abs=0.05)


@pytest.mark.parametrize("spec", [VECTOR_SPEC, CATEGORY_SPEC], ids=["vector", "category"])
def test_where_nothing_was_predicted_nothing_is_counted(spec: object) -> None:
    errors = RunningPredictionError(spec)
    outputs, columns = spec.target.size, spec.target_columns
    found = errors.update(
        np.array([0]), np.full((1, outputs), np.nan, np.float32), np.zeros((1, columns), np.float32)
    )
    assert math.isnan(found[0])
    assert math.isnan(errors[0])


def test_a_reset_starts_anew() -> None:
    errors, slot = RunningPredictionError(VECTOR_SPEC), np.array([0])
    errors.update(slot, np.array([[8, 0]], np.float32), np.zeros((1, 2), np.float32))
    errors.reset(0)
    assert math.isnan(errors[0])
    errors.update(slot, np.array([[2, 0]], np.float32), np.zeros((1, 2), np.float32))
    assert errors[0] == 2
