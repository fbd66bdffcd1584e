"""Every learner's meta-gradient equals a plain loop over tasks, written with autograd alone, in float64."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch
from torch import Tensor

from adaptive_agents.spec import Target, TargetKind
from pytrain import fomaml, maml, pooled, reptile
from pytrain.inner_loop import adapt, for_each_task
from pytrain.models import MLP, Model, Normalisation, Params
from pytrain.settings import Activation
from pytrain.step_sizes import PREFIX
from pytrain.tasks import Batch, Tasks

TASKS, SUPPORT, QUERY, FEATURES, OUTPUTS = 4, 7, 5, 3, 2
INNER_LR, STEPS = 0.3, 3

PLAIN_ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "elu": torch.nn.functional.elu}


def make_model(kind: TargetKind, activation: Activation) -> tuple[Model, Params]:
    random = torch.Generator().manual_seed(0)
    nothing = Normalisation(torch.zeros(FEATURES), torch.ones(FEATURES), torch.zeros(1), torch.ones(1))
    network = MLP(FEATURES, (8, 6), OUTPUTS, activation)
    model = Model(network, Target(kind, "y", OUTPUTS), nothing)
    return model, {name: param.double() for name, param in network.init_params(random).items()}


def make_batch(kind: TargetKind, examples: int, seed: int) -> Batch:
    """A prepared batch with padding, and with weights other than 1."""
    random = torch.Generator().manual_seed(seed)
    targets = torch.randn(TASKS, examples, OUTPUTS, generator=random, dtype=torch.float64)
    if kind == "category":
        targets = torch.nn.functional.one_hot(targets.argmax(-1), OUTPUTS).double()
    weights = torch.rand(TASKS, examples, generator=random, dtype=torch.float64)
    weights[:, 0] = 0
    observations = torch.randn(TASKS, examples, FEATURES, generator=random, dtype=torch.float64)
    return Batch(observations, targets, weights)


def make_batches(kind: TargetKind) -> tuple[Batch, ...]:
    """Different examples for each inner step."""
    return tuple(make_batch(kind, SUPPORT, seed) for seed in range(10, 10 + STEPS))


def plain_loss(params: Params, batch: Batch, task: int, kind: TargetKind, activation: Activation) -> Tensor:
    """The loss of one task, example by example."""
    total = torch.zeros((), dtype=torch.float64)
    for row in range(batch.weights.shape[1]):
        values = batch.observations[task, row]
        for layer in (1, 2, 3):
            values = values @ params[f"layer{layer}.weight"] + params[f"layer{layer}.bias"]
            if layer < 3:
                values = PLAIN_ACTIVATIONS[activation](values)
        if kind == "category":
            loss = torch.nn.functional.cross_entropy(values, batch.targets[task, row].argmax())
        else:
            loss = torch.sqrt(0.3**2 + ((values - batch.targets[task, row]) ** 2).sum()) - 0.3
        total = total + batch.weights[task, row] * loss
    return total / batch.weights[task].sum()


def plain_adapt(
    params: Params,
    batches,
    task: int,
    kind: TargetKind,
    activation: Activation,
    create_graph,
    step_sizes=None,
):
    """The inner loop on one task."""
    for batch in batches:
        loss = plain_loss(params, batch, task, kind, activation)
        gradients = torch.autograd.grad(loss, list(params.values()), create_graph=create_graph)
        params = {
            name: param - INNER_LR * (1 if step_sizes is None else step_sizes[name]) * gradient
            for (name, param), gradient in zip(params.items(), gradients, strict=True)
        }
    return params


def require_grad(params: Params) -> Params:
    return {name: param.detach().clone().requires_grad_() for name, param in params.items()}


def assert_equal(found: Params, expected: Params) -> None:
    for name, value in expected.items():
        assert (found[name] - value).abs().max() < 1e-10, name
        assert value.abs().max() > 1e-6, f"{name}: a gradient of zero would prove nothing"


cases = pytest.mark.parametrize(
    ("kind", "activation"), [("vector", "tanh"), ("vector", "relu"), ("vector", "elu"), ("category", "tanh")]
)


@cases
def test_the_inner_loop_takes_the_steps_of_a_plain_loop(kind, activation):
    model, init_params = make_model(kind, activation)
    support = make_batch(kind, SUPPORT, 1)
    adapted = adapt(model, for_each_task(init_params, TASKS), repeat(support, STEPS), INNER_LR)
    for task in range(TASKS):
        plain = plain_adapt(require_grad(init_params), [support] * STEPS, task, kind, activation, False)
        for name, value in plain.items():
            assert (adapted[name][task] - value).abs().max() < 1e-10


@cases
def test_maml_differentiates_through_the_inner_loop(kind, activation):
    model, init_params = make_model(kind, activation)
    tasks = Tasks(make_batches(kind), make_batch(kind, QUERY, 2))
    gradient, loss = maml.meta_gradient(model, init_params, tasks, INNER_LR)
    start = require_grad(init_params)
    losses = []
    for task in range(TASKS):
        adapted = plain_adapt(start, tasks.supports, task, kind, activation, True)
        losses.append(plain_loss(adapted, tasks.query, task, kind, activation))
    expected_loss = torch.stack(losses).mean()
    expected = torch.autograd.grad(expected_loss, list(start.values()))
    assert abs(loss - expected_loss) < 1e-10
    assert_equal(gradient, dict(zip(start, expected, strict=True)))


@cases
def test_first_order_maml_takes_the_gradient_at_the_adapted_parameters(kind, activation):
    model, init_params = make_model(kind, activation)
    tasks = Tasks(make_batches(kind), make_batch(kind, QUERY, 2))
    gradient, _ = fomaml.meta_gradient(model, init_params, tasks, INNER_LR)
    expected = {name: torch.zeros_like(param) for name, param in init_params.items()}
    for task in range(TASKS):
        adapted = plain_adapt(require_grad(init_params), tasks.supports, task, kind, activation, False)
        adapted = require_grad(adapted)
        loss = plain_loss(adapted, tasks.query, task, kind, activation)
        gradients = torch.autograd.grad(loss, list(adapted.values()))
        for name, value in zip(adapted, gradients, strict=True):
            expected[name] += value / TASKS
    assert_equal(gradient, expected)


def uneven_step_sizes(init_params: Params) -> Params:
    """Logarithms that differ from weight to weight."""
    random = torch.Generator().manual_seed(3)
    return {
        name: 0.5 * torch.randn(value.shape, generator=random, dtype=torch.float64)
        for name, value in init_params.items()
    }


def test_maml_differentiates_through_the_steps_to_their_sizes():
    model, init_params = make_model("vector", "tanh")
    tasks = Tasks(make_batches("vector"), make_batch("vector", QUERY, 2))
    logs = uneven_step_sizes(init_params)
    meta_params = init_params | {PREFIX + name: value for name, value in logs.items()}
    gradient, _ = maml.meta_gradient(model, meta_params, tasks, INNER_LR)
    start, logs = require_grad(init_params), require_grad(logs)
    step_sizes = {name: value.exp() for name, value in logs.items()}
    loss = sum(
        plain_loss(
            plain_adapt(start, tasks.supports, task, "vector", "tanh", True, step_sizes),
            tasks.query,
            task,
            "vector",
            "tanh",
        )
        for task in range(TASKS)
    )
    inputs = start | {PREFIX + name: value for name, value in logs.items()}
    expected = torch.autograd.grad(loss / TASKS, list(inputs.values()))
    assert_equal(gradient, dict(zip(inputs, expected, strict=True)))


def test_first_order_maml_counts_inner_gradients_as_constants_for_step_sizes_too():
    model, init_params = make_model("vector", "tanh")
    tasks = Tasks(make_batches("vector"), make_batch("vector", QUERY, 2))
    logs = uneven_step_sizes(init_params)
    meta_params = init_params | {PREFIX + name: value for name, value in logs.items()}
    gradient, _ = fomaml.meta_gradient(model, meta_params, tasks, INNER_LR)
    start, logs = require_grad(init_params), require_grad(logs)
    loss = torch.zeros((), dtype=torch.float64)
    for task in range(TASKS):
        params = start
        for batch in tasks.supports:
            at = plain_loss(params, batch, task, "vector", "tanh")
            constants = torch.autograd.grad(at, list(params.values()), retain_graph=True)
            params = {
                name: param - INNER_LR * logs[name].exp() * constant
                for (name, param), constant in zip(params.items(), constants, strict=True)
            }
        loss = loss + plain_loss(params, tasks.query, task, "vector", "tanh")
    inputs = start | {PREFIX + name: value for name, value in logs.items()}
    expected = torch.autograd.grad(loss / TASKS, list(inputs.values()))
    assert_equal(gradient, dict(zip(inputs, expected, strict=True)))


def test_first_and_second_order_differ():
    model, init_params = make_model("vector", "tanh")
    tasks = Tasks(make_batches("vector"), make_batch("vector", QUERY, 2))
    second, _ = maml.meta_gradient(model, init_params, tasks, INNER_LR)
    first, _ = fomaml.meta_gradient(model, init_params, tasks, INNER_LR)
    assert (first["layer1.weight"] - second["layer1.weight"]).abs().max() > 1e-3


@cases
def test_reptile_points_from_the_initialisation_to_the_mean_of_the_adapted_parameters(kind, activation):
    model, init_params = make_model(kind, activation)
    minibatches = make_batches(kind)
    gradient, _ = reptile.meta_gradient(model, init_params, minibatches, INNER_LR)
    expected = {name: param.clone() for name, param in init_params.items()}
    for task in range(TASKS):
        adapted = plain_adapt(require_grad(init_params), minibatches, task, kind, activation, False)
        for name, value in adapted.items():
            expected[name] -= value.detach() / TASKS
    assert_equal(gradient, expected)


@cases
def test_pooled_training_takes_all_players_for_one(kind, activation):
    model, params = make_model(kind, activation)
    batch = make_batch(kind, QUERY, 2)
    gradient, loss = pooled.gradient(model, params, batch)
    start = require_grad(params)
    weight = batch.weights.sum(1) / batch.weights.sum()
    expected_loss = sum(
        weight[task] * plain_loss(start, batch, task, kind, activation) for task in range(TASKS)
    )
    expected = torch.autograd.grad(expected_loss, list(start.values()))
    assert abs(loss - expected_loss) < 1e-10
    assert_equal(gradient, dict(zip(start, expected, strict=True)))


def test_a_task_without_examples_stays_at_the_initialisation():
    model, init_params = make_model("vector", "tanh")
    support = make_batch("vector", SUPPORT, 1)
    support.weights[2] = 0
    adapted = adapt(model, for_each_task(init_params, TASKS), repeat(support, STEPS), INNER_LR)
    assert torch.equal(adapted["layer1.weight"][2], init_params["layer1.weight"])
    assert not torch.equal(adapted["layer1.weight"][1], init_params["layer1.weight"])


def test_padding_changes_nothing():
    model, init_params = make_model("vector", "tanh")
    support = make_batch("vector", SUPPORT, 1)  # its first row has weight 0
    without = Batch(support.observations[:, 1:], support.targets[:, 1:], support.weights[:, 1:])
    start = for_each_task(init_params, TASKS)
    padded, plain = (adapt(model, start, [batch], INNER_LR) for batch in (support, without))
    for name, value in plain.items():
        assert (padded[name] - value).abs().max() < 1e-12
