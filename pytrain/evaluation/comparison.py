"""From measured errors to figures with intervals: each method's curves, and all of them held against each
other.

Nothing is compared but in pairs: the same players, and the same draw of trainings, on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrain.console import warn
from pytrain.data.dataset import Players
from pytrain.errors import PytrainError
from pytrain.evaluation.chosen import Chosen
from pytrain.evaluation.intervals import Estimate, Resampled, Resampling
from pytrain.evaluation.measure import Measured, PerPlayer
from pytrain.evaluation.names import CATEGORY_UNIT
from pytrain.evaluation.predictors import LEVELS
from pytrain.settings import EvaluateSettings

BEST_BASELINE = "best-baseline"
"""Stands for it in the names of ratios and differences: "memory/best-baseline"."""
BEFORE = "before"
"""Likewise for a brain's own frozen model: "memory/before"."""

Trained = Mapping[str, Mapping[str, Measured]]
"""By method, and by the seed of each of its trainings."""


@dataclass(frozen=True)
class Curve:
    """One method's figures after each of `Evaluation.curve_sec` seconds of play."""

    error: tuple[Estimate, ...]
    loss: tuple[Estimate, ...]  # negative log-likelihood for a category; mean squared distance for a vector
    trainings: tuple[str, ...]  # the seeds of its trainings, ("",) for one
    per_training: PerPlayer  # (trainings, players, seconds): each player's error
    before: tuple[Estimate, ...] | None = None  # of a brain: the error of its own frozen model
    coverage: Mapping[float, tuple[Estimate, ...]] | None = None  # by level, where it tells how sure it is
    calibration_error: tuple[Estimate, ...] | None = None
    brier: tuple[Estimate, ...] | None = None

    @property
    def error_per_player(self) -> tuple[tuple[float, ...], ...]:
        """`(players, seconds)`, the mean over the trainings."""
        return tuple(tuple(row) for row in self.per_training.mean(0).tolist())


@dataclass(frozen=True)
class Evaluation:
    """Curves of every method on the same players; "frozen" is the best model without a step."""

    player_ids: tuple[str, ...]
    unit: str  # what an error is measured in, for a table's head
    curve_sec: tuple[float, ...]
    headline_sec: float
    methods: Mapping[str, Curve]
    ratio_curves: Mapping[
        str, tuple[Estimate, ...]
    ]  # "maml/frozen": ratio of mean errors, resampled in pairs
    difference_curves: Mapping[str, tuple[Estimate, ...]]  # "maml-pooled": mean paired difference
    chosen: Chosen | None = None  # None without fit players
    when: Mapping[str, Evaluation] = field(default_factory=dict)  # the same at the moments of each condition

    @property
    def headline_index(self) -> int:
        """Where in every curve `headline_sec` is."""
        return self.curve_sec.index(self.headline_sec)

    @property
    def ratios(self) -> dict[str, Estimate]:
        """`ratio_curves` at `headline_sec`."""
        return {name: curve[self.headline_index] for name, curve in self.ratio_curves.items()}

    @property
    def differences(self) -> dict[str, Estimate]:
        """`difference_curves` at `headline_sec`."""
        return {name: curve[self.headline_index] for name, curve in self.difference_curves.items()}

    def headline(self, method: str) -> Estimate:
        """The error of one method after `headline_sec` seconds of play."""
        return self.methods[method].error[self.headline_index]

    def headline_loss(self, method: str) -> Estimate:
        """The same for its loss: a category's negative log-likelihood, in nats."""
        return self.methods[method].loss[self.headline_index]


def compare(
    measured: Trained, before: Trained, players: Players, settings: EvaluateSettings, chosen: Chosen | None
) -> Evaluation:
    """All methods on the players who have such moments as were measured (no NaN).

    `before` are the frozen models of those methods that are brains. Raises PytrainError when fewer than two
    players have such moments.
    """
    stacked, own = ({name: _stacked(each) for name, each in which.items()} for which in (measured, before))
    there: NDArray[np.bool_] = np.isfinite(next(iter(stacked.values())).error.sum(axis=(0, 2)))
    resampling = _resampling(players, there, settings.seed)
    errors, own_errors = (
        {name: resampling.of(each.error[:, there]) for name, each in which.items()}
        for which in (stacked, own)
    )
    curves = {
        name: Curve(
            error=tuple(errors[name].estimates()),
            loss=tuple(resampling.of(each.loss[:, there]).estimates()),
            trainings=tuple(measured[name]),
            per_training=each.error[:, there],
            before=tuple(own_errors[name].estimates()) if name in own_errors else None,
            **_certainty(each, there, resampling),
        )
        for name, each in stacked.items()
    }
    pairs = {(one, other): errors[other] for one, other in product(errors, errors) if one != other}
    pairs |= {(one, BEFORE): other for one, other in own_errors.items()}
    if chosen is not None:
        best = chosen.best_baseline
        if best not in errors:
            raise PytrainError(
                f"{best} was chosen as the best baseline and is not measured: name its brain, or "
                "give --baselines"
            )
        pairs |= {(one, BEST_BASELINE): errors[best] for one in errors if one != best}
    return Evaluation(
        player_ids=tuple(player for player, is_there in zip(players.ids, there, strict=True) if is_there),
        unit=CATEGORY_UNIT if players.spec.target.kind == "category" else f"units of {players.spec.target}",
        curve_sec=settings.curve_sec,
        headline_sec=settings.headline_sec,
        methods=curves,
        ratio_curves={
            f"{one}/{other}": tuple(errors[one].ratios(peer))
            for (one, other), peer in pairs.items()
            if not peer.may_be_zero
        },
        difference_curves={
            f"{one}-{other}": tuple(errors[one].differences(peer)) for (one, other), peer in pairs.items()
        },
        chosen=chosen,
    )


def _resampling(players: Players, there: NDArray[np.bool_], seed: int) -> Resampling:
    count = int(there.sum())
    if count < 2:
        raise PytrainError(
            f"{count} of {len(players)} players have such moments, and an interval needs 2: record more "
            "players, or choose another --when"
        )
    if count < len(players):
        warn(f"left out: {len(players) - count} of {len(players)} players, for whom a --when never holds")
    return Resampling(count, seed)


@dataclass(frozen=True)
class _Stacked:
    """Of all trainings of a method: `(trainings, players, seconds, …)` each."""

    error: PerPlayer
    loss: PerPlayer
    coverage: PerPlayer | None
    gaps: PerPlayer | None
    brier: PerPlayer | None


def _stacked(trainings: Mapping[str, Measured]) -> _Stacked:
    def stack(values: Sequence[PerPlayer | None]) -> PerPlayer | None:
        known = [value for value in values if value is not None]
        return np.stack(known) if len(known) == len(values) else None

    each = list(trainings.values())
    return _Stacked(
        np.stack([one.error for one in each]),
        np.stack([one.loss for one in each]),
        stack([one.coverage for one in each]),
        stack([one.gaps for one in each]),
        stack([one.brier for one in each]),
    )


def _certainty(stacked: _Stacked, there: NDArray[np.bool_], resampling: Resampling) -> dict[str, Any]:
    """Coverage, calibration error and Brier score, as far as there are any."""
    figures: dict[str, Any] = {}
    if stacked.coverage is not None:
        figures["coverage"] = {
            level: tuple(resampling.of(part[:, there]).estimates())
            for level, part in zip(LEVELS, np.moveaxis(stacked.coverage, -1, 0), strict=True)
        }
    if stacked.gaps is not None:
        parts = [resampling.of(part[:, there]) for part in np.moveaxis(stacked.gaps, -1, 0)]
        total = Resampled(
            np.sum([np.abs(part.means) for part in parts], axis=0),
            np.sum([np.abs(part.samples) for part in parts], axis=0),
        )
        figures["calibration_error"] = tuple(total.estimates())
    if stacked.brier is not None:
        figures["brier"] = tuple(resampling.of(stacked.brier[:, there]).estimates())
    return figures
