"""Adaptive Agents: enemies that learn how this player plays, within seconds, on the player's own machine.

This is the runtime: plain Python that runs inside the engine and outside it. Its folders, each of which
imports only those above it:

    formats   sessions, and how files are framed and written
    model     a brain predicts, adapts, and keeps what it knows of a player
    godot     the only code that touches the engine's pointers
    tick      many agents observe, decide and learn at once
    nodes     what a game developer sees

Importing the package loads neither onnxruntime nor torch.
"""

from __future__ import annotations

from adaptive_agents import one_thread as _one_thread  # noqa: F401 - first, because it imports numpy
from adaptive_agents.errors import (
    AdaptiveAgentsError,
    BrainError,
    DamagedProfileError,
    ObservationError,
    PosteriorError,
    ProfileError,
    SessionError,
    SpecError,
)
from adaptive_agents.spec import Field, Spec, Target

__all__ = [
    "AdaptiveAgentsError",
    "BrainError",
    "DamagedProfileError",
    "Field",
    "ObservationError",
    "PosteriorError",
    "ProfileError",
    "SessionError",
    "Spec",
    "SpecError",
    "Target",
]
