"""The hub: which agents and recorders there are, and what happens between two ticks.

Nodes report here when they enter and leave the tree. The engine's `physics_frame` drives `tick`: results of
adaptation are taken over, every crowd has its tick, and new adaptations are handed to the worker.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.adaptation import AdaptationSettings, AdaptationWorker, apply, submit_due
from adaptive_agents.brain import Brain
from adaptive_agents.errors import AdaptiveAgentsError, BrainError, ObservationError, ProfileError
from adaptive_agents.godot import engine
from adaptive_agents.godot.callbacks import new_callable, report
from adaptive_agents.godot.register import new
from adaptive_agents.nodes.crowd import Crowd
from adaptive_agents.profile import BrainMemory
from adaptive_agents.spec import Spec

OFF = 0  # Adaptation.ADAPTATION_OFF

if TYPE_CHECKING:
    from adaptive_agents.nodes.adaptive_agent import AdaptiveAgent
    from adaptive_agents.nodes.player_profile import PlayerProfile
    from adaptive_agents.nodes.session_recorder import SessionRecorder

# The engine's Node.NOTIFICATION_…
ENTER_TREE, EXIT_TREE = 10, 11
PAUSED, UNPAUSED, DISABLED, ENABLED = 14, 15, 28, 29
TICKS_REMEMBERED = 6000


class Hub:
    """Everything that belongs to the running game as a whole."""

    def __init__(self) -> None:
        self.agents: dict[AdaptiveAgent, None] = {}
        self.recorders: dict[SessionRecorder, None] = {}
        self.changed = False
        """Whether somebody came, went or was set differently since the last tick."""
        self.process_changed = False
        """Whether the engine began or ceased to let a node process since the last tick."""
        self.seed = 0
        self.game_build = ""
        self.tick_rate_hz = 60
        self.settings = AdaptationSettings()
        self.worker = AdaptationWorker()
        self.default_profile: PlayerProfile | None = None
        self._crowds: dict[tuple[Brain | None, Spec], Crowd] = {}
        self._crowd_of: dict[AdaptiveAgent, Crowd] = {}
        self._tick = 0
        self._is_connected = False
        self._adaptations = 0
        self._rejected = 0
        self._runs_before = 0
        self._tick_usec: deque[float] = deque(maxlen=TICKS_REMEMBERED)

    # ---- who is there

    def add_agent(self, agent: AdaptiveAgent) -> None:
        if self._begin(agent):
            self.agents[agent] = None
            self.changed = True

    def remove_agent(self, agent: AdaptiveAgent) -> None:
        if agent in self.agents:
            del self.agents[agent]
            self._forget(agent)

    def add_recorder(self, recorder: SessionRecorder) -> None:
        if self._begin(recorder):
            self.recorders[recorder] = None
            self.changed = True

    def remove_recorder(self, recorder: SessionRecorder) -> None:
        self.recorders.pop(recorder, None)
        self.changed = True

    def _begin(self, node: Any) -> bool:
        """Connects to the engine's ticks at the first node. False in the editor, where nothing runs."""
        if engine.is_editor():
            return False
        if not self._is_connected:
            self._is_connected = True
            self.tick_rate_hz = engine.call(engine.singleton("Engine"), "get_physics_ticks_per_second")
            settings = engine.singleton("ProjectSettings")
            name = engine.call(settings, "get_setting", "application/config/name", "")
            version = engine.call(settings, "get_setting", "application/config/version", "")
            self.game_build = f"{name} {version}".strip()
            tick = new_callable("AdaptiveAgents (tick)", self.tick)
            engine.call(engine.call(node, "get_tree"), "connect", "physics_frame", tick)
        return True

    def _forget(self, agent: AdaptiveAgent) -> None:
        crowd = self._crowd_of.pop(agent, None)
        if crowd is not None:
            crowd.forget(agent)
        self.changed = True

    # ---- the tick

    def tick(self) -> None:
        """One physics tick. Called by the engine before the nodes' own _physics_process."""
        began = time.perf_counter_ns()
        self._take_over()
        for recorder in list(self.recorders):
            recorder.tell_finished()
        if self.changed:
            self._arrange()
        if self.process_changed:
            self.process_changed = False
            for crowd in self._crowds.values():
                crowd.find_able()
        if self._crowds and not any(crowd.is_able for crowd in self._crowds.values()):
            return  # the game is paused: no time passes, and what waits for its horizon goes on afterwards
        for key in list(self._crowds):
            if self.changed:  # a script freed an agent, or set one differently, in the crowd before
                self._arrange()
            if key in self._crowds:
                self._tick_crowd(self._crowds[key])
        memories = [memory for crowd in self._crowds.values() for memory in crowd.memories]
        if memories:
            submit_due(self.worker, memories, self._tick, self.settings)
        self._tick += 1
        self._tick_usec.append((time.perf_counter_ns() - began) / 1000)

    def _tick_crowd(self, crowd: Crowd) -> None:
        try:
            crowd.tick(self._tick)
        except Exception as error:  # noqa: BLE001 - one crowd must not stop the others
            report(error, f"AdaptiveAgents (tick of {crowd.name})")
            for agent in [agent for agent in crowd.agents if agent is not None]:
                agent.fail(str(error))

    def _take_over(self) -> None:
        """Takes the weights that the worker finished since the last tick."""
        for outcome in self.worker.poll():
            self._adaptations += 1
            if outcome.error is not None:
                report(outcome.error, "AdaptiveAgents (adaptation)")
            if not apply(outcome):
                self._rejected += 1
                continue
            for crowd in self._crowds.values():
                crowd.adapted(outcome.memory, outcome.loss_before, outcome.loss_after)

    def _arrange(self) -> None:
        """Puts every agent into the crowd of its brain and spec."""
        self.changed = False
        members: dict[tuple[Brain | None, Spec], list[tuple[AdaptiveAgent, BrainMemory | None]]] = {}
        for agent in self.agents:
            try:
                key = self._key(agent)
                if key is not None:
                    members.setdefault(key, []).append((agent, self._memory(agent, key[0])))
            except AdaptiveAgentsError as error:
                agent.complain("settings", error)
        below = self._recorded_agents()
        before, self._crowds = self._crowds, {}
        self._crowd_of = {}
        for key, entries in members.items():
            crowd = before.get(key) or Crowd(key[1], key[0])
            agents = [agent for agent, _ in entries]
            crowd.set_members(agents, [memory for _, memory in entries], below)
            self._crowds[key] = crowd
            self._crowd_of.update(dict.fromkeys(agents, crowd))

    def _key(self, agent: AdaptiveAgent) -> tuple[Brain | None, Spec] | None:
        if not agent.enabled or agent.has_failed:
            return None
        if agent.brain is not None and agent.brain.brain is None:
            error = BrainError(f"{agent.label} stays idle: {agent.brain.error}")
            agent.complain("settings", error, is_known=bool(agent.brain.source))
            return None
        brain = agent.brain.brain if agent.brain is not None else None
        spec = agent.current_spec(self.tick_rate_hz)
        return None if spec is None else (brain, spec)

    def _memory(self, agent: AdaptiveAgent, brain: Brain | None) -> BrainMemory | None:
        if brain is None or agent.adaptation == OFF:
            return None
        owner = agent.profile or self.current_profile
        try:
            return owner.profile.memory_for(brain)
        except ProfileError as error:
            agent.complain("profile", ProfileError(f"{error}; the next save keeps the older file as .old"))
            owner.start_afresh(brain)
            return owner.profile.memory_for(brain)

    def _recorded_agents(self) -> list[tuple[SessionRecorder, list[AdaptiveAgent]]]:
        """For each recorder that records: the agents below its parent."""
        active = [recorder for recorder in self.recorders if recorder.recording]
        if not active:
            return []
        paths = {agent: engine.call(agent, "get_path") for agent in self.agents}
        found = []
        for recorder in active:
            above = engine.call(recorder, "get_path").rpartition("/")[0] + "/"
            found.append((recorder, [agent for agent, path in paths.items() if path.startswith(above)]))
        return found

    # ---- what nodes ask for

    @property
    def current_profile(self) -> PlayerProfile:
        """The profile of agents that have none of their own."""
        from adaptive_agents.nodes.adaptive_agents import AdaptiveAgents
        from adaptive_agents.nodes.player_profile import PlayerProfile

        owner = AdaptiveAgents.the_one
        if owner.current_profile is None:
            made = new(PlayerProfile)
            owner.current_profile = made.object
        return owner.current_profile

    def crowd_of(self, agent: AdaptiveAgent) -> Crowd | None:
        """The agent's crowd, with everything that changed since the last tick."""
        if self.changed:
            self._arrange()
        return self._crowd_of.get(agent)

    def learn(
        self, agent: AdaptiveAgent, observation: NDArray[np.float32], target: NDArray[np.float32]
    ) -> None:
        crowd = self.crowd_of(agent)
        if crowd is None:
            if agent not in self.agents:
                where = f"{agent.label} cannot learn before it is in the scene tree: add it first"
                agent.complain("learn", ObservationError(where))
            return
        try:
            crowd.learn(agent, self._tick, observation, target)
        except AdaptiveAgentsError as error:
            agent.complain("learn", error)

    def decide(self, agent: AdaptiveAgent) -> None:
        crowd = self.crowd_of(agent)
        if crowd is not None:
            crowd.decide(agent, self._tick)

    def end_episode_of(self, agent: AdaptiveAgent) -> None:
        crowd = self._crowd_of.get(agent)
        if crowd is not None:
            crowd.end_episode(agent)

    def end_episode(self) -> None:
        """Ends the round for everybody: every memory in use takes its slow step."""
        for agent in self.agents:
            agent.end_episode()
        for memory in {memory for crowd in self._crowds.values() for memory in crowd.memories}:
            memory.end_episode(self.settings.meta_step_size)

    def statistics(self) -> dict[str, Any]:
        """What the addon did, and what it cost on the main thread, since the last reset."""
        times = np.array(self._tick_usec) if self._tick_usec else np.zeros(1)
        return {
            "ticks": len(self._tick_usec),
            "tick_usec_last": float(times[-1]),
            "tick_usec_median": float(np.median(times)),
            "tick_usec_p99": float(np.percentile(times, 99)),
            "tick_usec_max": float(times.max()),
            "agents": len(self.agents),
            "runs": self._runs() - self._runs_before,
            "adaptations": self._adaptations,
            "rejected": self._rejected,
        }

    def _runs(self) -> int:
        return sum(crowd.runs for crowd in self._crowds.values())

    def reset_statistics(self) -> None:
        self._tick_usec.clear()
        self._adaptations = self._rejected = 0
        self._runs_before = self._runs()

    def set_synchronous(self, synchronous: bool) -> None:
        if synchronous != self.worker.synchronous:
            self.worker.close()
            self._take_over()
            self.worker = AdaptationWorker(synchronous=synchronous)

    def close(self) -> None:
        """Lets go of everything; called when the engine exits."""
        self.worker.close()
        self.agents.clear()
        self.recorders.clear()
        self._crowds.clear()
        self._crowd_of.clear()


hub = Hub()
