"""AdaptiveAgents: the singleton, for what concerns all agents."""

from __future__ import annotations

from typing import Any

from adaptive_agents.godot.declare import Exported, NativeObject, method
from adaptive_agents.godot.register import new
from adaptive_agents.nodes.player_profile import PlayerProfile
from adaptive_agents.tick.hub import hub


def _changed(_: AdaptiveAgents) -> None:
    hub.changed = True


def _set_seed(_: AdaptiveAgents, seed: int) -> None:
    hub.seed = seed


class AdaptiveAgents(NativeObject, base="Object"):
    """Current profile, end of a round, statistics, and settings for replays and tests."""

    def start(self) -> None:
        self._current: PlayerProfile | None = None

    def player(self) -> PlayerProfile:
        """The current profile; a new one where the game has set none."""
        if self._current is None:
            made = new(PlayerProfile)
            self._set_player(made.object)
            return made.object
        return self._current

    def _set_player(self, profile: PlayerProfile | None) -> None:
        self.keep("current_profile", profile)
        self._current = profile

    current_profile = Exported[PlayerProfile](get=player, set_=_set_player, changed=_changed, always=True)
    synchronous = Exported[bool](
        get=lambda _: hub.worker.synchronous, set_=lambda _, value: hub.set_synchronous(value)
    )
    seed = Exported[int](get=lambda _: hub.seed, set_=_set_seed)
    guarded = Exported[bool](True, get=lambda _: hub.is_guarded, set_=lambda _, value: hub.set_guarded(value))
    forgetting = Exported[float](
        0.0, get=lambda _: hub.settings.forgetting, set_=lambda _, share: hub.set_forgetting(share)
    )

    @method
    def end_episode(self) -> None:
        """Ends a round for every agent, and lets every profile in use take its slow step."""
        hub.end_episode()

    @method
    def get_statistics(self) -> dict[str, Any]:
        """Cost and counts since the last reset: tick_usec_median, agents, runs, adaptations, …"""
        return hub.statistics()

    @method
    def reset_statistics(self) -> None:
        """Starts the statistics anew."""
        hub.reset_statistics()
