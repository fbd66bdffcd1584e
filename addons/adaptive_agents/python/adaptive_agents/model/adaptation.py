"""Fits brains to players in play, on a worker thread: fast steps every second, a slow one every round.

The round trip of one adaptation:

    1. tick thread: `make_job` copies the newest examples of all memories that are due (`is_due`);
    2. worker:      `run_job` takes the inner loop's steps from the slow weights and judges the result;
    3. tick thread: `apply` swaps accepted weights in, between ticks.

The newest few examples are held back: the steps do not see them, and the new weights are taken only if they
predict them no worse than those in use. Nothing is lost by that for long: what was held back is learned from
as soon as newer examples have taken its place.
"""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.profile import BrainMemory
from adaptive_agents.model.support import SupportSet, split_examples

MAX_PROFILES_PER_RUN = 32
MAX_EXAMPLES_PER_RUN = 2048
"""More profiles of a brain wait for the next tick: a tick copies little, and a run stays in the cache.

Measured with 512 examples each: 23 ms per profile in runs of 4, 30 ms alone, 34 ms in runs of 32.
"""

_LOSS_TOLERANCE = 1e-6


@dataclass(frozen=True)
class AdaptationSettings:
    """When and how far play adapts; how it adapts is the brain's own `inner_loop`."""

    interval_ticks: int = 60
    """Ticks between two adaptations of one memory."""
    min_examples: int = 8
    """Fewer examples than this, each of a moment of its own, are not adapted to."""
    meta_step_size: float = 0.2
    """How far a round moves the slow weights towards the fast ones."""


@dataclass(frozen=True)
class AdaptationJob:
    """All that one run needs, for memories of one brain: copies, and weights, which never change."""

    brain: Brain
    memories: tuple[BrainMemory, ...]
    generations: tuple[int, ...]
    slow_params: tuple[Params, ...]
    fast_params: tuple[Params, ...]
    """The weights in use."""
    examples: tuple[SupportSet, ...]
    """Those of each memory, oldest first."""


@dataclass(frozen=True)
class AdaptationOutcome:
    """What became of one memory's adaptation."""

    memory: BrainMemory
    generation: int
    accepted: bool
    reason: str
    """Why it was not accepted; empty if it was."""
    params: Params | None = field(default=None, repr=False)
    """The adapted weights, each `(*shape,)`, if accepted."""
    loss_before: float = math.nan
    """Loss of the weights in use on the held-back slice, in normalised units."""
    loss_after: float = math.nan
    """Loss of the adapted weights on the held-back slice, in normalised units."""
    distance: float = math.nan
    """L2 distance of the adapted weights from the brain's initial ones."""
    error: Exception | None = None
    """What the job raised, if it failed."""


def is_due(memory: BrainMemory, tick: int, settings: AdaptationSettings) -> bool:
    """Whether a memory should adapt now: it has enough examples, new ones among them, and its turn has come.

    A memory with examples that never adapted (a returning player, a retrained brain) is due at once.
    """
    if memory.in_flight:
        return False
    if memory.adapted_at is not None:
        total, at = memory.adapted_at
        if tick - at < settings.interval_ticks or memory.support.total == total:
            return False
    loop = memory.brain.inner_loop
    return (
        len(memory.support) >= max(2, settings.min_examples)
        and loop.support_size > 0
        and loop.num_inner_steps > 0
        and len(memory.slow_params) > 0
    )


def make_job(memories: Sequence[BrainMemory], tick: int) -> AdaptationJob:
    """Copies what an adaptation needs from memories that share one brain, and marks them as in flight.

    Args:
        memories: at least one, each with two examples or more.
        tick: the tick now, from which the next adaptation of each is counted.
    """
    for memory in memories:
        memory.in_flight = True
        memory.adapted_at = (memory.support.total, tick)
    return AdaptationJob(
        brain=memories[0].brain,
        memories=tuple(memories),
        generations=tuple(memory.generation for memory in memories),
        slow_params=tuple(memory.slow_params for memory in memories),
        fast_params=tuple(memory.fast_params for memory in memories),
        examples=tuple(memory.support.in_order() for memory in memories),
    )


def run_job(job: AdaptationJob) -> list[AdaptationOutcome]:
    """Adapts all memories of a job at once and judges each; an exception becomes outcomes that carry it."""
    try:
        return _adapt_and_judge(job)
    except Exception as error:  # noqa: BLE001 - whatever went wrong is handed to the tick thread, which reports it
        reason = f"the adaptation failed: {type(error).__name__}: {error}"
        return [
            AdaptationOutcome(memory, generation, accepted=False, reason=reason, error=error)
            for memory, generation in zip(job.memories, job.generations, strict=True)
        ]


def apply(outcome: AdaptationOutcome) -> bool:
    """Swaps accepted weights in, between ticks. False if they were not accepted or are outdated."""
    memory = outcome.memory
    memory.in_flight = False
    if outcome.params is None or outcome.generation != memory.generation:
        return False
    memory.fast_params = outcome.params
    return True


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
                for memory, generation in zip(job.memories, job.generations, strict=True):
                    self._outcomes.append(
                        AdaptationOutcome(memory, generation, accepted=False, reason="the worker was closed")
                    )
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
        worker.submit(make_job(taken, tick))
        submitted += len(taken)
    return submitted


def _adapt_and_judge(job: AdaptationJob) -> list[AdaptationOutcome]:
    brain = job.brain
    profiles = len(job.memories)
    support, held_back = split_examples(job.examples, brain.inner_loop.support_size)
    adapted = brain.adapt(_stack(job.slow_params), support).params
    in_use = _stack(job.fast_params)
    # Both judgements in one run, no steps: the loss is the one that the brain was trained with.
    judged = brain.adapt(
        {name: np.concatenate([in_use[name], adapted[name]]) for name in adapted},
        SupportSet(*(np.concatenate([part, part]) for part in held_back.columns())),
        num_inner_steps=0,
    ).loss_before
    with np.errstate(over="ignore", invalid="ignore"):  # diverged weights are judged below, not warned about
        squares = [
            np.square(adapted[name] - brain.init_params[name], dtype=np.float64)
            .reshape(profiles, -1)
            .sum(axis=1)
            for name in adapted
        ]
        distances = np.sqrt(np.sum(squares, axis=0))
    outcomes = []
    for index, (memory, generation) in enumerate(zip(job.memories, job.generations, strict=True)):
        before, after = float(judged[index]), float(judged[profiles + index])
        distance = float(distances[index])
        reason = _why_not(before, after, distance, brain.inner_loop.trust_radius)
        outcomes.append(
            AdaptationOutcome(
                memory=memory,
                generation=generation,
                accepted=not reason,
                reason=reason,
                # An array even where it is a single number, which NumPy would give as a scalar.
                params=None if reason else {name: np.array(adapted[name][index]) for name in adapted},
                loss_before=before,
                loss_after=after,
                distance=distance,
            )
        )
    return outcomes


def _why_not(loss_before: float, loss_after: float, distance: float, trust_radius: float) -> str:
    if not math.isfinite(distance):
        return "the adapted weights are not finite"
    if distance > trust_radius:
        return (
            f"the adapted weights moved {distance:.3g} from the initial ones, allowed is {trust_radius:.3g}"
        )
    if not math.isfinite(loss_after):
        return "the loss of the adapted weights is not finite"
    if loss_after > loss_before * (1 + _LOSS_TOLERANCE):
        return f"the loss on the newest examples rose from {loss_before:.4g} to {loss_after:.4g}"
    return ""


def _stack(params: Sequence[Params]) -> Params:
    return {name: np.stack([each[name] for each in params]) for name in params[0]}
