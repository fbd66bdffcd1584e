"""First-order MAML (Finn, Abbeel, Levine 2017, section 5.2): MAML without the second derivatives.

The gradient of the query loss at the adapted parameters is taken for the gradient at the initialisation.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.inner_loop import adapt, differentiable, for_each_task, gradients_of
from pytrain.models import Model, Params
from pytrain.tasks import Tasks


def meta_gradient(model: Model, init_params: Params, tasks: Tasks, inner_lr: float) -> tuple[Params, Tensor]:
    """Mean over the tasks of the query loss's gradient at their adapted parameters, and that loss."""
    task_params = for_each_task(init_params, len(tasks.query.weights))
    adapted_params = differentiable(adapt(model, task_params, tasks.supports, inner_lr))
    query_loss = model.losses(adapted_params, tasks.query).mean()
    gradients = gradients_of(query_loss, adapted_params)
    return {name: gradient.sum(0) for name, gradient in gradients.items()}, query_loss.detach()
