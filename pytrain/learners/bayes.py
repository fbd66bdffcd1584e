"""Bayesian linear regression on meta-learned features (ALPaCA, Harrison, Sharma, Pavone 2018, algorithm 1;
R2-D2, Bertinetto, Henriques, Torr, Vedaldi 2019).

Features, prior and noise are trained through the exact posterior, on supports of every length from nothing
up, so that the prior alone is as good a model as the pooled one. It has no step size and cannot diverge.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks, TaskSampler
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.learners.inner_loop import adapt, for_each_task, start
from pytrain.learners.kind import Kind
from pytrain.models.bayesian import OWN
from pytrain.models.meta_params import split
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params
from pytrain.settings import MetaTraining


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    del network
    return OWN


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Gradient of the query's loss and likelihood given the support set's posterior, and the loss."""
    del step_weights  # there is one step
    meta_params = differentiable(meta_params)
    model, params = start(*split(model, meta_params))
    params = for_each_task(params, len(tasks.query.weights))
    params = adapt(model, params, tasks.supports, inner_lr)
    loss = model.losses(params, tasks.query).mean()
    surprise = model.surprises(params, tasks.query).mean()
    return gradients_of(loss + surprise, meta_params), loss.detach()


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Players who have shown anything between nothing and all that a support set holds."""
    return sampler.whole_tasks(
        chosen.meta_batch_size, chosen.support_size, chosen.query_size, from_nothing=True
    )


KIND = Kind("bayes", meta_gradient, own, draw=draw, optimisers=("posterior",), head="bayesian")
