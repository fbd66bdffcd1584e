"""Who takes part in a tick: what it needs of an agent, a recorder and a player. The nodes are such."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from adaptive_agents.errors import AdaptiveAgentsError
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.profile import Profile
from adaptive_agents.spec import Spec

if TYPE_CHECKING:
    from adaptive_agents.tick.crowd import Crowd
    from adaptive_agents.tick.labels import MaturedLabels

OFF = 0
"""An agent's `adaptation`: it predicts with the brain's own weights. Everything else adapts."""


class LoadedBrain(Protocol):
    """A brain as a resource; without content where its file cannot be used."""

    @property
    def brain(self) -> Brain | None: ...
    @property
    def error(self) -> str: ...
    @property
    def source(self) -> str: ...


class Player(Protocol):
    """What is remembered of one player."""

    @property
    def profile(self) -> Profile: ...
    def start_afresh(self, brain: Brain) -> None:
        """Drops what was remembered for an earlier brain of this name, whose spec was another."""


class Agent(Protocol):
    """Somebody who observes and is given predictions."""

    instance: Any
    """Its aa_instance, which the tick reads without entering Python (godot/rows.py)."""
    episode: int
    reported: set[str]
    """The kinds of problems that it was told of."""

    @property
    def enabled(self) -> bool: ...
    @property
    def has_failed(self) -> bool: ...
    @property
    def brain(self) -> LoadedBrain | None: ...
    @property
    def profile(self) -> Player | None: ...
    @property
    def adaptation(self) -> int: ...
    @property
    def decision_interval(self) -> int: ...
    @property
    def label(self) -> str: ...
    def current_spec(self, tick_rate_hz: int) -> Spec | None:
        """What it observes and predicts; None: it takes no part."""

    def complain(self, kind: str, error: AdaptiveAgentsError, *, is_known: bool = False) -> None:
        """Reports a problem of this kind once."""

    def fail(self, message: str) -> None:
        """It stops; the game goes on."""

    def end_episode(self) -> None:
        """Ends a round for it."""


class Recorder(Protocol):
    """Somebody who records the agents below its parent."""

    @property
    def recording(self) -> bool: ...
    def number_of(self, agent: Agent) -> int:
        """The agent's number in this session, given at the first call."""

    def take(self, crowd: Crowd, labels: MaturedLabels, numbers: object) -> None:
        """Records labelled observations of agents; `numbers` are the agents' numbers in this session."""

    def tell_finished(self) -> None:
        """Says of every file that is on the disk by now that it is."""
