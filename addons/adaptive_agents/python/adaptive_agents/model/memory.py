"""What is known of one player for one brain, while the game runs; profile.py saves it."""

from __future__ import annotations

from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.consolidation import consolidation_of
from adaptive_agents.model.guard import Guard
from adaptive_agents.model.support import ExampleRing


class BrainMemory:
    """What a profile remembers for one brain: slow and fast weights, and the newest examples.

    Weights are replaced, never changed in place: whoever holds a dictionary of them may go on reading it,
    on any thread, and can tell by its identity whether it is still the one in use.

    Attributes:
        weights: slow and fast weights, and what becomes of them.
        support: the newest `support_size` examples.
        guard: how much of a prediction may come from those weights.
        generation: goes up when the memory is reset, so that results of earlier jobs are not taken.
        in_flight: whether an adaptation job for it is under way.
        adapted_at: `support.total` and tick of the newest job; None before the first.
    """

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.weights = consolidation_of(brain)
        self.guard = Guard(brain.spec.tick_rate_hz)
        self.support = ExampleRing(
            max(1, brain.inner_loop.support_size),
            brain.input_size,
            brain.spec.target_columns,
        )
        self.generation = 0
        self.in_flight = False
        self.adapted_at: tuple[int, int] | None = None

    @property
    def slow_params(self) -> Params:
        """The weights that last over rounds."""
        return self.weights.slow

    @property
    def fast_params(self) -> Params:
        """The newest weights."""
        return self.weights.fast

    @property
    def has_learned(self) -> bool:
        """Whether there are weights that are not the brain's own."""
        return any(self.weights.present[1:])

    def reset(self) -> None:
        """Back to the brain's own weights, without examples."""
        self.weights = consolidation_of(self.brain)
        self.guard = Guard(self.brain.spec.tick_rate_hz)
        self.support.clear()
        self.generation += 1
        self.adapted_at = None

    def end_episode(self, meta_step_size: float) -> None:
        """The end of a round: what it showed becomes lasting, if anything was learned in it."""
        self.weights.end_round(meta_step_size)
