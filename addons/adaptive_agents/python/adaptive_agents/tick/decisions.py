"""All decisions of one brain in a tick as one onnxruntime run.

Agents whose weights are the same share the `policy` graph: one matrix multiply for all of them. As soon as
there are several players' weights, their agents are laid out in a padded (profiles, agents) table for
`policy_batched`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain, Params

_MAX_LAYOUTS = 32


@dataclass(frozen=True)
class _Layout:
    """Where each row goes in the padded table, for one arrangement of agents and profiles."""

    places: NDArray[np.intp]
    """(n,): which agent of its profile a row is."""
    table: NDArray[np.float32]
    """(profiles, agents, input_size): used again each tick; padding stays 0."""


class DecisionBatch:
    """Runs one brain for any number of agents and profiles, reusing its buffers from tick to tick."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.runs = 0
        """How often onnxruntime was called."""
        self._layouts: dict[bytes, _Layout] = {}
        self._stacked: Params = {}
        self._stacked_from: list[Params] = []

    def run(
        self,
        observations: NDArray[np.float32],
        profiles: NDArray[np.intp],
        params: Sequence[Params],
    ) -> NDArray[np.float32]:
        """Predicts for all agents.

        Args:
            observations: (n, obs_dim), contiguous.
            profiles: (n,) for each row the index of its weights in `params`.
            params: weights, each `(*shape,)`; usually `memory.fast_params`, or `brain.init_params` for
                agents that do not adapt. A dictionary must not change; a new one is noticed. Keep the order
                from tick to tick.

        Returns:
            (n, outputs): the target in its own units (vector) or logits (category).
        """
        self.runs += 1
        if len(params) == 1:
            only = params[0]
            return self.brain.predict(observations, None if only is self.brain.init_params else only)
        layout = self._layout(profiles, len(params))
        layout.table[profiles, layout.places] = observations
        return self.brain.predict_batched(layout.table, self._stack(params))[profiles, layout.places]

    def _layout(self, profiles: NDArray[np.intp], count: int) -> _Layout:
        key = profiles.tobytes() + count.to_bytes(4, "little")
        layout = self._layouts.get(key)
        if layout is None:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            layout = self._layouts[key] = self._make_layout(profiles, count)
        return layout

    def _make_layout(self, profiles: NDArray[np.intp], count: int) -> _Layout:
        agents = np.bincount(profiles, minlength=count)
        order = np.argsort(profiles, kind="stable")
        first = np.cumsum(agents) - agents
        places = np.empty(len(profiles), np.intp)
        places[order] = np.arange(len(profiles)) - first[profiles[order]]
        table = np.zeros((count, int(agents.max(initial=0)), self.brain.input_size), np.float32)
        return _Layout(places, table)

    def _stack(self, params: Sequence[Params]) -> Params:
        """Each `(profiles, *shape)`; only weights that were exchanged since the last tick are copied."""
        if len(params) != len(self._stacked_from):
            self._stacked = {
                name: np.stack([each[name] for each in params]) for name in self.brain.init_params
            }
            self._stacked_from = list(params)
        for index, (now, before) in enumerate(zip(params, self._stacked_from, strict=True)):
            if now is not before:
                for name, stacked in self._stacked.items():
                    stacked[index] = now[name]
                self._stacked_from[index] = now
        return self._stacked
