"""Brains of which only a part adapts, down to a single number, work everywhere that whole networks do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adaptive_agents.model.adaptation import AdaptationSettings, apply, is_due, make_job, run_job
from adaptive_agents.model.brain import Brain, Params, write_brain
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.profile import Profile
from adaptive_agents.model.support import SupportSet
from adaptive_agents.tick.decisions import DecisionBatch
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC, make_manifest, make_parts, make_tiny_brain
from tests.tiny_shared_brains import (
    MOMENTUM,
    context_weights,
    embedding_weights,
    make_context_brain,
    make_prototype_brain,
)

Make = Callable[[Path], Brain]

KINDS: dict[str, Make] = {
    "context": lambda path: make_context_brain(path),
    "a single number": lambda path: make_context_brain(path, context=()),
    "context of classes": lambda path: make_context_brain(path, CATEGORY_SPEC, context=(2, 3)),
    "prototypes": lambda path: make_prototype_brain(path),
    "whole network": lambda path: make_tiny_brain(path),
}


@pytest.fixture(params=list(KINDS))
def brain(request: pytest.FixtureRequest, tmp_path: Path) -> Brain:
    return KINDS[request.param](tmp_path / "archer.brain")


def stacked(params: Params, profiles: int) -> Params:
    return {name: np.repeat(array[None], profiles, axis=0) for name, array in params.items()}


def habit(brain: Brain, player: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """What a player shows: observations, and targets that lie off, or classes that are preferred."""
    random = np.random.default_rng(player)
    observations = random.normal(size=(rows, brain.input_size)).astype(np.float32)
    usual = brain.predict(observations)
    if brain.spec.target.kind == "category":
        # Three times out of four the favourite; each class is seen around a place of its own.
        turn = np.arange(rows)
        classes = (player + np.where(turn % 4 == 3, 1 + turn // 4 % 2, 0)) % 3
        observations = (3 * np.eye(3)[(classes + player) % 3] + 0.1 * observations).astype(np.float32)
        return observations, classes[:, None].astype(np.float32)
    return observations, usual + np.float32(0.5) * context_weights(VECTOR_SPEC, (1,))["by_context"][0]


def support_of(brain: Brain, profiles: int, rows: int = 16) -> SupportSet:
    columns = [habit(brain, player, rows) for player in range(profiles)]
    observations, targets = (np.stack(column) for column in zip(*columns, strict=True))
    return SupportSet(observations, targets, np.ones((profiles, rows), np.float32))


def test_a_brain_keeps_the_shape_of_what_adapts(brain: Brain) -> None:
    support = support_of(brain, 3)
    result = brain.adapt(stacked(brain.init_params, 3), support)
    assert {name: array.shape for name, array in result.params.items()} == {
        name: (3, *array.shape) for name, array in brain.init_params.items()
    }
    assert (result.loss_after < result.loss_before).all()
    nothing = brain.adapt(result.params, support, num_inner_steps=0)
    np.testing.assert_allclose(nothing.loss_before, result.loss_after, rtol=1e-5)
    for name, array in result.params.items():
        np.testing.assert_array_equal(nothing.params[name], array)


def test_a_context_descends_by_the_momentum_that_the_loop_carries(tmp_path: Path) -> None:
    brain, weights = make_context_brain(tmp_path / "a.brain"), context_weights()
    support = support_of(brain, 1)
    result = brain.adapt(stacked(brain.init_params, 1), support, inner_lr=0.1, num_inner_steps=4)
    context = velocity = np.zeros(5, np.float32)
    for _ in range(4):
        predicted = support.observations[0] @ weights["weight"] + weights["bias"]
        predicted = predicted + context @ weights["by_context"]
        # The mean over rows and outputs of the squared error, by the context.
        error = 2 * (predicted - support.targets[0]).mean(axis=0) / 2
        velocity = MOMENTUM * velocity + weights["by_context"] @ error
        context = context - 0.1 * velocity
    np.testing.assert_allclose(result.params["context"][0], context, atol=1e-6)


def test_prototypes_are_the_means_of_their_classes_and_unseen_ones_stay(tmp_path: Path) -> None:
    brain = make_prototype_brain(tmp_path / "a.brain")
    support = support_of(brain, 2)
    support.targets[1] = 2  # the second player shows one class only
    support.weights[0, :4] = 0  # padding
    result = brain.adapt(stacked(brain.init_params, 2), support)
    for player in range(2):
        embedded = support.observations[player] @ embedding_weights()
        for kind in range(3):
            rows = (support.targets[player, :, 0] == kind) & (support.weights[player] > 0)
            own = brain.init_params["prototypes"][kind]
            expected = embedded[rows].mean(axis=0) if rows.any() else own
            np.testing.assert_allclose(result.params["prototypes"][player, kind], expected, atol=1e-5)


def test_many_agents_with_something_of_their_own_are_one_run(brain: Brain) -> None:
    random, count = np.random.default_rng(0), 200
    own = [
        {
            name: random.normal(size=array.shape).astype(np.float32)
            for name, array in brain.init_params.items()
        }
        for _ in range(count)
    ]
    observations = random.normal(size=(count, brain.input_size)).astype(np.float32)
    batch = DecisionBatch(brain)
    for tick in range(2):
        own[tick] = brain.init_params
        together = batch.run(observations, np.arange(count), own)[0]
        for row in range(0, count, 37):
            alone = brain.predict(observations[row : row + 1], own[row])
            np.testing.assert_allclose(together[row], alone[0], atol=1e-5)
    assert batch.runs == 2


def test_a_player_is_learned_and_known_the_next_time(brain: Brain) -> None:
    profile = Profile("ann")
    memory = profile.memory_for(brain)
    observations, targets = habit(brain, 5, 40)
    memory.support.append(observations, targets)
    assert is_due(memory, 0, AdaptationSettings())
    assert adapted(memory)
    for name, array in memory.fast_params.items():
        assert isinstance(array, np.ndarray), "a single number stays an array: the graphs take nothing else"
        assert array.shape == brain.init_params[name].shape
    assert loss_of(memory, memory.fast_params) < loss_of(memory, brain.init_params)
    profile.end_episode(0.5)
    again = Profile.from_bytes(profile.to_bytes(), "ann.profile").memory_for(brain)
    for name, array in memory.slow_params.items():
        assert isinstance(array, np.ndarray)
        assert (array.shape, array.dtype) == (brain.init_params[name].shape, np.float32)
        np.testing.assert_array_equal(again.slow_params[name], array)
    assert adapted(again)
    brain.predict(observations, again.fast_params)


def test_the_trust_radius_measures_what_adapts(tmp_path: Path) -> None:
    brain = make_context_brain(tmp_path / "a.brain", context=(), inner_loop={"trust_radius": 1e-3})
    memory = BrainMemory(brain)
    memory.support.append(*habit(brain, 5, 40))
    (outcome,) = run_job(make_job([memory], 0))
    assert outcome.is_projected
    assert outcome.params is not None
    assert abs(outcome.params["context"] - brain.init_params["context"]) == pytest.approx(1e-3, rel=1e-4)


def adapted(memory: BrainMemory) -> bool:
    (outcome,) = run_job(make_job([memory], 0))
    assert not outcome.reason
    return apply(outcome)


def loss_of(memory: BrainMemory, params: Params) -> float:
    return float(
        memory.brain.adapt(stacked(params, 1), memory.support.in_order(), num_inner_steps=0).loss_before[0]
    )


def test_no_examples_leave_everything_as_it_is(brain: Brain) -> None:
    params = stacked(brain.init_params, 3)
    empty = SupportSet.zeros(3, 0, brain.input_size, brain.spec.target_columns)
    for steps in (None, 0, 7):
        result = brain.adapt(params, empty, num_inner_steps=steps)
        assert result.loss_before.tolist() == result.loss_after.tolist() == [0, 0, 0]
        for name, array in params.items():
            np.testing.assert_array_equal(result.params[name], array)


@pytest.mark.parametrize("nothing", [{"support_size": 0}, {"num_inner_steps": 0}])
@pytest.mark.parametrize("make", [make_tiny_brain, make_context_brain, make_prototype_brain])
def test_a_brain_that_does_not_adapt_predicts_and_remembers_all_the_same(
    tmp_path: Path, make: Any, nothing: dict[str, int]
) -> None:
    brain = make(tmp_path / "a.brain", inner_loop=nothing)
    profile = Profile("ann")
    memory = profile.memory_for(brain)
    observations, targets = habit(brain, 5, 40)
    memory.support.append(observations, targets)
    assert not is_due(memory, 0, AdaptationSettings())
    profile.end_episode(0.5)
    np.testing.assert_array_equal(
        brain.predict(observations, memory.fast_params), brain.predict(observations)
    )
    again = Profile.from_bytes(profile.to_bytes(), "ann.profile").memory_for(brain)
    assert len(again.support) == len(memory.support)
    unchanged = brain.adapt(stacked(brain.init_params, 1), support_of(brain, 1), num_inner_steps=0)
    np.testing.assert_array_equal(unchanged.loss_before, unchanged.loss_after)


@pytest.mark.parametrize(
    "algorithm",
    ["maml", "fomaml", "anil", "reptile", "metasgd", "protonet", "cavia", "pooled", "scratch"],
)
def test_a_brain_of_any_learner_is_read(tmp_path: Path, algorithm: str) -> None:
    brain = write_brain(tmp_path / "a.brain", {**make_manifest(), "algorithm": algorithm}, make_parts())
    assert Brain.open(brain.source).algorithm == algorithm
