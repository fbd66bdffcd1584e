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
from pytrain.models.bayesian import FORGETTING, PRIOR_ROOT, Bayesian
from pytrain.models.model import Model
from pytrain.models.networks import Params


@dataclass(frozen=True)
class Posterior:
    """Bayesian linear regression on the network's features; sums and solution in double precision."""

    consolidation: Consolidation = "statistics"
    most_steps: int = 1

    def support_sizes(self, model: Model) -> tuple[int, ...]:
        """All that there is: more examples than an exporter's test need not be told apart."""
        del model
        return (1024,)

    def inner_lrs(self, model: Model) -> tuple[float, ...]:
        """It has no step size."""
        del model
        return (1.0,)

    def start(self, model: Model, own: Params) -> Params:
        """The prior."""
        del own
        network = network_of(model)
        precision = network.prior_precision(model.shared)
        dtype = model.shared[PRIOR_ROOT].dtype
        nothing = torch.zeros(network.features_size, network.outputs, dtype=dtype)
        return {
            MEAN: nothing,
            COVARIANCE: torch.linalg.inv(precision).to(dtype),
            PRECISION: precision.to(dtype),
            RESPONSE: nothing,
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
        network = network_of(model)
        losses = model.losses(params, support).detach()
        features, answer = network.regressed(model.shared | params, support.observations)
        residual = network.residual(support.targets, answer)
        return InnerStep(self.absorbed(model, params, features, residual, support.weights), memory, losses)

    def absorbed(
        self, model: Model, params: Params, features: Tensor, residual: Tensor, weights: Tensor
    ) -> Params:
        """The statistics with examples added, oldest first: features `(tasks, support, features)`, …"""
        features, residual, weights = features.double(), residual.double(), weights.double()
        forgetting = model.shared[FORGETTING].double()
        moments = weights.cumsum(-1)
        all_moments = moments[..., -1:]
        counts = (weights * forgetting ** (all_moments - moments)).unsqueeze(-1)
        kept = (forgetting**all_moments).unsqueeze(-1)
        prior = network_of(model).prior_precision(model.shared)
        counted = (counts * features).mT
        found = {
            PRECISION: prior + kept * (params[PRECISION].double() - prior) + counted @ features,
            RESPONSE: kept * params[RESPONSE].double() + counted @ residual,
        }
        return params | {name: value.to(params[name].dtype) for name, value in found.items()}

    def finish(self, params: Params) -> Params:
        """The posterior's mean and covariance, which follow from the statistics."""
        precision, response = params[PRECISION].double(), params[RESPONSE].double()
        covariance = torch.linalg.inv(precision)
        found = {MEAN: covariance @ response, COVARIANCE: covariance}
        return params | {name: value.to(params[name].dtype) for name, value in found.items()}


def network_of(model: Model) -> Bayesian:
    """The model's network, which has to be one."""
    if not isinstance(model.network, Bayesian):
        raise PytrainError(f"bayes needs a Bayesian head, the network is a {type(model.network).__name__}")
    return model.network
