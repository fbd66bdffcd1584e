"""Windows: which of an agent's past observations one prediction sees. Training and play share this.

A window is a row of slots, oldest first, of what one agent saw in one episode. Where it has not seen so much
yet, its oldest observation stands in.

Dense (a stride of 0), the slots are the last `size` observations. Sparse, slot j (0 is now) is the newest
observation at or before `now - j * stride_ticks`, so that a few slots look back over seconds, however often
the agent decides; a mark behind each slot's observation says whether it is one (1) or stands in (0), so that
what is not known is not taken for standing still. Of several observations of one tick the last counts there,
and what a game has an agent learn at a tick counts as seen before what the agent decided on at that tick: a
session holds them in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import SpecError


@dataclass(frozen=True)
class Window:
    """How much of its past an agent sees; the default is its newest observation alone."""

    size: int = 1
    """Slots in a row."""
    stride_ticks: int = 0
    """Ticks between two slots; 0: the last `size` observations, whenever they were made."""

    def __post_init__(self) -> None:
        for name, value, least in (("window", self.size, 1), ("window stride", self.stride_ticks, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise SpecError(f"the {name} {value!r}, it must be a whole number, {least} or more")
        if self.size == 1 and self.is_sparse:
            raise SpecError(
                f"the window stride {self.stride_ticks} and the window 1, which looks at nothing before: "
                "a window must be 2 or more to have a stride"
            )

    @property
    def is_sparse(self) -> bool:
        """Whether the slots lie a number of ticks apart and carry marks."""
        return self.stride_ticks > 0

    @property
    def reach_ticks(self) -> int:
        """How far a sparse window looks back."""
        return (self.size - 1) * self.stride_ticks

    def slot_size(self, obs_dim: int) -> int:
        """Numbers in a slot: the observation and, if sparse, its mark."""
        return obs_dim + self.is_sparse

    def input_size(self, obs_dim: int) -> int:
        """Numbers in a row."""
        return self.size * self.slot_size(obs_dim)

    def newest(self, rows: NDArray[np.float32], obs_dim: int) -> NDArray[np.float32]:
        """The newest observation in each of `rows (n, input_size)`: `(n, obs_dim)`."""
        start = (self.size - 1) * self.slot_size(obs_dim)
        return rows[:, start : start + obs_dim]

    def __str__(self) -> str:
        if self.is_sparse:
            return f"{self.size} observations {self.stride_ticks} ticks apart"
        return f"the last {self.size} observations" if self.size > 1 else "one observation"
