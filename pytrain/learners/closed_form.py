"""What `bayes` and `memory` share of learning: the adapter that computes, and the meta-gradient through it.

Nothing is fitted step by step: a player's own follow from what they showed in one go, without a step size,
and cannot diverge. Both are trained on stretches of play that are cut many times; each cut is a task of its
own, which knows anything between nothing and all that was shown by then.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pytrain.data.tasks import Batch, Spans, Tasks, TaskSampler
from pytrain.errors import PytrainError
from pytrain.learners.adapter import Consolidation, InnerStep
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.models.meta_params import split
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params
from pytrain.models.on_pooled import OnPooled, Seen
from pytrain.settings import MetaTraining

SURPRISE_COUNTS = 0.1  # beside the loss: enough to learn the noise, and too little to spoil the mean
ALL_EXAMPLES = 1024


@dataclass(frozen=True)
class ClosedForm:
    """The network says what is a player's own, and how examples change it."""

    consolidation: Consolidation
    most_steps: int = 1

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """As many as a memory holds; statistics hold any number."""
        network = network_of(model)
        return (getattr(network, "size", ALL_EXAMPLES) * network.every,)

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """It has no step size."""
        del model
        return (1.0,)

    def start(self, model: Model, own: Params) -> Params:
        """What the shared parameters make of nothing."""
        del own
        return network_of(model).start(model.shared)

    def first_memory(self, params: Params) -> Params:
        """Nothing."""
        del params
        return {}

    def step(
        self,
        model: Model,
        params: Params,
        memory: Params,
        support: Batch,
        inner_lr: float | Tensor,
        step: int | Tensor,
        *,
        second_order: bool,
    ) -> InnerStep:
        """Absorbs the support set, oldest example first; the loss is that of before."""
        del inner_lr, step, second_order
        network, everything = network_of(model), model.shared | params
        losses = model.losses(params, support).detach()
        some = Batch(*(column[:, :: network.every] for column in vars(support).values()))
        seen = network.seen(everything, some.observations)
        told = network.told(everything, seen, some.targets)
        return InnerStep(params | network.absorbed(everything, told, some.weights), memory, losses)

    def finish(self, model: Model, params: Params) -> Params:
        """What follows from the sums."""
        return params | network_of(model).solved(params)


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Gradient of the query's loss and likelihood given what was absorbed by each cut, and the loss.

    What is seen at a moment is encoded once, for all cuts of its stretch.
    """
    del inner_lr, step_weights  # there is one step, and it has no size
    meta_params = differentiable(meta_params)
    model, _ = split(model, meta_params)
    network, shared, (support,) = network_of(model), model.shared, tasks.supports
    spans = tasks.spans or Spans.of_all(support)
    observations, targets = (each[:, :: network.every] for each in (support.observations, support.targets))
    weights = spans.weights(support.weights)[..., :: network.every].flatten(0, 1)
    cuts = len(weights)

    def for_each_cut(of_stretch: Tensor) -> Tensor:
        return of_stretch.repeat_interleave(spans.groups, 0)

    def of_each_cut(asked: Tensor) -> Tensor:
        return asked.reshape(cuts, -1, *asked.shape[2:])

    before = {name: value.expand(cuts, *value.shape) for name, value in network.start(shared).items()}
    told = network.told(shared, network.seen(shared, observations), targets)
    after = before | network.absorbed(shared | before, tuple(map(for_each_cut, told)), weights)
    after |= network.solved(after)
    asked = Seen(*map(of_each_cut, network.seen(shared, tasks.query.observations)))
    query = Batch(*map(of_each_cut, vars(tasks.query).values()))
    outputs, deviations = network.predicted(shared | after, asked)
    loss = objective = model.losses_of(outputs, query).mean()
    if model.has_deviations:
        objective = loss + SURPRISE_COUNTS * model.surprises_of(outputs, deviations, query).mean()
    return gradients_of(objective, meta_params), loss.detach()


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Stretches of play, cut where the player has shown anything between nothing and all of it."""
    return sampler.tracks(chosen.meta_batch_size, chosen.support_size, chosen.cuts, chosen.query_size)


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    return network.head


def network_of(model: Model) -> OnPooled:
    """The model's network, which has to build on the pooled one."""
    if not isinstance(model.network, OnPooled):
        raise PytrainError(
            f"the {model.optimiser} rule needs a network on the pooled one, this is a "
            f"{type(model.network).__name__}"
        )
    return model.network
