"""The model: normalisation from the data, losses, and one network for shared and for separate weights."""

from __future__ import annotations

import pytest
import torch

from pytrain.data.tasks import Batch
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from tests.synthetic_players import make_players


def make_model(kind):
    players = make_players(3, kind)
    return players, Model(
        MLP(3, (8,), players.spec.target.size), players.spec.target, Normalisation.of(players)
    )


def zeros(model, *axes):
    params = model.network.init_params(torch.Generator())
    return {name: torch.zeros(*axes, *value.shape) for name, value in params.items()}


def test_normalised_training_data_have_mean_0_and_deviation_1():
    players, model = make_model("vector")
    for values in (model.normalised(players.history.observations), model.encoded(players.history.targets)):
        assert torch.allclose(values.mean(0), torch.zeros(values.shape[1]), atol=1e-4)
        assert torch.allclose(values.std(0), torch.ones(values.shape[1]), atol=1e-3)


def test_a_field_that_never_changes_does_not_blow_up():
    players, _ = make_model("vector")
    players.history.observations[:, 1] = 7.0
    normalisation = Normalisation.of(players)
    assert normalisation.observation_scale[1] == 1.0
    assert normalisation.observation_mean[1] == 7.0


def test_classes_become_one_hot_rows():
    _, model = make_model("category")
    assert model.encoded(torch.tensor([[0.0], [2.0]])).tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_separate_weights_give_each_task_what_shared_weights_would(activation):
    network = MLP(3, (8, 5), 2, activation)
    sets = [network.init_params(torch.Generator().manual_seed(seed)) for seed in range(4)]
    inputs = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(9))
    together = network({name: torch.stack([one[name] for one in sets]) for name in sets[0]}, inputs)
    for task, params in enumerate(sets):
        assert torch.allclose(together[task], network(params, inputs[task]), atol=1e-6)


def test_predictions_are_in_target_units():
    players, model = make_model("vector")
    zero = zeros(model)
    assert torch.allclose(
        model.predict(zero, players.history.observations[:2]), players.history.targets.mean(0), atol=1e-4
    )


def test_the_loss_of_a_vector_grows_like_its_length():
    _, model = make_model("vector")
    zero = zeros(model, 1)
    far = Batch(torch.zeros(1, 1, 3), torch.full((1, 1, 1), 100.0), torch.ones(1, 1))
    near = Batch(torch.zeros(1, 1, 3), torch.full((1, 1, 1), 0.01), torch.ones(1, 1))
    assert model.losses(zero, far).item() == pytest.approx(99.7, abs=0.01)
    assert model.losses(zero, near).item() == pytest.approx(0.01**2 / 0.6, rel=0.01)


def test_weights_decide_how_much_an_example_counts():
    _, model = make_model("vector")
    zero = zeros(model, 1)
    targets = torch.tensor([[[0.0], [100.0]]])
    losses = [
        model.losses(zero, Batch(torch.zeros(1, 2, 3), targets, torch.tensor([weights]))).item()
        for weights in ([1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.3, 0.1], [0.0, 0.0])
    ]
    assert losses == pytest.approx([0.0, 99.70045, 49.85022, 24.92511, 0.0], abs=1e-3)
