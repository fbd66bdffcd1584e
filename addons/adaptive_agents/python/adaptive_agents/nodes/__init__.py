"""The classes a game developer sees, one file each, and in `CLASSES` all that the engine gets.

    AdaptiveAgent, SessionRecorder      nodes                 adaptive_agent.py, session_recorder.py
    AdaptiveBrain, PlayerProfile        resources             adaptive_brain.py, player_profile.py
    AdaptiveAgents                      the singleton         adaptive_agents.py

They are thin: they check what the game gives, and hand it to tick/.
"""

from __future__ import annotations

from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.nodes.adaptive_agent import AdaptiveAgent
from adaptive_agents.nodes.adaptive_agents import AdaptiveAgents
from adaptive_agents.nodes.adaptive_brain import AdaptiveBrain
from adaptive_agents.nodes.player_profile import PlayerProfile
from adaptive_agents.nodes.session_recorder import SessionRecorder
from adaptive_agents.tick.hub import hub
from adaptive_agents.tick.recording import end_recording

CLASSES: tuple[type[NativeObject], ...] = (
    AdaptiveBrain,
    PlayerProfile,
    AdaptiveAgent,
    SessionRecorder,
    AdaptiveAgents,
)
"""In the order of registration: a class comes after those it names."""


def begin(singleton: NativeObject) -> None:
    """Called when the library's objects get their Python halves; `singleton` is the first of them."""
    if not isinstance(singleton, AdaptiveAgents):
        raise TypeError(f"the library's singleton is {type(singleton).__name__}, not AdaptiveAgents")
    hub.find_player = singleton.player


def end() -> None:
    """Called before the engine exits: threads end, and nothing of the engine is held any longer."""
    hub.close()
    end_recording()
