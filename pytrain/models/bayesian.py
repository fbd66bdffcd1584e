"""A Bayesian linear regression on learned features (ALPaCA, Harrison, Sharma, Pavone 2018; R2-D2, Bertinetto
et al. 2019): what the `bayes` learner trains, and what a player has of it for their own.

With features phi (k numbers, the last of them 1) a target is `phi @ weights` plus noise, and the weights have
a normal prior that is learned over many players: its mean, its full precision, and the noise of each output.
A player's own are the posterior's mean and covariance, and the statistics that they follow from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE
from pytrain.models.networks import GRU, MLP, Params

OWN = (MEAN, COVARIANCE, PRECISION, RESPONSE)
PRIOR_MEAN, PRIOR_ROOT, LOG_NOISE = "prior.mean", "prior.precision_root", "log_noise"
FORGETTING, LOGIT_SCALE = "forgetting", "logit_scale"
SMALLEST_PRECISION = 1e-3
FIRST_FORGETTING = 0.999


@dataclass(frozen=True)
class Bayesian:
    """The regression on top of a network whose outputs are its features.

    of_classes: the targets are one-hot rows, and the outputs logits (scaled, and softened by the variance).
    """

    body: MLP | GRU
    outputs: int
    of_classes: bool = False

    @property
    def inputs(self) -> int:
        """Numbers in one input: a window of observations."""
        return self.body.inputs

    @property
    def features_size(self) -> int:
        """How many features there are, the constant one included."""
        return (self.body.top if isinstance(self.body, GRU) else self.body).outputs + 1

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        return OWN

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        body = self.body.describe()
        return {"name": "bayesian", "body": body, "outputs": self.outputs, "of_classes": self.of_classes}

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters of body and prior; what is a player's own follows from them (`prior`)."""
        size = self.features_size
        prior = {
            PRIOR_MEAN: torch.randn(size, self.outputs, generator=random) / size**0.5,
            PRIOR_ROOT: torch.zeros(size, size),
            LOG_NOISE: torch.full((self.outputs,), -0.5),
            "logit." + FORGETTING: torch.tensor(FIRST_FORGETTING).logit(),
        }
        if self.of_classes:
            prior[LOGIT_SCALE] = torch.tensor(1.0)
        return self.body.init_params(random) | prior

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the regression sees `(…, rows, features)`."""
        values = self.body(params, inputs)
        return torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)

    def prior_precision(self, params: Params) -> Tensor:
        """`(features, features)`, positive definite whatever was learned."""
        raw = params[PRIOR_ROOT].double()
        root = raw.tril(-1) + torch.diag(raw.diagonal().exp())
        return root @ root.mT + SMALLEST_PRECISION * torch.eye(len(raw), dtype=raw.dtype)

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        features = self.features(params, inputs)
        outputs = features @ params[MEAN]
        if self.of_classes:
            outputs = params[LOGIT_SCALE].exp() * outputs * torch.rsqrt(1 + _spread(params, features))
        return outputs

    def deviations(self, params: Params, inputs: Tensor) -> Tensor:
        """The standard deviation of each output, like the outputs.

        Of the noise and of what is not known of the player yet: `noise * sqrt(1 + phi @ covariance @ phi)`.
        """
        spread = _spread(params, self.features(params, inputs))
        return params[LOG_NOISE].exp() * torch.sqrt(1 + spread)


def _spread(params: Params, features: Tensor) -> Tensor:
    """`phi @ covariance @ phi` of each row `(…, rows, 1)`."""
    return ((features @ params[COVARIANCE]) * features).sum(-1, keepdim=True).clamp(min=0)
