"""The baseline: ordinary training on the examples of all players together.

Without a step it is the strongest model that does not adapt ("frozen"); with steps on the support set it is
fine-tuning, which every meta-learner has to beat.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks, TaskSampler
from pytrain.learners.gradient import differentiable, gradients_of
from pytrain.learners.kind import Kind, start_fresh
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.settings import MetaTraining


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """Gradient of the loss on the players' query examples, and that loss; one set of parameters for all."""
    del inner_lr, step_weights  # nothing adapts
    meta_params = differentiable(meta_params)
    loss = model.losses(meta_params, tasks.query).mean()
    return gradients_of(loss, meta_params), loss.detach()


def draw(sampler: TaskSampler, chosen: MetaTraining) -> Tasks:
    """Examples of some players, whenever they were observed."""
    return sampler.minibatches(chosen.meta_batch_size, 1, chosen.query_size)


KIND = Kind(
    "pooled",
    meta_gradient,
    draw=draw,
    optimisers=("sgd", "adam"),
    first_order=True,
    has_query_loss=False,
    is_best_adapted=False,
    has_pooled_beside=False,
    fall_back=start_fresh,
    carries_frozen=False,
)
