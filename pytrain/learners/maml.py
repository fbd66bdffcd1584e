"""MAML (Finn, Abbeel, Levine 2017, "Model-Agnostic Meta-Learning", algorithm 2): learn an initialisation from
which a few gradient steps on a task's support set lead to a low loss on its query set.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.learners.inner_loop import for_each_task, trajectory
from pytrain.learners.kind import Kind
from pytrain.models.meta_params import split
from pytrain.models.model import Model
from pytrain.models.networks import Params


def meta_gradient(
    model: Model,
    meta_params: Params,
    tasks: Tasks,
    inner_lr: float,
    step_weights: Tensor | None = None,
    *,
    second_order: bool = True,
) -> tuple[Params, Tensor]:
    """Gradient of the query loss after adaptation with respect to the meta-parameters, and that loss.

    Second order: the gradient flows back through the inner loop's own gradients. With `step_weights`
    `(num_inner_steps,)` the loss after every step counts (MAML++, Antoniou et al. 2019, section 4.1).
    """
    meta_params = differentiable(meta_params)
    model, init_params = split(model, meta_params)
    params = for_each_task(init_params, len(tasks.query.weights))
    steps = [params, *trajectory(model, params, tasks.supports, inner_lr, second_order=second_order)]
    query_loss = model.losses(steps[-1], tasks.query).mean()
    loss = query_loss
    if step_weights is not None:
        earlier = (model.losses(params, tasks.query).mean() for params in steps[1:-1])
        losses = (*earlier, query_loss)
        loss = sum(weight * each for weight, each in zip(step_weights, losses, strict=True))
    return gradients_of(loss, meta_params), query_loss.detach()


KIND = Kind("maml", meta_gradient)
