"""A Bayesian linear regression on learned features (ALPaCA, Harrison, Sharma, Pavone 2018; R2-D2, Bertinetto
et al. 2019): what the `bayes` learner trains, and what a player has of it for their own.

With features phi (k numbers, the last of them 1) the residual of the pooled network is `phi @ weights` plus
noise. The weights have a normal prior of mean 0, whose full precision is learned over many players; the noise
of each output depends on what is seen. A player's own are the posterior's mean and covariance, and the
statistics that they follow from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE
from pytrain.models.networks import Params, linear
from pytrain.models.on_pooled import OnPooled

OWN = (MEAN, COVARIANCE, PRECISION, RESPONSE)
PRIOR_ROOT, NOISE_WEIGHT, NOISE_BIAS, SPREAD = "prior.precision_root", "noise.weight", "noise.bias", "spread"
FORGETTING, LOGIT_SCALE = "forgetting", "logit_scale"
SMALLEST_PRECISION = 1e-3
FIRST_PRECISION = 30.0
FIRST_FORGETTING = 0.999


@dataclass(frozen=True)
class Bayesian(OnPooled):
    """The regression on top of the encoder's features."""

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        return OWN

    @property
    def features_size(self) -> int:
        """How many features there are, the constant one included."""
        return self.encoder.outputs + 1

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters of encoder, prior and noise; what is a player's own follows from them."""
        size = self.features_size
        prior = {
            PRIOR_ROOT: torch.eye(size) * 0.5 * torch.tensor(FIRST_PRECISION).log(),
            NOISE_WEIGHT: torch.zeros(size, self.outputs),
            NOISE_BIAS: torch.full((self.outputs,), -1.0),
            SPREAD: torch.zeros(self.outputs),
            "logit." + FORGETTING: torch.tensor(FIRST_FORGETTING).logit(),
        }
        if self.of_classes:
            prior[LOGIT_SCALE] = torch.tensor(1.0)
        return self.init_encoder(random) | prior

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the regression sees `(…, rows, features)`."""
        return self.regressed(params, inputs)[0]

    def regressed(self, params: Params, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The features with the constant one `(…, rows, features)`, and the pooled network's answer."""
        features, answer = self.encoded(params, inputs)
        features = torch.tanh(features)
        return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1), answer

    def prior_precision(self, params: Params) -> Tensor:
        """`(features, features)`, positive definite whatever was learned."""
        raw = params[PRIOR_ROOT].double()
        root = raw.tril(-1) + torch.diag(raw.diagonal().exp())
        return root @ root.mT + SMALLEST_PRECISION * torch.eye(len(raw), dtype=raw.dtype)

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        return self.outputs_of(params, *self.regressed(params, inputs))

    def outputs_of(self, params: Params, features: Tensor, answer: Tensor) -> Tensor:
        """The same, of what `regressed` gave."""
        added = features @ params[MEAN]
        if self.of_classes:
            added = params[LOGIT_SCALE].exp() * added * torch.rsqrt(1 + _spread(params, features))
        return answer + added

    def deviations(self, params: Params, inputs: Tensor) -> Tensor:
        """The standard deviation of each output, like the outputs.

        Of the noise, and of what is not known of the player yet: noise * sqrt(1 + c * phi covariance phi).
        """
        return self.deviations_of(params, self.features(params, inputs))

    def deviations_of(self, params: Params, features: Tensor) -> Tensor:
        """The same, of the features."""
        noise = linear(features, params[NOISE_WEIGHT], params[NOISE_BIAS]).exp()
        return noise * torch.sqrt(1 + params[SPREAD].exp() * _spread(params, features))


def _spread(params: Params, features: Tensor) -> Tensor:
    """`phi @ covariance @ phi` of each row `(…, rows, 1)`."""
    return ((features @ params[COVARIANCE]) * features).sum(-1, keepdim=True).clamp(min=0)
