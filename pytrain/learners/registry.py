"""The meta-learners by name: which parameters adapt and how, whose gradient trains them, and with what step.

All share one outer loop (`outer_loop`): draw tasks, a meta-gradient, a step of the outer optimiser. They
differ in nothing but what stands here and in their own files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pytrain.data.tasks import Tasks, TaskSampler
from pytrain.errors import PytrainError
from pytrain.learners import (
    anil,
    bayes,
    cavia,
    fomaml,
    maml,
    memory,
    metasgd,
    pooled,
    protonet,
    reptile,
    scratch,
)
from pytrain.learners.inner_loop import start
from pytrain.learners.kind import Kind
from pytrain.learners.muon import Muon
from pytrain.models.meta_params import RATE, initialise, split
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.models.on_pooled import OnPooled, as_base
from pytrain.settings import Algorithm, MetaTraining

MATRIX_FROM = 2  # rows and columns; a narrower one is a few vectors
RATES_LEARN_FASTER = 3.0  # they are logarithms: what counts is by how many times they change


KINDS: dict[Algorithm, Kind] = {
    module.KIND.algorithm: module.KIND
    for module in (maml, fomaml, anil, reptile, metasgd, protonet, cavia, bayes, memory, pooled, scratch)
}


@dataclass(frozen=True)
class Learner:
    """A learner with its model and settings."""

    algorithm: Algorithm
    model: Model
    settings: MetaTraining

    @classmethod
    def of(
        cls, algorithm: Algorithm, model: Model, settings: MetaTraining, pooled: Params | None = None
    ) -> Learner:
        """Gives the model the inner loop of the learner, and the pooled parameters that it builds on.

        Raises PytrainError for settings that do not go, or where pooled parameters are needed and missing.
        """
        _check(algorithm, settings)
        if isinstance(model.network, OnPooled):
            if pooled is None:
                raise PytrainError(f"{algorithm} builds on the pooled model: train that first")
            model = replace(model, shared=as_base(pooled))
        model = replace(
            model,
            optimiser=settings.inner_optimiser,
            adapts=KINDS[algorithm].own(model.network),
            rates_per_step=settings.inner_rates == "per-step",
        )
        return cls(algorithm, model, settings)

    @property
    def kind(self) -> Kind:
        """What tells it from the others."""
        return KINDS[self.algorithm]

    def init_meta_params(self, seed: int, pooled: Params | None = None) -> Params:
        """Fresh meta-parameters; with a pooled model's, those that predict as it does, if the learner can."""
        random = torch.Generator().manual_seed(seed)
        fresh = initialise(self.model, self.settings.inner_rates, self.settings.num_inner_steps, random)
        return fresh if pooled is None else self.kind.fall_back(fresh, pooled)

    def meta_gradient(
        self, meta_params: Params, tasks: Tasks, step_weights: Tensor | None = None
    ) -> tuple[Params, Tensor]:
        """One meta step's gradient on prepared tasks, and the loss it was taken of."""
        return self.kind.meta_gradient(self.model, meta_params, tasks, self.settings.inner_lr, step_weights)

    def draw(self, sampler: TaskSampler) -> Tasks:
        """A fresh meta-batch of prepared tasks."""
        tasks = self.kind.draw(sampler, self.settings)
        prepared = tuple(map(self.model.prepared, tasks.supports))
        return Tasks(prepared, self.model.prepared(tasks.query), tasks.spans)

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
        return start(*split(self.model, meta_params))

    def outer_optimiser(self, meta_params: Params) -> torch.optim.Optimizer:
        """AdamW for gradients of a loss; for Reptile a plain step towards the adapted weights."""
        if self.kind.outer == "meta_step_size":
            return torch.optim.SGD(meta_params.values(), lr=self.settings.meta_step_size)
        rates = [value for name, value in meta_params.items() if name.startswith(RATE)]
        weights = [value for name, value in meta_params.items() if not name.startswith(RATE)]
        if self.settings.matrix_lr:
            return self._muon(meta_params)
        decay = {"weight_decay": self.settings.weight_decay}
        groups = [{"params": weights, "lr": self.settings.meta_lr, **decay}]
        if rates:
            groups.append({"params": rates, "lr": RATES_LEARN_FASTER * self.settings.meta_lr})
        return torch.optim.AdamW(groups, weight_decay=0.0, fused=True)

    def _muon(self, meta_params: Params) -> Muon:
        """Matrices by Muon, except those that the network says need to be stepped gently."""
        gently = getattr(self.model.network, "gently", ())
        is_matrix = {
            name: value.dim() == 2 and min(value.shape) > MATRIX_FROM and name not in gently
            for name, value in meta_params.items()
        }
        of = self.settings
        return Muon(
            (value for name, value in meta_params.items() if is_matrix[name]),
            (value for name, value in meta_params.items() if not is_matrix[name]),
            of.matrix_lr,
            of.meta_lr,
            of.weight_decay,
        )


def _check(algorithm: Algorithm, settings: MetaTraining) -> None:
    kind = KINDS[algorithm]
    kind.check(settings)
    if settings.inner_rates != "fixed" and not kind.has_query_loss:
        raise PytrainError(
            f"--inner-rates {settings.inner_rates} needs a learner with a query loss, {algorithm} has none: "
            "use maml, fomaml, anil, cavia or metasgd"
        )
    if settings.inner_optimiser not in kind.optimisers:
        reason = " is for first-order learners; it" if settings.inner_optimiser == "adam" else ""
        raise PytrainError(
            f"--inner-optimiser {settings.inner_optimiser}{reason} does not go with {algorithm}: "
            f"leave it out ({' or '.join(kind.optimisers)})"
        )
    if settings.multi_step_loss and not kind.has_query_loss:
        raise PytrainError(
            f"--multi-step-loss {settings.multi_step_loss:g} needs a learner with a query loss, {algorithm} "
            "has none: use maml, fomaml, anil, cavia or metasgd"
        )
    if kind.head in ("bayesian", "memory"):
        for option, given in (("feature", settings.feature_size), ("support", settings.support_size)):
            if given == 0:
                raise PytrainError(
                    f"--{option}-size is 0, but {algorithm} has nothing to adapt with then: give 1 or more, "
                    "or use pooled"
                )
    if settings.context_size and algorithm != "cavia":
        raise PytrainError(
            f"--context-size is {settings.context_size}, but {algorithm} has no context: leave it out, "
            "or use cavia"
        )
