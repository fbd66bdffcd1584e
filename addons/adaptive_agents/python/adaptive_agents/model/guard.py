"""The guard: how much of what is handed out may come from weights that were fitted to a player.

Every label carries the predictions that were made before it was known: by the frozen model, by the player's
slow weights and by the fast ones. That is an honest test which costs no examples (Dawid, 1984). What is
handed out is a mixture of the three, weighed by how they did of late (fixed share: Herbster & Warmuth,
Tracking the Best Expert, 1998): for losses that are convex it does not fall behind the best of them, nor
behind the best sequence of a few, by more than a term that the number of changes sets, whoever plays.

New weights start without any say and get theirs by sharing; nobody's say falls so low that a player who
changes their habit must wait for it.

A mixture that follows within seconds can be led by the nose by one whose habits change just as fast. So what
was handed out is compared with the frozen model, too, over the same half-life: as far as it lost by not being
the frozen model, it becomes that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.spec import Spec

FROZEN, SLOW, FAST = range(3)
EXPERTS = 3
"""Who predicts: the frozen model, the player's slow weights, and their fast ones."""

HALF_LIFE_SEC = 10.0
"""After so long what an expert earned counts half."""
RATE_PER_SEC = 8.0
"""How fast a loss of one unit (the frozen model's usual loss) lowers an expert's weight: by exp(-rate).

Chosen, with the next one, on 16 meta-validation players of the demo (first-order MAML, 300 meta steps): of
the frozen model's error the mixture has .94 at 2 to 4 s, .79 at 4 to 7 s, .72 at 7 to 12 s, .58 after 25 s;
fast weights alone have .84, .76, .71 and .58. With .02 shared a rate of 2 gave .92 at 4 to 7 s, a rate of 16
.78, but there one player in five was worse off than with the frozen model from 2 to 7 s, at 8 nobody.
"""
SHARED_PER_SEC = 0.05
"""The part of all weight that is dealt out evenly."""
CLIP = 4.0
"""A loss counts for at most so many times the frozen model's usual one: a teleport teaches nothing."""

CREDIT_SEC = 1.0
"""So many seconds of no loss at all, at most, can be set off against being worse than the frozen model."""
DOUBT_SEC = 0.5
"""Where so many seconds of the frozen model's usual loss were lost against it, half of the say is gone."""

_LONGEST_GAP_SEC = 1.0
_SCALE_TICKS = 100
_LEAST_SCALE = 1e-12

Weights = NDArray[np.float64]


class Guard:
    """The weights (experts,) of one memory's experts. They are 0 or more, and add up to 1."""

    def __init__(self, tick_rate_hz: int) -> None:
        self.weights: Weights = np.eye(EXPERTS)[FROZEN]
        self._tick_rate_hz = tick_rate_hz
        self._tick: int | None = None
        self._excess = 0.0
        """What was lost of late by not being the frozen model, in units of its usual loss, times seconds."""
        self._scale = 0.0
        self._updates = 0

    def shares(self, present: Sequence[bool]) -> Weights:
        """(experts,): the weights with which predictions are mixed.

        Args:
            present: for each expert whether it differs from the one before it: slow weights that are the
                brain's own, and fast ones that are the slow ones, are not. What they earned goes to the one
                before.
        """
        shares = self._earned(present)
        trusted = 0.5 ** ((max(0.0, self._excess) / DOUBT_SEC) ** 2)
        shares[1:] *= trusted
        shares[FROZEN] += (1 - trusted) * (1 - shares[FROZEN])
        return shares

    def update(self, tick: int, losses: NDArray[np.float64], told: float, present: Sequence[bool]) -> None:
        """Takes in what became known of one tick.

        Args:
            tick: when it was predicted; never smaller than before.
            losses: (experts,) mean loss over the agents; one that is not finite counts as the worst.
            told: the same of what was handed out.
            present: as for `shares`, now.
        """
        frozen = float(losses[FROZEN]) if np.isfinite(losses[FROZEN]) else 0.0
        self._updates += 1
        limited = min(frozen, CLIP * self._scale) if self._updates > 1 else frozen
        self._scale += (limited - self._scale) / min(self._updates, _SCALE_TICKS)
        gap = 1 if self._tick is None else max(1, tick - self._tick)
        self._tick = tick
        seconds = min(gap / self._tick_rate_hz, _LONGEST_GAP_SEC)

        everyone = np.append(losses, told)
        scaled = np.where(np.isfinite(everyone), everyone, np.inf) / max(self._scale, _LEAST_SCALE)
        clipped = np.minimum(scaled, CLIP)
        kept = 0.5 ** (seconds / HALF_LIFE_SEC)
        self._excess = max(self._excess * kept + seconds * (clipped[-1] - clipped[FROZEN]), -CREDIT_SEC)

        here = np.array([True, *present[1:]])
        before = self._earned(present)
        with np.errstate(divide="ignore"):  # the logarithm of nothing: it stays nothing until it is shared
            logs = np.log(before) * kept - RATE_PER_SEC * seconds * clipped[:-1]
        grown = np.where(here, np.exp(logs - logs[here].max()), 0)
        shared = 1 - (1 - SHARED_PER_SEC) ** seconds
        self.weights = (1 - shared) * grown / grown.sum() + shared * here / here.sum()

    def _earned(self, present: Sequence[bool]) -> Weights:
        """(experts,): the weights, those of absent experts with the one before."""
        earned = self.weights.copy()
        for expert in range(EXPERTS - 1, 0, -1):
            if not present[expert]:
                earned[expert - 1] += earned[expert]
                earned[expert] = 0
        return earned

    def restore(self, weights: Sequence[float]) -> None:
        """Goes on from the weights that an earlier session ended with.

        Raises:
            ValueError: they are no such weights.
        """
        found = np.array(weights, np.float64)
        if found.shape != (EXPERTS,) or not np.isfinite(found).all() or found.min() < 0 or not found.sum():
            raise ValueError(
                f"the guard's weights are {weights!r}, {EXPERTS} numbers of 0 or more are needed"
            )
        self.weights = found / found.sum()


def losses_of(
    spec: Spec, predictions: NDArray[np.float32], targets: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(n, experts): the losses that the guard compares; NaN where nothing was predicted.

    Vectors: the distance from the target. Categories: the squared error of the probabilities (Brier), which
    an expert cannot lower by being surer than it may be. Both are convex, as the guard's promise needs.

    Args:
        spec: whose targets they are.
        predictions: (n, experts, outputs); rows of NaN where nothing was predicted.
        targets: (n, target_columns)
    """
    values = predictions.astype(np.float64)
    if spec.target.kind == "category":
        values = softmax(values)
        truth = np.eye(spec.target.size)[targets[:, 0].astype(np.intp)]
        return np.asarray(np.square(values - truth[:, None]).sum(axis=-1))
    return np.asarray(np.sqrt(np.square(values - targets[:, None]).sum(axis=-1)))


def mixed(spec: Spec, predictions: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """(n, outputs): the mixture of the experts' predictions.

    Vectors: their weighted mean. Categories: that of their probabilities, as logits.

    Args:
        spec: whose predictions they are.
        predictions: (n, experts, outputs), finite.
        weights: (n, experts)
    """
    values = predictions.astype(np.float64)
    if spec.target.kind == "category":
        chances = (weights[:, None] @ softmax(values))[:, 0]
        return np.log(np.maximum(chances, 1e-30)).astype(np.float32)
    return (weights[:, None] @ values)[:, 0].astype(np.float32)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities along the last axis."""
    with np.errstate(invalid="ignore"):  # what is not finite stays so: its loss is the worst
        chances = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=-1, keepdims=True))
