"""The inner loop: how a support set moves a task's parameters away from the initial ones.

There is only this one. Meta-training differentiates through it, validation runs it, and the export traces
`inner_step` into the graph that adapts in the engine; so training and play cannot drift apart.

All tasks of a meta-batch move at once: every adapted parameter has a leading task axis, and because a task's
loss depends on its own slice only, the gradient of the summed losses is each task's own gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.models.model import Model
from pytrain.models.networks import PRIOR_STRENGTH, PROTOTYPES, Params

SQUARES_DECAY = 0.999  # Adam's beta2
SMALLEST_ROOT = 1e-7  # Adam's epsilon; the usual 1e-8 is a zero to torch's exporter, which leaves it out


class InnerStep(NamedTuple):
    """Parameters after one step, what the optimiser remembers, and each task's loss before it `(tasks,)`."""

    params: Params
    memory: Params
    losses: Tensor


def inner_step(
    model: Model,
    params: Params,
    memory: Params,
    support: Batch,
    inner_lr: float | Tensor,
    step: int | Tensor,
    *,
    second_order: bool = False,
) -> InnerStep:
    """Step number `step` (from 0) in every task; parameters `(tasks, *shape)`, a prepared support set.

    With `second_order` autograd can go back through the step; otherwise the step's own gradients count as
    constants, and it only leads back to parameters (and rates) that themselves require a gradient.
    """
    if model.optimiser == "prototypes":
        losses = model.losses(params, support).detach()
        return InnerStep(_prototypes(model, params, support), {}, losses)
    start = params if second_order else differentiable(params)
    losses = model.losses(start, support)
    gradients = gradients_of(losses.sum(), start, second_order=second_order)
    if model.optimiser == "adam":
        gradients, memory = _scaled(gradients, memory, step)
    rates = _rates(model, params, inner_lr, step)
    stepped = {name: param - rates[name] * gradients[name] for name, param in params.items()}
    return InnerStep(stepped, memory, losses.detach())


def adapt(
    model: Model,
    params: Params,
    supports: Iterable[Batch],
    inner_lr: float | Tensor,
    *,
    second_order: bool = False,
) -> Params:
    """Adapted parameters `(tasks, *shape)`: one step on each of `supports`, in order.

    Pass `itertools.repeat(support, num_inner_steps)` to take every step on the whole support set.
    """
    steps = trajectory(model, params, supports, inner_lr, second_order=second_order)
    return reduce(lambda _, after: after, steps, params)


def trajectory(
    model: Model,
    params: Params,
    supports: Iterable[Batch],
    inner_lr: float | Tensor,
    *,
    second_order: bool = False,
) -> Iterator[Params]:
    """The parameters after each step of `adapt`."""
    memory = first_memory(model, params)
    for step, support in enumerate(supports):
        params, memory, _ = inner_step(
            model, params, memory, support, inner_lr, step, second_order=second_order
        )
        yield params


def first_memory(model: Model, params: Params) -> Params:
    """What the optimiser of the inner loop remembers before the first step."""
    if model.optimiser != "adam":
        return {}
    return {name: torch.zeros_like(param) for name, param in params.items()}


def for_each_task(params: Params, tasks: int) -> Params:
    """Shared parameters with a leading task axis (a view: nothing is copied)."""
    return {name: param.expand(tasks, *param.shape) for name, param in params.items()}


def differentiable(params: Params) -> Params:
    """The same values as a fresh start for autograd."""
    return {name: param.detach().requires_grad_() for name, param in params.items()}


def gradients_of(loss: Tensor, params: Params, *, second_order: bool = False) -> Params:
    """Gradient of a scalar loss with respect to each parameter; zero where the loss does not depend on it.

    Plain autograd: with networks this small torch.func.grad spends as long on bookkeeping as on the products
    (MAML, 8 tasks, 8 steps on 64 examples: 1.7 times as long).
    """
    gradients = torch.autograd.grad(
        loss, tuple(params.values()), create_graph=second_order, allow_unused=True, materialize_grads=True
    )
    return dict(zip(params, gradients, strict=True))


def _rates(
    model: Model, params: Params, inner_lr: float | Tensor, step: int | Tensor
) -> dict[str, float | Tensor]:
    """The step size of each parameter: inner_lr, times its learned factors."""
    if model.rates is None:
        return dict.fromkeys(params, inner_lr)
    if not model.rates_per_step:
        return {name: inner_lr * rate for name, rate in model.rates.items()}
    rates: dict[str, float | Tensor] = {}
    for name, rate in model.rates.items():
        # The last is for all steps beyond those that were trained.
        at = torch.as_tensor(step, device=rate.device).clamp(max=len(rate) - 1)
        rates[name] = inner_lr * rate.index_select(0, at.reshape(1)).reshape(())
    return rates


def _scaled(gradients: Params, squares: Params, step: int | Tensor) -> tuple[Params, Params]:
    """Adam's direction without momentum (beta1 = 0, as in Reptile), and its running mean of squares."""
    squares = {
        name: SQUARES_DECAY * squares[name] + (1 - SQUARES_DECAY) * gradient.square()
        for name, gradient in gradients.items()
    }
    seen = 1 - SQUARES_DECAY ** (step + 1)
    scaled = {
        name: gradient / ((squares[name] / seen).sqrt() + SMALLEST_ROOT)
        for name, gradient in gradients.items()
    }
    return scaled, squares


def _prototypes(model: Model, params: Params, support: Batch) -> Params:
    """Each class's mean feature on the support set (Snell et al. 2017, equation 1).

    The prototype from before counts like exp(prior_strength) examples, so that a class that the player has
    not shown yet keeps the one of all players.
    """
    everything = model.shared | params
    features = model.network.features(everything, support.observations)
    of_class = support.targets * support.weights.unsqueeze(-1)  # (tasks, support, classes)
    strength = everything[PRIOR_STRENGTH].exp()
    sums = of_class.mT @ features + strength * params[PROTOTYPES]
    counts = of_class.sum(-2).unsqueeze(-1) + strength
    return {PROTOTYPES: sums / counts}
