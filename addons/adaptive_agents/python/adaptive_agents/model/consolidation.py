"""What of a player lasts: where adaptation starts, what it learns from, and what a round leaves.

A brain names one of three kinds in its manifest (inner_loop.consolidation); here is all that they differ in:

    average      gradient learners: each adaptation starts again from the slow weights, with the newest
                 examples; a round moves the slow weights a little towards the mean of what it showed
    statistics   the weights hold sums over all examples there ever were: each adaptation goes on from the
                 fast weights and takes in only what is new; a round's end lowers what they count
    examples     the weights are a function of the newest examples, which are all that lasts
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from adaptive_agents.errors import PosteriorError
from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.inner_loop import AVERAGE, EXAMPLES, STATISTICS
from adaptive_agents.model.posterior import with_posterior
from adaptive_agents.model.support import ExampleRing, SupportSet

LEAK = 0.02
"""How far a round draws slow weights back to the brain's own, so that what was learned wrongly heals."""


class Consolidation:
    """A player's slow and fast weights for one brain. Weights are replaced, never changed in place.

    Attributes:
        slow: what lasts over rounds.
        fast: the newest weights; the same object as `slow` until something was learned.
    """

    learns_from_one: ClassVar[bool] = True
    """Whether a single example says something; what is exact can tell how little."""
    has_trust_region: ClassVar[bool] = False
    pace: ClassVar[int] = 1
    """How many times as often as others it adapts."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self.slow: Params = brain.init_params
        self.fast: Params = brain.init_params

    @property
    def present(self) -> tuple[bool, bool, bool]:
        """For frozen model, slow and fast weights: whether each differs from the one before it."""
        return True, self.slow is not self._brain.init_params, self.fast is not self.slow

    def start(self, support: ExampleRing) -> tuple[Params, SupportSet]:
        """Where an adaptation starts from, and what it learns from."""
        return self._brain.init_params, support.newest(self._brain.inner_loop.support_size)

    def take(self, params: Params | None, total: int) -> None:
        """The adaptation that was started last is over.

        Args:
            params: the new weights; None: they cannot be used.
            total: how many examples there had been when it was started.
        """
        if params is not None:
            self.fast = params

    def give_up(self) -> None:
        """The adaptation that was started last will not be done."""

    def end_round(self, meta_step_size: float) -> None:
        """What this round leaves. Does nothing where nothing was learned since the last one."""

    @property
    def kept(self) -> Params:
        """The weights that a profile saves."""
        return {}

    def unabsorbed(self, support: ExampleRing) -> int:
        """How many of the newest examples are missing in weights that hold all there ever were; else 0."""
        return 0

    def restore(self, params: Params, support: ExampleRing, unabsorbed: int) -> None:
        """Goes on from what a profile saved of this very brain; weights `kept`, examples in `support`."""


class Averaged(Consolidation):
    """Slow weights that move towards the mean of a round's fast ones (Reptile; Polyak's average)."""

    learns_from_one = False
    has_trust_region = True

    def __init__(self, brain: Brain) -> None:
        super().__init__(brain)
        self._mean: Params = {}
        self._adaptations = 0

    def start(self, support: ExampleRing) -> tuple[Params, SupportSet]:
        return self.slow, support.newest(self._brain.inner_loop.support_size)

    def take(self, params: Params | None, total: int) -> None:
        super().take(params, total)
        if params is None:
            return
        self._adaptations += 1
        if self._adaptations == 1:
            self._mean = params
        else:
            mean = self._mean
            self._mean = {
                name: np.asarray(mean[name] + (params[name] - mean[name]) / self._adaptations)
                for name in mean
            }

    def end_round(self, meta_step_size: float) -> None:
        if not self._adaptations:
            return
        init, slow, mean = self._brain.init_params, self.slow, self._mean
        moved = {name: slow[name] + meta_step_size * (mean[name] - slow[name]) for name in slow}
        self.slow = {name: np.asarray(moved[name] + LEAK * (init[name] - moved[name])) for name in slow}
        self._mean, self._adaptations = {}, 0

    @property
    def kept(self) -> Params:
        return self.slow

    def restore(self, params: Params, support: ExampleRing, unabsorbed: int) -> None:
        if not _same_shapes(params, self._brain.init_params):
            return
        init, radius = self._brain.init_params, self._brain.inner_loop.trust_radius
        far = distance(params, init)
        self.slow = self.fast = params if far <= radius else projected(params, init, radius, far)


class Statistics(Consolidation):
    """Sums over all examples there ever were, in the form of the brain's weights."""

    pace = 4  # it costs what the few new examples cost

    def __init__(self, brain: Brain) -> None:
        super().__init__(brain)
        self._absorbed = 0
        self._has_news = False
        self._is_started = False
        self._ends_round_later = False

    def start(self, support: ExampleRing) -> tuple[Params, SupportSet]:
        self._is_started = True
        return self.fast, support.newest(support.total - self._absorbed)

    def take(self, params: Params | None, total: int) -> None:
        super().take(params, total)
        # Also where they cannot be used: the same examples would spoil the next adaptation, too.
        self._absorbed = total
        self._has_news |= params is not None
        self.give_up()

    def give_up(self) -> None:
        self._is_started = False
        if self._ends_round_later:
            self._ends_round_later = False
            self.end_round(0)

    def end_round(self, meta_step_size: float) -> None:
        if self._is_started:
            # What is under way started from the weights of now, and would undo this.
            self._ends_round_later = True
            return
        if not self._has_news:
            return
        self._has_news = False
        init, kept = self._brain.init_params, np.float32(self._brain.inner_loop.round_forgetting)
        self.slow = self.fast = with_posterior(
            {name: np.asarray(init[name] + kept * (value - init[name])) for name, value in self.fast.items()}
        )

    @property
    def kept(self) -> Params:
        return self.fast

    def unabsorbed(self, support: ExampleRing) -> int:
        return min(len(support), support.total - self._absorbed)

    def restore(self, params: Params, support: ExampleRing, unabsorbed: int) -> None:
        if not _same_shapes(params, self._brain.init_params):
            return
        try:
            # What predicts follows from the sums, whatever a file says of it.
            self.slow = self.fast = with_posterior(params)
        except PosteriorError:
            return  # the examples are there to be absorbed anew
        self._absorbed = support.total - unabsorbed


_CLASSES: dict[str, type[Consolidation]] = {
    AVERAGE: Averaged,
    STATISTICS: Statistics,
    EXAMPLES: Consolidation,
}


def consolidation_of(brain: Brain) -> Consolidation:
    """A new player's, of the kind that the brain names."""
    return _CLASSES[brain.inner_loop.consolidation](brain)


def distance(params: Params, init: Params) -> float:
    """L2 distance of weights from others; not finite where the weights are not."""
    with np.errstate(over="ignore", invalid="ignore"):  # diverged weights are judged, not warned about
        squares = [np.square(params[name] - init[name], dtype=np.float64).sum() for name in init]
        return math.sqrt(total) if math.isfinite(total := float(np.sum(squares))) else math.inf


def projected(params: Params, init: Params, radius: float, far: float) -> Params:
    """The nearest weights within `radius` of `init`, of weights that are `far` from it."""
    share = np.float32(radius / far)
    return {name: np.asarray(init[name] + (params[name] - init[name]) * share) for name in init}


def _same_shapes(params: Params, init: Params) -> bool:
    return {n: a.shape for n, a in params.items()} == {n: a.shape for n, a in init.items()}
