"""The models and the inner loop once more, as plainly as they can be written: one task, one example at a
time.

What `pytrain` computes for whole meta-batches at once is compared with this, in float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.models.model import Model
from pytrain.models.networks import GRU, MLP, Params

ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "elu": torch.nn.functional.elu}


def network(of: MLP | GRU, params: Params, rows: Tensor) -> Tensor:
    """Outputs `(rows, outputs)` of one task; only batch normalisation looks at the rows together."""
    if isinstance(of, GRU):
        return network(of.top, params, torch.stack([last_state(of, params, row) for row in rows]))
    layers = len(of.hidden_sizes)
    if "context" in params:
        rows = torch.cat([rows, params["context"].expand(len(rows), -1)], dim=1)
    for layer in range(1, layers + 1):
        weight = params[f"layer{layer}.weight"]
        if layer == 1 and "context" in params:
            weight = torch.cat([weight, params["context.weight"]])
        rows = rows @ weight + params[f"layer{layer}.bias"]
        if of.norm == "layer":
            rows = torch.nn.functional.layer_norm(rows, rows.shape[1:])
        if of.norm == "batch":
            rows = torch.nn.functional.batch_norm(rows, None, None, training=True)
        if of.norm != "none":
            rows = rows * params[f"norm{layer}.gain"] + params[f"norm{layer}.bias"]
        if layer < layers or of.head_kind == "linear":
            rows = ACTIVATIONS[of.activation](rows)
    if of.head_kind == "prototypes":
        distances = (rows[:, None] - params["prototypes"][None]).square().sum(-1)
        return -distances
    return rows @ params[f"layer{layers + 1}.weight"] + params[f"layer{layers + 1}.bias"]


def last_state(of: GRU, params: Params, window: Tensor) -> Tensor:
    """torch's own GRU cell on one window. It orders its gates reset, update, candidate."""
    size = of.recurrent_size
    order = torch.cat([torch.arange(size, 2 * size), torch.arange(size), torch.arange(2 * size, 3 * size)])
    state = torch.zeros(size, dtype=window.dtype)
    for observation in window.split(of.slot_size):
        gates = [params[f"gru.{name}.weight"].t()[order] for name in ("input", "recurrent")]
        biases = [params[f"gru.{name}.bias"][order] for name in ("input", "recurrent")]
        state = torch.gru_cell(observation[None], state[None], *gates, *biases)[0]
    return state


def loss(model: Model, params: Params, batch: Batch, task: int) -> Tensor:
    """The loss of one task, example by example."""
    outputs = network(model.network, params, batch.observations[task])
    total = torch.zeros((), dtype=torch.float64)
    for values, target, weight in zip(outputs, batch.targets[task], batch.weights[task], strict=True):
        if model.target.kind == "category":
            each = torch.nn.functional.cross_entropy(values, target.argmax())
        elif model.loss == "squared":
            each = ((values - target) ** 2).sum()
        else:
            each = torch.sqrt(0.3**2 + ((values - target) ** 2).sum()) - 0.3
        total = total + weight * each
    return total / batch.weights[task].sum()


def adapted(
    model: Model, params: Params, supports, task: int, inner_lr: float, *, rates=None, second_order=False
) -> list[Params]:
    """Parameters of one task after each step of its inner loop; first order counts inner gradients as
    constants.

    `params` are all of the network's; only those that the model adapts move.
    """
    moving = [name for name in params if not model.adapts or name in model.adapts]
    squares = {name: torch.zeros_like(params[name]) for name in moving}
    steps = []
    for step, support in enumerate(supports):
        if model.optimiser == "prototypes":
            params = params | {"prototypes": prototypes(model, params, support, task)}
            steps.append(params)
            continue
        here = loss(model, params, support, task)
        gradients = torch.autograd.grad(
            here, [params[name] for name in moving], create_graph=second_order, retain_graph=True
        )
        moved = {}
        for name, gradient in zip(moving, gradients, strict=True):
            if model.optimiser == "adam":
                squares[name] = 0.999 * squares[name] + 0.001 * gradient**2
                gradient = gradient / ((squares[name] / (1 - 0.999 ** (step + 1))).sqrt() + 1e-7)
            rate = 1 if rates is None else rates[name]
            if model.rates_per_step:
                rate = rate[min(step, len(rate) - 1)]
            moved[name] = params[name] - inner_lr * rate * gradient
        params = params | moved
        steps.append(params)
    return steps


def prototypes(model: Model, params: Params, support: Batch, task: int) -> Tensor:
    """Weighted mean feature of each class; the prototype from before counts like some examples."""
    # Distances to zero and to the unit vectors give back the features themselves.
    size = params["prototypes"].shape[1]
    units = torch.cat([torch.zeros(1, size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)])
    distances = -network(model.network, params | {"prototypes": units}, support.observations[task])
    features = (distances[:, :1] + 1 - distances[:, 1:]) / 2
    means = []
    for kind in range(params["prototypes"].shape[0]):
        strength = params["prior_strength"].exp()
        total, count = strength * params["prototypes"][kind], strength
        for row, feature in enumerate(features):
            weight = support.weights[task, row] * support.targets[task, row, kind]
            total, count = total + weight * feature, count + weight
        means.append(total / count)
    return torch.stack(means)
