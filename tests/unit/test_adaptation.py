"""Adaptation fits weights for many players at once, without making the game wait; wild ones are not taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptive_agents.model.adaptation import (
    MAX_PROFILES_PER_RUN,
    AdaptationSettings,
    AdaptationWorker,
    apply,
    is_due,
    make_job,
    run_job,
    submit_due,
)
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.consolidation import distance
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.support import SupportSet
from tests.tiny_brain import make_tiny_brain

SETTINGS = AdaptationSettings(interval_ticks=60, min_examples=8)


@pytest.fixture
def brain(tmp_path: Path) -> Brain:
    return make_tiny_brain(tmp_path / "a.brain", inner_loop={"inner_lr": 0.3, "num_inner_steps": 10})


def teach(memory: BrainMemory, rows: int, player: int = 0, *, noise: float = 0.0, seed: int = 0) -> None:
    """Appends examples of a player whose habit is a linear map of their own."""
    random = np.random.default_rng(seed)
    habit = np.random.default_rng(player).normal(size=(3, 2))
    observations = random.normal(size=(rows, 3))
    targets = observations @ habit + random.normal(0, noise, (rows, 2)) if noise else observations @ habit
    memory.support.append(observations.astype(np.float32), targets.astype(np.float32))


def adapted(memory: BrainMemory, tick: int = 0) -> Any:
    (outcome,) = run_job(make_job([memory], tick))
    apply(outcome)
    return outcome


def error_of(memory: BrainMemory, player: int) -> float:
    observations = np.random.default_rng(99).normal(size=(200, 3)).astype(np.float32)
    habit = np.random.default_rng(player).normal(size=(3, 2))
    difference = memory.brain.predict(observations, memory.fast_params) - observations @ habit
    return float(np.sqrt(np.square(difference).mean()))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for 20 s"
        time.sleep(0.001)


def test_a_players_habit_is_learned(brain: Brain) -> None:
    memory = BrainMemory(brain)
    teach(memory, 32)
    before = error_of(memory, 0)
    outcome = adapted(memory)
    assert not outcome.reason
    assert outcome.loss_after < outcome.loss_before
    assert error_of(memory, 0) < 0.5 * before


def test_many_players_in_one_run_learn_as_if_each_were_alone(brain: Brain) -> None:
    together, alone = ([BrainMemory(brain) for _ in range(7)] for _ in range(2))
    for index in range(7):
        for memory in (together[index], alone[index]):
            teach(memory, 8 + 5 * index, player=index, seed=index)
    outcomes = run_job(make_job(together, 0))
    for memory, outcome in zip(alone, outcomes, strict=True):
        expected = adapted(memory)
        assert outcome.reason == expected.reason == ""
        assert outcome.loss_after == pytest.approx(expected.loss_after, rel=1e-4)
        assert outcome.params is not None
        for name, array in outcome.params.items():
            np.testing.assert_allclose(array, memory.fast_params[name], atol=1e-5)


def test_a_job_keeps_its_own_copies(brain: Brain) -> None:
    memory = BrainMemory(brain)
    teach(memory, 32)
    job = make_job([memory], 0)
    before = job.examples[0].observations.copy()
    teach(memory, 40, player=1, seed=1)
    np.testing.assert_array_equal(job.examples[0].observations, before)


def test_weights_outside_the_trust_radius_are_drawn_back_to_its_rim(tmp_path: Path) -> None:
    far, near = (
        BrainMemory(make_tiny_brain(tmp_path / "a.brain", inner_loop={"trust_radius": radius}))
        for radius in (100.0, 0.2)
    )
    for memory in (far, near):
        teach(memory, 32)
    free, outcome = adapted(far), adapted(near)
    assert (free.is_projected, outcome.is_projected) == (False, True)
    assert outcome.distance == pytest.approx(free.distance)
    assert free.distance > 0.2
    assert distance(near.fast_params, near.brain.init_params) == pytest.approx(0.2, rel=1e-5)
    for name, init in near.brain.init_params.items():
        expected = init + (far.fast_params[name] - init) * 0.2 / free.distance
        np.testing.assert_allclose(near.fast_params[name], expected, atol=1e-6)
    assert free.loss_after < outcome.loss_after < outcome.loss_before


def test_weights_that_diverged_are_dropped_without_a_warning(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", inner_loop={"inner_lr": 1e6, "num_inner_steps": 200})
    memory = BrainMemory(brain)
    teach(memory, 32)
    outcome = adapted(memory)
    assert "not finite" in outcome.reason
    assert memory.fast_params is brain.init_params


def test_one_bad_player_does_not_spoil_the_batch(brain: Brain) -> None:
    good, bad = BrainMemory(brain), BrainMemory(brain)
    teach(good, 32)
    huge = np.full((32, 3), 1e30, np.float32)
    bad.support.append(huge, huge[:, :2])
    outcomes = run_job(make_job([bad, good], 0))
    assert [bool(outcome.reason) for outcome in outcomes] == [True, False]


def test_an_exception_becomes_outcomes_that_carry_it_and_frees_the_memories(brain: Brain) -> None:
    memories = [BrainMemory(brain), BrainMemory(brain)]
    for memory in memories:
        teach(memory, 16)
    job = make_job(memories, 0)
    broken = replace(job, examples=(SupportSet.zeros(1, 8, 7, 2),) * 2)
    outcomes = run_job(broken)
    assert [outcome.memory for outcome in outcomes] == memories
    for outcome in outcomes:
        assert outcome.error is not None
        assert "the adaptation failed" in outcome.reason
        assert not apply(outcome)
    assert not any(memory.in_flight for memory in memories)


def test_a_memory_is_due_when_enough_and_new_examples_have_come(brain: Brain) -> None:
    memory = BrainMemory(brain)
    teach(memory, 7)
    assert not is_due(memory, 0, SETTINGS)
    teach(memory, 1)
    assert is_due(memory, 0, SETTINGS)
    apply(run_job(make_job([memory], 10))[0])
    assert not is_due(memory, 500, SETTINGS), "without new examples"
    teach(memory, 1)
    assert not is_due(memory, 69, SETTINGS)
    assert is_due(memory, 70, SETTINGS)
    make_job([memory], 70)
    teach(memory, 1)
    assert not is_due(memory, 500, SETTINGS), "while it is in flight"


@pytest.mark.parametrize("nothing", [{"support_size": 0}, {"num_inner_steps": 0}])
def test_a_brain_that_does_not_adapt_is_never_due(tmp_path: Path, nothing: dict[str, int]) -> None:
    memory = BrainMemory(make_tiny_brain(tmp_path / "a.brain", inner_loop=nothing))
    teach(memory, 1)
    assert not is_due(memory, 0, AdaptationSettings(min_examples=1))


def test_a_result_from_before_a_reset_is_not_taken(brain: Brain) -> None:
    memory = BrainMemory(brain)
    teach(memory, 32)
    (outcome,) = run_job(make_job([memory], 0))
    memory.reset()
    assert not outcome.reason
    assert not apply(outcome)
    assert memory.fast_params is brain.init_params
    assert len(memory.support) == 0


def test_due_memories_share_a_run_per_brain(brain: Brain, tmp_path: Path) -> None:
    other = make_tiny_brain(tmp_path / "other.brain", seed=1)
    memories = [BrainMemory(brain) for _ in range(MAX_PROFILES_PER_RUN + 3)] + [
        BrainMemory(other) for _ in range(2)
    ]
    for memory in memories:
        teach(memory, 8)
    teach(idle := BrainMemory(brain), 2)
    sizes = []

    class Counting(AdaptationWorker):
        def submit(self, job: Any) -> None:
            sizes.append((job.brain, len(job.memories)))
            super().submit(job)

    worker = Counting(synchronous=True)
    assert submit_due(worker, [*memories, idle], 0, SETTINGS) == MAX_PROFILES_PER_RUN + 2
    assert submit_due(worker, [*memories, idle], 1, SETTINGS) == 3
    assert sizes == [(brain, MAX_PROFILES_PER_RUN), (other, 2), (brain, 3)]
    outcomes = worker.poll()
    assert {id(outcome.memory) for outcome in outcomes} == {id(memory) for memory in memories}
    assert worker.poll() == []


@pytest.mark.parametrize(("support_size", "profiles"), [(1, 32), (128, 16), (512, 4), (4096, 1)])
def test_large_supports_come_in_smaller_runs(tmp_path: Path, support_size: int, profiles: int) -> None:
    brain = make_tiny_brain(tmp_path / "a.brain", inner_loop={"support_size": support_size})
    memories = [BrainMemory(brain) for _ in range(40)]
    settings = AdaptationSettings(min_examples=2)
    for memory in memories:
        teach(memory, 2)
    assert submit_due(AdaptationWorker(synchronous=True), memories, 0, settings) == profiles


def test_nobody_waits_for_ever_when_many_are_due_at_once(brain: Brain) -> None:
    memories, settings = (
        [BrainMemory(brain) for _ in range(2 * MAX_PROFILES_PER_RUN)],
        replace(SETTINGS, interval_ticks=1),
    )
    worker = AdaptationWorker(synchronous=True)
    seen = set()
    for tick in range(2):
        for memory in memories:
            teach(memory, 8)
        submit_due(worker, memories, tick, settings)
        for outcome in worker.poll():
            apply(outcome)
            seen.add(id(outcome.memory))
    assert len(seen) == len(memories)


def test_synchronous_adaptation_gives_the_same_bits_each_time(brain: Brain) -> None:
    runs = []
    for _ in range(2):
        memory, worker = BrainMemory(brain), AdaptationWorker(synchronous=True)
        for tick in range(0, 300, 60):
            teach(memory, 10, noise=0.1, seed=tick)
            submit_due(worker, [memory], tick, SETTINGS)
            for outcome in worker.poll():
                apply(outcome)
        runs.append(memory.fast_params)
    for name in runs[0]:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])


def test_the_worker_gives_what_synchronous_mode_gives(brain: Brain) -> None:
    results = []
    for synchronous in (True, False):
        memory, worker = BrainMemory(brain), AdaptationWorker(synchronous=synchronous)
        teach(memory, 32)
        worker.submit(make_job([memory], 0))
        wait_for(lambda memory=memory, worker=worker: any(apply(outcome) for outcome in worker.poll()))
        worker.close()
        results.append(memory.fast_params)
    for name in results[0]:
        np.testing.assert_array_equal(results[0][name], results[1][name])


def test_submitting_and_polling_never_wait_for_a_job(brain: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(
        "adaptive_agents.model.adaptation.run_job", lambda job: release.wait(20) and run_job(job)
    )
    memories = [BrainMemory(brain) for _ in range(3)]
    worker = AdaptationWorker()
    for memory in memories:
        teach(memory, 16)
        worker.submit(make_job([memory], 0))
    assert worker.poll() == []  # all three are held up; the calls above came back
    release.set()
    outcomes: list[Any] = []
    wait_for(lambda: outcomes.extend(worker.poll()) or len(outcomes) == 3)
    assert [outcome.memory for outcome in outcomes] == memories
    worker.close()


def test_closing_waits_for_the_running_job_and_gives_back_the_others(
    brain: Brain, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, release = threading.Event(), threading.Event()

    def slow_run(job: Any) -> Any:
        started.set()
        release.wait(20)
        return run_job(job)

    monkeypatch.setattr("adaptive_agents.model.adaptation.run_job", slow_run)
    memories = [BrainMemory(brain) for _ in range(2)]
    worker = AdaptationWorker()
    for memory in memories:
        teach(memory, 32)
        worker.submit(make_job([memory], 0))
    assert started.wait(20)
    threading.Timer(0.05, release.set).start()
    worker.close()
    outcomes = worker.poll()
    assert [outcome.was_run for outcome in outcomes] == [True, False]
    assert outcomes[1].reason == "the worker was closed"
    assert all(thread.name != "adaptive-agents-adaptation" for thread in threading.enumerate())


def test_a_closed_worker_can_be_closed_again_and_used_again(brain: Brain) -> None:
    worker = AdaptationWorker()
    worker.close()
    memory = BrainMemory(brain)
    for _ in range(2):
        teach(memory, 32)
        worker.submit(make_job([memory], 0))
        worker.close()
        assert [outcome.memory for outcome in worker.poll()] == [memory]
