"""What can be measured: something that learns from a player's play so far, and then answers.

A brain is one such predictor, `pytrain.evaluation.baselines` holds those that no training made; all of them
go through the one loop of `pytrain.evaluation.measure`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.inner_loop import STATISTICS
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window

Observations = NDArray[np.float32]
"""(players, rows, input_size)"""

MOST_MOMENTS = 4096
"""What those learn from who take all the play there was."""
LEVELS = (0.5, 0.8, 0.95)
"""The parts of the outcomes that the intervals of a prediction are to hold."""
NORMAL_INTERVALS = (0.6745, 1.2816, 1.96)
"""Half widths of these intervals in standard deviations, if errors were normal."""


@dataclass(frozen=True)
class Answers:
    """What a predictor says about a query."""

    predictions: NDArray[np.float32]
    """(players, rows, outputs): the target in its own units, or a category's logits."""
    half_widths: NDArray[np.float32] | None = None
    """(players, rows, outputs, levels): how far to both sides of it the interval of each of `LEVELS` reaches;
    None from who does not know its own uncertainty."""


Predict = Callable[[Observations], Answers]


class Predictor(Protocol):
    """Learns from some players' play, each by itself."""

    @property
    def window(self) -> Window:
        """Which of an agent's observations make one row."""

    @property
    def support_size(self) -> int:
        """How many of a player's newest moments it takes."""

    def fit(self, support: SupportSet) -> Predict:
        """Learn from `support`, whose rows of weight 0 are none; a player may have shown nothing yet."""


@dataclass(frozen=True)
class BrainPredictor:
    """A brain as it ships, or with other settings of its adaptation."""

    brain: Brain
    inner_lr: float | None = None
    """None means the brain's own; so it does for the next."""
    num_inner_steps: int | None = None

    @property
    def window(self) -> Window:
        return self.brain.window

    @property
    def support_size(self) -> int:
        loop = self.brain.inner_loop
        # Statistics hold all that was seen, though each adaptation in play absorbs only what is new.
        return MOST_MOMENTS if loop.consolidation == STATISTICS and loop.support_size else loop.support_size

    def fit(self, support: SupportSet) -> Predict:
        params = self._adapted(support)

        def predict(observations: Observations) -> Answers:
            predictions, deviations = self.brain.estimate_batched(observations, params)
            return Answers(predictions, _half_widths(self.brain, deviations))

        return predict

    def _adapted(self, support: SupportSet) -> Params:
        """Who has shown nothing yet, or plays against a brain that takes no support, has the brain's own."""
        players = len(support.weights)
        params = {
            name: np.repeat(value[None], players, axis=0) for name, value in self.brain.init_params.items()
        }
        shown = (support.weights > 0).any(1)
        if not shown.any():
            return params
        columns = (support.observations, support.targets, support.weights)
        known = SupportSet(*(column[shown] for column in columns))
        of_shown = {name: value[shown] for name, value in params.items()}
        adapted = self.brain.adapt(
            of_shown, known, inner_lr=self.inner_lr, num_inner_steps=self.num_inner_steps
        ).params
        for name, value in adapted.items():
            params[name][shown] = value
        return params


@dataclass(frozen=True)
class FrozenPredictor:
    """A brain that does not adapt: its frozen model, or what it starts from if it carries none."""

    brain: Brain
    support_size: int = 0

    @property
    def window(self) -> Window:
        return self.brain.window

    def fit(self, support: SupportSet) -> Predict:
        del support
        return self.predict

    def predict(self, observations: Observations) -> Answers:
        """The same for every player."""
        rows = observations.reshape(-1, observations.shape[-1])
        predictions, deviations = self.brain.estimate_frozen(rows)
        shape = (*observations.shape[:-1], predictions.shape[-1])
        half_widths = _half_widths(self.brain, None if deviations is None else deviations.reshape(shape))
        return Answers(predictions.reshape(shape), half_widths)


def _half_widths(brain: Brain, deviations: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
    """`(players, rows, outputs, levels)`, by the multiples that were chosen on the meta-validation
    players."""
    if deviations is None or brain.uncertainty is None:
        return None
    chosen = brain.uncertainty.intervals
    multiples = [chosen.get(level, usual) for level, usual in zip(LEVELS, NORMAL_INTERVALS, strict=True)]
    return deviations[..., None] * np.asarray(multiples, np.float32)
