"""Bayesian linear regression on meta-learned features (ALPaCA, Harrison, Sharma, Pavone 2018, algorithm 1;
R2-D2, Bertinetto, Henriques, Torr, Vedaldi 2019).

Features, prior and noise are trained through the exact posterior, on supports of every length from nothing
up. The regression is of what the pooled model leaves, so that whoever has shown nothing has that model. It
has no step size and cannot diverge.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Batch, Spans, Tasks, TaskSampler
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.learners.inner_loop import for_each_task, start
from pytrain.learners.kind import Kind
from pytrain.learners.posterior import Posterior, network_of
from pytrain.models.bayesian import OWN
from pytrain.models.meta_params import split
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params
from pytrain.settings import MetaTraining

ADAPTER = Posterior()
SURPRISE_COUNTS = 0.1  # beside the loss: enough to learn the noise, and too little to spoil the mean


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    del network
    return OWN


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Gradient of the query's loss and likelihood given each cut's posterior, and the loss."""
    del inner_lr, step_weights  # there is one step, and it has no size
    meta_params = differentiable(meta_params)
    model, params = start(*split(model, meta_params))
    network, shared = network_of(model), model.shared
    after, query, features, answer = _known_at_each_cut(model, params, tasks)
    outputs = network.outputs_of(shared | after, features, answer)
    loss = objective = model.losses_of(outputs, query).mean()
    if model.has_deviations:
        deviations = network.deviations_of(shared | after, features)
        objective = loss + SURPRISE_COUNTS * model.surprises_of(outputs, deviations, query).mean()
    return gradients_of(objective, meta_params), loss.detach()


def _known_at_each_cut(model: Model, params: Params, tasks: Tasks) -> tuple[Params, Batch, Tensor, Tensor]:
    """Each cut as a task of its own: the parameters after it, and the query with its features and answers.

    What is seen at a moment is encoded once, for all cuts of its stretch.
    """
    network, (support,), spans = network_of(model), tasks.supports, tasks.spans
    spans = spans or Spans.of_all(support)
    features, answer = network.regressed(model.shared, support.observations)
    residual = network.residual(support.targets, answer)
    weights = spans.weights(support.weights).flatten(0, 1)
    features, residual = (each.repeat_interleave(spans.groups, 0) for each in (features, residual))
    before = for_each_task(params, len(weights))
    after = ADAPTER.finish(ADAPTER.absorbed(model, before, features, residual, weights))

    def of_each_cut(column: Tensor) -> Tensor:
        return column.reshape(len(weights), -1, *column.shape[2:])

    query = Batch(*map(of_each_cut, vars(tasks.query).values()))
    asked, answer = network.regressed(model.shared, tasks.query.observations)
    return after, query, of_each_cut(asked), of_each_cut(answer)


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Stretches of play, cut where the player has shown anything between nothing and all of it."""
    return sampler.tracks(chosen.meta_batch_size, chosen.support_size, chosen.cuts, chosen.query_size)


KIND = Kind("bayes", meta_gradient, own, draw=draw, optimisers=("posterior",), head="bayesian")
