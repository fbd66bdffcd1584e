"""The adapter of prototypical networks: each class's mean feature on the support set; no gradient."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.learners.adapter import Consolidation, InnerStep
from pytrain.learners.gradient import SUPPORT_SIZES
from pytrain.models.model import Model
from pytrain.models.networks import PRIOR_STRENGTH, PROTOTYPES, Params


@dataclass(frozen=True)
class PrototypeMeans:
    """Snell et al. 2017, equation 1.

    The prototype from before counts like exp(prior_strength) examples, so that a class that the player has
    not shown yet keeps the one of all players.
    """

    consolidation: Consolidation = "average"
    most_steps: int = 1

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """It has no step size."""
        del model
        return (1.0,)

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """More examples cost as much more."""
        del model
        return SUPPORT_SIZES

    def start(self, model: Model, own: Params) -> Params:
        """As it was learned."""
        del model
        return own

    def finish(self, model: Model, params: Params) -> Params:
        """Nothing more follows."""
        del model
        return params

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
        """The means, and the loss of the prototypes from before."""
        del inner_lr, step, second_order
        losses = model.losses(params, support).detach()
        everything = model.shared | params
        features = model.network.features(everything, support.observations)
        of_class = support.targets * support.weights.unsqueeze(-1)  # (tasks, support, classes)
        strength = everything[PRIOR_STRENGTH].exp()
        sums = of_class.mT @ features + strength * params[PROTOTYPES]
        counts = of_class.sum(-2).unsqueeze(-1) + strength
        return InnerStep({PROTOTYPES: sums / counts}, memory, losses)
