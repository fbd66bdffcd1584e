"""First-order MAML (Finn, Abbeel, Levine 2017, section 5.2): MAML without the second derivatives.

The inner loop's gradients count as constants, so the gradient at the adapted parameters is the one at the
initialisation; where step sizes are learned too, theirs is by how far they have moved the parameters.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.learners import maml
from pytrain.learners.kind import Kind
from pytrain.models.model import Model
from pytrain.models.networks import Params


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Mean over the tasks of the query loss's gradient at their adapted parameters, and that loss."""
    return maml.meta_gradient(model, meta_params, tasks, inner_lr, step_weights, second_order=False)


KIND = Kind("fomaml", meta_gradient, optimisers=("sgd", "adam"), first_order=True)
