"""CAVIA (Zintgraf, Shiarlis, Kurin, Hofmann, Whiteson 2019, "Fast Context Adaptation via Meta-Learning",
algorithm 1): a few context numbers are a player's own, and the inner loop moves only them.

The network reads them beside every input. All other weights are shared, so that thousands of agents with a
context each still predict in one product per layer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.errors import PytrainError
from pytrain.learners import maml
from pytrain.learners.kind import Kind
from pytrain.models.model import Model
from pytrain.models.networks import CONTEXT, Network, Params
from pytrain.settings import MetaTraining


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    del network
    return (CONTEXT,)


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """MAML's for the shared weights; the context is not learned, it starts at zero for every player."""
    gradients, loss = maml.meta_gradient(model, meta_params, tasks, inner_lr, step_weights)
    return gradients | {CONTEXT: torch.zeros_like(gradients[CONTEXT])}, loss


def check(chosen: MetaTraining) -> None:
    """A context is what it learns."""
    if chosen.context_size == 0:
        raise PytrainError("--context-size is 0, but a context is all that cavia adapts: give 1 or more")


KIND = Kind("cavia", meta_gradient, own, check=check)
