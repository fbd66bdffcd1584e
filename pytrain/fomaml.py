"""First-order MAML (Finn, Abbeel, Levine 2017, section 5.2): MAML without the second derivatives.

The gradient of the query loss at the adapted parameters is taken for the gradient at the initialisation.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.inner_loop import adapt, differentiable, for_each_task, gradients_of
from pytrain.models import Model, Params
from pytrain.step_sizes import PREFIX, split
from pytrain.tasks import Tasks


def meta_gradient(model: Model, meta_params: Params, tasks: Tasks, inner_lr: float) -> tuple[Params, Tensor]:
    """Mean over the tasks of the query loss's gradient at their adapted parameters, and that loss.

    Where step sizes are learned too, their gradient counts the inner gradients as constants.
    """
    model, init_params = split(model, meta_params)
    task_params = for_each_task(init_params, len(tasks.query.weights))
    adapted_params = differentiable(adapt(model, task_params, tasks.supports, inner_lr))
    query_loss = model.losses(adapted_params, tasks.query).mean()
    gradients = gradients_of(query_loss, adapted_params)
    meta_gradients = {name: gradient.sum(0) for name, gradient in gradients.items()}
    if model.step_sizes is not None:
        # With the inner gradients taken as constants, adapted - init is proportional to the step size.
        for name, init in init_params.items():
            moved = adapted_params[name].detach() - init
            meta_gradients[PREFIX + name] = (gradients[name] * moved).sum(0)
    return meta_gradients, query_loss.detach()
