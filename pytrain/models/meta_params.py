"""Meta-parameters: all that the outer loop learns, in one dict, and how the inner loop sees it.

The initialisation of what adapts, the weights that all players share, and, where step sizes are learned too,
beside each adapted parameter the logarithm of its factor of inner_lr (a factor stays positive, and all of
them change by like parts).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from pytrain.models.model import Model
from pytrain.models.networks import LOGIT, Params
from pytrain.settings import InnerRates

RATE = "log_rate."


def initialise(model: Model, rates: InnerRates, num_inner_steps: int, random: torch.Generator) -> Params:
    """Fresh meta-parameters; learned rates start at a factor of 1.

    "per-weight": one for each weight (Meta-SGD, Li et al. 2017). "per-step": one for each parameter tensor
    and inner step (MAML++, Antoniou et al. 2019, section 4.4).
    """
    params = model.network.init_params(random)
    adapted = [name for name in params if not model.adapts or name in model.adapts]
    if rates == "per-weight":
        return params | {RATE + name: torch.zeros_like(params[name]) for name in adapted}
    if rates == "per-step":
        return params | {RATE + name: torch.zeros(max(1, num_inner_steps)) for name in adapted}
    return params


def split(model: Model, meta_params: Params) -> tuple[Model, Params]:
    """The model with its shared weights and rates, and what was learned of a player's own."""
    adapted: Params = {}
    shared: Params = {}
    rates: Params = {}
    for name, value in meta_params.items():
        if name.startswith(RATE):
            if model.rates_per_step:
                # For steps beyond those that were trained: their mean. The last is often the longest, and
                # repeated it diverges (sinusoids, 10 steps after training with 5: an error of 2.3, not .24).
                value = torch.cat([value, value.mean().reshape(1)])
            rates[name.removeprefix(RATE)] = value.exp()
        elif name.startswith(LOGIT):
            shared[name.removeprefix(LOGIT)] = value.sigmoid()
        elif not model.adapts or name in model.adapts:
            adapted[name] = value
        else:
            shared[name] = value
    return replace(model, shared={**model.shared, **shared}, rates=rates or None), adapted
