"""AdaptiveAgents: the singleton, for what concerns all agents."""

from __future__ import annotations

from typing import Any, ClassVar

from ..godot import engine
from ..godot.declare import Exported, NativeObject, method
from ..godot.register import create
from .hub import hub
from .player_profile import PlayerProfile


def _changed(_: AdaptiveAgents) -> None:
    hub.changed = True


def _set_seed(_: AdaptiveAgents, seed: int) -> None:
    hub.seed = seed


class AdaptiveAgents(NativeObject, base="Object"):
    """Current profile, end of a round, statistics, and settings for replays and tests."""

    the_one: ClassVar[AdaptiveAgents]

    current_profile = Exported(PlayerProfile, changed=_changed)
    synchronous = Exported(
        bool, get=lambda _: hub.worker.synchronous, set=lambda _, value: hub.set_synchronous(value)
    )
    seed = Exported(int, get=lambda _: hub.seed, set=_set_seed)

    @method
    def end_episode(self) -> None:
        """Ends a round for every agent, and lets every profile in use take its slow step."""
        hub.end_episode()

    @method
    def get_statistics(self) -> dict[str, Any]:
        """Cost and counts since the last reset: tick_usec_median, tick_usec_p99, agents, runs, adaptations, rejected, …"""
        return hub.statistics()

    @method
    def reset_statistics(self) -> None:
        """Starts the statistics anew."""
        hub.reset_statistics()


def add_singleton() -> None:
    """Makes the one object, and gives it to the engine under the class's name."""
    AdaptiveAgents.the_one = create(AdaptiveAgents)
    engine.call(engine.singleton("Engine"), "register_singleton", "AdaptiveAgents", AdaptiveAgents.the_one)


def remove_singleton() -> None:
    """Takes it away again."""
    engine.call(engine.singleton("Engine"), "unregister_singleton", "AdaptiveAgents")
    engine.free(AdaptiveAgents.the_one)
