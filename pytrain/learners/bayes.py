"""Bayesian linear regression on meta-learned features (ALPaCA, Harrison, Sharma, Pavone 2018, algorithm 1;
R2-D2, Bertinetto, Henriques, Torr, Vedaldi 2019).

Features, prior, noise and forgetting are trained through the exact posterior. The statistics hold all the
play there ever was, so they are what lasts of a player.
"""

from __future__ import annotations

from pytrain.learners.closed_form import draw, meta_gradient, own
from pytrain.learners.kind import Kind, start_fresh

KIND = Kind(
    "bayes",
    meta_gradient,
    own,
    draw=draw,
    optimisers=("posterior",),
    head="bayesian",
    fall_back=start_fresh,
    carries_frozen=False,
)
