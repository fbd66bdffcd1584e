"""The meta-learners by name: what each draws from the players, and which gradient it makes of it.

All share one outer loop (`train`): a meta-gradient, then a step of the outer optimiser. They differ in
nothing but what stands here and in their own files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import torch
from torch import Tensor

from pytrain import fomaml, maml, pooled, reptile
from pytrain.models import Model, Params
from pytrain.settings import Algorithm, MetaTraining
from pytrain.step_sizes import PREFIX
from pytrain.tasks import Tasks, TaskSampler

STEP_SIZES_LEARN_FASTER = 3.0  # they are logarithms: what counts is by how many times they change

MetaGradient = Callable[[Params], tuple[Params, Tensor]]
"""From the meta-parameters to their meta-gradient and the loss it was taken of."""


def meta_gradient_of(
    algorithm: Algorithm, model: Model, sampler: TaskSampler, settings: MetaTraining
) -> MetaGradient:
    """One meta step's gradient, on freshly drawn tasks at every call."""
    inner_lr = settings.inner_lr

    def draw_tasks() -> Tasks:
        tasks = sampler.tasks(
            settings.meta_batch_size,
            settings.support_size,
            settings.query_size,
            settings.num_inner_steps,
            settings.inner_batch_size,
        )
        return Tasks(tuple(map(model.prepared, tasks.supports)), model.prepared(tasks.query))

    def of_maml(meta_params: Params) -> tuple[Params, Tensor]:
        return maml.meta_gradient(model, meta_params, draw_tasks(), inner_lr)

    def of_fomaml(meta_params: Params) -> tuple[Params, Tensor]:
        return fomaml.meta_gradient(model, meta_params, draw_tasks(), inner_lr)

    def of_reptile(init_params: Params) -> tuple[Params, Tensor]:
        batches = sampler.minibatches(
            settings.meta_batch_size, settings.num_inner_steps, settings.inner_batch_size
        ).supports
        return reptile.meta_gradient(model, init_params, tuple(map(model.prepared, batches)), inner_lr)

    def of_pooled(params: Params) -> tuple[Params, Tensor]:
        (batch,) = sampler.minibatches(settings.meta_batch_size, 1, settings.query_size).supports
        return pooled.gradient(model, params, model.prepared(batch))

    match algorithm:
        case "maml":
            return of_maml
        case "fomaml":
            return of_fomaml
        case "reptile":
            return of_reptile
        case "pooled":
            return of_pooled
        case "scratch":
            raise ValueError("scratch has no meta-training: its initialisation stays random")
    assert_never(algorithm)


def outer_optimiser(
    algorithm: Algorithm, meta_params: Params, settings: MetaTraining
) -> torch.optim.Optimizer:
    """Adam for true gradients; for Reptile a plain step towards the adapted weights."""
    if algorithm == "reptile":
        return torch.optim.SGD(meta_params.values(), lr=settings.meta_step_size)
    step_sizes = [value for name, value in meta_params.items() if name.startswith(PREFIX)]
    weights = [value for name, value in meta_params.items() if not name.startswith(PREFIX)]
    groups = [{"params": weights, "lr": settings.meta_lr}]
    if step_sizes:
        groups.append({"params": step_sizes, "lr": STEP_SIZES_LEARN_FASTER * settings.meta_lr})
    return torch.optim.Adam(groups, fused=True)
