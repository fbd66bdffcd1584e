"""Baselines that look up in a player's own examples and that nobody trained: kernel ridge, nearest
neighbours.

What a sceptic puts beside a learner. They see the same window, start from what is known before any play (the
mean of other players, or a frozen model's prediction) and answer in closed form. `pytrain.evaluation.fitting`
chooses their settings on other players; the defaults are neutral.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Target
from pytrain.evaluation.predictors import MOST_MOMENTS, Answers, Observations, Predict

KERNEL, KNN, FROZEN_KERNEL, POOLED_TUNED = "kernel", "knn", "frozen_kernel", "pooled_tuned"
REMEMBERED = 8  # arrays of rows
LEAST_CHANCE = 1e-3  # of a class: a look-up is never certain

Array = NDArray[np.float64]
Prior = Callable[[Observations], Array]
"""What is predicted for rows `(players, rows, input_size)` before any play: `(players, rows, outputs)`, a
category as chances."""


@dataclass(frozen=True)
class Features:
    """Rows of a window as numbers of about the same size, so that distances between rows mean something.

    The newest observation counts as it is, each older one by how it differs from the newest: positions of
    half a second ago tell little, where the player has come from since tells much.
    """

    scale: Array
    """(window, slot): what each number is divided by; infinite for one that never changes."""
    weights: Array
    """(window, slot): how much it counts; 1 is neutral."""

    @classmethod
    def of(cls, observations: NDArray[np.float32], window: Window) -> Features:
        """Neutral ones: every number is divided by its standard deviation over `observations (rows,
        input)`."""
        numbers = _changes(observations.astype(np.float64), window.size)
        deviation, size = numbers.std(0), np.abs(numbers).max(0)
        scale = np.where(deviation > 1e-6 * (1 + size), deviation, np.inf)
        return cls(scale, np.ones_like(scale))

    @property
    def typical_distance(self) -> float:
        """Between two rows that have nothing to do with each other, if every number counts alike."""
        return float(np.sqrt(2 * max(1, np.isfinite(self.scale).sum())))

    def __call__(self, observations: Observations) -> Array:
        """Of `(players, rows, input_size)` those that count `(players, rows, features)`."""
        factors = self.weights / self.scale
        numbers = _changes(observations.astype(np.float64), len(self.scale))
        scaled: Array = numbers[..., factors != 0] * factors[factors != 0]
        return scaled


def _changes(observations: Array, slots: int) -> Array:
    """`(…, slots, slot size)`, oldest first: the older observations as differences from the newest."""
    width = observations.shape[-1] // slots
    seen = observations.reshape(*observations.shape[:-1], slots, width)
    changes = seen - seen[..., -1:, :]
    changes[..., -1, :] = seen[..., -1, :]
    return changes


@dataclass(frozen=True)
class KernelRidge:
    """Kernel ridge regression on what a player's outcomes differ by from the prior.

    The kernel is exp(-distance / width) (exponential or Laplace kernel, Matérn 1/2), the weights of the
    examples are (K + ridge I)^-1 times the differences (Rasmussen & Williams 2006, 2.25): far from all that
    the player did, it predicts the prior.
    """

    target: Target
    window: Window
    features: Features
    prior: Prior
    width: float = 0.5
    """In typical distances."""
    ridge: float = 0.3
    """Variance of chance beside that of the habit."""
    support_size: int = MOST_MOMENTS

    def fit(self, support: SupportSet) -> Predict:
        seen = self.features(support.observations)
        weights = np.sqrt(support.weights.astype(np.float64))
        gram = self._kernel(seen, seen) * weights[:, :, None] * weights[:, None, :]
        gram[:, np.arange(gram.shape[1]), np.arange(gram.shape[1])] += self.ridge
        surprise = _outcomes(self.target, support) - self.prior(support.observations)
        shares = weights[..., None] * np.linalg.solve(gram, weights[..., None] * surprise)

        def predict(observations: Observations) -> Answers:
            learned = self._kernel(self.features(observations), seen) @ shares
            return _answers(self.target, self.prior(observations) + learned)

        return predict

    def _kernel(self, one: Array, other: Array) -> Array:
        distances = _distances(one, other)
        alike: Array = np.exp(distances / (-self.width * self.features.typical_distance))
        return alike


@dataclass(frozen=True)
class NearestNeighbours:
    """The mean of what came after the k most similar moments of the player's own; the prior if there is
    none."""

    target: Target
    window: Window
    features: Features
    prior: Prior
    neighbours: int = 5
    support_size: int = MOST_MOMENTS

    def fit(self, support: SupportSet) -> Predict:
        seen = self.features(support.observations)
        surprise = _outcomes(self.target, support) - self.prior(support.observations)
        there = support.weights > 0

        def predict(observations: Observations) -> Answers:
            expected = self.prior(observations)
            if not there.any():
                return _answers(self.target, expected)
            distances = _distances(self.features(observations), seen)
            distances = np.where(there[:, None, :], distances, np.inf)
            count = min(self.neighbours, distances.shape[-1])
            nearest = np.argpartition(distances, count - 1, axis=-1)[..., :count]
            counts = np.isfinite(np.take_along_axis(distances, nearest, axis=-1))
            who = np.arange(len(distances))[:, None, None]
            found = (surprise[who, nearest] * counts[..., None]).sum(-2)
            return _answers(self.target, expected + found / np.maximum(1, counts.sum(-1))[..., None])

        return predict


@dataclass(frozen=True)
class Constant:
    """A prior that is the same whatever is observed."""

    expected: Array
    """(outputs,)"""

    def __call__(self, observations: Observations) -> Array:
        """`(players, rows, outputs)`"""
        return np.broadcast_to(self.expected, (*observations.shape[:-1], len(self.expected)))


def frozen_prior(target: Target, predict: Predict) -> Prior:
    """What a frozen model predicts.

    It remembers the last rows it was asked about: settings are searched with the same ones over and over.
    """
    known: deque[tuple[Observations, Array]] = deque(maxlen=REMEMBERED)

    def prior(observations: Observations) -> Array:
        for rows, predicted in known:
            if rows is observations:
                return predicted
        predictions = predict(observations).predictions.astype(np.float64)
        known.append((observations, chances(predictions) if target.kind == "category" else predictions))
        return known[-1][1]

    return prior


def chances(logits: Array) -> Array:
    """The chance of each class, over the last axis."""
    raised: Array = np.exp(logits - logits.max(-1, keepdims=True))
    total: Array = raised.sum(-1, keepdims=True)
    return raised / total


def _outcomes(target: Target, support: SupportSet) -> Array:
    """`(players, rows, outputs)`: a category as one chance of 1."""
    if target.kind == "category":
        classes: Array = np.eye(target.size)
        chosen: Array = classes[support.targets[..., 0].astype(np.int64)]
        return chosen
    return support.targets.astype(np.float64)


def _answers(target: Target, predicted: Array) -> Answers:
    if target.kind == "category":
        predicted = np.log(np.clip(predicted, LEAST_CHANCE, 1.0))
    return Answers(predicted.astype(np.float32))


def _distances(one: Array, other: Array) -> Array:
    """Between all rows of `one (players, n, d)` and `other (players, m, d)`: `(players, n, m)`."""
    squares = (one * one).sum(-1)[..., :, None] + (other * other).sum(-1)[..., None, :]
    squares -= 2 * (one @ other.swapaxes(-1, -2))
    distances: Array = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
    return distances
