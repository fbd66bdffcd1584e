"""What studios shipped and players saved with the first version goes on working.

`samples/` holds a brain and a profile that the code of 1458eb2 wrote: before kinds of brains, guards,
deviations and sparse windows. They are never written again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adaptive_agents.model.adaptation import AdaptationSettings, apply, is_due, make_job, run_job
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile
from adaptive_agents.model.window import Window
from adaptive_agents.tick.decisions import DecisionBatch

SAMPLES = Path(__file__).parents[1] / "samples"
SEEN = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
"""What the player's examples were made of: windows of two observations."""


def sample_brain() -> Brain:
    return Brain.open(SAMPLES / "version1.brain")


def test_a_brain_of_version_1_predicts_as_it_did() -> None:
    brain = sample_brain()
    np.testing.assert_allclose(brain.predict(SEEN[:1]), [[-0.24484941, 0.07744543]], atol=1e-6)
    np.testing.assert_array_equal(brain.predict_frozen(SEEN), brain.predict(SEEN))
    assert brain.estimate(SEEN)[1] is None
    assert brain.window == Window(2)
    assert (brain.inner_loop.consolidation, brain.inner_loop.forgetting) == ("average", 1.0)


def test_a_player_of_version_1_is_known_and_earns_their_say_anew() -> None:
    brain, profile = sample_brain(), Profile.load(SAMPLES / "version1.profile")
    memory = profile.memory_for(brain)
    assert (profile.player_id, profile.examples) == ("ann", 20)
    np.testing.assert_allclose(
        brain.predict(SEEN[:1], memory.slow_params), [[-0.16016518, 0.11164781]], atol=1e-6
    )
    assert memory.guard.shares(memory.weights.present).tolist() == [1, 0, 0]
    told = DecisionBatch(brain).decide(SEEN, np.zeros(20, np.intp), [memory])
    np.testing.assert_allclose(told.predictions, brain.predict(SEEN), atol=1e-6)


def test_a_player_of_version_1_goes_on_learning_and_is_saved_as_before(tmp_path: Path) -> None:
    brain, profile = sample_brain(), Profile.load(SAMPLES / "version1.profile")
    memory = profile.memory_for(brain)
    assert is_due(memory, 0, AdaptationSettings())
    (outcome,) = run_job(make_job([memory], 0))
    assert apply(outcome)
    assert outcome.loss_after < outcome.loss_before
    profile.save(tmp_path / "ann.profile")
    again = Profile.load(tmp_path / "ann.profile").memory_for(brain)
    for name, array in memory.slow_params.items():
        np.testing.assert_array_equal(again.slow_params[name], array)
