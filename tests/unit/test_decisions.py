"""One run per brain and tick gives each agent what its own weights would give it alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.model.brain import Brain
from adaptive_agents.tick.decisions import DecisionBatch
from tests.tiny_brain import make_params, make_tiny_brain


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
