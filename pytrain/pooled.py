"""The baseline: ordinary training on the examples of all players together.

Without a step it is the strongest model that does not adapt ("frozen"); with steps on the support set it is
fine-tuning, which every meta-learner has to beat.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.inner_loop import differentiable, gradients_of
from pytrain.models import Model, Params
from pytrain.tasks import Batch


def gradient(model: Model, params: Params, examples: Batch) -> tuple[Params, Tensor]:
    """Gradient of the loss on any players' examples, and that loss; one set of parameters for all."""
    together = Batch(
        examples.observations.flatten(0, 1), examples.targets.flatten(0, 1), examples.weights.flatten(0, 1)
    )
    params = differentiable(params)
    loss = model.losses(params, together)
    return gradients_of(loss, params), loss.detach()
