"""A brain's graphs compute what torch computes, for any number of profiles, before and after adaptation."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from adaptive_agents.model.brain import Brain
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Field, Spec, Target, TargetKind
from pytrain.data.dataset import player_hash
from pytrain.data.tasks import Batch
from pytrain.errors import PytrainError
from pytrain.export.brain import check_same_as_torch, export_brain
from pytrain.learners.inner_loop import adapt
from pytrain.learners.registry import Learner
from pytrain.models.bayesian import Bayesian
from pytrain.models.memory import Memory
from pytrain.models.model import Model, load_model, save_model
from pytrain.models.networks import GRU, MLP, Params
from pytrain.models.normalisation import Normalisation
from pytrain.models.on_pooled import encoder_for
from pytrain.settings import DEFAULTS, Algorithm
from tests.synthetic_players import make_players, sinusoid_spec

FEATURES, WINDOW = 3, 2
INNER_LR = 0.02
ABOUT = {
    "algorithm": "maml",
    "inner_loop": {
        "inner_lr": 0.1,
        "num_inner_steps": 5,
        "support_size": 32,
        "first_order": False,
        "trust_radius": 3.0,
    },
    "training": {},
    "scores": {},
}


@dataclass(frozen=True)
class Case:
    """A learner with what of a model matters to its graphs."""

    algorithm: Algorithm
    kind: TargetKind
    window: int = 1
    changes: dict[str, object] = field(default_factory=dict)  # of the learner's settings
    mlp: dict[str, object] = field(default_factory=dict)
    recurrent_size: int = 0
    stride_ticks: int = 0

    @property
    def sees(self) -> Window:
        return Window(self.window, self.stride_ticks)


CASES = {
    "metasgd": Case("metasgd", "vector"),
    "category": Case("reptile", "category"),
    "rates per step, layer norm, window": Case(
        "maml", "vector", WINDOW, {"inner_rates": "per-step"}, {"norm": "layer"}
    ),
    "anil, gru, sparse window": Case("anil", "vector", WINDOW, recurrent_size=8, stride_ticks=6),
    "inner adam": Case("reptile", "category", 1, {"inner_optimiser": "adam"}),
    "cavia": Case("cavia", "category", 1, {"context_size": 5}, {"context_size": 5}),
    "protonet": Case("protonet", "category", 1, {}, {"head_kind": "prototypes"}),
    "bayes": Case("bayes", "vector"),
    "bayes, gru, category": Case("bayes", "category", WINDOW, recurrent_size=8),
    "memory": Case("memory", "vector", WINDOW),
    "memory, category": Case("memory", "category"),
}


def make_model(case: Case) -> tuple[Model, Params]:
    """A model of random weights, away from what they start with."""
    players = make_players(4, case.kind).with_window(case.sees)
    inputs = case.recurrent_size or case.sees.input_size(FEATURES)
    network = MLP(inputs, (64, 64), players.spec.target.size, **case.mlp)
    if case.recurrent_size:
        network = GRU(case.sees.slot_size(FEATURES), case.window, case.recurrent_size, network)
    pooled = None
    if case.algorithm in ("bayes", "memory"):
        pooled = network.init_params(torch.Generator().manual_seed(2))
        encoder = encoder_for(network, (32,), 16)
        of = (network, encoder, players.spec.target.size, case.kind == "category")
        network = Bayesian(*of) if case.algorithm == "bayes" else Memory(*of, size=24)
    settings = replace(DEFAULTS[case.algorithm], **case.changes)
    model = Model(network, players.spec.target, Normalisation.of(players))
    learner = Learner.of(case.algorithm, model, settings, pooled)
    random = torch.Generator().manual_seed(1)
    return learner.split(
        {
            name: value + 0.1 * torch.randn(value.shape, generator=random)
            for name, value in learner.init_meta_params(0).items()
        }
    )


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def exported(request, tmp_path_factory) -> tuple[Brain, Model, Params]:
    """A brain that was exported once, and what it was exported from."""
    case: Case = request.param
    model, params = make_model(case)
    path = tmp_path_factory.mktemp(case.algorithm) / "archer.brain"
    inner_loop = ABOUT["inner_loop"] | {"inner_lr": INNER_LR}
    about = ABOUT | {"algorithm": case.algorithm, "inner_loop": inner_loop}
    about |= {"window": case.window, "window_stride_ticks": case.stride_ticks}
    export_brain(path, model, params, sinusoid_spec(case.kind), about)
    return Brain.open(path), model, params


def random_support(model: Model, profiles: int, rows: int, seed: int = 0) -> tuple[SupportSet, Batch]:
    """The same examples for the graphs and for torch; about a tenth is padding."""
    random = np.random.default_rng(seed)
    category = model.target.kind == "category"
    targets = (
        random.integers(3, size=(profiles, rows, 1)) if category else random.normal(size=(profiles, rows, 1))
    )
    columns = (
        random.normal(size=(profiles, rows, model.network.inputs)).astype(np.float32),
        targets.astype(np.float32),
        (random.random((profiles, rows)) > 0.1).astype(np.float32),
    )
    return SupportSet(*columns), Batch(*(torch.from_numpy(column) for column in columns))


def params_for(params: Params, profiles: int) -> tuple[dict[str, np.ndarray], Params]:
    """Weights that differ between profiles, for the graphs and for torch."""
    random = torch.Generator().manual_seed(1)
    ours = {
        name: value + 0.05 * torch.randn(profiles, *value.shape, generator=random)
        for name, value in params.items()
    }
    return {name: value.numpy() for name, value in ours.items()}, ours


def distance(model: Model, found: np.ndarray, expected: torch.Tensor) -> float:
    """The largest difference, in parts of the largest value if that is above 1.

    With Adam the mean: where a gradient is but rounding, its step is, too.
    """
    differences = np.abs(found - expected.numpy()) / max(1.0, float(expected.abs().max()))
    return float(differences.mean() if model.optimiser == "adam" else differences.max())


@pytest.mark.parametrize("profiles", [1, 7, 64])
@pytest.mark.parametrize("rows", [1, 33])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_adaptation_in_the_brain_equals_torch(exported, profiles, rows, steps):
    brain, model, params = exported
    support, batch = random_support(model, profiles, rows)
    theirs, ours = params_for(params, profiles)
    result = brain.adapt(theirs, support, INNER_LR, steps)
    ready = model.prepared(batch)
    expected = adapt(model, ours, repeat(ready, steps), INNER_LR)
    for name, value in expected.items():
        assert distance(model, result.params[name], value) <= 1e-5, name
    assert np.abs(result.loss_before - model.losses(ours, ready).numpy()).max() <= 1e-5
    assert distance(model, result.loss_after, model.losses(expected, ready)) <= 1e-5


@pytest.mark.parametrize("profiles", [1, 7, 64])
def test_predictions_of_several_profiles_equal_torch(exported, profiles):
    brain, model, params = exported
    _, batch = random_support(model, profiles, 9)
    theirs, ours = params_for(params, profiles)
    predictions = brain.predict_batched(batch.observations.numpy(), theirs)
    assert distance(model, predictions, model.predict(ours, batch.observations)) <= 1e-5


@pytest.mark.parametrize("agents", [1, 7, 64])
def test_predictions_with_shared_weights_equal_torch(exported, agents):
    brain, model, params = exported
    _, batch = random_support(model, 1, agents)
    expected = model.predict(params, batch.observations[0])
    assert distance(model, brain.predict(batch.observations[0].numpy()), expected) <= 1e-5
    other = {name: value + 0.1 for name, value in params.items()}
    given = {name: value.numpy() for name, value in other.items()}
    expected = model.predict(other, batch.observations[0])
    assert distance(model, brain.predict(batch.observations[0].numpy(), given), expected) <= 1e-5


def test_a_brain_is_small_even_after_a_thousand_players(tmp_path):
    network = MLP(19, (64, 64, 64), 2)
    params = network.init_params(torch.Generator().manual_seed(0))
    ones = (torch.zeros(19), torch.ones(19), torch.zeros(2), torch.ones(2))
    spec = Spec((Field("seen", 19),), Target("vector", "moved", 2), 36)
    model = Model(network, spec.target, Normalisation(*ones), rates=params)
    hashes = {"player_ids_sha256": [player_hash(f"player-{player}") for player in range(1056)]}
    export_brain(tmp_path / "archer.brain", model, params, spec, ABOUT | {"training": hashes})
    assert (tmp_path / "archer.brain").stat().st_size < 250_000


def test_a_brain_does_not_tell_where_it_was_trained(exported):
    brain, _, _ = exported
    content = Path(brain.source).read_bytes()
    assert str(Path(__file__).parent.parent.parent).encode() not in content
    assert b"stack_trace" not in content


def test_the_graph_that_adapts_needs_nothing_but_onnx_itself(exported):
    brain, _, _ = exported
    with zipfile.ZipFile(brain.source) as parts:
        graph = onnx.load_from_string(parts.read("adapt.onnx"))
    assert not graph.functions
    assert {node.domain for node in graph.graph.node} == {""}
    assert [node.op_type for node in graph.graph.node].count("Loop") == 1


def test_a_brain_that_computes_something_else_is_noticed(exported):
    brain, model, params = exported
    check_same_as_torch(brain, model, params)
    params = {name: value + 1e-3 for name, value in params.items()}
    with pytest.raises(PytrainError, match=r"differ from torch by .* in .*, more than 1e-05"):
        check_same_as_torch(brain, model, params)


def test_a_failed_export_says_why_and_leaves_the_old_brain(tmp_path, monkeypatch):
    path = tmp_path / "archer.brain"
    path.write_bytes(b"the brain of yesterday")
    model, params = make_model(CASES["metasgd"])
    failing = tmp_path / "python"
    failing.write_text("#!/bin/sh\necho the exporter is unhappy >&2\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(failing))
    with pytest.raises(PytrainError, match=r"exit code 3.*the exporter is unhappy"):
        export_brain(path, model, params, sinusoid_spec(), ABOUT)
    assert path.read_bytes() == b"the brain of yesterday"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["archer.brain", "python"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_model_comes_back_from_its_file(tmp_path, case):
    model, params = make_model(case)
    save_model(tmp_path / "model.npz", model, params)
    again, params_again = load_model(tmp_path / "model.npz")
    observations = torch.randn(5, model.network.inputs, generator=torch.Generator().manual_seed(0))
    assert again.network == model.network
    assert (again.optimiser, again.adapts) == (model.optimiser, model.adapts)
    assert again.rates_per_step == model.rates_per_step
    assert again.target == model.target
    assert torch.equal(again.predict(params_again, observations), model.predict(params, observations))
