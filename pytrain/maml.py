"""MAML (Finn, Abbeel, Levine 2017, "Model-Agnostic Meta-Learning", algorithm 2): learn an initialisation from
which a few gradient steps on a task's support set lead to a low loss on its query set.
"""

from __future__ import annotations

from itertools import repeat

import torch
from torch import Tensor

from pytrain.inner_loop import adapt, for_each_task
from pytrain.models import Model, Params
from pytrain.tasks import Tasks


def meta_gradient(
    model: Model, init_params: Params, tasks: Tasks, inner_lr: float, num_inner_steps: int
) -> tuple[Params, Tensor]:
    """Gradient of the query loss after adaptation with respect to the initialisation, and that loss.

    Second order: the gradient flows back through the inner loop's own gradients.
    """
    meta_batch_size = len(tasks.query.weights)

    def query_loss(init_params: Params) -> Tensor:
        task_params = for_each_task(init_params, meta_batch_size)
        adapted_params = adapt(model, task_params, repeat(tasks.support, num_inner_steps), inner_lr)
        return model.losses(adapted_params, tasks.query).mean()

    return torch.func.grad_and_value(query_loss)(init_params)
