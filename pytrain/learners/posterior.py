"""The adapter of `bayes`: the exact posterior of a Bayesian linear regression, without a step size or steps.

The posterior's precision, and the precision times the mean, are the prior's plus two sums over the examples,
in which one counts the less the older it is: by the forgetting factor once for each moment since. So they can
be carried on for ever, and new examples cost the same whatever was before.

ONNX has no operator that solves. The graph that adapts therefore adds to the sums, and what follows from them
(`finish`) is left to LAPACK, here and in the game (`adaptive_agents.model.posterior`); each export compares
the two. Unrolled as elimination inside the graph it doubled the time of the export at 17 features already.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE
from pytrain.data.tasks import Batch
from pytrain.errors import PytrainError
from pytrain.learners.adapter import Consolidation, InnerStep
from pytrain.models.bayesian import FORGETTING, PRIOR_MEAN, Bayesian
from pytrain.models.model import Model
from pytrain.models.networks import Params


@dataclass(frozen=True)
class Posterior:
    """Bayesian linear regression on the network's features; sums and solution in double precision."""

    consolidation: Consolidation = "statistics"
    most_steps: int = 1
    support_sizes: tuple[int, ...] = (1024,)

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """It has no step size."""
        del model
        return (1.0,)

    def start(self, model: Model, own: Params) -> Params:
        """The prior."""
        del own
        precision = _network_of(model).prior_precision(model.shared)
        mean = model.shared[PRIOR_MEAN]
        return {
            MEAN: mean,
            COVARIANCE: torch.linalg.inv(precision).to(mean.dtype),
            PRECISION: precision.to(mean.dtype),
            RESPONSE: (precision @ mean.to(precision.dtype)).to(mean.dtype),
        }

    def first_memory(self, params: Params) -> Params:
        """Nothing."""
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
        """Adds the support set, oldest example first, to the statistics."""
        del inner_lr, step, second_order
        network = _network_of(model)
        losses = model.losses(params, support).detach()
        features = network.features(model.shared | params, support.observations).double()
        targets = support.targets.double()
        if network.of_classes:
            targets = targets - 1 / network.outputs
        weights, forgetting = support.weights.double(), model.shared[FORGETTING].double()
        moments = weights.cumsum(-1)
        all_moments = moments[..., -1:]
        counts = (weights * forgetting ** (all_moments - moments)).unsqueeze(-1)
        kept = (forgetting**all_moments).unsqueeze(-1)
        prior = network.prior_precision(model.shared)
        prior_response = prior @ model.shared[PRIOR_MEAN].double()
        precision = prior + kept * (params[PRECISION].double() - prior) + features.mT @ (counts * features)
        response = (
            prior_response
            + kept * (params[RESPONSE].double() - prior_response)
            + features.mT @ (counts * targets)
        )
        found = {
            PRECISION: precision.to(params[PRECISION].dtype),
            RESPONSE: response.to(params[PRECISION].dtype),
        }
        return InnerStep(params | found, memory, losses)

    def finish(self, params: Params) -> Params:
        """The posterior's mean and covariance, which follow from the statistics."""
        precision, response = params[PRECISION].double(), params[RESPONSE].double()
        covariance = torch.linalg.inv(precision)
        found = {MEAN: covariance @ response, COVARIANCE: covariance}
        return params | {name: value.to(params[name].dtype) for name, value in found.items()}


def _network_of(model: Model) -> Bayesian:
    if not isinstance(model.network, Bayesian):
        raise PytrainError(f"bayes needs a Bayesian head, the network is a {type(model.network).__name__}")
    return model.network
