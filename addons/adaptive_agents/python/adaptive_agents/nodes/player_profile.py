"""PlayerProfile: what the game remembers of one player, for all brains."""

from __future__ import annotations

from pathlib import Path

from adaptive_agents.errors import AdaptiveAgentsError, DamagedProfileError, ProfileError
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import Exported, NativeObject, Owner, method, static_method
from adaptive_agents.godot.register import new
from adaptive_agents.model.adaptation import AdaptationSettings
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile, is_profile, set_aside


def _report(message: str) -> None:
    engine.push_error(message, "PlayerProfile.load_profile")


def _keep(file: Path) -> str:
    """Moves a file that cannot be used aside; what became of it, for the message."""
    try:
        return f" (the file is kept as '{set_aside(file)}')"
    except ProfileError as error:
        return f" ({error})"


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

        A missing file gives a new profile, and so does one that cannot be used. If that is a profile whose
        content is wrong, it is moved aside; what is not readable now, or is none of ours, stays where it is.
        """
        made = new(PlayerProfile)
        file = Path(engine.absolute_path(path))
        if not file.exists() and path:
            return made
        try:
            made.object.profile = Profile.load(file)
        except DamagedProfileError as error:
            _report(f"{error}{_keep(file)}")
        except ProfileError as error:
            # It may be whole, and readable in a moment, or be no file of ours: it stays where it is.
            made.object._keeps_older_file = True
            _report(f"{error}; it is left as it is, and this player starts afresh")
        return made

    @method
    def save(self, path: str) -> bool:
        """Writes the profile.

        True where that worked. The old file stays whole until the new one is on the disk. Waits for the disk.
        """
        try:
            file = Path(engine.absolute_path(path))
            file.parent.mkdir(parents=True, exist_ok=True)
            is_empty = file.is_file() and not file.stat().st_size
            if file.exists() and not is_empty and not is_profile(file):
                raise ProfileError(f"'{path}' is no profile and is not replaced: choose another path")
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
