"""A look-up in the player's own newest examples (attentive neural processes, Kim, Mnih, Schwarz et al. 2019),
beside a regression on them.

On the demo's meta-validation players the two together are better than either: the regression in the first
seconds, the look-up later (mean error over 2 to 40 s, as a part of the pooled model's, after 90 s of training
each: .89 together, .92 the look-up, .94 the regression; one run each). The examples themselves are what lasts
of a player.
"""

from __future__ import annotations

from pytrain.learners.closed_form import draw, meta_gradient, own
from pytrain.learners.kind import Kind, start_fresh

KIND = Kind(
    "memory",
    meta_gradient,
    own,
    draw=draw,
    optimisers=("recall",),
    head="memory",
    fall_back=start_fresh,
    carries_frozen=False,
)
