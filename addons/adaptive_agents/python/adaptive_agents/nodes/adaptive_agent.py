"""AdaptiveAgent: the node under an enemy.

It says what it sees and measures; what happens with that each tick is in crowd.py.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from adaptive_agents.errors import AdaptiveAgentsError, ObservationError, SpecError
from adaptive_agents.godot import engine
from adaptive_agents.godot.declare import (
    AnyValue,
    Exported,
    Floats,
    Group,
    Hint,
    NativeObject,
    Signal,
    Strings,
    Usage,
    engine_method,
    method,
    script_method,
)
from adaptive_agents.godot.notifications import (
    DISABLED,
    ENABLED,
    ENTER_TREE,
    EXIT_TREE,
    PATH_RENAMED,
    PAUSED,
    UNPAUSED,
)
from adaptive_agents.nodes.adaptive_brain import AdaptiveBrain
from adaptive_agents.nodes.player_profile import PlayerProfile
from adaptive_agents.spec import Field, Spec, Target
from adaptive_agents.tick.hub import hub


class Adaptation(IntEnum):
    """Whose weights an agent predicts with: the brain's own, the player's, or (later) the agent's."""

    ADAPTATION_OFF = 0
    ADAPTATION_PLAYER = 1
    ADAPTATION_INDIVIDUAL = 2


class TargetKind(IntEnum):
    """What is predicted: how a quantity changes over the horizon, or which class is there at its end."""

    TARGET_VECTOR = 0
    TARGET_CATEGORY = 1


def _changed(agent: AdaptiveAgent) -> None:
    """Something that decides how the agent takes part in the tick."""
    agent.reported.clear()
    hub.agent_changed(agent)
    if engine.is_editor():
        agent.call_engine("update_configuration_warnings")


class AdaptiveAgent(NativeObject, base="Node"):
    """Predicts what the player does next, and fits the prediction to the player."""

    notifications = (ENTER_TREE, EXIT_TREE, PAUSED, UNPAUSED, PATH_RENAMED, DISABLED, ENABLED)
    enums = (Adaptation, TargetKind)

    enabled = Exported[bool](True, changed=_changed)
    brain = Exported[AdaptiveBrain | None](hint=Hint.resource("AdaptiveBrain"), changed=_changed)
    profile = Exported[PlayerProfile | None](hint=Hint.resource("PlayerProfile"), changed=_changed)
    adaptation = Exported[int](
        Adaptation.ADAPTATION_PLAYER, hint=Hint.enum(Adaptation), changed=_changed, enum=Adaptation
    )
    decision_interval = Exported[int](6, hint=Hint.range("1,60,1,or_greater,suffix:ticks"), changed=_changed)

    recording = Group("Recording")
    observation_fields = Exported[Strings]([], changed=_changed)
    target_kind = Exported[int](
        TargetKind.TARGET_VECTOR, hint=Hint.enum(TargetKind), changed=_changed, enum=TargetKind
    )
    target = Exported[str]("", changed=_changed)
    horizon = Exported[int](36, hint=Hint.range("1,240,1,or_greater,suffix:ticks"), changed=_changed)

    observation = Exported[Floats](native=True, usage=Usage.HIDDEN)
    action = Exported[Floats](native=True, writable=False, usage=Usage.HIDDEN)
    category = Exported[int](native=True, writable=False, usage=Usage.HIDDEN)
    confidence = Exported[float](native=True, writable=False, usage=Usage.HIDDEN)
    uncertainty = Exported[float](native=True, writable=False, usage=Usage.HIDDEN)
    loss = Exported[float](native=True, writable=False, usage=Usage.HIDDEN)
    prediction_error = Exported[float](native=True, writable=False, usage=Usage.HIDDEN)

    decided = Signal(action=Floats)
    adapted = Signal(loss_before=float, loss_after=float)
    failed = Signal(message=str)

    def start(self) -> None:
        self.episode = -1  # 0 as soon as it joins others that share its brain
        self.has_failed = False
        self.reported: set[str] = set()

    # ---- what scripts define, and call

    @script_method
    def _observe(self) -> Floats:
        """What the agent sees now."""
        raise NotImplementedError

    @script_method
    def _measure(self) -> AnyValue:
        """The quantity that is predicted: a number, a vector, or the index of a class."""
        raise NotImplementedError

    @method
    def learn(self, observation: Floats, target: AnyValue) -> None:
        """Gives one example of one's own: this target followed on this observation."""
        try:
            values = np.atleast_1d(np.asarray(target, np.float32))
        except (TypeError, ValueError):
            self.complain(
                "target", ObservationError(f"{self.label} cannot learn the target {target!r}: give numbers")
            )
            return
        hub.learn(self, observation, values)

    @method
    def decide(self) -> None:
        """Decides now, without waiting for the next interval."""
        hub.decide(self)

    @method
    def end_episode(self) -> None:
        """Ends a round for this agent: what it has seen, and waits to measure, is dropped."""
        hub.end_episode_of(self)

    @engine_method
    def _get_configuration_warnings(self) -> Strings:
        warnings = []
        if self.brain is None and not self.observation_fields:
            warnings.append(
                "Without a brain and without observation_fields this agent neither decides "
                "nor can be recorded."
            )
        if self.brain is not None and self.brain.brain is None:
            warnings.append(f"The brain cannot be used: {self.brain.error}")
        if self.adaptation == Adaptation.ADAPTATION_INDIVIDUAL:
            warnings.append(
                "Individual adaptation comes with the next version; until then it works like Player."
            )
        try:
            self.current_spec(60)
        except AdaptiveAgentsError as error:
            warnings.append(str(error))
        return warnings

    # ---- for the tick

    def notified(self, what: int) -> None:
        if what == ENTER_TREE:
            hub.add_agent(self)
        elif what == EXIT_TREE:
            hub.remove_agent(self)
        elif what == PATH_RENAMED:
            hub.agent_moved(self)
        else:
            hub.process_changed = True

    def current_spec(self, tick_rate_hz: int) -> Spec | None:
        """What this agent observes and predicts; None without a brain and without fields.

        That is the brain's spec, which its own fields must fit.

        Raises:
            SpecError: its own fields are not written correctly, or differ from the brain's.
        """
        brain = self.brain.brain if self.brain is not None else None
        if not self.observation_fields:
            return brain.spec if brain else None
        fields = tuple(Field.parse(text) for text in self.observation_fields)
        if self.target:
            target = Target.parse(
                "category" if self.target_kind == TargetKind.TARGET_CATEGORY else "vector", self.target
            )
        elif brain:
            target = brain.spec.target
        else:
            raise SpecError(
                f"{self.label} has observation_fields but no target: write for example player_displacement[2]"
            )
        own = Spec(fields, target, brain.spec.horizon_ticks if brain else self.horizon, tick_rate_hz)
        if brain:
            brain.spec.check_fits(own, brain.label, self.label)
        return own

    @property
    def label(self) -> str:
        """For messages: "agent Archer3"."""
        return f"agent {self.call_engine('get_name') or 'without a name'}"

    def complain(self, kind: str, error: AdaptiveAgentsError, *, is_known: bool = False) -> None:
        """Reports a problem of this kind once, until the agent's settings change.

        `is_known`: the engine's log has it already; only `failed` is emitted.
        """
        if kind not in self.reported:
            self.reported.add(kind)
            if not is_known:
                engine.push_error(str(error), f"AdaptiveAgent ({self.label})")
            self.emit("failed", str(error))

    def fail(self, message: str) -> None:
        """After an exception in one of its callbacks: this agent stops, the game goes on."""
        if not self.has_failed:
            self.has_failed = True
            self.enabled = False
            self.emit("failed", message)

    def call_engine(self, name: str, *arguments: object) -> Any:
        return engine.call(self, name, *arguments)
