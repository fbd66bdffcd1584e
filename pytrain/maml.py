"""MAML (Finn, Abbeel, Levine 2017, "Model-Agnostic Meta-Learning", algorithm 2): learn an initialisation from
which a few gradient steps on a task's support set lead to a low loss on its query set.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.inner_loop import adapt, differentiable, for_each_task, gradients_of
from pytrain.models import Model, Params
from pytrain.tasks import Tasks


def meta_gradient(model: Model, init_params: Params, tasks: Tasks, inner_lr: float) -> tuple[Params, Tensor]:
    """Gradient of the query loss after adaptation with respect to the initialisation, and that loss.

    Second order: the gradient flows back through the inner loop's own gradients.
    """
    init_params = differentiable(init_params)
    task_params = for_each_task(init_params, len(tasks.query.weights))
    adapted_params = adapt(model, task_params, tasks.supports, inner_lr, second_order=True)
    query_loss = model.losses(adapted_params, tasks.query).mean()
    return gradients_of(query_loss, init_params), query_loss.detach()
