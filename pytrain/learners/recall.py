"""The adapter of `memory`: a player's newest moments are kept as they are, and that is all."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytrain.data.tasks import Batch
from pytrain.errors import PytrainError
from pytrain.learners.adapter import Consolidation, InnerStep
from pytrain.models.memory import KEYS, VALUES, WEIGHTS, Memory
from pytrain.models.model import Model
from pytrain.models.networks import Params


@dataclass(frozen=True)
class Recall:
    """Keeps every so manyth of the support set's moments; the oldest of those kept before make room."""

    consolidation: Consolidation = "examples"
    most_steps: int = 1

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """As many as fill the memory."""
        network = memory_of(model)
        return (network.size * network.every,)

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """It has no step size."""
        del model
        return (1.0,)

    def start(self, model: Model, own: Params) -> Params:
        """A memory of nothing."""
        del own
        return memory_of(model).start(model.shared["skip"].dtype)

    def first_memory(self, params: Params) -> Params:
        """Nothing more."""
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
        """Puts the support set, oldest moment first, behind what is kept."""
        del inner_lr, step, second_order
        network, everything = memory_of(model), model.shared | params
        losses = model.losses(params, support).detach()
        some = Batch(*(column[:, :: network.every] for column in vars(support).values()))
        seen = network.seen(everything, some.observations)
        kept = network.kept(everything, seen, some.targets, some.weights)
        found = {
            name: torch.cat([params[name], new], dim=1)[:, -network.size :]
            for name, new in zip((KEYS, VALUES, WEIGHTS), kept, strict=True)
        }
        return InnerStep(found, memory, losses)

    def finish(self, params: Params) -> Params:
        """Nothing more follows."""
        return params


def memory_of(model: Model) -> Memory:
    """The model's network, which has to be one."""
    if not isinstance(model.network, Memory):
        raise PytrainError(f"memory needs a Memory network, this is a {type(model.network).__name__}")
    return model.network
