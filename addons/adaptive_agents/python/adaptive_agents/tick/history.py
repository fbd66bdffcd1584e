"""What agents saw last: the rows that a brain with a window predicts, and learns, from.

What a row holds is told in `model.window`. Training builds the same rows from the sessions of the same play,
because a session has one row for each observation that was decided on (two decisions in one tick count once,
the later), with its tick, the agent's number and episode, and because every break in the agent's observations
begins another episode there: the end of a round, a time that the engine did not let it process, a change of
its brain, its leaving and coming back. The newest observations of an episode, whose label never became known,
are missing from a session; nothing comes after them in that episode. An observation whose measurement cannot
be used is missing too, but of that the agent has complained. Only where a session begins in the middle of an
episode do its first windows hold less than they did in play.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.window import Window

_FIRST_CAPACITY = 8


class ObservationHistory:
    """The last observations of the agents of a crowd, by slot."""

    def __init__(self, window: Window, obs_dim: int, slots: int = 16) -> None:
        kind = _Sparse if window.is_sparse else _Dense
        self._past: _Sparse | _Dense = kind(window, obs_dim, slots)

    def push(
        self,
        tick: int,
        slots: NDArray[np.intp],
        observations: NDArray[np.float32],
        *,
        is_told: bool = False,
    ) -> NDArray[np.float32]:
        """Takes what agents see now; an earlier observation of the same tick is replaced.

        Args:
            tick: now; never smaller than before.
            slots: (n,) which agents, each once.
            observations: (n, obs_dim)
            is_told: for what the game has agents learn: it replaces none and is replaced by none.

        Returns:
            (n, input_size): each agent's window, whose newest slot is this observation.
        """
        self._past.grow(int(slots.max(initial=-1)) + 1)
        return self._past.push(tick, slots, observations, is_told)

    def has_begun(self, slots: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(n,): whether these agents have seen anything since they started anew."""
        self._past.grow(int(slots.max(initial=-1)) + 1)
        return self._past.seen[slots] > 0

    def restart(self, slots: NDArray[np.intp] | int) -> None:
        """Starts anew for these agents: their next observation is their first."""
        self._past.grow(int(np.max(slots, initial=-1)) + 1)
        self._past.restart(slots)


class _Dense:
    """The last observations, whenever they were made."""

    def __init__(self, window: Window, obs_dim: int, slots: int) -> None:
        self._size = window.size
        self._obs_dim = obs_dim
        self._windows = np.zeros((slots, window.input_size(obs_dim)), np.float32)
        self._ticks = np.full(slots, -1, np.int64)
        self.seen = np.zeros(slots, np.int64)

    def push(
        self, tick: int, slots: NDArray[np.intp], observations: NDArray[np.float32], is_told: bool
    ) -> NDArray[np.float32]:
        again = self._ticks[slots] == tick
        if is_told:
            again[:] = False
        seen = self.seen[slots] + ~again
        self.seen[slots], self._ticks[slots] = seen, -1 if is_told else tick
        if self._size == 1:
            return observations
        # Flat rows: to drop the oldest observation is to move everything by one observation's width.
        before = self._windows[slots]
        windows = np.empty_like(before)
        windows[:, : -self._obs_dim] = before[:, self._obs_dim :]
        if again.any():
            windows[again] = before[again]
        windows[:, -self._obs_dim :] = observations
        first = seen == 1
        if first.any():
            windows[first] = np.tile(observations[first], self._size)
        self._windows[slots] = windows
        return windows

    def restart(self, slots: NDArray[np.intp] | int) -> None:
        self.seen[slots] = 0
        self._ticks[slots] = -1

    def grow(self, slots: int) -> None:
        have = len(self.seen)
        if slots > have:
            more = max(slots, 2 * have) - have
            self._windows = np.pad(self._windows, ((0, more), (0, 0)))
            self.seen = np.pad(self.seen, (0, more))
            self._ticks = np.pad(self._ticks, (0, more), constant_values=-1)


class _Sparse:
    """A ring of each agent's observations, one for each tick that it observed in, as far back as is looked.

    An agent's observations of an episode are numbered from 0 on; number k is in the ring's place
    k % capacity. Each past slot of its window shows one of them, and goes on to later ones as time passes: a
    push costs the same however long the ring is. Rings grow to what the play needs, at most `reach_ticks + 1`
    observations.
    """

    def __init__(self, window: Window, obs_dim: int, slots: int) -> None:
        self._window = window
        self._obs_dim = obs_dim
        self._ages = (
            np.arange(window.size - 1, 0, -1) * window.stride_ticks
        )  # of the past slots, oldest first
        self._capacity = min(_FIRST_CAPACITY, window.reach_ticks + 1)
        self._observations = np.zeros((slots, self._capacity, obs_dim), np.float32)
        self._ticks = np.zeros((slots, self._capacity), np.int64)
        self._shown = np.full((slots, window.size - 1), -1, np.int64)  # -1: none is so old
        self._is_told = np.zeros(slots, bool)  # the newest of them
        self.seen = np.zeros(slots, np.int64)

    def push(
        self, tick: int, slots: NDArray[np.intp], observations: NDArray[np.float32], is_told: bool
    ) -> NDArray[np.float32]:
        seen = self.seen[slots]
        again = (seen > 0) & (self._ticks[slots, (seen - 1) % self._capacity] == tick)
        shown = self._show(tick, slots, seen)
        windows = self._windows(slots, observations, shown, is_alone=seen == again)
        self._make_room(int((seen + ~again - shown[:, 0].clip(0)).max(initial=0)))
        # A session holds what was decided on at a tick behind what was told at it.
        kept = again & ~self._is_told[slots] if is_told else np.zeros(len(slots), bool)
        if kept.any():
            slots, observations, seen, again = (each[~kept] for each in (slots, observations, seen, again))
        place = (seen - again) % self._capacity
        self._observations[slots, place] = observations
        self._ticks[slots, place] = tick
        self._is_told[slots] = is_told
        self.seen[slots] = seen + ~again
        return windows

    def restart(self, slots: NDArray[np.intp] | int) -> None:
        self.seen[slots] = 0
        self._shown[slots] = -1

    def grow(self, slots: int) -> None:
        have = len(self.seen)
        if slots > have:
            more = max(slots, 2 * have) - have
            self._observations = np.pad(self._observations, ((0, more), (0, 0), (0, 0)))
            self._ticks = np.pad(self._ticks, ((0, more), (0, 0)))
            self._shown = np.pad(self._shown, ((0, more), (0, 0)), constant_values=-1)
            self._is_told = np.pad(self._is_told, (0, more))
            self.seen = np.pad(self.seen, (0, more))

    def _show(self, tick: int, slots: NDArray[np.intp], seen: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n, size - 1): which of their observations the past slots show at this tick."""
        shown, agents = self._shown[slots], slots[:, None]
        while True:
            later = shown + 1
            moves = self._ticks[agents, later % self._capacity] <= tick - self._ages
            moves &= later < seen[:, None]
            if not moves.any():
                break
            shown += moves
        self._shown[slots] = shown
        return shown

    def _windows(
        self,
        slots: NDArray[np.intp],
        observations: NDArray[np.float32],
        shown: NDArray[np.int64],
        is_alone: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """`is_alone (n,)`: whose oldest observation is this one, which then stands in for all before."""
        slot_size = self._window.slot_size(self._obs_dim)
        windows = np.empty((len(slots), self._window.size, slot_size), np.float32)
        windows[:, :-1, :-1] = self._observations[slots[:, None], shown.clip(0) % self._capacity]
        if is_alone.any():
            windows[is_alone, :-1, :-1] = observations[is_alone, None]
        windows[:, -1, :-1] = observations
        windows[:, :-1, -1] = shown >= 0
        windows[:, -1, -1] = 1
        return windows.reshape(len(slots), self._window.size * slot_size)

    def _make_room(self, needed: int) -> None:
        if needed <= self._capacity:
            return
        capacity = min(max(needed, 2 * self._capacity), self._window.reach_ticks + 1)
        number = self.seen[:, None] - 1 - np.arange(self._capacity)
        agents, before, now = np.arange(len(self.seen))[:, None], number % self._capacity, number % capacity
        observations = np.zeros((len(self.seen), capacity, self._obs_dim), np.float32)
        ticks = np.zeros((len(self.seen), capacity), np.int64)
        observations[agents, now] = self._observations[agents, before]
        ticks[agents, now] = self._ticks[agents, before]
        self._capacity, self._observations, self._ticks = capacity, observations, ticks
