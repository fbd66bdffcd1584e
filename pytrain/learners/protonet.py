"""Prototypical networks (Snell, Swersky, Zemel 2017, algorithm 1): learn features in which each class of a
player lies around one point; a prediction is the nearest point.

"Adapting" computes those points from the support set (`inner_loop`), without any gradient. Other than in the
paper a player may not have shown every class yet: the prototypes start from those of all players, which are
learned too.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.learners import maml
from pytrain.learners.kind import Kind, start_fresh
from pytrain.models.model import Model
from pytrain.models.networks import PROTOTYPES, Network, Params


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    del network
    return (PROTOTYPES,)


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Gradient of the query loss given the support set's prototypes, and that loss."""
    del step_weights  # there is one step
    return maml.meta_gradient(model, meta_params, tasks, inner_lr)


KIND = Kind(
    "protonet", meta_gradient, own, head="prototypes", optimisers=("prototypes",), fall_back=start_fresh
)
