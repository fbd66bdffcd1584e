"""A Bayesian linear regression on learned features (ALPaCA, Harrison, Sharma, Pavone 2018; R2-D2, Bertinetto
et al. 2019): what the `bayes` learner trains, and what a player has of it for their own.

It explains what the pooled network leaves. The noise of each output depends on what is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaptive_agents.model.posterior import MEAN
from pytrain.models import regression
from pytrain.models.networks import LOGIT, Params, linear
from pytrain.models.on_pooled import OnPooled, Seen
from pytrain.models.regression import FORGETTING, with_constant

NOISE_WEIGHT, NOISE_BIAS, SPREAD, LOGIT_SCALE = "noise.weight", "noise.bias", "spread", "logit_scale"
FIRST_PRECISION = 30.0
FIRST_FORGETTING = 0.999


@dataclass(frozen=True)
class Bayesian(OnPooled):
    """The regression on top of the encoder's features."""

    gently: ClassVar[tuple[str, ...]] = (regression.PRIOR_ROOT,)
    own: ClassVar[tuple[str, ...]] = regression.OWN

    @property
    def features_size(self) -> int:
        """How many features there are, the constant one included."""
        return self.encoder.outputs + 1

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters of encoder, prior and noise; what is a player's own follows from them."""
        size = self.features_size
        noise = {
            NOISE_WEIGHT: torch.zeros(size, self.outputs),
            NOISE_BIAS: torch.full((self.outputs,), -1.0),
            SPREAD: torch.zeros(self.outputs),
            LOGIT + FORGETTING: torch.tensor(FIRST_FORGETTING).logit(),
        }
        if self.of_classes:
            noise[LOGIT_SCALE] = torch.tensor(1.0)
        return self.init_encoder(random) | regression.init_prior(size, FIRST_PRECISION) | noise

    def start(self, params: Params) -> Params:
        """What a player has who has shown nothing."""
        return regression.nothing_known(params, self.outputs)

    def seen(self, params: Params, inputs: Tensor) -> Seen:
        """The features, the constant one among them, and the pooled network's answer."""
        features, answer = self.encoded(params, inputs)
        return Seen(with_constant(torch.tanh(features)), answer)

    def told(self, params: Params, seen: Seen, targets: Tensor) -> tuple[Tensor, ...]:
        """The features, and what the pooled network leaves of `targets`."""
        del params
        return seen.features, self.residual(targets, seen.answer)

    def absorbed(self, params: Params, told: tuple[Tensor, ...], weights: Tensor) -> Params:
        """The statistics with what was told."""
        features, residual = told
        return regression.absorbed(params, features, residual, weights)

    def predicted(self, params: Params, seen: Seen) -> tuple[Tensor, Tensor]:
        """Outputs and deviations: of the noise, and of what is not known of the player yet."""
        spread = regression.spread(params, seen.features)
        added = seen.features @ params[MEAN]
        if self.of_classes:
            added = params[LOGIT_SCALE].exp() * added * torch.rsqrt(1 + spread)
        noise = linear(seen.features, params[NOISE_WEIGHT], params[NOISE_BIAS]).exp()
        return seen.answer + added, noise * torch.sqrt(1 + params[SPREAD].exp() * spread)
