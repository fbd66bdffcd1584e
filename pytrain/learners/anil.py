"""ANIL (Raghu, Raghu, Bengio, Vinyals 2020, "Rapid Learning or Feature Reuse?", section 4): MAML whose inner
loop moves nothing but the head, on features that the outer loop learns and all players share.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.learners import maml
from pytrain.learners.kind import Kind
from pytrain.models.model import Model
from pytrain.models.networks import Network, Params


def own(network: Network) -> tuple[str, ...]:
    """Names of the parameters that are a player's own."""
    return network.head


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """MAML's: through the steps of the head to its initialisation, and to the features below it."""
    return maml.meta_gradient(model, meta_params, tasks, inner_lr, step_weights)


KIND = Kind("anil", meta_gradient, own)
