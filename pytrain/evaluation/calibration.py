"""Does a prediction know how sure it is? Coverage of intervals and sets, calibration error, Brier score.

For each player and query; `pytrain.evaluation.evaluate` takes means and intervals over players.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.support import SupportSet
from adaptive_agents.spec import Target
from pytrain.evaluation.baselines import chances
from pytrain.evaluation.predictors import LEVELS, Answers

BINS = 15  # of confidence (Guo et al. 2017)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """How often the truth was where it was said to be, for each player."""

    coverage: Array
    """(players, levels): the part of the outcomes within the interval (each coordinate counts by itself), or
    in the smallest set of classes, of each of `LEVELS`."""
    gaps: Array
    """(players, parts): what the calibration error is made of; it is the sum over the parts of the absolute
    mean over players. For a vector: each level's coverage minus the level. For a category: in each bin of
    confidence, confidence minus accuracy, times the part of the moments that are in the bin (the expected
    calibration error of Guo et al. 2017)."""
    brier: Array | None
    """(players,) for a category: mean squared distance of the chances from what came."""


def calibration(target: Target, answers: Answers, query: SupportSet) -> Calibration | None:
    """None from a vector's predictor that does not tell how sure it is."""
    shares = query.weights.astype(np.float64)
    shares = shares / np.maximum(shares.sum(-1, keepdims=True), 1e-12)
    if target.kind == "category":
        return _of_category(answers, query, shares)
    if answers.half_widths is None:
        return None
    distance = np.abs(query.targets.astype(np.float64) - answers.predictions)
    within = (distance[..., None] <= answers.half_widths).mean(-2)
    coverage = np.einsum("pr,prl->pl", shares, within)
    return Calibration(coverage, (coverage - np.asarray(LEVELS)) / len(LEVELS), None)


def _of_category(answers: Answers, query: SupportSet, shares: Array) -> Calibration:
    said = chances(answers.predictions.astype(np.float64))
    truth = query.targets[..., 0].astype(np.int64)
    of_truth = np.take_along_axis(said, truth[..., None], axis=-1)
    certain = said.argmax(-1)
    confidence, right = said.max(-1), (certain == truth).astype(np.float64)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    in_bin = np.eye(BINS)[bins] * shares[..., None]
    gaps = np.einsum("prb,pr->pb", in_bin, confidence - right)
    brier = (said**2).sum(-1) - 2 * of_truth[..., 0] + 1
    coverage = np.einsum("pr,prl->pl", shares, _in_smallest_set(said, of_truth))
    return Calibration(coverage, gaps, (shares * brier).sum(-1))


def _in_smallest_set(said: Array, of_truth: Array) -> Array:
    """`(players, rows, levels)`: the chance that the truth is in the randomised smallest set of each level.

    Classes are taken from the likeliest on until the set holds the level; the last of them only with the
    chance that makes it hold the level exactly (Romano, Sesia & Candès 2020). That chance itself is given, so
    that nothing need be drawn. Classes that are equally likely are taken together.
    """
    before = np.where(said > of_truth, said, 0.0).sum(-1, keepdims=True)
    tied = np.where(said == of_truth, said, 0.0).sum(-1, keepdims=True)
    inside: Array = np.clip((np.asarray(LEVELS) - before) / np.maximum(tied, 1e-12), 0.0, 1.0)
    return inside
