"""Intervals hold what they promise: they cover the true value as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from pytrain.errors import PytrainError
from pytrain.evaluation.intervals import Estimate, bands, mean_with_interval, ratio_with_interval


def test_an_interval_of_a_mean_covers_the_true_mean_about_95_times_of_100() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        estimate = mean_with_interval(rng.normal(3.0, 2.0, size=64), seed)
        covered += estimate.low <= 3.0 <= estimate.high
    assert 0.90 <= covered / 200 <= 0.99


def test_an_interval_of_a_paired_ratio_covers_the_true_ratio_about_95_times_of_100() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        skill = rng.gamma(8.0, 0.05, size=64)
        above, below = 1.5 * skill + rng.normal(0, 0.02, 64), skill + rng.normal(0, 0.02, 64)
        estimate = ratio_with_interval(above, below, seed)
        covered += estimate.low <= 1.5 <= estimate.high
    assert 0.90 <= covered / 200 <= 0.99


def test_pairing_narrows_the_interval_when_players_differ_more_than_conditions() -> None:
    rng = np.random.default_rng(3)
    below = rng.uniform(0.1, 0.9, size=64)
    above = 1.2 * below
    paired = ratio_with_interval(above, below)
    unpaired = ratio_with_interval(rng.permutation(above), below)
    assert paired.high - paired.low < 0.1 * (unpaired.high - unpaired.low)


def test_the_ratio_is_of_means_and_not_the_mean_of_ratios() -> None:
    assert ratio_with_interval([1.0, 3.0], [1.0, 1.0]).mean == pytest.approx(2.0)
    assert ratio_with_interval([1.0, 3.0], [0.5, 1.5]).mean == pytest.approx(2.0)
    assert ratio_with_interval([1.0, 0.0], [1.0, 4.0]).mean == pytest.approx(0.2)


def test_the_same_values_give_the_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=20)
    assert mean_with_interval(values) == mean_with_interval(values)


def test_bands_agree_with_the_interval_of_each_column() -> None:
    errors = np.random.default_rng(5).normal(size=(16, 3))
    assert bands(errors) == [mean_with_interval(column) for column in errors.T]


def test_intervals_that_touch_are_not_below_each_other() -> None:
    assert Estimate(1, 0.9, 1.1).is_below(Estimate(2, 1.2, 2.1))
    assert not Estimate(1, 0.9, 1.2).is_below(Estimate(2, 1.2, 2.1))


@pytest.mark.parametrize(
    ("above", "below", "named"),
    [
        ([1.0, 2.0], [1.0], "1 below"),
        ([1.0], [1.0], "at least 2 players"),
        ([1.0, float("nan")], [1.0, 1.0], "1 of 2"),
        ([1.0, 1.0], [0.0, 0.0], "zero"),
    ],
)
def test_a_ratio_that_cannot_be_formed_says_why(above: list[float], below: list[float], named: str) -> None:
    with pytest.raises(PytrainError, match=named):
        ratio_with_interval(above, below)
