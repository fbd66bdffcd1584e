"""Bayesian linear regression, in the form of parameters: the prior, what was learned from, and what follows.

Of features phi a target is `phi @ weights` plus noise, and the weights have a normal prior of mean 0, whose
full precision is learned over many players. The posterior's precision, and the precision times the mean, are
the prior's plus two sums over the examples, in which one may count the less the older it is. So they can be
carried on for ever, and new examples cost the same whatever was before.

ONNX has no operator that solves. The graph that adapts therefore adds to the sums, and what follows from them
(`solved`) is left to LAPACK, here and in the game (`adaptive_agents.model.posterior`); each export compares
the two. Unrolled as elimination inside the graph it doubled the time of the export at 17 features already.
"""

from __future__ import annotations

import torch
from torch import Tensor

from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE
from pytrain.models.networks import Params

OWN = (MEAN, COVARIANCE, PRECISION, RESPONSE)
PRIOR_ROOT, FORGETTING = "prior.precision_root", "forgetting"
SMALLEST_PRECISION = 1e-3


def init_prior(size: int, precision: float) -> Params:
    """A prior that knows nothing but how large weights are."""
    return {PRIOR_ROOT: torch.eye(size) * 0.5 * torch.tensor(precision).log()}


def prior_precision(params: Params) -> Tensor:
    """`(features, features)`, positive definite whatever was learned."""
    raw = params[PRIOR_ROOT].double()
    root = raw.tril(-1) + torch.diag(raw.diagonal().exp())
    return root @ root.mT + SMALLEST_PRECISION * torch.eye(len(raw), dtype=raw.dtype, device=raw.device)


def nothing_known(params: Params, outputs: int) -> Params:
    """What a player has who has shown nothing: the prior."""
    precision, like = prior_precision(params), params[PRIOR_ROOT]
    nothing = torch.zeros(len(precision), outputs, dtype=like.dtype, device=like.device)
    covariance = torch.linalg.inv(precision).to(like.dtype)
    return {MEAN: nothing, COVARIANCE: covariance, PRECISION: precision.to(like.dtype), RESPONSE: nothing}


def absorbed(params: Params, features: Tensor, targets: Tensor, weights: Tensor) -> Params:
    """The sums with examples added, oldest first.

    Args:
        params: a prior, and sums `(tasks, …)`.
        features: `(tasks, examples, features)`
        targets: `(tasks, examples, outputs)`
        weights: `(tasks, examples)`; together they are the moments by which what was before grows older.
    """
    counts, kept = weights, torch.ones_like(weights[..., :1])
    if FORGETTING in params:
        forgetting = params[FORGETTING]
        moments = weights.cumsum(-1)
        counts = weights * forgetting ** (moments[..., -1:] - moments)
        kept = forgetting ** moments[..., -1:]
    prior, kept = prior_precision(params).to(features.dtype), kept.unsqueeze(-1)
    counted = (counts.unsqueeze(-1) * features).mT
    return {
        PRECISION: prior + kept * (params[PRECISION] - prior) + counted @ features,
        RESPONSE: kept * params[RESPONSE] + counted @ targets,
    }


def solved(params: Params) -> Params:
    """The posterior's mean and covariance, which follow from the sums."""
    covariance = torch.linalg.inv(params[PRECISION].double())
    found = {MEAN: covariance @ params[RESPONSE].double(), COVARIANCE: covariance}
    return {name: value.to(params[PRECISION].dtype) for name, value in found.items()}


def spread(params: Params, features: Tensor) -> Tensor:
    """`phi @ covariance @ phi` of each row `(…, rows, 1)`: what is not known of the weights yet."""
    return ((features @ params[COVARIANCE]) * features).sum(-1, keepdim=True).clamp(min=0)


def with_constant(features: Tensor) -> Tensor:
    """The features and a 1."""
    return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
