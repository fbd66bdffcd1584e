"""A crowd: all agents that share a brain and a spec.

One tick of theirs is a fixed number of crossings and NumPy calls:

    score     what matured in the tick before: the guards and the running errors, which can wait so long
    measure   what must be known now: targets of observations made a horizon ago, and where new ones start
    mature    pairs of then and now: to the players' memories and to the recorders
    observe   the agents whose interval has come
    predict   one onnxruntime run for all of them, and one for each few weights that a player taught
    hand out  `action` and `decided`
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.godot.callbacks import report
from adaptive_agents.godot.rows import FREED, NO_METHOD, AgentRows
from adaptive_agents.model.brain import Brain
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.support import row_of_moment
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from adaptive_agents.tick.complaints import complain_of_measurement, complain_of_observation
from adaptive_agents.tick.decisions import DecisionBatch, Decisions
from adaptive_agents.tick.history import ObservationHistory
from adaptive_agents.tick.judging import TaughtExamples, judge
from adaptive_agents.tick.labels import MaturedLabels, PendingLabels
from adaptive_agents.tick.participants import Agent, Recorder
from adaptive_agents.tick.scores import Scores

Slots = NDArray[np.intp]

_MOST_KEPT = 64
"""Arrangements of slots for which rows and plans are kept; a game can have any number of them over time."""


class Crowd:
    """The agents of one brain (or of none, while recording for the first one), by slot."""

    def __init__(self, spec: Spec, brain: Brain | None) -> None:
        self.spec = spec
        self.brain = brain
        self.is_category = spec.target.kind == "category"
        self.name = brain.label if brain else "the recorder"
        self.agents: list[Agent | None] = []
        self.episodes = np.zeros(0, np.int32)
        self.is_able = False
        """Whether the engine lets any of its agents process."""
        self.memories: list[BrainMemory] = []
        """The players' memories that its agents adapt, each once."""
        self.window = brain.window if brain else Window()
        self._labels = PendingLabels(spec, self.window)
        self._history = ObservationHistory(self.window, spec.observation_size)
        """What its agents saw."""
        self._told = ObservationHistory(self.window, spec.observation_size)
        """What the game had those agents learn that measure nothing: their sessions hold only that."""
        self._measures = np.zeros(0, bool)
        self._scores = Scores(spec, has_deviations=brain is not None and brain.uncertainty is not None)
        self._taught = TaughtExamples(spec)
        self.is_guarded = True
        """Whether weights must earn their say in what is handed out."""
        self._batch = DecisionBatch(brain) if brain else None
        self._slot_of: dict[Agent, int] = {}
        self._memory_of: list[BrainMemory | None] = []
        self._recorders: list[tuple[Recorder, NDArray[np.int32]]] = []
        self._unscored: MaturedLabels | None = None
        self._intervals = np.ones(0, np.int64)
        self._members = np.zeros(0, np.intp)
        self._able = np.zeros(0, bool)
        self._idle = np.zeros(0, np.intp)
        self._arrangement = 0  # another number as soon as members come or go: slots from before are stale
        self._rows: dict[bytes, AgentRows] = {}
        self._plans: dict[bytes, tuple[list[BrainMemory | None], NDArray[np.intp]]] = {}

    # ---- who is in it

    def set_members(
        self,
        agents: Sequence[Agent],
        memories: Sequence[BrainMemory | None],
        recorders: Sequence[tuple[Recorder, Sequence[Agent]]],
    ) -> None:
        """Says who belongs to it now. An agent that stays keeps its slot, and what it waits to measure."""
        for agent in self._slot_of.keys() - set(agents):
            self._leave(agent)
        for agent in agents:
            if agent not in self._slot_of:
                self._enter(agent)
        count = len(self.agents)
        self._intervals = np.ones(count, np.int64)
        self._memory_of = [None] * count
        for agent, memory in zip(agents, memories, strict=True):
            slot = self._slot_of[agent]
            self._intervals[slot] = max(1, agent.decision_interval)
            self._memory_of[slot] = memory
            self.episodes[slot] = agent.episode
        self.memories = list(dict.fromkeys(memory for memory in self._memory_of if memory is not None))
        self._recorders = []
        for recorder, recorded in recorders:
            numbers = np.full(count, -1, np.int32)
            for agent in recorded:
                if agent in self._slot_of:
                    numbers[self._slot_of[agent]] = recorder.number_of(agent)
            self._recorders.append((recorder, numbers))
        self._members = np.array(sorted(self._slot_of.values()), np.intp)
        self._rows.clear()
        self._plans.clear()
        self._unscored = None
        self._arrangement += 1
        self.find_able()

    def find_able(self) -> None:
        """Asks the engine which agents it lets process now: their process_mode, and the tree's pause."""
        self._able = np.zeros(len(self.agents), bool)
        self._able[self._members] = able = self._rows_of(self._members).find_able()
        self._idle = self._members[~able]
        self.is_able = bool(able.any())

    def forget(self, agent: Agent) -> None:
        """An agent has left, perhaps in the middle of a tick; it may be freed as soon as this returns."""
        slot = self._slot_of[agent]
        self._leave(agent)
        self._members = self._members[self._members != slot]
        self._idle = self._idle[self._idle != slot]
        self._able[slot] = False
        self._memory_of[slot] = None
        self._rows.clear()
        self._plans.clear()
        self._unscored = None
        self._arrangement += 1

    def adapted(self, memory: BrainMemory, loss_before: float, loss_after: float) -> None:
        """Tells the agents that use a memory's weights that there are new ones."""
        slots = np.flatnonzero([own is memory for own in self._memory_of])
        if len(slots):
            self._rows_of(slots).emit_adapted(loss_before, loss_after)

    @property
    def runs(self) -> int:
        """How often onnxruntime was called for a decision."""
        return self._batch.runs if self._batch else 0

    def _enter(self, agent: Agent) -> None:
        slot = self.agents.index(None) if None in self.agents else len(self.agents)
        if slot == len(self.agents):
            self.agents.append(None)
            self.episodes = np.append(self.episodes, np.int32(0))
            self._measures = np.append(self._measures, False)
        self.agents[slot] = agent
        self._slot_of[agent] = slot
        self._measures[slot] = False
        self.begin_episode(agent)  # wherever it was: what it saw there is not what it saw before this
        self._scores.reset(slot)

    def _leave(self, agent: Agent) -> None:
        slot = self._slot_of.pop(agent)
        self.agents[slot] = None
        self._labels.end_episode(slot)

    # ---- what happens to single agents

    def begin_episode(self, agent: Agent) -> None:
        """What the agent has seen, and waits to measure, is dropped."""
        if agent in self._slot_of:
            slot = self._slot_of[agent]
            agent.episode += 1
            self.episodes[slot] = agent.episode
            self._labels.end_episode(slot)
            self._history.restart(slot)
            self._told.restart(slot)

    def learn(
        self, agent: Agent, tick: int, observation: NDArray[np.float32], target: NDArray[np.float32]
    ) -> None:
        """Takes an example that the game made itself, as the newest of what this agent learns from.

        With a window, the agent's observations before it go with it, as in the session that records it.

        Raises:
            ObservationError: a size is wrong, or a value is not finite.
        """
        sizes = (self.spec.observation_size,), (self.spec.target_columns,)
        fits = (observation.shape, target.shape) == sizes and np.isfinite(observation).all()
        if not fits or self.is_category or not np.isfinite(target).all():
            # The agent's name, which a message would need, costs more than the check itself.
            self.spec.check_observation(observation, self.name, agent.label)
            self.spec.check_target(target, agent.label)
        slots = np.array([self._slot_of[agent]], np.intp)
        nothing = np.full((1, self.spec.target.size), np.nan, np.float32)
        history = self._history if self._measures[slots[0]] else self._told
        window = history.push(tick, slots, observation[None], is_told=True)
        self._remember(MaturedLabels(tick, slots, window, target[None], nothing))
        if (memory := self._memory_of[slots[0]]) is not None:
            self._taught.add(memory, window[0], target)

    def decide(self, agent: Agent, tick: int) -> None:
        """One agent decides now."""
        slots = np.array([self._slot_of[agent]], np.intp)
        arrangement = self._arrangement
        measured = None if self.is_category else self._measure(slots)
        if self._arrangement == arrangement:
            self._decide(tick, slots, measured)

    # ---- the tick

    def tick(self, tick: int) -> None:
        """Everything that is due at this tick."""
        if self._unscored is not None:
            self._score(self._unscored)
            self._unscored = None
        if self._batch is not None:
            self._taught.judge(tick, self._batch)
        if len(self._idle):
            # The game's time passes without them: what they wait to measure would come too late.
            self._labels.end_episode(self._idle)
            for slot in self._idle[self._history.has_begun(self._idle) | self._told.has_begun(self._idle)]:
                if (agent := self.agents[slot]) is not None:
                    self.begin_episode(agent)
        deciding = np.flatnonzero(self._able & (tick % self._intervals == 0))
        waiting = self._labels.due(tick)
        if not len(deciding) and not len(waiting):
            return
        wanted = waiting
        if not self.is_category and not np.array_equal(deciding, waiting):
            # Not union1d, which would import numpy.ma in the middle of a game.
            is_wanted = np.zeros(len(self.agents), bool)
            is_wanted[deciding] = is_wanted[waiting] = True
            wanted = np.flatnonzero(is_wanted)
        arrangement = self._arrangement
        measured = self._measure(wanted) if len(wanted) else None
        if self._arrangement != arrangement:
            return
        if measured is not None and len(waiting):
            slots = waiting[measured[1][waiting]]
            labels = self._labels.mature(tick, slots, measured[0][slots])
            if len(labels.slots):
                self._remember(labels)
                if self._batch is not None:
                    self._unscored = labels
        if len(deciding):
            self._decide(tick, deciding, measured)

    def _measure(self, slots: Slots) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """By slot: what was measured, and whether it can be used."""
        columns = self.spec.target_columns
        rows, sizes = self._rows_of(slots).measure(columns)
        self._measures[slots] |= sizes != NO_METHOD
        good = (sizes == columns) & np.isfinite(rows).all(axis=1)
        if self.is_category:
            good &= (
                (rows[:, 0] >= 0)
                & (rows[:, 0] < self.spec.target.size)
                & (rows[:, 0] == np.floor(rows[:, 0]))
            )
        if not good.all():
            for index in np.flatnonzero(~good & (sizes != NO_METHOD) & (sizes != FREED)):
                complain_of_measurement(self.agents[slots[index]], self.spec, rows[index], int(sizes[index]))
        measurements = np.zeros((len(self.agents), columns), np.float32)
        usable = np.zeros(len(self.agents), bool)
        measurements[slots], usable[slots] = rows, good
        return measurements, usable

    def _decide(
        self, tick: int, slots: Slots, measured: tuple[NDArray[np.float32], NDArray[np.bool_]] | None
    ) -> None:
        size = self.spec.observation_size
        arrangement = self._arrangement
        observations, sizes = self._rows_of(slots).observe(size)
        good = (sizes == size) & np.isfinite(observations).all(axis=1)
        if not good.all():
            for index in np.flatnonzero(~good & (sizes != FREED) & (sizes != NO_METHOD)):
                complain_of_observation(
                    self.agents[slots[index]], self.spec, self.name, observations[index], int(sizes[index])
                )
        if self._arrangement != arrangement:
            return
        slots, observations = slots[good], observations[good]
        if not len(slots):
            return
        windows = self._history.push(tick, slots, observations)
        decisions = None
        if self._batch is not None:
            memories, profiles = self._plan(slots)
            decisions = self._batch.decide(windows, profiles, memories, is_guarded=self.is_guarded)
        self._wait(tick, slots, windows, measured, decisions)
        if decisions is not None:
            self._rows_of(slots).hand_out(
                decisions.predictions,
                self._scores.uncertainties_of(slots, decisions),
                is_category=self.is_category,
            )

    def _wait(
        self,
        tick: int,
        slots: Slots,
        windows: NDArray[np.float32],
        measured: tuple[NDArray[np.float32], NDArray[np.bool_]] | None,
        decisions: Decisions | None,
    ) -> None:
        """Remembers what was seen and predicted until its horizon."""
        predictions, experts = (decisions.predictions, decisions.experts) if decisions else (None, None)
        if measured is None:
            self._labels.observe(tick, slots, windows, None, predictions, experts)
            return
        usable = measured[1][slots]
        if not usable.all():
            slots, windows = slots[usable], windows[usable]
            predictions = predictions[usable] if predictions is not None else None
            experts = experts[usable] if experts is not None else None
        self._labels.observe(tick, slots, windows, measured[0][slots], predictions, experts)

    def _remember(self, labels: MaturedLabels) -> None:
        """Gives labelled observations of one tick to the players' memories and to the recorders.

        Agents that share a memory see the same player at the same moment: of their rows one is kept for
        learning, of each agent in turn. The recorders get them all.
        """
        memories, profiles = self._plan(labels.slots)
        for index, memory in enumerate(memories):
            if memory is None:
                continue
            own = np.flatnonzero(profiles == index)
            row = own[row_of_moment(memory.support.total, len(own))]
            memory.support.append(labels.windows[row][None], labels.targets[row][None])
        for recorder, numbers in self._recorders:
            own_numbers = numbers[labels.slots]
            recorded = own_numbers >= 0
            if recorded.all():
                self._record(recorder, labels, own_numbers)
            elif recorded.any():
                part = MaturedLabels(
                    labels.tick, labels.slots[recorded], labels.windows[recorded],
                    labels.targets[recorded], labels.predictions[recorded],
                )  # fmt: skip
                self._record(recorder, part, own_numbers[recorded])

    def _record(self, recorder: Recorder, labels: MaturedLabels, numbers: NDArray[np.int32]) -> None:
        try:
            recorder.take(self, labels, numbers)
        except Exception as error:  # noqa: BLE001 - a recorder that fails must not stop the agents
            report(error, "Recorder", recorder)

    def _score(self, labels: MaturedLabels) -> None:
        """Tells guards and agents how well was predicted what is known now."""
        judge(self.spec, labels, *self._plan(labels.slots))
        self._rows_of(labels.slots).set_scores(*self._scores.take(labels))

    def _rows_of(self, slots: Slots) -> AgentRows:
        key = slots.tobytes()
        rows = self._rows.get(key)
        if rows is None:
            if len(self._rows) >= _MOST_KEPT:
                self._rows.clear()
            rows = self._rows[key] = AgentRows(
                [agent for slot in slots if (agent := self.agents[slot]) is not None]
            )
        return rows

    def _plan(self, slots: Slots) -> tuple[list[BrainMemory | None], NDArray[np.intp]]:
        """These agents' memories, each once (None: the brain's own weights), and which each agent uses."""
        key = slots.tobytes()
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_KEPT:
                self._plans.clear()
            own = [self._memory_of[slot] for slot in slots]
            memories = list(dict.fromkeys(own))
            places = {memory: place for place, memory in enumerate(memories)}
            plan = self._plans[key] = memories, np.array([places[memory] for memory in own], np.intp)
        return plan
