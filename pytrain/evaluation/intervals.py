"""Means with 95 % intervals over players, for every figure this project publishes.

Players are the unit: a player's shots, or a player's predictions, depend on each other, so an interval over
those would be far too narrow. The intervals are percentile bootstraps over players (Efron & Tibshirani, An
Introduction to the Bootstrap, 1993, chapter 13); a ratio resamples numerator and denominator of the same
players together, because both were measured on them (paired).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrain.errors import PytrainError

RESAMPLES = 10_000
LEVELS = (2.5, 97.5)

Figures = Mapping[str, Any]
"""`report.json`, or a part of it."""
PerPlayer = Sequence[float] | NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return format(self, ".3g")

    def __format__(self, form: str) -> str:
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"

    def to_dict(self) -> dict[str, object]:
        """The form every figure has in `report.json`."""
        return {"mean": self.mean, "ci95": [self.low, self.high]}

    def is_below(self, other: Estimate) -> bool:
        """Whether this interval lies below the other one without touching it."""
        return self.high < other.low


def estimate(stored: Figures) -> Estimate:
    """A figure of `report.json`."""
    return Estimate(stored["mean"], *stored["ci95"])


def mean_with_interval(per_player: PerPlayer, seed: int = 0) -> Estimate:
    """Mean of one value per player `(players,)`."""
    values = _checked(per_player, "values")
    means = values[_resampled_players(len(values), seed)].mean(axis=1)
    low, high = np.percentile(means, LEVELS)
    return Estimate(float(values.mean()), float(low), float(high))


def ratio_with_interval(numerator: PerPlayer, denominator: PerPlayer, seed: int = 0) -> Estimate:
    """Mean of `numerator` over mean of `denominator`, both `(players,)` and in the same order of players."""
    if len(numerator) != len(denominator):
        raise PytrainError(
            "a paired ratio needs the same players on both sides: "
            f"{len(numerator)} above the line, {len(denominator)} below it"
        )
    above, below = _checked(numerator, "numerators"), _checked(denominator, "denominators")
    if below.mean() == 0:
        raise PytrainError("a ratio to zero is not defined: every player's value below the line is 0")
    players = _resampled_players(len(above), seed)
    with np.errstate(divide="ignore"):
        ratios = above[players].mean(axis=1) / below[players].mean(axis=1)
    low, high = np.percentile(ratios, LEVELS)
    return Estimate(float(above.mean() / below.mean()), float(low), float(high))


def bands(per_player: NDArray[np.float64], seed: int = 0) -> list[Estimate]:
    """One estimate per column of `per_player (players, points)`, all from the same resampled players."""
    players = _resampled_players(len(per_player), seed)
    estimates = []
    for column in per_player.T:
        low, high = np.percentile(column[players].mean(axis=1), LEVELS)
        estimates.append(Estimate(float(column.mean()), float(low), float(high)))
    return estimates


@dataclass(frozen=True)
class Resampled:
    """One method's mean over the players, and the same in every bootstrap sample."""

    means: NDArray[np.float64]
    """(points,)"""
    samples: NDArray[np.float64]
    """(resamples, points)"""

    def estimates(self) -> list[Estimate]:
        """The mean at each point, with its interval."""
        return _estimates(self.means, self.samples)

    @property
    def may_be_zero(self) -> bool:
        """Whether no ratio to it is defined: its mean is 0 somewhere, as that of perfect predictions."""
        return bool((self.samples == 0).any())

    def ratios(self, to: Resampled) -> list[Estimate]:
        """At each point the ratio of means to those of another method, that may not be 0, on the same
        players."""
        return _estimates(self.means / to.means, self.samples / to.samples)

    def differences(self, to: Resampled) -> list[Estimate]:
        """At each point the mean paired difference to another method on the same players."""
        return _estimates(self.means - to.means, self.samples - to.samples)


class Resampling:
    """Which players, and which trainings of a method, each bootstrap sample holds; one for all that is
    compared.

    The players of a sample are the same for all methods, so that whatever is compared is paired. A method
    that was trained with several seeds has its trainings resampled with the players (both are drawn anew in
    every sample: the pigeonhole bootstrap, Owen 2007): what an interval says then holds for another seed as
    well as for other players. Methods of as many trainings have the same ones drawn, so that a brain is
    paired with its own frozen model.
    """

    def __init__(self, players: int, seed: int = 0) -> None:
        if players < 2:
            raise PytrainError(f"an interval needs values of at least 2 players, got {players}")
        drawn = _resampled_players(players, seed)
        self._seed = seed
        self._shares = np.zeros((RESAMPLES, players))
        for sample, who in zip(self._shares, drawn, strict=True):
            sample += np.bincount(who, minlength=players)
        self._shares /= players

    def of(self, values: NDArray[np.float64]) -> Resampled:
        """`values (trainings, players, points)`: one number per training, player and point."""
        trainings, players, points = values.shape
        if players != self._shares.shape[1]:
            raise PytrainError(f"{players} players have values, {self._shares.shape[1]} are compared")
        if not np.isfinite(values).all():
            raise PytrainError(f"values must be finite; {int((~np.isfinite(values)).sum())} are not")
        flat = values.transpose(1, 0, 2).reshape(players, -1)
        samples = (self._shares @ flat).reshape(RESAMPLES, trainings, points)
        if trainings == 1:
            return Resampled(values.mean((0, 1)), samples[:, 0])
        # Seeds of their own, so that one training more does not change which players are drawn.
        which = np.random.default_rng((self._seed, trainings)).integers(0, trainings, (RESAMPLES, trainings))
        return Resampled(values.mean((0, 1)), samples[np.arange(RESAMPLES)[:, None], which].mean(1))


def _estimates(means: NDArray[np.float64], samples: NDArray[np.float64]) -> list[Estimate]:
    low, high = np.percentile(samples, LEVELS, axis=0)
    return [Estimate(*map(float, point)) for point in zip(means, low, high, strict=True)]


def _checked(per_player: PerPlayer, what: str) -> NDArray[np.float64]:
    values = np.asarray(per_player, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise PytrainError(f"an interval needs {what} of at least 2 players, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise PytrainError(
            f"{what} must be finite; {int((~np.isfinite(values)).sum())} of {len(values)} are not"
        )
    return values


def _resampled_players(players: int, seed: int) -> NDArray[np.int64]:
    """`(resamples, players)`: which players each bootstrap sample holds."""
    return np.random.default_rng(seed).integers(0, players, size=(RESAMPLES, players))
