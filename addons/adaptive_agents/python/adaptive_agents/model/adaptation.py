"""Fits brains to players in play, on a worker thread.

The round trip of one adaptation:

    1. tick thread: `make_job` copies what all memories that are due (`is_due`) learn from;
    2. worker:      `run_job` runs the brain's adapt graph for all of them;
    3. tick thread: `apply` swaps the new weights in, between ticks.

Nothing is held back to judge the result by: weights only have to be finite, and are drawn back where they
went further than any player should need (the trust region). Whether they help is seen on what comes after
(guard.py).
"""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from adaptive_agents.errors import PosteriorError
from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.consolidation import distance, projected
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.support import SupportSet, padded

MAX_PROFILES_PER_RUN = 32
MAX_EXAMPLES_PER_RUN = 2048
"""More profiles of a brain wait for the next tick: a tick copies little, and a run stays in the cache.

Measured with 512 examples each: 23 ms per profile in runs of 4, 30 ms alone, 34 ms in runs of 32.
"""


@dataclass(frozen=True)
class AdaptationSettings:
    """When and how far play adapts; how it adapts is the brain's own `inner_loop`."""

    interval_ticks: int = 60
    """Ticks between two adaptations of one memory."""
    min_examples: int = 8
    """Fewer examples than this, each of a moment of its own, are not adapted to by gradient; what is exact
    adapts to one."""
    meta_step_size: float = 0.2
    """How far a round moves slow weights towards the mean of its fast ones."""
    forgetting: float = 0.0
    """What brains that keep statistics keep of all they know at each new example; 0: as they were trained."""


@dataclass(frozen=True)
class AdaptationJob:
    """All that one run needs, for memories of one brain: copies, and weights, which never change."""

    brain: Brain
    memories: tuple[BrainMemory, ...]
    generations: tuple[int, ...]
    totals: tuple[int, ...]
    """How many examples each memory had had by then."""
    params: tuple[Params, ...]
    """Where each starts from."""
    examples: tuple[SupportSet, ...]
    """What each learns from, oldest first."""
    forgetting: float | None = None
    """None: as the brain was trained."""

    def only(self, index: int) -> AdaptationJob:
        """The job of one of its memories alone."""
        return replace(
            self,
            memories=(self.memories[index],),
            generations=(self.generations[index],),
            totals=(self.totals[index],),
            params=(self.params[index],),
            examples=(self.examples[index],),
        )


@dataclass(frozen=True)
class AdaptationOutcome:
    """What became of one memory's adaptation."""

    memory: BrainMemory
    generation: int
    total: int
    reason: str = ""
    """Why its weights were dropped; empty if they were not."""
    params: Params | None = field(default=None, repr=False)
    """The adapted weights, each `(*shape,)`, if they were not dropped."""
    is_projected: bool = False
    """Whether they had left the trust region, and were drawn back to its rim."""
    loss_before: float = math.nan
    """Mean loss on the examples learned from, of the weights that were started from, in normalised units."""
    loss_after: float = math.nan
    """The same of the adapted weights."""
    distance: float = math.nan
    """L2 distance of the adapted weights from the brain's initial ones, before they were drawn back."""
    error: Exception | None = None
    """What the job raised, if it failed."""
    was_run: bool = True
    """False: the worker was closed before its turn came."""


def is_due(memory: BrainMemory, tick: int, settings: AdaptationSettings) -> bool:
    """Whether a memory should adapt now: it has enough examples, new ones among them, and its turn has come.

    A memory with examples that never adapted (a returning player, a retrained brain) is due at once.
    """
    if memory.in_flight:
        return False
    if memory.adapted_at is not None:
        total, at = memory.adapted_at
        if tick - at < settings.interval_ticks // memory.weights.pace or memory.support.total == total:
            return False
    loop = memory.brain.inner_loop
    # A ring that holds fewer than `min_examples` must not wait for them.
    needed = 1 if memory.weights.learns_from_one else min(settings.min_examples, loop.support_size)
    return (
        len(memory.support) >= max(1, needed)
        and loop.support_size > 0
        and loop.num_inner_steps > 0
        and len(memory.slow_params) > 0
    )


def make_job(memories: Sequence[BrainMemory], tick: int, forgetting: float | None = None) -> AdaptationJob:
    """Copies what an adaptation needs from memories that share one brain, and marks them as in flight.

    Args:
        memories: at least one, each with an example or more.
        tick: the tick now, from which the next adaptation of each is counted.
        forgetting: None means the brain's own; only brains that keep statistics have one.
    """
    for memory in memories:
        memory.in_flight = True
        memory.adapted_at = (memory.support.total, tick)
    starts = [memory.weights.start(memory.support) for memory in memories]
    return AdaptationJob(
        brain=memories[0].brain,
        memories=tuple(memories),
        generations=tuple(memory.generation for memory in memories),
        totals=tuple(memory.support.total for memory in memories),
        params=tuple(params for params, _ in starts),
        examples=tuple(examples for _, examples in starts),
        forgetting=forgetting,
    )


def run_job(job: AdaptationJob) -> list[AdaptationOutcome]:
    """Adapts all memories of a job at once; an exception becomes outcomes that carry it."""
    try:
        return _adapt(job)
    except PosteriorError as error:
        if len(job.memories) == 1:
            return [AdaptationOutcome(*who, str(error)) for who in _who(job)]
        # One player's examples have no posterior: the others' are not to suffer for it.
        return [outcome for index in range(len(job.memories)) for outcome in run_job(job.only(index))]
    except Exception as error:  # noqa: BLE001 - whatever went wrong is handed to the tick thread, which reports it
        reason = f"the adaptation failed: {type(error).__name__}: {error}"
        return [AdaptationOutcome(*who, reason, error=error) for who in _who(job)]


def apply(outcome: AdaptationOutcome) -> bool:
    """Swaps new weights in, between ticks. False if they were dropped or are outdated."""
    memory = outcome.memory
    memory.in_flight = False
    if outcome.generation != memory.generation:
        return False
    if not outcome.was_run:
        memory.weights.give_up()
        return False
    memory.weights.take(outcome.params, outcome.total)
    return outcome.params is not None


class AdaptationWorker:
    """Runs jobs on one thread of its own, or, if `synchronous`, inside `submit`, for replays and tests.

    `submit` and `poll` never wait for a running job.
    """

    def __init__(self, *, synchronous: bool = False) -> None:
        self.synchronous = synchronous
        self._jobs: queue.SimpleQueue[AdaptationJob | None] = queue.SimpleQueue()
        self._outcomes: deque[AdaptationOutcome] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False

    def submit(self, job: AdaptationJob) -> None:
        """Hands over a job; the thread is started at the first one."""
        if self.synchronous:
            self._outcomes.extend(run_job(job))
            return
        if self._thread is None:
            self._closing = False
            self._thread = threading.Thread(target=self._work, name="adaptive-agents-adaptation", daemon=True)
            self._thread.start()
        self._jobs.put(job)

    def poll(self) -> list[AdaptationOutcome]:
        """The outcomes since the last call, in the order of their jobs; call `apply` with each."""
        outcomes = []
        while self._outcomes:
            outcomes.append(self._outcomes.popleft())
        return outcomes

    def close(self) -> None:
        """Drops the jobs that have not begun, and waits for the one that runs."""
        if self._thread is None:
            return
        self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self._thread = None

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._closing:
                for who in _who(job):
                    self._outcomes.append(AdaptationOutcome(*who, "the worker was closed", was_run=False))
            else:
                self._outcomes.extend(run_job(job))


def submit_due(
    worker: AdaptationWorker, memories: Sequence[BrainMemory], tick: int, settings: AdaptationSettings
) -> int:
    """Submits a job per brain for the memories that are due, or as many as fit one run; how many it took."""
    due: dict[str, list[BrainMemory]] = {}
    for memory in memories:
        if is_due(memory, tick, settings):
            due.setdefault(memory.brain.sha256, []).append(memory)
    submitted = 0
    for group in due.values():
        # Who waited longest comes first, so that nobody waits for ever.
        group.sort(key=lambda memory: -1 if memory.adapted_at is None else memory.adapted_at[1])
        fitting = MAX_EXAMPLES_PER_RUN // group[0].brain.inner_loop.support_size
        taken = group[: max(1, min(fitting, MAX_PROFILES_PER_RUN))]
        worker.submit(make_job(taken, tick, settings.forgetting or None))
        submitted += len(taken)
    return submitted


def _adapt(job: AdaptationJob) -> list[AdaptationOutcome]:
    brain, support = job.brain, padded(job.examples, job.brain.inner_loop.support_size)
    result = brain.adapt(_stack(job.params), support, forgetting=job.forgetting)
    return [
        _judged(
            brain,
            who,
            # An array even where it is a single number, which NumPy would give as a scalar.
            {name: np.array(stacked[index]) for name, stacked in result.params.items()},
            SupportSet(*(column[index : index + 1] for column in support.columns())),
            (float(result.loss_before[index]), float(result.loss_after[index])),
        )
        for index, who in enumerate(_who(job))
    ]


def _judged(
    brain: Brain,
    who: tuple[BrainMemory, int, int],
    params: Params,
    support: SupportSet,
    losses: tuple[float, float],
) -> AdaptationOutcome:
    far, radius = distance(params, brain.init_params), brain.inner_loop.trust_radius
    before, after = losses
    if not math.isfinite(far):
        return AdaptationOutcome(*who, "the adapted weights are not finite", distance=far)
    is_projected = who[0].weights.has_trust_region and far > radius
    if is_projected:
        params = projected(params, brain.init_params, radius, far)
        after = float(brain.adapt(_stack([params]), support, num_inner_steps=0).loss_before[0])
    if not math.isfinite(after):
        return AdaptationOutcome(*who, "the loss of the adapted weights is not finite", distance=far)
    return AdaptationOutcome(
        *who,
        params=params,
        is_projected=is_projected,
        loss_before=before,
        loss_after=after,
        distance=far,
    )


def _who(job: AdaptationJob) -> list[tuple[BrainMemory, int, int]]:
    return list(zip(job.memories, job.generations, job.totals, strict=True))


def _stack(params: Sequence[Params]) -> Params:
    return {name: np.stack([each[name] for each in params]) for name in params[0]}
