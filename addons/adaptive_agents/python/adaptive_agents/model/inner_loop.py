"""How a brain adapts, and how sure it is: the entries `inner_loop` and `uncertainty` of its manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from adaptive_agents.errors import BrainError

AVERAGE, STATISTICS, EXAMPLES = "average", "statistics", "examples"
KINDS = (AVERAGE, STATISTICS, EXAMPLES)
"""What a brain's `consolidation` can be; consolidation.py has one class for each."""

_LEAST = {
    "inner_lr": 0.0,
    "num_inner_steps": 0,
    "support_size": 0,
    "trust_radius": 0.0,
    "moments_per_step": 0.0,
}


@dataclass(frozen=True)
class InnerLoop:
    """How the brain adapts: the settings it was meta-trained and exported with."""

    inner_lr: float
    num_inner_steps: int
    """At most; 1 for brains that adapt in closed form."""
    support_size: int
    """How many of the newest moments adaptation learns from, each by one example."""
    first_order: bool
    trust_radius: float
    """The largest L2 distance from the initial weights that is handed out; for "average" only."""
    consolidation: str = AVERAGE
    """What of a player lasts, one of `KINDS`: an average of weights, statistics, or the examples alone."""
    forgetting: float = 1.0
    """Of "statistics": what is left of all that was known, at each new moment; in (0, 1]."""
    round_forgetting: float = 0.9
    """Of "statistics": what is left of it at the end of a round; in (0, 1]."""
    moments_per_step: float = 0.0
    """One step for so many moments of the support set: few examples bear few steps. 0: always all of them."""

    def steps_for(self, moments: int) -> int:
        """How many steps to take on a support set of so many moments; none without any."""
        return steps_for(moments, self.num_inner_steps, self.moments_per_step)


def steps_for(moments: int, num_inner_steps: int, moments_per_step: float) -> int:
    """See `InnerLoop`; training counts by this too."""
    if moments == 0 or num_inner_steps == 0:
        return 0
    if moments_per_step == 0:
        return num_inner_steps
    return min(max(1, round(moments / moments_per_step)), num_inner_steps)


@dataclass(frozen=True)
class Uncertainty:
    """What the deviations of a brain with a vector target mean."""

    intervals: Mapping[float, float]
    """Coverage, such as .8 -> m: the interval of one output is its prediction ± m deviations."""


def inner_loop_of(stored: Mapping[str, Any], name: str) -> InnerLoop:
    """Reads the manifest's entry; `name` is the brain's, for messages.

    Raises:
        BrainError: a setting is missing, of the wrong type or out of its bounds.
    """
    for key, least in _LEAST.items():
        value = stored.get(key, 0.0 if key == "moments_per_step" else None)  # older brains have none
        allowed = (int, float) if isinstance(least, float) else int
        if isinstance(value, bool) or not isinstance(value, allowed) or not least <= value < math.inf:
            raise BrainError(f"{name}: inner_loop has {key} = {value!r}, it must be {least} or more")
    kind = stored.get("consolidation", AVERAGE)  # brains of before there were several have none
    if kind not in KINDS:
        raise BrainError(
            f"{name}: inner_loop has consolidation = {kind!r}, this addon knows {', '.join(KINDS)}: "
            "use the addon it was made for"
        )
    return InnerLoop(
        inner_lr=float(stored["inner_lr"]),
        num_inner_steps=stored["num_inner_steps"],
        support_size=stored["support_size"],
        first_order=bool(stored.get("first_order")),
        trust_radius=float(stored["trust_radius"]),
        consolidation=kind,
        forgetting=_share(stored, "forgetting", 1.0, name),
        round_forgetting=_share(stored, "round_forgetting", 0.9, name),
        moments_per_step=float(stored.get("moments_per_step", 0.0)),
    )


def uncertainty_of(stored: Any, target_kind: str, name: str) -> Uncertainty | None:
    """Reads the manifest's entry; None where there is none, as in brains that do not know what they know.

    A category's probabilities say it all: its brain has an entry, perhaps, but no deviations.

    Raises:
        BrainError: it is not written correctly.
    """
    if stored is None or target_kind != "vector":
        return None
    try:
        intervals = {float(coverage): float(width) for coverage, width in stored["intervals"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        intervals = {}
    if not intervals or not all(
        0 < coverage < 1 and 0 < width < math.inf for coverage, width in intervals.items()
    ):
        raise BrainError(
            f"{name}: its manifest has the uncertainty {stored!r}, it needs intervals such as "
            '{"0.8": 1.28}: train it again'
        )
    return Uncertainty(MappingProxyType(intervals))


def _share(stored: Mapping[str, Any], key: str, absent: float, name: str) -> float:
    value = stored.get(key, absent)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise BrainError(f"{name}: inner_loop has {key} = {value!r}, it must be above 0 and at most 1")
    return float(value)
