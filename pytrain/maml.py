"""MAML (Finn, Abbeel, Levine 2017, "Model-Agnostic Meta-Learning", algorithm 2): learn an initialisation from
which a few gradient steps on a task's support set lead to a low loss on its query set.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.inner_loop import adapt, differentiable, for_each_task, gradients_of
from pytrain.models import Model, Params
from pytrain.step_sizes import split
from pytrain.tasks import Tasks


def meta_gradient(model: Model, meta_params: Params, tasks: Tasks, inner_lr: float) -> tuple[Params, Tensor]:
    """Gradient of the query loss after adaptation with respect to the meta-parameters, and that loss.

    Second order: the gradient flows back through the inner loop's own gradients.
    """
    meta_params = differentiable(meta_params)
    model, init_params = split(model, meta_params)
    task_params = for_each_task(init_params, len(tasks.query.weights))
    adapted_params = adapt(model, task_params, tasks.supports, inner_lr, second_order=True)
    query_loss = model.losses(adapted_params, tasks.query).mean()
    return gradients_of(query_loss, meta_params), query_loss.detach()
