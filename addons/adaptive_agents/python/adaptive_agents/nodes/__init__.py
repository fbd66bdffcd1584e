"""The classes a game developer sees, one file each, and in `CLASSES` all that the engine gets.

    AdaptiveAgent, SessionRecorder      nodes                 adaptive_agent.py, session_recorder.py
    AdaptiveBrain, PlayerProfile        resources             adaptive_brain.py, player_profile.py
    AdaptiveAgents                      the singleton         adaptive_agents.py

Behind them: hub.py knows all agents and drives the tick, crowd.py is one tick of the agents that share a
brain, recording.py writes sessions off the main thread.
"""

from __future__ import annotations

from pathlib import Path

from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import NativeObject
from adaptive_agents.nodes.adaptive_agent import AdaptiveAgent
from adaptive_agents.nodes.adaptive_agents import AdaptiveAgents, add_singleton, remove_singleton
from adaptive_agents.nodes.adaptive_brain import AdaptiveBrain, AdaptiveBrainLoader, add_loader, remove_loader
from adaptive_agents.nodes.hub import hub
from adaptive_agents.nodes.player_profile import PlayerProfile
from adaptive_agents.nodes.recording import end_recording
from adaptive_agents.nodes.session_recorder import SessionRecorder

CLASSES: tuple[type[NativeObject], ...] = (
    AdaptiveBrain,
    AdaptiveBrainLoader,
    PlayerProfile,
    AdaptiveAgent,
    SessionRecorder,
    AdaptiveAgents,
)
"""In the order of registration: a class comes after those it names."""

_DOCUMENTATION = Path(__file__).resolve().parents[3] / "doc_classes"


def begin() -> None:
    """Called when the classes are registered."""
    add_loader()
    add_singleton()


def begin_editor() -> None:
    """Called when the editor is there: gives it the built-in help of the classes."""
    for file in sorted(_DOCUMENTATION.glob("*.xml")):
        engine.add_documentation(file.read_text(encoding="utf-8"))


def end() -> None:
    """Called before the classes go: threads end, and nothing of the engine is held any longer."""
    hub.close()
    end_recording()
    remove_singleton()
    remove_loader()
