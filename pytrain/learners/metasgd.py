"""Meta-SGD (Li, Zhou, Chen, Li 2017, algorithm 1): MAML that also learns how far each weight moves in a step.

A habit shows in few weights; a learner that knows which of them may move far needs fewer examples of a
player. The meta-parameters hold a step size beside each weight (`meta_params`), and it travels in the
`.brain`. Unlike the paper's, which may be negative, a step size here is a positive factor of inner_lr.
"""

from __future__ import annotations

from torch import Tensor

from pytrain.data.tasks import Tasks
from pytrain.errors import PytrainError
from pytrain.learners import maml
from pytrain.learners.kind import Kind
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.settings import InnerRates, MetaTraining

INNER_RATES: InnerRates = "per-weight"


def meta_gradient(
    model: Model, meta_params: Params, tasks: Tasks, inner_lr: float, step_weights: Tensor | None = None
) -> tuple[Params, Tensor]:
    """MAML's, with respect to initialisation and step sizes."""
    return maml.meta_gradient(model, meta_params, tasks, inner_lr, step_weights)


def check(chosen: MetaTraining) -> None:
    """A step size beside each weight is what makes it Meta-SGD."""
    if chosen.inner_rates != INNER_RATES:
        raise PytrainError(
            f"metasgd learns its step sizes {INNER_RATES}, not {chosen.inner_rates}: "
            "use maml for other --inner-rates"
        )


KIND = Kind("metasgd", meta_gradient, check=check)
