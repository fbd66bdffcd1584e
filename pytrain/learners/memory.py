"""A look-up in the player's own newest examples (attentive neural processes, Kim, Mnih, Schwarz et al. 2019).

Trained like `bayes`: on stretches of play that are cut many times, and as a residual on the pooled model, so
that whoever has shown nothing has that model. Adapting is keeping: nothing is fitted, nothing can diverge.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Spans, Tasks, TaskSampler
from pytrain.learners.bayes import SURPRISE_COUNTS
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.learners.kind import Kind
from pytrain.learners.recall import memory_of
from pytrain.models.memory import OWN
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
    """Gradient of the query's loss and likelihood given what was kept by each cut, and the loss."""
    del inner_lr, step_weights  # there is one step, and it has no size
    meta_params = differentiable(meta_params)
    model, _ = split(model, meta_params)
    network, query, (support,), spans = memory_of(model), tasks.query, tasks.supports, tasks.spans
    spans = spans or Spans.of_all(support)
    counted = spans.weights(support.weights).repeat_interleave(query.weights.shape[1] // spans.groups, 1)
    columns = (support.observations, support.targets, counted.mT)
    observations, targets, counted = (column[:, :: network.every] for column in columns)
    seen = network.seen(model.shared, observations)
    kept = network.kept(model.shared, seen, targets, counted.mT)
    asked = network.seen(model.shared, query.observations)
    outputs, deviations = network.outputs_of(model.shared, asked, kept)
    loss = objective = model.losses_of(outputs, query).mean()
    if model.has_deviations:
        objective = loss + SURPRISE_COUNTS * model.surprises_of(outputs, deviations, query).mean()
    return gradients_of(objective, meta_params), loss.detach()


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Stretches of play, cut where the player has shown anything between nothing and all of it."""
    return sampler.tracks(chosen.meta_batch_size, chosen.support_size, chosen.cuts, chosen.query_size)


KIND = Kind("memory", meta_gradient, own, draw=draw, optimisers=("recall",), head="memory")
