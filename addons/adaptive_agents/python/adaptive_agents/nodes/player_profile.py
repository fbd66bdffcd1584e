"""PlayerProfile: what the game remembers of one player, for all brains."""

from __future__ import annotations

from pathlib import Path

from adaptive_agents.errors import AdaptiveAgentsError, ProfileError
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import Exported, NativeObject, Owner, method, static_method
from adaptive_agents.godot.register import new
from adaptive_agents.model.adaptation import AdaptationSettings
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile, set_aside


class PlayerProfile(NativeObject, base="Resource", is_reference=True):
    """The adapted weights and the newest examples of one player."""

    examples = Exported[int](get=lambda self: self.profile.examples)

    def start(self) -> None:
        self.profile = Profile()
        self._keeps_older_file = False

    def _get_player_id(self) -> str:
        return self.profile.player_id

    def _set_player_id(self, player_id: str) -> None:
        self.profile.player_id = player_id

    player_id = Exported[str]("", get=_get_player_id, set_=_set_player_id)

    @staticmethod
    @static_method
    def load_profile(path: str) -> Owner[PlayerProfile]:
        """Reads a `.profile`.

        A missing file gives a new profile; one that cannot be used is moved aside, never overwritten.
        """
        made = new(PlayerProfile)
        file = Path(engine.absolute_path(path))
        if not file.exists():
            return made
        try:
            made.object.profile = Profile.load(file)
        except ProfileError as error:
            engine.push_error(
                f"{error} (the file is kept as '{set_aside(file)}')", "PlayerProfile.load_profile"
            )
        return made

    @method
    def save(self, path: str) -> bool:
        """Writes the profile.

        True where that worked. The old file stays whole until the new one is on the disk. Waits for the disk.
        """
        try:
            file = Path(engine.absolute_path(path))
            file.parent.mkdir(parents=True, exist_ok=True)
            if self._keeps_older_file and file.exists():
                set_aside(file)
            self.profile.save(file)
            self._keeps_older_file = False
        except (AdaptiveAgentsError, OSError) as error:
            engine.push_error(f"{error}", "PlayerProfile.save")
            return False
        return True

    @method
    def reset(self) -> None:
        """Forgets the player: every brain starts from its own weights again."""
        self.profile.reset()

    @method
    def end_episode(self) -> None:
        """Ends a round: the slow weights move a little towards what this round showed."""
        self.profile.end_episode(AdaptationSettings().meta_step_size)

    # ---- for the hub

    def start_afresh(self, brain: Brain) -> None:
        """Drops what was remembered for an earlier brain of this name, whose spec was another.

        The file that still holds it is moved aside by the next `save`, not overwritten.
        """
        self.profile.forget(brain)
        self._keeps_older_file = True
