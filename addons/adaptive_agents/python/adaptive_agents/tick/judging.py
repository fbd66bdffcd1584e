"""Tells the players' guards how the experts did, as soon as it is known: once a tick for each player."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.guard import losses_of
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.spec import Spec
from adaptive_agents.tick.decisions import DecisionBatch
from adaptive_agents.tick.labels import MaturedLabels

MOST_TAUGHT = 64
"""Of the examples that a game gave itself in one tick, so many of each player are judged by: the newest."""


def judge(
    spec: Spec,
    labels: MaturedLabels,
    memories: Sequence[BrainMemory | None],
    profiles: NDArray[np.intp],
) -> None:
    """Compares what the experts said of matured labels.

    Args:
        spec: whose labels they are.
        labels: n of one tick.
        memories: those of their agents, each once.
        profiles: (n,) which memory each label belongs to.
    """
    if labels.experts is None:
        return
    losses = losses_of(spec, labels.experts, labels.targets)
    told = losses_of(spec, labels.predictions[:, None], labels.targets)[:, 0]
    is_mixed = ~np.isnan(labels.experts).any(axis=(1, 2))
    for place, memory in enumerate(memories):
        if memory is None:
            continue
        own = is_mixed & (profiles == place)
        if own.any():
            tick = labels.tick + spec.horizon_ticks
            mean = losses[own].mean(axis=0)
            memory.guard.update(tick, mean, float(told[own].mean()), memory.weights.present)


class TaughtExamples:
    """Examples that the game gave itself: the experts predict them before they learn of them."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._waiting: dict[BrainMemory, deque[tuple[NDArray[np.float32], NDArray[np.float32]]]] = {}

    def add(self, memory: BrainMemory, window: NDArray[np.float32], target: NDArray[np.float32]) -> None:
        """Takes one of a memory: window (input_size,), target (target_columns,)."""
        if memory.has_learned:
            self._waiting.setdefault(memory, deque(maxlen=MOST_TAUGHT)).append((window, target))

    def judge(self, tick: int, batch: DecisionBatch) -> None:
        """Compares what the experts say of all that came since the last tick.

        Call it after new weights were taken over and before the next ones are begun: those in use have not
        seen these examples then.
        """
        for memory, examples in self._waiting.items():
            windows, targets = (np.stack(column) for column in zip(*examples, strict=True))
            nobody = np.zeros(len(windows), np.intp)
            decided = batch.decide(windows, nobody, [memory])
            if decided.experts is not None:
                losses = losses_of(self._spec, decided.experts, targets).mean(axis=0)
                told = losses_of(self._spec, decided.predictions[:, None], targets).mean()
                memory.guard.update(tick, losses, float(told), memory.weights.present)
        self._waiting.clear()
