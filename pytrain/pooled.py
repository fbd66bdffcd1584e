"""The baseline: ordinary training on the examples of all players together.

Without a step it is the strongest model that does not adapt ("frozen"); with steps on the support set it is
fine-tuning, which every meta-learner has to beat.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytrain.models import Model, Params
from pytrain.tasks import Batch


def gradient(model: Model, params: Params, examples: Batch) -> tuple[Params, Tensor]:
    """Gradient of the loss on any players' examples, and that loss; one set of parameters for all."""
    together = Batch(
        examples.observations.flatten(0, 1), examples.targets.flatten(0, 1), examples.weights.flatten(0, 1)
    )

    def loss(params: Params) -> Tensor:
        return model.losses(params, together)

    return torch.func.grad_and_value(loss)(params)
