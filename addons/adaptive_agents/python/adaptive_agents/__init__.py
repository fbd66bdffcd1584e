"""Adaptive Agents: enemies that learn how this player plays, within seconds, on the player's own machine.

This is the runtime: plain Python that runs inside the engine and outside it. Data passes through it in this
order: `spec` names what an agent sees and predicts, `session` records it, `labels` pairs what was seen with
what happened, `brain` predicts, `adaptation` fits the brain to a player, `profile` remembers the player.
`godot` and `nodes` tie it to the engine. Importing the package loads neither onnxruntime nor torch.
"""

from __future__ import annotations

from adaptive_agents import one_thread as _one_thread  # noqa: F401 - first, because it imports numpy
from adaptive_agents.errors import (
    AdaptiveAgentsError,
    BrainError,
    ObservationError,
    ProfileError,
    SessionError,
    SpecError,
)
from adaptive_agents.spec import Field, Spec, Target

__all__ = [
    "AdaptiveAgentsError",
    "BrainError",
    "Field",
    "ObservationError",
    "ProfileError",
    "SessionError",
    "Spec",
    "SpecError",
    "Target",
]
