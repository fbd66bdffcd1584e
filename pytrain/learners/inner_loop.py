"""The inner loop: how a support set moves a task's parameters away from the initial ones.

There is only this one. Meta-training differentiates through it, validation runs it, and the export traces
`inner_step` into the graph that adapts in the engine; so training and play cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce

from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.learners.adapter import Adapter, InnerStep
from pytrain.learners.closed_form import ClosedForm
from pytrain.learners.gradient import AdamSteps, GradientSteps
from pytrain.learners.prototypes import PrototypeMeans
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.settings import InnerOptimiser

ADAPTERS: dict[InnerOptimiser, Adapter] = {
    "sgd": GradientSteps(),
    "adam": AdamSteps(),
    "prototypes": PrototypeMeans(),
    "posterior": ClosedForm("statistics"),
    "recall": ClosedForm("examples"),
}


def adapter_of(model: Model) -> Adapter:
    """The rule by which the model's own parameters follow from a support set."""
    return ADAPTERS[model.optimiser]


def start(model: Model, own: Params) -> tuple[Model, Params]:
    """The model, and what a player who has shown nothing has for their own; of what `split` gave."""
    return model, adapter_of(model).start(model, own)


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

    With `second_order` autograd can go back through a gradient step's own gradient.
    """
    return adapter_of(model).step(model, params, memory, support, inner_lr, step, second_order=second_order)


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
        yield adapter_of(model).finish(model, params)


def first_memory(model: Model, params: Params) -> Params:
    """What the rule of the inner loop remembers before the first step."""
    return adapter_of(model).first_memory(params)


def for_each_task(params: Params, tasks: int) -> Params:
    """Shared parameters with a leading task axis (a view: nothing is copied)."""
    return {name: param.expand(tasks, *param.shape) for name, param in params.items()}
