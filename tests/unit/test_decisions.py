"""Few runs for all agents give each what its own weights would give it alone, mixed as its guard allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.model.brain import Brain
from adaptive_agents.model.guard import FAST, SLOW, losses_of, mixed
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.tick.decisions import DecisionBatch
from adaptive_agents.tick.judging import TaughtExamples, judge
from adaptive_agents.tick.labels import PendingLabels
from adaptive_agents.tick.scores import Scores
from tests.tiny_bayes_brain import FROZEN as FROZEN_SAYS
from tests.tiny_bayes_brain import INITIAL, absorbed, make_bayes_brain, mean_and_deviation
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC, make_params, make_tiny_brain


@pytest.fixture(scope="module")
def brain(tmp_path_factory: pytest.TempPathFactory) -> Brain:
    return make_tiny_brain(tmp_path_factory.mktemp("brain") / "a.brain")


def random_observations(rows: int) -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 3)).astype(np.float32)


@given(
    ticks=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=6),
    data=st.data(),
)
def test_each_agent_gets_the_prediction_of_its_own_weights(
    brain: Brain, ticks: list[list[int]], data: st.DataObject
) -> None:
    batch, players = DecisionBatch(brain), [make_params(seed=seed) for seed in range(4)]
    for number, profiles in enumerate(ticks):
        exchanged = data.draw(st.integers(0, 3))
        players[exchanged] = make_params(seed=100 + number)
        observations = random_observations(len(profiles))
        together = batch.run(observations, np.array(profiles, np.intp), players)[0]
        for row, profile in enumerate(profiles):
            alone = brain.predict(observations[row : row + 1], players[profile])
            np.testing.assert_allclose(together[row], alone[0], atol=1e-6)
    assert batch.runs == len(ticks)


def test_profiles_may_come_and_go(brain: Brain) -> None:
    batch, players = DecisionBatch(brain), [make_params(seed=seed) for seed in range(5)]
    for count in (2, 5, 1, 3):
        profiles = np.arange(count)
        observations = random_observations(count)
        together = batch.run(observations, profiles, players[:count])[0]
        for row in range(count):
            alone = brain.predict(observations[row : row + 1], players[row])
            np.testing.assert_allclose(together[row], alone[0], atol=1e-6)


def test_ever_new_arrangements_do_not_fill_the_memory(brain: Brain) -> None:
    batch, players = DecisionBatch(brain), [make_params(seed=seed) for seed in range(2)]
    for number in range(200):
        profiles = np.array([int(bit) for bit in f"{number:08b}"], np.intp)
        batch.run(random_observations(8), profiles, players)
    assert len(batch._layouts) <= 32


def learned(brain: Brain, weights: list[float], *, seed: int = 1, slow: int | None = None) -> BrainMemory:
    """A player whose fast (and perhaps slow) weights are others, and have earned these weights."""
    memory = BrainMemory(brain)
    if slow is not None:
        memory.weights.slow = make_params(brain.spec, slow)
    memory.weights.fast = make_params(brain.spec, seed)
    memory.guard.restore(weights)
    return memory


def everyone(rows: int) -> np.ndarray:
    return np.zeros(rows, np.intp)


@pytest.mark.parametrize("memories", [[None], ["new"], [None, "new", "new"]])
def test_where_nothing_was_learned_one_run_serves_all(brain: Brain, memories: list[str | None]) -> None:
    batch, observations = DecisionBatch(brain), random_observations(100)
    players = [None if kind is None else BrainMemory(brain) for kind in memories]
    decided = batch.decide(observations, np.arange(100) % len(players), players)
    np.testing.assert_array_equal(decided.predictions, brain.predict(observations))
    assert decided.experts is None
    assert batch.runs == 1


@pytest.mark.parametrize("players", [1, 3, 9])
def test_each_agent_is_told_the_mixture_that_its_player_earned(brain: Brain, players: int) -> None:
    batch, rows = DecisionBatch(brain), 40
    memories = [
        learned(brain, [0.2, 0.3, 0.5], seed=10 + place, slow=30 + place if place % 2 else None)
        for place in range(players)
    ]
    observations, profiles = random_observations(rows), np.arange(rows) % players
    decided = batch.decide(observations, profiles, memories)
    assert decided.experts is not None
    frozen = brain.predict(observations)
    for row, place in enumerate(profiles):
        memory = memories[place]
        fast = brain.predict(observations[row : row + 1], memory.fast_params)[0]
        slow = brain.predict(observations[row : row + 1], memory.slow_params)[0]
        expected = 0.2 * frozen[row] + 0.3 * slow + 0.5 * fast
        np.testing.assert_allclose(decided.predictions[row], expected, atol=1e-6)
        np.testing.assert_allclose(decided.experts[row], [frozen[row], slow, fast], atol=1e-6)
    sets = players + players // 2
    assert batch.runs == 1 + (sets if sets <= 4 else 1)


def test_players_who_learned_nothing_are_beside_one_who_did(brain: Brain) -> None:
    batch, observations = DecisionBatch(brain), random_observations(6)
    memories = [None, learned(brain, [0, 0, 1]), BrainMemory(brain)]
    decided = batch.decide(observations, np.array([0, 1, 2, 0, 1, 2]), memories)
    frozen = brain.predict(observations)
    for row in (0, 2, 3, 5):
        np.testing.assert_allclose(decided.predictions[row], frozen[row], atol=1e-6)
        assert np.isnan(decided.experts[row]).all()
    fast = brain.predict(observations, memories[1].fast_params)
    np.testing.assert_allclose(decided.predictions[[1, 4]], fast[[1, 4]], atol=1e-6)


def test_without_a_guard_the_newest_weights_speak_alone(brain: Brain) -> None:
    memory, observations = learned(brain, [1, 0, 0]), random_observations(5)
    decided = DecisionBatch(brain).decide(observations, everyone(5), [memory], is_guarded=False)
    np.testing.assert_allclose(
        decided.predictions, brain.predict(observations, memory.fast_params), atol=1e-6
    )


def test_weights_that_predict_nothing_finite_are_not_heard_and_lose_their_say(brain: Brain) -> None:
    memory, observations = learned(brain, [0.1, 0, 0.9]), random_observations(5)
    huge = {name: np.full_like(array, 3e38) for name, array in brain.init_params.items()}
    memory.weights.fast = huge
    decided = DecisionBatch(brain).decide(observations, everyone(5), [memory])
    np.testing.assert_allclose(decided.predictions, brain.predict(observations), atol=1e-6)
    losses = losses_of(VECTOR_SPEC, decided.experts, np.zeros((5, 2), np.float32)).mean(axis=0)
    for tick in range(0, 120, 6):
        memory.guard.update(tick, losses, 1.0, memory.weights.present)
    assert memory.guard.weights[FAST] < 0.1


def test_experts_that_agree_on_a_class_are_mixed_by_their_probabilities(tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("category") / "a.brain"
    brain = make_tiny_brain(path, CATEGORY_SPEC)
    memory, observations = learned(brain, [0.5, 0, 0.5]), random_observations(4)
    decided = DecisionBatch(brain).decide(observations, everyone(4), [memory])
    expected = mixed(CATEGORY_SPEC, decided.experts, np.tile([0.5, 0, 0.5], (4, 1)))
    np.testing.assert_allclose(decided.predictions, expected)
    np.testing.assert_allclose(np.exp(decided.predictions).sum(axis=1), 1, atol=1e-5)


# ---- what a brain knows of its errors


PARAMS = absorbed(INITIAL, np.array([1, 1, -1]), np.array([[2, -4]] * 3), 1.0)


@pytest.fixture(scope="module", params=[False, True])
def sure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Brain:
    return make_bayes_brain(tmp_path_factory.mktemp("bayes") / "a.brain", has_frozen=request.param)


def test_a_brain_estimates_with_deviations_alone_and_batched(sure: Brain) -> None:
    observations = random_observations(6)
    values, deviations = sure.estimate(observations, PARAMS)
    both = {name: np.stack([array, INITIAL[name]]) for name, array in PARAMS.items()}
    batched = sure.estimate_batched(np.stack([observations, observations]), both)
    for row in range(6):
        mean, deviation = mean_and_deviation(PARAMS, observations[row, 0])
        np.testing.assert_allclose(values[row], mean, rtol=1e-5)
        np.testing.assert_allclose(deviations[row], [deviation] * 2, rtol=1e-5)
    np.testing.assert_allclose(batched[0][0], values, atol=1e-6)
    np.testing.assert_allclose(batched[1][0], deviations, atol=1e-6)
    np.testing.assert_allclose(batched[1][1], sure.estimate(observations)[1], atol=1e-6)


def test_the_frozen_model_is_the_part_of_that_name_or_the_brains_own_weights(tmp_path_factory) -> None:
    folder = tmp_path_factory.mktemp("frozen")
    observations = random_observations(3)
    own, other = (make_bayes_brain(folder / "a.brain", has_frozen=has) for has in (False, True))
    np.testing.assert_array_equal(own.predict_frozen(observations), own.predict(observations))
    np.testing.assert_array_equal(other.predict_frozen(observations), np.tile(FROZEN_SAYS, (3, 1)))
    decided = DecisionBatch(other).decide(observations, everyone(3), [None])
    np.testing.assert_array_equal(decided.predictions, np.tile(FROZEN_SAYS, (3, 1)))


def test_a_mixture_is_as_unsure_as_its_parts_and_their_distance_say(tmp_path_factory) -> None:
    brain = make_bayes_brain(tmp_path_factory.mktemp("bayes") / "a.brain")
    memory, observations = BrainMemory(brain), random_observations(5)
    memory.weights.fast = PARAMS
    memory.guard.restore([0.25, 0, 0.75])
    decided = DecisionBatch(brain).decide(observations, everyone(5), [memory])
    for row in range(5):
        (none, of_none), (mean, of_mean) = (
            mean_and_deviation(params, observations[row, 0]) for params in (brain.init_params, PARAMS)
        )
        told = 0.25 * none + 0.75 * mean
        variance = 0.25 * (of_none**2 + (none - told) ** 2) + 0.75 * (of_mean**2 + (mean - told) ** 2)
        np.testing.assert_allclose(decided.predictions[row], told, atol=1e-6)
        np.testing.assert_allclose(decided.deviations[row], np.sqrt(variance), rtol=1e-5)


def test_an_agent_of_a_frozen_model_without_deviations_is_as_unsure_as_its_errors_were(sure: Brain) -> None:
    scores, slots = Scores(sure.spec, has_deviations=True), np.arange(2)
    decided = DecisionBatch(sure).decide(random_observations(2), everyone(2), [BrainMemory(sure)])
    before = scores.uncertainties_of(slots, decided)
    labels = PendingLabels(sure.spec)
    nowhere = np.zeros((2, 2), np.float32)
    labels.observe(0, slots, random_observations(2), nowhere, nowhere)
    scores.take(labels.mature(6, slots, np.array([[3, 4], [0, 2]], np.float32)))
    after = scores.uncertainties_of(slots, decided)
    if decided.deviations is None:
        assert np.isnan(before).all(), "nothing is known as yet"
        np.testing.assert_allclose(after, [np.sqrt(12.5), np.sqrt(2)])
    else:
        np.testing.assert_allclose(before, np.sqrt(np.square(decided.deviations).mean(axis=1)))
        np.testing.assert_array_equal(after, before)


# ---- judging


def test_what_was_learned_is_judged_by_what_it_said_before_the_truth_was_known(brain: Brain) -> None:
    right, wrong = learned(brain, [1, 0, 0], seed=5), learned(brain, [0, 0, 1], seed=6)
    batch, labels, slots = DecisionBatch(brain), PendingLabels(brain.spec), np.arange(4)
    profiles, horizon = slots % 2, brain.spec.horizon_ticks
    # Positions that run as `right` predicts: what is measured now is what was expected a horizon ago.
    positions, expected = np.zeros((horizon, 4, 2), np.float32), []
    for tick in range(240):
        if tick >= horizon:
            now = positions[tick % horizon] + expected.pop(0)
            judge(brain.spec, labels.mature(tick, labels.due(tick), now), [right, wrong], profiles)
            positions[tick % horizon] = now
        observations = random_observations(4) + tick % 5
        decided = batch.decide(observations, profiles, [right, wrong])
        labels.observe(
            tick, slots, observations, positions[tick % horizon], decided.predictions, decided.experts
        )
        expected.append(brain.predict(observations, right.fast_params))
        if tick < horizon:
            assert right.guard.weights.tolist() == [1, 0, 0]
    assert right.guard.weights[FAST] > 0.9
    assert wrong.guard.weights[FAST] < 0.9


def test_examples_that_a_game_gives_are_judged_before_they_are_learned(brain: Brain) -> None:
    memory, other = learned(brain, [1, 0, 0], seed=5, slow=6), BrainMemory(brain)
    taught, batch = TaughtExamples(brain.spec), DecisionBatch(brain)
    for tick in range(240):
        observations = random_observations(1) + tick % 5
        taught.add(memory, observations[0], brain.predict(observations, memory.fast_params)[0])
        taught.add(other, observations[0], observations[0, :2])
        taught.judge(tick, batch)
    assert memory.guard.weights[FAST] > 0.9
    assert memory.guard.weights[SLOW] < 0.1
    assert other.guard.weights.tolist() == [1, 0, 0]
    runs = batch.runs
    taught.judge(241, batch)
    assert batch.runs == runs
