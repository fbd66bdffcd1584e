"""Training end to end on sinusoid players: what adapts is better, seeds repeat, and bad input is named.

A small network and a few hundred meta steps already tell the methods apart on these players; how much
adaptation gains in the game is measured by `pytrain demo`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.brain import Brain
from adaptive_agents.spec import Field, Spec, Target
from pytrain.console import PROGRESS_VARIABLE
from pytrain.data.dataset import player_hash
from pytrain.errors import PytrainError
from pytrain.evaluation.evaluate import evaluate
from pytrain.export import brain as export
from pytrain.learners import gradient
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from pytrain.settings import ALGORITHMS, DEFAULTS, TrainSettings
from pytrain.training import choosing
from pytrain.training import train as training
from pytrain.training.choosing import choose_adaptation
from pytrain.training.train import command_line, train
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation
from tests.shared_trace import TracedOnce
from tests.synthetic_players import HORIZON_TICKS, make_players, write_sessions

QUICK = {
    "hidden_sizes": (32, 32),
    "meta_batch_size": 8,
    "support_size": 200,
    "inner_batch_size": 32,
    "validations": 2,
    "pooled_steps": 40,
}
TRAINED = {
    "pooled": {"meta_steps": 200},
    "reptile": {"meta_steps": 400, "num_inner_steps": 8, "inner_lr": 0.2},
    "maml": {
        "meta_steps": 250,
        "num_inner_steps": 3,
        "inner_lr": 0.2,
        "meta_lr": 0.01,
    },
}


@pytest.fixture(scope="module", autouse=True)
def small_grid():
    """A few of the settings that are tried for adaptation: the whole grid takes longer than the training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient, "INNER_LRS", (0.2, 0.05))
        patch.setattr(choosing, "STEP_COUNTS", (1, 5, 20, 50))
        patch.setattr(gradient, "SUPPORT_SIZES", (128, 256))
        yield


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """Brains of one shape share a trace of it, which takes longer than their training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "trace_graphs", TracedOnce())
        yield


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> Path:
    """Folders `train`, `validation` and `test` of different players."""
    folder = tmp_path_factory.mktemp("sessions")
    write_sessions(folder / "train", range(40))
    write_sessions(folder / "validation", range(60, 76))
    write_sessions(folder / "test", range(100, 132))
    return folder


def settings(sessions: Path, out: Path, **changes) -> TrainSettings:
    everything = QUICK | {"algorithm": "maml", "meta_steps": 2} | changes
    everything.setdefault("validation_sessions", (sessions / "validation",))
    return TrainSettings(sessions=(sessions / "train",), out=out, **everything)


@pytest.fixture(scope="module")
def brains(sessions, tmp_path_factory) -> dict[str, Brain]:
    """One trained brain of each algorithm that the comparison is about."""
    folder = tmp_path_factory.mktemp("brains")
    for algorithm, changes in TRAINED.items():
        train(settings(sessions, folder / f"{algorithm}.brain", algorithm=algorithm, **changes))
    return {algorithm: Brain.open(folder / f"{algorithm}.brain") for algorithm in TRAINED}


@pytest.fixture
def no_export(monkeypatch) -> dict:
    """Tracing the graphs takes seconds; what would have been written is handed out instead."""
    written: dict = {}

    def keep(path, model, params, spec, about, frozen):
        written.update(path=path, model=model, params=params, spec=spec, frozen=frozen, **about)

    monkeypatch.setattr(training, "export_brain", keep)
    return written


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["maml", "reptile"])
def test_a_meta_learner_beats_the_fine_tuned_pooled_model(brains, sessions, learner):
    result = evaluate(brains, [sessions / "test"])
    assert result.headline(learner).is_below(result.headline("pooled"))
    assert result.ratios["pooled/frozen"].high < 1
    assert result.ratios[f"{learner}/frozen"].high < 0.6


@pytest.mark.slow
def test_a_brain_tells_what_it_was_made_of(brains, sessions):
    brain = brains["maml"]
    assert brain.algorithm == "maml"
    assert brain.spec.observation == (Field("x"), Field("distraction", 2))
    assert brain.model["hidden_sizes"] == [32, 32]
    assert brain.training["players"] == 34  # of 40; six judge
    assert brain.training["examples"] == 34 * 600
    known = set(brain.training["player_ids_sha256"])
    assert sum(player_hash(f"player-{number}") in known for number in range(40)) == 34
    assert player_hash("player-60") in brain.training["player_ids_sha256"]
    assert player_hash("player-100") not in brain.training["player_ids_sha256"]
    assert brain.training["command"].startswith(f"pytrain train {sessions / 'train'} --out ")
    assert "--meta-steps 250" in brain.training["command"]
    assert brain.inner_loop.trust_radius > 0
    assert not brain.inner_loop.first_order
    scores = brain.scores["meta_validation"]
    assert scores["error_after"] < scores["error_before"]
    json.dumps(brain.training)


@pytest.mark.slow
def test_a_category_is_learned_end_to_end(tmp_path):
    folder = tmp_path / "sessions"
    for name, players in (("train", range(30)), ("validation", range(40, 52)), ("test", range(60, 76))):
        write_sessions(folder / name, players, "category")
    quick = {"meta_steps": 120, "num_inner_steps": 5, "inner_lr": 0.5, "meta_lr": 0.01}
    train(settings(folder, tmp_path / "level.brain", **quick))
    result = evaluate({"maml": Brain.open(tmp_path / "level.brain")}, [folder / "test"])
    curve = result.methods["maml"]
    assert result.unit == "1 - accuracy"
    assert curve.error[-1].is_below(curve.error[0])
    assert curve.loss[-1].is_below(curve.loss[0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_seed_gives_one_model(sessions, tmp_path, no_export, algorithm):
    if algorithm == "protonet":  # it compares classes
        sessions = tmp_path
        write_sessions(sessions / "train", range(8), "category")
        write_sessions(sessions / "validation", range(60, 64), "category")

    def weights(seed: int) -> torch.Tensor:
        train(settings(sessions, tmp_path / "a.brain", algorithm=algorithm, meta_steps=3, seed=seed))
        everything = no_export["model"].shared | no_export["params"]
        return everything.get("layer1.weight", everything.get("encoder.layer1.weight"))

    first, same, other = weights(1), weights(1), weights(2)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_learner_that_is_no_better_than_the_pooled_model_has_its_parameters(sessions, tmp_path, no_export):
    """After two meta steps and without adaptation it cannot be."""
    result = train(settings(sessions, tmp_path / "a.brain", support_size=0))
    carried, params = no_export["frozen"][1], no_export["params"]
    assert (result.best_step, result.gave_way) == (0, True)
    assert params.keys() == carried.keys()
    assert all(torch.equal(params[name], value) for name, value in carried.items())
    train(settings(sessions, tmp_path / "p.brain", algorithm="pooled", meta_steps=QUICK["pooled_steps"]))
    assert no_export["frozen"] is None


@pytest.mark.slow
def test_a_pooled_brain_is_taken_instead_of_training_it_again(sessions, tmp_path):
    pooled = tmp_path / "pooled.brain"
    train(settings(sessions, pooled, algorithm="pooled", meta_steps=40))
    stages = []
    chosen = settings(sessions, tmp_path / "a.brain", pooled=pooled, pooled_steps=None)
    train(chosen, lambda progress: stages.append(progress.stage))
    assert "pooled model" not in stages
    frozen, brain = Brain.open(pooled), Brain.open(tmp_path / "a.brain")
    seen = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    np.testing.assert_allclose(brain.predict_frozen(seen), frozen.predict(seen), atol=1e-6)
    assert not np.allclose(brain.predict(seen), frozen.predict(seen), atol=1e-3)
    for changes, message in (
        ({"hidden_sizes": (16,)}, r"its network is .*\[32, 32\].* here it is .*\[16\]"),
        ({"split_seed": 3}, r"its normalisation .* train it again on these sessions"),
        ({"window": 2}, "its window is one observation, here it is the last 2 observations"),
        ({"pooled": tmp_path / "a.brain"}, "its algorithm is maml, here it is pooled"),
    ):
        with pytest.raises(PytrainError, match=message):
            train(replace(chosen, **changes))


def test_bayes_and_memory_need_a_pooled_model(sessions, tmp_path):
    with pytest.raises(PytrainError, match="bayes builds on the pooled model"):
        train(settings(sessions, tmp_path / "a.brain", algorithm="bayes", pooled_steps=0))


def test_what_is_told_comes_from_the_judges(sessions, tmp_path, no_export):
    result = train(settings(sessions, tmp_path / "a.brain"))
    judged = no_export["scores"]["judge"]
    assert judged["players"] == result.judged.players == 6
    assert judged["verdict"] == result.judgement.verdict == result.judged.verdict
    assert no_export["training"]["judges"] == 6
    assert "verdict" not in no_export["scores"]["meta_validation"]
    assert no_export["scores"]["meta_validation"]["players"] == 16


def test_scratch_keeps_its_random_initialisation(sessions, tmp_path, no_export):
    train(settings(sessions, tmp_path / "a.brain", algorithm="scratch", seed=5))
    fresh = MLP(3, (32, 32), 1).init_params(torch.Generator().manual_seed(5))
    assert torch.equal(no_export["params"]["layer2.weight"], fresh["layer2.weight"])


def test_the_best_model_on_meta_validation_is_kept(sessions, tmp_path, no_export):
    seen = []
    chosen = settings(
        sessions, tmp_path / "a.brain", algorithm="pooled", meta_steps=40, meta_lr=0.03, validations=40
    )
    train(chosen, lambda progress: seen.append(dict(progress.scores)))
    model, params = no_export["model"], no_export["params"]
    kept = Validation(make_players(16, first=60), chosen.adapt_at_sec).error(model, params, NO_ADAPTATION)
    assert kept <= min(scores["error_after"] for scores in seen if "error_after" in scores) + 1e-4


def test_without_validation_sessions_some_players_are_kept_for_it(sessions, tmp_path, no_export):
    chosen = settings(sessions, tmp_path / "a.brain", validation_sessions=(), validation_fraction=0.25)
    result = train(chosen)
    assert (result.players, result.validation_players, result.judged.players) == (24, 10, 6)
    assert len(no_export["training"]["player_ids_sha256"]) == 34


def test_progress_is_told_for_every_stage(sessions, tmp_path, no_export):
    stages = []
    train(settings(sessions, tmp_path / "a.brain"), lambda progress: stages.append(progress.stage))
    assert list(dict.fromkeys(stages)) == [
        "read sessions",
        "pooled model",
        "meta-train",
        "choose adaptation",
        "judge",
        "export",
    ]


def test_tensorboard_logs_are_written_where_asked(sessions, tmp_path, no_export):
    train(settings(sessions, tmp_path / "a.brain", log_dir=tmp_path / "logs"))
    assert list((tmp_path / "logs" / "maml-seed-0").glob("events.out.tfevents.*"))


def test_a_player_on_both_sides_is_named(sessions, tmp_path):
    chosen = settings(sessions, tmp_path / "a.brain", validation_sessions=(sessions / "train",))
    with pytest.raises(
        PytrainError, match=r"'player-\d+' is among the players to learn from and those to validate"
    ):
        train(chosen)


def test_training_and_validation_must_have_one_spec(sessions, tmp_path):
    other = Spec((Field("x"), Field("distraction", 2)), Target("vector", "y", 1), HORIZON_TICKS + 6)
    (tmp_path / "other").mkdir()
    with SessionWriter(tmp_path / "other" / "1.session", SessionHeader(other, "bob")) as writer:
        writer.add(0, 0, 0, [0, 0, 0], [0])
    chosen = settings(sessions, tmp_path / "a.brain", validation_sessions=(tmp_path / "other",))
    with pytest.raises(PytrainError, match=r"has the horizon 36 ticks.*has 42 ticks"):
        train(chosen)


def test_validation_players_who_all_stopped_early_are_refused(sessions, tmp_path):
    write_sessions(tmp_path / "short", range(200, 203), seconds=2.5)
    chosen = settings(sessions, tmp_path / "a.brain", validation_sessions=(tmp_path / "short",))
    with pytest.raises(PytrainError, match=r"'player-200' played 2\.4 s, but more than 3 s .*--adapt-at-sec"):
        train(chosen)


def test_where_to_write_is_checked_before_anything_long(sessions, tmp_path):
    with pytest.raises(PytrainError, match=r"no folder .*nowhere"):
        train(settings(sessions, tmp_path / "nowhere" / "a.brain"))
    with pytest.raises(PytrainError, match=r"ends in \.brain"):
        train(settings(sessions, tmp_path / "a.onnx"))


@pytest.mark.parametrize("model", ["mlp", "gru"])
def test_a_sparse_window_is_trained_with_and_named_in_the_manifest(sessions, tmp_path, no_export, model):
    train(settings(sessions, tmp_path / "a.brain", model=model, window=5, window_stride=12, meta_steps=2))
    assert (no_export["window"], no_export["window_stride_ticks"]) == (5, 12)
    assert no_export["model"].network.inputs == 5 * (3 + 1)
    assert torch.isfinite(no_export["params"]["layer1.weight"]).all()


@pytest.mark.parametrize("algorithm", ["maml", "pooled"])
def test_a_support_size_of_0_means_no_adaptation(sessions, tmp_path, no_export, algorithm):
    result = train(settings(sessions, tmp_path / "a.brain", algorithm=algorithm, support_size=0))
    assert (result.setting.num_inner_steps, result.setting.support_size) == (0, 0)
    assert "adapting is not worth it" in result.validated.verdict
    assert no_export["inner_loop"]["trust_radius"] == 0


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ({"window": 0}, "--window is 0: it must be 1 or more"),
        ({"window_stride": 30}, "--window-stride is 30, but --window 1 sees nothing before"),
        ({"hidden_sizes": (32, 0)}, "--hidden-sizes is 0: it must be 1 or more"),
        ({"validations": 0}, "--validations is 0"),
        ({"inner_lr": -0.1}, r"--inner-lr is -0\.1: it must be 0 or more"),
        ({"validation_fraction": 1.0}, "--validation-fraction is 1: it must lie between 0 and 1"),
        ({"algorithm": "reptile", "support_size": 0}, r"reptile .* takes 0 of them"),
        ({"algorithm": "maml", "inner_optimiser": "adam"}, "adam is for first-order learners"),
        ({"algorithm": "pooled", "inner_rates": "per-step"}, "needs a learner with a query loss"),
        ({"algorithm": "maml", "context_size": 3}, "--context-size is 3"),
        ({"algorithm": "memory", "feature_size": 0}, "--feature-size is 0"),
        ({"algorithm": "bayes", "support_size": 0}, "--support-size is 0"),
        ({"algorithm": "protonet"}, "protonet compares classes"),
        ({"device": "cuda:7"}, "--device cuda:7 cannot be used"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_named(sessions, tmp_path, amount, message):
    with pytest.raises(PytrainError, match=message):
        train(settings(sessions, tmp_path / "a.brain", **amount))


def test_a_training_that_diverges_says_which_step_sizes_to_lower(sessions, tmp_path):
    chosen = settings(sessions, tmp_path / "a.brain", meta_steps=4, inner_lr=1e30, activation="relu")
    with pytest.raises(PytrainError, match=r"maml diverged.*lower --inner-lr \(1e\+30\)"):
        train(chosen)


@pytest.mark.slow
def test_a_killed_training_leaves_the_old_brain(sessions, tmp_path):
    out = tmp_path / "archer.brain"
    out.write_bytes(b"the brain of yesterday")
    words = command_line(settings(sessions, out, meta_steps=20_000)).split()
    environment = os.environ | {PROGRESS_VARIABLE: "lines"}
    with subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.PIPE, env=environment) as process:
        assert any(is_in_training(line) for line in process.stderr)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert out.read_bytes() == b"the brain of yesterday"
    assert {each.name for each in tmp_path.iterdir()} <= {"archer.brain", "archer.checkpoint"}


def is_in_training(line: bytes) -> bool:
    """Whether the sessions were read already: they are 30 of the 1000 parts of the way."""
    words = line.split()
    return words[:1] == [b"PROGRESS"] and int(words[1]) > 30


def test_the_command_in_the_manifest_names_what_differs_from_the_defaults(tmp_path):
    chosen = TrainSettings((Path("my sessions"),), Path("a.brain"), "reptile", hidden_sizes=(32, 32), seed=7)
    assert command_line(chosen) == (
        "pytrain train 'my sessions' --out a.brain --algorithm reptile --hidden-sizes 32 32 --seed 7"
    )


def test_given_settings_replace_the_defaults_of_the_algorithm():
    chosen = TrainSettings((), Path("a.brain"), "reptile", meta_steps=3).meta_training()
    assert chosen.meta_steps == 3
    assert chosen.num_inner_steps == DEFAULTS["reptile"].num_inner_steps


def test_adaptation_is_chosen_where_the_error_is_lowest():
    players = make_players(12)
    model = Model(MLP(3, (16,), 1), players.spec.target, Normalisation.of(players))
    params = model.network.init_params(torch.Generator().manual_seed(0))
    measure = Validation(players, (5.0, 20.0, 40.0))
    chosen = choose_adaptation(measure, model, params)
    error = measure.error(model, params, chosen.setting)
    assert error == pytest.approx(chosen.score)
    assert error < measure.error(model, params, NO_ADAPTATION)
    for steps in (1, 5, 20):
        assert error <= measure.error(model, params, Setting(chosen.setting.inner_lr, steps, 256)) * 1.01
