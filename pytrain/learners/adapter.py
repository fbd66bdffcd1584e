"""Adapters: how a player's own parameters follow from what they showed.

One protocol for learners that take gradient steps and for those that compute. The inner loop (`inner_loop`)
calls it in training, validation and export alike; a model names its adapter (`Model.optimiser`).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.models.model import Model
from pytrain.models.networks import Params

Consolidation = Literal["average", "statistics", "examples"]
"""What remains of a round: a step of the slow weights towards the adapted ones; statistics that are carried
on; or nothing but the examples, from which the parameters follow."""


class InnerStep(NamedTuple):
    """Parameters after one step, what the optimiser remembers, and each task's loss before it `(tasks,)`."""

    params: Params
    memory: Params
    losses: Tensor


class Adapter(Protocol):
    """A rule by which a support set changes a player's own parameters."""

    @property
    def consolidation(self) -> Consolidation:
        """What remains of a round."""
        ...

    @property
    def most_steps(self) -> int:
        """So many steps are worth a try; 1 for a rule that needs no more."""
        ...

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """The step sizes to try, the longest first."""
        ...

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """The sizes of the support set to try, the smallest first."""
        ...

    def start(self, model: Model, own: Params) -> Params:
        """What a player who has shown nothing has: `own` as it was learned, or what the shared say."""
        ...

    def first_memory(self, params: Params) -> Params:
        """What the rule remembers before the first step, each like the parameter of its name."""
        ...

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
        """Step number `step` (from 0) in every task; parameters `(tasks, *shape)`, a prepared support set."""
        ...

    def finish(self, model: Model, params: Params) -> Params:
        """What follows from the parameters after the last step."""
        ...
