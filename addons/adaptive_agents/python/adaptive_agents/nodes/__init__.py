"""The classes a game developer sees, one file each, and in `CLASSES` all that the engine gets.

    AdaptiveAgent, SessionRecorder      nodes                 adaptive_agent.py, session_recorder.py
    AdaptiveBrain, PlayerProfile        resources             adaptive_brain.py, player_profile.py
    AdaptiveAgents                      the singleton         adaptive_agents.py

They are thin: they check what the game gives, and hand it to tick/.
"""

from __future__ import annotations

from adaptive_agents.godot import engine
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

PLUGIN = "res://addons/adaptive_agents/plugin.cfg"


def begin(singleton: NativeObject) -> None:
    """Called when the library's objects get their Python halves; `singleton` is the first of them."""
    if not isinstance(singleton, AdaptiveAgents):
        raise TypeError(f"the library's singleton is {type(singleton).__name__}, not AdaptiveAgents")
    hub.find_player = singleton.player
    if engine.is_editor():
        _warn_if_switched_off()


def _warn_if_switched_off() -> None:
    """The classes are there as soon as the addon is; what an export needs is not."""
    settings = engine.singleton("ProjectSettings")
    if PLUGIN not in engine.call(settings, "get_setting", "editor_plugins/enabled", []):
        engine.push_warning(
            "Adaptive Agents is in this project, but not switched on: an exported game would get no Python, "
            "and its agents would stay idle. Switch it on under Project > Project Settings > Plugins."
        )


def end() -> None:
    """Called before the engine exits: threads end, and nothing of the engine is held any longer."""
    hub.close()
    end_recording()
