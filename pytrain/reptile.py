"""Reptile (Nichol, Achiam, Schulman 2018, "On First-Order Meta-Learning Algorithms", section 2,
batched): train on a task for a few steps, then move the initialisation towards where that led.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pytrain.inner_loop import adapt, for_each_task
from pytrain.models import Model, Params
from pytrain.tasks import Batch


def meta_gradient(
    model: Model, init_params: Params, minibatches: Sequence[Batch], inner_lr: float
) -> tuple[Params, Tensor]:
    """`init - mean(adapted)`, the gradient for a step of size meta_step_size, and the adapted loss.

    One inner step on each of `minibatches`, which are different examples of the same tasks: what their
    gradients have in common is what Reptile amplifies (section 5.1).
    """
    task_params = for_each_task(init_params, len(minibatches[0].weights))
    adapted_params = adapt(model, task_params, minibatches, inner_lr)
    towards = {name: init - adapted_params[name].mean(0) for name, init in init_params.items()}
    return towards, model.losses(adapted_params, minibatches[-1]).mean()
