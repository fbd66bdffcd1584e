"""The hub: which agents and recorders there are, and what happens between two ticks.

Nodes report here when they enter and leave the tree. The engine's `physics_frame` drives `tick`: results of
adaptation are taken over, every crowd has its tick, and new adaptations are handed to the worker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import AdaptiveAgentsError, BrainError, ObservationError, ProfileError
from adaptive_agents.godot import engine
from adaptive_agents.godot.callbacks import new_callable, report
from adaptive_agents.model.adaptation import AdaptationSettings, AdaptationWorker, apply, submit_due
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.guard import FROZEN
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.spec import Spec
from adaptive_agents.tick.crowd import Crowd
from adaptive_agents.tick.participants import OFF, Agent, Player, Recorder

TICKS_REMEMBERED = 6000


CrowdKey = tuple[Brain | None, Spec]


class Hub:
    """Everything that belongs to the running game as a whole."""

    def __init__(self) -> None:
        self.agents: dict[Agent, None] = {}
        self.recorders: dict[Recorder, None] = {}
        self.changed = False
        """Whether somebody came, went or was set differently since the last tick."""
        self.process_changed = False
        """Whether the engine began or ceased to let a node process since the last tick."""
        self.seed = 0
        self.game_build = ""
        self.tick_rate_hz = 60
        self.settings = AdaptationSettings()
        self.is_guarded = True
        self.worker = AdaptationWorker()
        self.find_player: Callable[[], Player]
        """Gives the player of agents that name none of their own; the nodes put theirs here."""
        self._keys: dict[Agent, CrowdKey] = {}
        """What `_key` found out, until the agent is set differently: parsing fields is slow."""
        self._known_keys: dict[CrowdKey, CrowdKey] = {}
        """Each key in use, so that equal ones are the same object."""
        self._paths: dict[Agent, str] = {}
        """Where agents are in the scene tree, as far as a recorder asked."""
        self._crowds: dict[CrowdKey, Crowd] = {}
        self._crowd_of: dict[Agent, Crowd] = {}
        self._tick = 0
        self._is_connected = False
        self._counts = dict.fromkeys(("adaptations", "projected", "dropped"), 0)
        self._runs_before = 0
        self._tick_usec: deque[float] = deque(maxlen=TICKS_REMEMBERED)

    # ---- who is there

    def add_agent(self, agent: Agent) -> None:
        if self._begin(agent):
            self.agents[agent] = None
            self.changed = True

    def remove_agent(self, agent: Agent) -> None:
        if agent in self.agents:
            del self.agents[agent]
            self.agent_changed(agent)
            self.agent_moved(agent)
            crowd = self._crowd_of.pop(agent, None)
            if crowd is not None:
                crowd.forget(agent)

    def agent_changed(self, agent: Agent) -> None:
        """Something was set that decides how the agent takes part in the tick."""
        self._keys.pop(agent, None)
        self.changed = True

    def agent_moved(self, agent: Agent) -> None:
        """Its path in the scene tree is another one, or will be."""
        self._paths.pop(agent, None)

    def add_recorder(self, recorder: Recorder) -> None:
        if self._begin(recorder):
            self.recorders[recorder] = None
            self.changed = True

    def remove_recorder(self, recorder: Recorder) -> None:
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
        for key, crowd in list(self._crowds.items()):
            # A script in the crowd before may have called `decide`, which arranges what changed.
            if self._crowds.get(key) is crowd:
                self._tick_crowd(crowd)
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
            self._counts["adaptations"] += 1
            self._counts["projected"] += outcome.is_projected
            if outcome.error is not None:
                report(outcome.error, "AdaptiveAgents (adaptation)")
            if not apply(outcome):
                self._counts["dropped"] += 1
                continue
            for crowd in self._crowds.values():
                crowd.adapted(outcome.memory, outcome.loss_before, outcome.loss_after)

    def _arrange(self) -> None:
        """Puts every agent into the crowd of its brain and spec."""
        self.changed = False
        # By identity: to hash a spec for every agent takes longer than all the rest.
        members: dict[int, tuple[CrowdKey, list[Agent], list[BrainMemory | None]]] = {}
        problems: list[tuple[Agent, str, AdaptiveAgentsError]] = []
        for agent in self.agents:
            try:
                key = self._key(agent)
            except AdaptiveAgentsError as error:
                problems.append((agent, "settings", error))
                continue
            if key is not None:
                _, agents, memories = members.setdefault(id(key), (key, [], []))
                agents.append(agent)
                memories.append(self._memory(agent, key[0], problems))
        below = self._recorded_agents()
        before, self._crowds = self._crowds, {}
        self._crowd_of = {}
        for key, agents, memories in members.values():
            crowd = before.get(key) or Crowd(key[1], key[0])
            crowd.is_guarded = self.is_guarded
            crowd.set_members(agents, memories, below)
            self._crowds[key] = crowd
            self._crowd_of.update(dict.fromkeys(agents, crowd))
        self._known_keys = {key: key for key in self._crowds}
        self._runs_before -= sum(crowd.runs for key, crowd in before.items() if key not in self._crowds)
        # Last: a script that hears of it may free agents.
        for agent, kind, problem in problems:
            if agent in self.agents:
                # What is wrong with a file was said when it was loaded.
                is_known = isinstance(problem, BrainError) and agent.brain is not None and agent.brain.source
                agent.complain(kind, problem, is_known=bool(is_known))

    def _key(self, agent: Agent) -> CrowdKey | None:
        """To which crowd the agent belongs; None while it takes no part."""
        key = self._keys.get(agent)
        if key is None:
            key = self._find_key(agent)
            if key is not None:
                key = self._keys[agent] = self._known_keys.setdefault(key, key)
        return key

    def _find_key(self, agent: Agent) -> CrowdKey | None:
        if not agent.enabled or agent.has_failed:
            return None
        if agent.brain is not None and agent.brain.brain is None:
            raise BrainError(f"{agent.label} stays idle: {agent.brain.error}")
        brain = agent.brain.brain if agent.brain is not None else None
        spec = agent.current_spec(self.tick_rate_hz)
        return None if spec is None else (brain, spec)

    def _memory(
        self,
        agent: Agent,
        brain: Brain | None,
        problems: list[tuple[Agent, str, AdaptiveAgentsError]],
    ) -> BrainMemory | None:
        if brain is None or agent.adaptation == OFF:
            return None
        owner = agent.profile or self.find_player()
        try:
            return owner.profile.memory_for(brain)
        except ProfileError as error:
            kept = ProfileError(f"{error}; the next save keeps the older file as .old")
            problems.append((agent, "profile", kept))
            owner.start_afresh(brain)
            return owner.profile.memory_for(brain)

    def _recorded_agents(self) -> list[tuple[Recorder, list[Agent]]]:
        """For each recorder that records: the agents below its parent."""
        found = []
        for recorder in [recorder for recorder in self.recorders if recorder.recording]:
            above = engine.call(recorder, "get_path").rpartition("/")[0] + "/"
            found.append((recorder, [agent for agent in self.agents if self._path(agent).startswith(above)]))
        return found

    def _path(self, agent: Agent) -> str:
        path = self._paths.get(agent)
        if path is None:
            path = self._paths[agent] = engine.call(agent, "get_path")
        return path

    # ---- what nodes ask for

    def crowd_of(self, agent: Agent) -> Crowd | None:
        """The agent's crowd, with everything that changed since the last tick."""
        if self.changed:
            self._arrange()
        return self._crowd_of.get(agent)

    def learn(self, agent: Agent, observation: NDArray[np.float32], target: NDArray[np.float32]) -> None:
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

    def decide(self, agent: Agent) -> None:
        crowd = self.crowd_of(agent)
        if crowd is not None:
            crowd.decide(agent, self._tick)

    def end_episode_of(self, agent: Agent) -> None:
        crowd = self._crowd_of.get(agent)
        if crowd is not None:
            crowd.begin_episode(agent)

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
            **self._counts,
            "fallback_share": self._fallback_share(),
        }

    def _fallback_share(self) -> float:
        """How much of what is handed out comes from the frozen model, on average over what adapts."""
        memories = {memory for crowd in self._crowds.values() for memory in crowd.memories}
        shares = [memory.guard.shares(memory.weights.present)[FROZEN] for memory in memories]
        return float(np.mean(shares)) if shares and self.is_guarded else float(not shares)

    def _runs(self) -> int:
        return sum(crowd.runs for crowd in self._crowds.values())

    def reset_statistics(self) -> None:
        self._tick_usec.clear()
        self._counts = dict.fromkeys(self._counts, 0)
        self._runs_before = self._runs()

    def set_guarded(self, is_guarded: bool) -> None:
        """False: what the newest weights say is handed out, whatever they earned."""
        self.is_guarded = is_guarded
        for crowd in self._crowds.values():
            crowd.is_guarded = is_guarded

    def set_forgetting(self, share: float) -> None:
        """For brains that keep statistics: what is left of them at each new example; 0: as trained."""
        if not 0 <= share <= 1:
            engine.push_error(
                f"forgetting is {share}, it must be above 0 and at most 1, or 0 for what the brain was "
                "trained with: it stays as it was",
                "AdaptiveAgents",
            )
            return
        self.settings = replace(self.settings, forgetting=share)

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
        self._keys.clear()
        self._known_keys.clear()
        self._paths.clear()
        self._crowds.clear()
        self._crowd_of.clear()


hub = Hub()
