"""The benchmark's convolutional network: all tasks in a grouped convolution equal one task after another."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Tasks
from pytrain.learners.registry import Learner
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.models.normalisation import Normalisation
from pytrain.settings import Algorithm, MetaTraining
from tests.benchmarks.omniglot_conv import ConvNet

NETWORK = ConvNet(side=7, outputs=3, filters=2, layers=2)
TASKS, SUPPORT, QUERY, STEPS, INNER_LR = 2, 5, 4, 2, 0.3


def batch(rows, random) -> Batch:
    observations = torch.rand(TASKS, rows, NETWORK.inputs, generator=random, dtype=torch.float64)
    classes = torch.randint(NETWORK.outputs, (TASKS, rows), generator=random)
    return Batch(observations, functional.one_hot(classes).double(), torch.ones(TASKS, rows).double())


def plain_loss(params: Params, batch: Batch, task):
    values = batch.observations[task].view(-1, 1, NETWORK.side, NETWORK.side)
    for layer in range(1, NETWORK.layers + 1):
        values = functional.conv2d(values, params[f"conv{layer}.weight"], stride=2, padding=1)
        gain, bias = params[f"norm{layer}.gain"], params[f"norm{layer}.bias"]
        values = functional.batch_norm(values, None, None, gain, bias, training=True).relu()
    outputs = values.flatten(1) @ params["head.weight"] + params["head.bias"]
    return functional.cross_entropy(outputs, batch.targets[task].argmax(-1))


def plain_meta_gradient(meta_params: Params, tasks: Tasks, *, second_order) -> Params:
    meta_params = {name: value.clone().requires_grad_() for name, value in meta_params.items()}
    total = torch.zeros((), dtype=torch.float64)
    for task in range(TASKS):
        params = dict(meta_params)
        for support in tasks.supports:
            loss = plain_loss(params, support, task)
            gradients = torch.autograd.grad(loss, tuple(params.values()), create_graph=second_order)
            params = {n: p - INNER_LR * g for (n, p), g in zip(params.items(), gradients, strict=True)}
        total = total + plain_loss(params, tasks.query, task) / TASKS
    found = torch.autograd.grad(total, tuple(meta_params.values()))
    return dict(zip(meta_params, found, strict=True))


@pytest.mark.parametrize("algorithm", ["maml", "fomaml"])
def test_its_meta_gradient_is_that_of_a_plain_loop(algorithm: Algorithm):
    random = torch.Generator().manual_seed(0)
    nothing = Normalisation(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
    model = Model(NETWORK, Target("category", "character", NETWORK.outputs), nothing)
    learner = Learner.of(algorithm, model, MetaTraining(inner_lr=INNER_LR, num_inner_steps=STEPS))
    meta_params = {
        name: value.double() + 0.1 * torch.randn(value.shape, generator=random, dtype=torch.float64)
        for name, value in learner.init_meta_params(0).items()
    }
    tasks = Tasks(tuple(batch(SUPPORT, random) for _ in range(STEPS)), batch(QUERY, random))
    found, _ = learner.meta_gradient(meta_params, tasks)
    expected = plain_meta_gradient(meta_params, tasks, second_order=algorithm == "maml")
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12)


def test_weights_shared_by_all_tasks_are_the_same_weights_for_each():
    random = torch.Generator().manual_seed(1)
    params = {name: value.double() for name, value in NETWORK.init_params(random).items()}
    params["head.weight"].normal_(generator=random)
    images = batch(SUPPORT, random).observations
    together = NETWORK(params, images)
    one_by_one = torch.stack([NETWORK(params, rows) for rows in images])
    torch.testing.assert_close(together, one_by_one)
