"""What the runtime costs on the main thread per tick, without the engine.

    python -m tests.benchmarks.tick BRAIN [--agents 100] [--ticks 1000]

All agents decide in every tick: six times what the default `decision_interval` asks for. Players adapt on the
worker meanwhile. Figures are the median and the 99th percentile over the ticks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from adaptive_agents.model.adaptation import AdaptationSettings, AdaptationWorker, apply, submit_due
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.support import row_of_moment
from adaptive_agents.tick.decisions import DecisionBatch
from adaptive_agents.tick.history import ObservationHistory
from adaptive_agents.tick.labels import MaturedLabels, PendingLabels
from adaptive_agents.tick.prediction_error import RunningPredictionError


def measure(brain: Brain, agents: int, profiles: int, ticks: int) -> dict[str, list[float]]:
    """Microseconds of each part in each tick."""
    random = np.random.default_rng(0)
    memories = [BrainMemory(brain) for _ in range(profiles)]
    for memory in memories:  # different players have different weights
        memory.weights.fast = {name: array.copy() for name, array in brain.init_params.items()}
    profile_of = np.arange(agents) % profiles
    slots = np.arange(agents)
    own = [np.flatnonzero(profile_of == index) for index in range(profiles)]
    observations = random.normal(size=(agents, brain.spec.observation_size)).astype(np.float32)
    measured = random.integers(0, 2, (agents, brain.spec.target_columns)).astype(np.float32)
    batch, labels = DecisionBatch(brain), PendingLabels(brain.spec, brain.window, agents)
    history = ObservationHistory(brain.window, brain.spec.observation_size, agents)
    errors, worker = RunningPredictionError(brain.spec, agents), AdaptationWorker()
    usec: dict[str, list[float]] = {}

    def timed(part: str, work: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        result = work(*arguments)
        usec.setdefault(part, []).append((time.perf_counter() - began) * 1e6)
        return result

    def swap() -> None:
        for outcome in worker.poll():
            apply(outcome)

    def learn(tick: int, matured: MaturedLabels) -> None:
        for rows, memory in zip(own, memories, strict=True):
            row = rows[row_of_moment(memory.support.total, len(rows))]
            memory.support.append(matured.windows[row][None], matured.targets[row][None])
        submit_due(worker, memories, tick, AdaptationSettings())

    for tick in range(ticks):
        timed("swap", swap)
        due = labels.due(tick)
        if len(due):
            matured = timed("label", labels.mature, tick, due, measured)
            timed("error", errors.update, matured.slots, matured.predictions, matured.targets)
            timed("learn", learn, tick, matured)
        windows = timed("look back", history.push, tick, slots, observations)
        predictions = timed("decide", batch.decide, windows, profile_of, memories).predictions
        timed("wait", labels.observe, tick, slots, windows, measured, predictions)
        time.sleep(1 / 240)
    worker.close()
    return usec


def main() -> None:
    """Prints a table per number of profiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("brain", type=Path)
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--ticks", type=int, default=1000)
    settings = parser.parse_args()
    brain = Brain.open(settings.brain)
    for profiles in (1, 16):
        usec = measure(brain, settings.agents, profiles, settings.ticks)
        print(f"{settings.agents} agents of {profiles} profile(s)   median    p99  (µs)")
        for part, values in usec.items():
            print(f"  {part:28}{np.median(values):8.1f}{np.percentile(values, 99):8.1f}")
        print(f"  {'sum of medians':28}{sum(np.median(values) for values in usec.values()):8.1f}")


if __name__ == "__main__":
    main()
