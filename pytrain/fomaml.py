"""First-order MAML (Finn, Abbeel, Levine 2017, section 5.2): MAML without the second derivatives.

The gradient of the query loss at the adapted parameters is taken for the gradient at the initialisation.
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
    """Mean over the tasks of the query loss's gradient at their adapted parameters, and that loss."""
    meta_batch_size = len(tasks.query.weights)
    task_params = for_each_task(init_params, meta_batch_size)
    adapted_params = adapt(model, task_params, repeat(tasks.support, num_inner_steps), inner_lr)

    def query_loss(adapted_params: Params) -> Tensor:
        return model.losses(adapted_params, tasks.query).mean()

    gradients, loss = torch.func.grad_and_value(query_loss)(adapted_params)
    return {name: gradient.sum(0) for name, gradient in gradients.items()}, loss
