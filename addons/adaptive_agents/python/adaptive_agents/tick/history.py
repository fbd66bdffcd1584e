"""What agents saw last: the rows that a brain with a window predicts, and learns, from.

A row is an agent's last W observations, oldest first, one for each decision. Until it has seen so many in
this episode, its first observation stands in for those that are missing.

Training builds the same rows from the sessions of the same play, because a session has one row for each
observation that was decided on (two decisions in one tick count once, the later), with the agent's number
and episode, and because every break in the agent's observations begins another episode there: the end of a
round, a time that the engine did not let it process, a change of its brain, its leaving and coming back. The
newest observations of an episode, whose label never became known, are missing from a session; nothing
comes after them in that episode. An observation whose measurement cannot be used is missing too, but of that
the agent has complained. Only where a session begins in the middle of an episode are the first W - 1
of its windows shorter than they were in play.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class ObservationHistory:
    """The last observations of the agents of a crowd, by slot."""

    def __init__(self, window: int, obs_dim: int, slots: int = 16) -> None:
        self.window = window
        self._obs_dim = obs_dim
        self._windows = np.zeros((slots, window * obs_dim), np.float32)
        self._seen = np.zeros(slots, np.int64)
        self._ticks = np.full(slots, -1, np.int64)

    def push(
        self, tick: int, slots: NDArray[np.intp], observations: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Takes what agents see now; an earlier observation of the same tick is replaced.

        Args:
            tick: now; -1 for an observation that replaces none and is replaced by none.
            slots: (n,) which agents, each once.
            observations: (n, obs_dim)

        Returns:
            (n, window * obs_dim): each agent's window, that ends with this observation.
        """
        self._grow(int(slots.max(initial=-1)) + 1)
        again = (self._ticks[slots] == tick) & (tick >= 0)
        seen = self._seen[slots] + ~again
        self._seen[slots], self._ticks[slots] = seen, tick
        if self.window == 1:
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
            windows[first] = np.tile(observations[first], self.window)
        self._windows[slots] = windows
        return windows

    def has_begun(self, slots: NDArray[np.intp]) -> NDArray[np.bool_]:
        """(n,): whether these agents have seen anything since they started anew."""
        self._grow(int(slots.max(initial=-1)) + 1)
        return self._seen[slots] > 0

    def restart(self, slots: NDArray[np.intp] | int) -> None:
        """Starts anew for these agents: their next observation is their first."""
        self._grow(int(np.max(slots, initial=-1)) + 1)
        self._seen[slots] = 0
        self._ticks[slots] = -1

    def _grow(self, slots: int) -> None:
        have = len(self._seen)
        if slots > have:
            more = max(slots, 2 * have) - have
            self._windows = np.pad(self._windows, ((0, more), (0, 0)))
            self._seen = np.pad(self._seen, (0, more))
            self._ticks = np.pad(self._ticks, (0, more), constant_values=-1)
