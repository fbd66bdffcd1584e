"""Step sizes that are meta-learned beside the initialisation, one for each weight (Meta-SGD, Li et al. 2017).

A habit shows in few weights; a learner that knows which of them may move far needs fewer examples of a
player. The outer loop sees one dict of meta-parameters: the initialisation, and beside each weight the
logarithm of its factor of inner_lr (a factor stays positive, and all change by like parts).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from pytrain.models import Model, Params

PREFIX = "log_step_size."


def with_step_sizes(init_params: Params) -> Params:
    """Meta-parameters: the initialisation, and a factor of 1 for each weight."""
    return init_params | {PREFIX + name: torch.zeros_like(value) for name, value in init_params.items()}


def split(model: Model, meta_params: Params) -> tuple[Model, Params]:
    """The model with its step sizes, if there are any, and the initialisation."""
    init_params = {name: value for name, value in meta_params.items() if not name.startswith(PREFIX)}
    if len(init_params) == len(meta_params):
        return model, init_params
    return replace(
        model, step_sizes={name: meta_params[PREFIX + name].exp() for name in init_params}
    ), init_params
