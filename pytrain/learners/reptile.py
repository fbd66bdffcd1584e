"""Reptile (Nichol, Achiam, Schulman 2018, "On First-Order Meta-Learning Algorithms", algorithms 1 and 2):
train on a task for a few steps, then move the initialisation towards where that led.

Serial with a meta_batch_size of 1, batched with more.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks, TaskSampler
from pytrain.errors import PytrainError
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.kind import Kind
from pytrain.models.meta_params import split
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.settings import MetaTraining


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """`init - mean(adapted)`, the gradient for a step of size meta_step_size, and the adapted loss.

    One inner step on each of `tasks.supports`, which are different examples of the same tasks: what their
    gradients have in common is what Reptile amplifies (section 5.1).
    """
    del step_weights  # Reptile has no query loss
    model, init_params = split(model, meta_params)
    task_params = for_each_task(init_params, len(tasks.query.weights))
    adapted_params = adapt(model, task_params, tasks.supports, inner_lr)
    towards = {name: init - adapted_params[name].mean(0) for name, init in init_params.items()}
    return towards, model.losses(adapted_params, tasks.query).mean()


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Examples of the same players for each inner step, whenever they were observed."""
    return sampler.minibatches(chosen.meta_batch_size, chosen.num_inner_steps, chosen.inner_batch_size)


def check(chosen: MetaTraining) -> None:
    """Without an inner step it learns nothing."""
    if chosen.num_inner_steps == 0:
        raise PytrainError(
            "reptile learns from where its inner steps lead, but takes 0 of them: raise --num-inner-steps "
            f"and --support-size ({chosen.support_size}), or use pooled"
        )


KIND = Kind(
    "reptile",
    meta_gradient,
    draw=draw,
    optimisers=("sgd", "adam"),
    first_order=True,
    has_query_loss=False,
    outer="meta_step_size",
    check=check,
)
