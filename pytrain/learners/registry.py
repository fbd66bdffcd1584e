"""The meta-learners by name: which parameters adapt and how, whose gradient trains them, and with what step.

All share one outer loop (`outer_loop`): draw tasks, a meta-gradient, a step of the outer optimiser. They
differ in nothing but what stands here and in their own files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.errors import PytrainError
from pytrain.learners import anil, cavia, fomaml, maml, metasgd, pooled, protonet, reptile
from pytrain.models.meta_params import RATE, initialise, split
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params
from pytrain.settings import Algorithm, MetaTraining

RATES_LEARN_FASTER = 3.0  # they are logarithms: what counts is by how many times they change


class MetaGradient(Protocol):
    """Every learner's own function."""

    def __call__(
        self,
        model: Model,
        meta_params: Params,
        tasks: Tasks,
        inner_lr: float,
        step_weights: Tensor | None = None,
    ) -> tuple[Params, Tensor]:
        """From meta-parameters and prepared tasks: their meta-gradient, and the loss it was taken of."""
        ...


@dataclass(frozen=True)
class Kind:
    """What tells one learner from another."""

    meta_gradient: MetaGradient
    adapts: Callable[[Network], tuple[str, ...]] = lambda network: ()
    """Names of the parameters that the inner loop moves; () is all."""
    first_order: bool = False
    has_query_loss: bool = True
    """Whether the meta-gradient is that of a loss on the query set; then step sizes can be learned by it."""


KINDS: dict[Algorithm, Kind] = {
    "maml": Kind(maml.meta_gradient),
    "fomaml": Kind(fomaml.meta_gradient, first_order=True),
    "anil": Kind(anil.meta_gradient, anil.adapts),
    "reptile": Kind(reptile.meta_gradient, first_order=True, has_query_loss=False),
    "metasgd": Kind(metasgd.meta_gradient),
    "protonet": Kind(protonet.meta_gradient, protonet.adapts),
    "cavia": Kind(cavia.meta_gradient, cavia.adapts),
    "pooled": Kind(pooled.meta_gradient, first_order=True, has_query_loss=False),
    "scratch": Kind(pooled.meta_gradient, first_order=True, has_query_loss=False),
}


@dataclass(frozen=True)
class Learner:
    """A learner with its model and settings."""

    algorithm: Algorithm
    model: Model
    settings: MetaTraining

    @classmethod
    def of(cls, algorithm: Algorithm, model: Model, settings: MetaTraining) -> Learner:
        """Gives the model the inner loop of the learner. Raises PytrainError for settings that do not go."""
        _check(algorithm, settings)
        model = replace(
            model,
            optimiser=settings.inner_optimiser,
            adapts=KINDS[algorithm].adapts(model.network),
            rates_per_step=settings.inner_rates == "per-step",
        )
        return cls(algorithm, model, settings)

    def init_meta_params(self, seed: int) -> Params:
        """Fresh meta-parameters."""
        random = torch.Generator().manual_seed(seed)
        return initialise(self.model, self.settings.inner_rates, self.settings.num_inner_steps, random)

    def meta_gradient(
        self, meta_params: Params, tasks: Tasks, step_weights: Tensor | None = None
    ) -> tuple[Params, Tensor]:
        """One meta step's gradient on prepared tasks, and the loss it was taken of."""
        of = KINDS[self.algorithm].meta_gradient
        return of(self.model, meta_params, tasks, self.settings.inner_lr, step_weights)

    def step_weights(self) -> Tensor | None:
        """How much the query loss after each inner step counts; None if only the last one does."""
        share, steps = self.settings.multi_step_loss, self.settings.num_inner_steps
        if share == 0 or steps < 2:
            return None
        weights = torch.full((steps,), share)
        weights[-1] = 1
        return weights / weights.sum()

    def split(self, meta_params: Params) -> tuple[Model, Params]:
        """The model as it is exported and measured, and the parameters from which a player starts."""
        return split(self.model, meta_params)

    def outer_optimiser(self, meta_params: Params) -> torch.optim.Optimizer:
        """AdamW for gradients of a loss; for Reptile a plain step towards the adapted weights."""
        if self.algorithm == "reptile":
            return torch.optim.SGD(meta_params.values(), lr=self.settings.meta_step_size)
        rates = [value for name, value in meta_params.items() if name.startswith(RATE)]
        weights = [value for name, value in meta_params.items() if not name.startswith(RATE)]
        decay = {"weight_decay": self.settings.weight_decay}
        groups = [{"params": weights, "lr": self.settings.meta_lr, **decay}]
        if rates:
            groups.append({"params": rates, "lr": RATES_LEARN_FASTER * self.settings.meta_lr})
        return torch.optim.AdamW(groups, weight_decay=0.0, fused=True)


def _check(algorithm: Algorithm, settings: MetaTraining) -> None:
    kind = KINDS[algorithm]
    if algorithm == "reptile" and settings.num_inner_steps == 0:
        raise PytrainError(
            "reptile learns from where its inner steps lead, but takes 0 of them: raise --num-inner-steps "
            f"and --support-size ({settings.support_size}), or use pooled"
        )
    if settings.inner_rates != "fixed" and not kind.has_query_loss:
        raise PytrainError(
            f"--inner-rates {settings.inner_rates} needs a learner with a query loss, {algorithm} has none: "
            "use maml, fomaml, anil, cavia or metasgd"
        )
    if algorithm == "metasgd" and settings.inner_rates != metasgd.INNER_RATES:
        raise PytrainError(
            f"metasgd learns its step sizes {metasgd.INNER_RATES}, not {settings.inner_rates}: "
            "use maml for other --inner-rates"
        )
    if (algorithm == "protonet") != (settings.inner_optimiser == "prototypes"):
        raise PytrainError(
            f"--inner-optimiser {settings.inner_optimiser} does not go with {algorithm}: leave it out"
        )
    if settings.inner_optimiser == "adam" and not kind.first_order:
        raise PytrainError(
            f"--inner-optimiser adam is for first-order learners, {algorithm} differentiates through its "
            "inner steps: use reptile or fomaml, or sgd"
        )
    if settings.multi_step_loss and not kind.has_query_loss:
        raise PytrainError(
            f"--multi-step-loss {settings.multi_step_loss:g} needs a learner with a query loss, {algorithm} "
            "has none: use maml, fomaml, anil, cavia or metasgd"
        )
    if (algorithm == "cavia") != (settings.context_size > 0):
        raise PytrainError(
            f"--context-size is {settings.context_size}: it must be 1 or more for cavia, and 0 for any other "
            f"learner, such as {algorithm}"
        )
