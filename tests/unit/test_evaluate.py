"""Evaluation: on unseen players only, one query for all, measured on the brain's own graphs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.brain import Brain
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.dataset import player_hash, read_players
from pytrain.data.tasks import newest_known, observed_between
from pytrain.errors import PytrainError
from pytrain.evaluation.evaluate import EvaluateSettings, Evaluation, evaluate
from pytrain.export.brain import export_brain
from pytrain.learners.inner_loop import for_each_task
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from tests.synthetic_players import HORIZON_TICKS, make_players, sinusoid_spec, write_sessions
from tests.tiny_brain import make_tiny_brain


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> Path:
    return write_sessions(tmp_path_factory.mktemp("test"), range(100, 106))


@pytest.fixture(scope="module")
def model_and_params():
    players = make_players(4)
    model = Model(MLP(3, (16, 16), 1), players.spec.target, Normalisation.of(players))
    return model, model.network.init_params(torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def brain(model_and_params, tmp_path_factory) -> Brain:
    model, params = model_and_params
    path = tmp_path_factory.mktemp("brain") / "archer.brain"
    about = {
        "algorithm": "pooled",
        "inner_loop": {
            "inner_lr": 0.2,
            "num_inner_steps": 20,
            "support_size": 128,
            "first_order": True,
            "trust_radius": 3.0,
        },
        "training": {"player_ids_sha256": [player_hash("player-7")]},
        "scores": {},
    }
    return export_brain(path, model, params, sinusoid_spec(), about)


@pytest.fixture(scope="module")
def result(brain, sessions) -> Evaluation:
    return evaluate({"pooled": brain}, [sessions])


def test_the_frozen_line_is_the_pooled_brain_without_a_step(result, model_and_params, sessions):
    model, params = model_and_params
    players = read_players([sessions])
    who = torch.arange(len(players))
    query = observed_between(players, who, torch.full_like(who, 2400), torch.full_like(who, 3600))
    predictions = model.predict(for_each_task(params, len(players)), query.observations)
    errors = (predictions - query.targets).norm(dim=-1).mean(1)
    frozen = np.array(result.methods["frozen"].error_per_player)
    assert np.abs(frozen - errors.numpy()[:, None]).max() < 1e-4


def test_the_adapted_line_takes_the_brains_own_steps_on_what_was_known(result, brain, sessions):
    players = read_players([sessions])
    who, size = torch.arange(len(players)), brain.inner_loop.support_size
    support = newest_known(players, who, torch.full_like(who, 600), size)
    assert support.observations.shape == (6, 128, 3)
    at_ten = result.curve_sec.index(10.0)
    assert result.methods["pooled"].error[at_ten].mean < result.methods["frozen"].error[at_ten].mean


def test_after_0_seconds_nothing_has_been_learned(result):
    frozen, pooled = (np.array(result.methods[name].error_per_player) for name in ("frozen", "pooled"))
    assert np.allclose(frozen[:, 0], pooled[:, 0], atol=1e-6)


def test_every_player_is_measured_once(result):
    assert result.player_ids == tuple(f"player-{player}" for player in range(100, 106))
    assert np.array(result.methods["pooled"].error_per_player).shape == (6, 6)


def test_ratios_and_differences_are_those_of_the_headline(result):
    at = result.curve_sec.index(result.headline_sec)
    frozen, pooled = (np.array(result.methods[name].error_per_player)[:, at] for name in ("frozen", "pooled"))
    assert result.ratios["pooled/frozen"].mean == pytest.approx(pooled.mean() / frozen.mean())
    assert result.differences["pooled-frozen"].mean == pytest.approx((pooled - frozen).mean())
    assert result.headline("pooled").mean == pytest.approx(pooled.mean())


def test_a_player_from_the_training_is_refused(brain, tmp_path):
    write_sessions(tmp_path, range(7, 9))
    with pytest.raises(PytrainError, match=r"'player-7' was in the training of brain 'archer\.brain'"):
        evaluate({"pooled": brain}, [tmp_path])


def test_sessions_of_another_spec_are_refused(brain, tmp_path):
    other = Spec((Field("x"), Field("noise", 2)), Target("vector", "y", 1), HORIZON_TICKS)
    with SessionWriter(tmp_path / "1.session", SessionHeader(other, "bob")) as writer:
        writer.add(0, 0, 0, [0, 0, 0], [0])
    with pytest.raises(PytrainError, match=r"'archer\.brain' expects distraction\[2\].*has noise\[2\]"):
        evaluate({"pooled": brain}, [tmp_path])


def test_a_player_who_stopped_before_the_query_is_named(brain, tmp_path):
    write_sessions(tmp_path, range(200, 202), seconds=30.0)
    with pytest.raises(PytrainError, match=r"'player-200' played 29\.9 s, but the query starts after 40 s"):
        evaluate({"pooled": brain}, [tmp_path])


def test_the_query_must_lie_after_the_curve(brain, sessions):
    with pytest.raises(PytrainError, match="goes up to 50 s, but the query starts at --query-from-sec 40 s"):
        evaluate({"pooled": brain}, [sessions], EvaluateSettings(curve_sec=(0.0, 20.0, 50.0)))


def test_the_headline_must_be_on_the_curve(brain, sessions):
    with pytest.raises(PytrainError, match="--headline-sec 7"):
        evaluate({"pooled": brain}, [sessions], EvaluateSettings(headline_sec=7.0))


def frozen_errors(brain: Brain, sessions: Path) -> np.ndarray:
    """Each player's error without a step, from the brain's own windows of the query."""
    players = read_players([sessions]).with_window(brain.window)
    who = torch.arange(len(players))
    query = observed_between(players, who, torch.full_like(who, 2400), torch.full_like(who, 3600))
    assert query.observations.shape[-1] == brain.input_size
    predictions = query.observations.numpy() @ brain.init_params["weight"] + brain.init_params["bias"]
    return np.linalg.norm(predictions - query.targets.numpy(), axis=-1).mean(1)


def test_a_brain_with_a_window_is_measured_on_its_own_windows_of_the_same_query(sessions, tmp_path):
    brain = make_tiny_brain(tmp_path / "a.brain", sinusoid_spec(), window=3)
    other = make_tiny_brain(tmp_path / "b.brain", sinusoid_spec())
    measured = evaluate({"maml": other, "pooled": brain}, [sessions]).methods
    for name, of_brain in (("frozen", brain), ("maml", other)):
        at_once = np.array(measured[name].error_per_player)[:, 0]
        assert np.abs(at_once - frozen_errors(of_brain, sessions)).max() < 1e-5


def test_a_brain_that_takes_no_support_stays_as_it_is(sessions, tmp_path):
    brain = make_tiny_brain(tmp_path / "a.brain", sinusoid_spec(), inner_loop={"support_size": 0})
    measured = evaluate({"pooled": brain}, [sessions]).methods
    assert measured["pooled"].error_per_player == measured["frozen"].error_per_player


def test_who_has_shown_nothing_keeps_the_weights_that_the_brain_came_with(brain, sessions, monkeypatch):
    asked = []
    adapt = Brain.adapt

    def watched(self, params, support, **settings):
        asked.append((support.weights > 0).any(1).all())
        return adapt(self, params, support, **settings)

    monkeypatch.setattr(Brain, "adapt", watched)
    evaluate({"maml": brain}, [sessions], EvaluateSettings(curve_sec=(0.0, 0.7), headline_sec=0.7))
    assert asked == [True]  # nothing to adapt to after 0 seconds


def test_the_loss_of_a_category_is_its_negative_log_likelihood(tmp_path):
    folder = write_sessions(tmp_path / "test", range(100, 103), "category")
    brain = make_tiny_brain(tmp_path / "a.brain", sinusoid_spec("category"))
    measured = evaluate({"pooled": brain}, [folder], EvaluateSettings(headline_sec=0.0))
    players = read_players([folder])
    who = torch.arange(len(players))
    query = observed_between(players, who, torch.full_like(who, 2400), torch.full_like(who, 3600))
    logits = query.observations.numpy() @ brain.init_params["weight"] + brain.init_params["bias"]
    likelihood = torch.log_softmax(torch.from_numpy(logits), dim=-1).gather(-1, query.targets.long())
    assert measured.headline_loss("pooled").mean == pytest.approx(-float(likelihood.mean()), abs=1e-5)
