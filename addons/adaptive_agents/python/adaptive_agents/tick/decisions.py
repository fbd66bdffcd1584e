"""All decisions of one brain in a tick, in few onnxruntime runs.

The frozen model predicts for all agents in one run. What players' own weights say (slow and fast ones, as far
as there are such) is mixed in as their guards allow, and kept apart until the truth is known:

- a few sets of weights (one player's) are a run of the `policy` graph each: one matrix multiply for all
  agents that share them;
- for more, agents are laid out in a padded (sets, agents) table for one run of `policy_batched`.

Measured with the demo's brain on one core, the frozen model, slow and fast weights of one player, µs for 1 /
100 / 1,000 agents: three runs of `policy` 35 / 121 / 858; one of `policy_batched` 21 / 119 / 980; the frozen
model alone, as where nothing was learned yet, 9 / 38 / 282.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain, Estimate, Params
from adaptive_agents.model.guard import EXPERTS, FAST, FROZEN, SLOW, Weights, mixed
from adaptive_agents.model.memory import BrainMemory

_MAX_LAYOUTS = 32
_FEW_SETS = 4
"""So many sets of weights have a run each."""


@dataclass(frozen=True)
class Decisions:
    """What n agents are told, and what that was mixed from."""

    predictions: NDArray[np.float32]
    """(n, outputs): the target in its own units (vector) or logits (category)."""
    deviations: NDArray[np.float32] | None = None
    """(n, outputs): their standard deviations; NaN, or None for all, where the brain gives none."""
    experts: NDArray[np.float32] | None = None
    """(n, experts, outputs): what each expert said; NaN, or None for all, where only the frozen one spoke."""


@dataclass(frozen=True)
class _Layout:
    """Where each row goes in the padded table, for one arrangement of agents and profiles."""

    places: NDArray[np.intp]
    """(n,): which agent of its profile a row is."""
    table: NDArray[np.float32]
    """(profiles, agents, input_size): used again each tick; padding stays 0."""


class DecisionBatch:
    """Runs one brain for any number of agents and players, reusing its buffers from tick to tick."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.runs = 0
        """How often onnxruntime was called."""
        self._layouts: dict[bytes, _Layout] = {}
        self._stacked: Params = {}
        self._stacked_from: list[Params] = []

    def decide(
        self,
        observations: NDArray[np.float32],
        profiles: NDArray[np.intp],
        memories: Sequence[BrainMemory | None],
        *,
        is_guarded: bool = True,
    ) -> Decisions:
        """Predicts for all agents.

        Args:
            observations: (n, input_size), contiguous.
            profiles: (n,) for each row the index of its memory in `memories`.
            memories: those of the players; None for agents that do not adapt. Keep the order from tick to
                tick.
            is_guarded: False hands out what the fast weights say, whatever they earned.
        """
        self.runs += 1
        frozen, deviation = self.brain.estimate_frozen(observations)
        learned = [
            place for place, memory in enumerate(memories) if memory is not None and memory.has_learned
        ]
        if not learned:
            return Decisions(frozen, deviation)
        weights = np.tile(np.eye(EXPERTS)[FROZEN], (len(memories), 1))
        sets: list[tuple[Params, int, NDArray[np.intp]]] = []
        for place in learned:
            memory = memories[place]
            assert memory is not None  # noqa: S101 - for mypy: `learned` holds no others
            present = memory.weights.present
            weights[place] = memory.guard.shares(present) if is_guarded else np.eye(EXPERTS)[FAST]
            rows = np.arange(len(frozen)) if len(memories) == 1 else np.flatnonzero(profiles == place)
            if present[SLOW]:
                sets.append((memory.slow_params, SLOW, rows))
            if present[FAST]:
                sets.append((memory.fast_params, FAST, rows))
        said = np.repeat(frozen[:, None], EXPERTS, axis=1)
        deviations = None
        if self.brain.uncertainty is not None:
            unknown = np.full_like(frozen, np.nan) if deviation is None else deviation
            deviations = np.repeat(unknown[:, None], EXPERTS, axis=1)
        for (_, expert, rows), (values, deviation) in zip(
            sets, self._estimates(observations, sets), strict=True
        ):
            # Fast weights that are the slow ones say the same as they.
            said[rows, expert:] = values[:, None]
            if deviations is not None and deviation is not None:
                deviations[rows, expert:] = deviation[:, None]
        return self._mixed(said, deviations, weights[profiles], ~np.isin(profiles, learned))

    def _mixed(
        self,
        said: NDArray[np.float32],
        deviations: NDArray[np.float32] | None,
        weights: Weights,
        has_nothing: NDArray[np.bool_],
    ) -> Decisions:
        wild = np.asarray(~np.isfinite(said).all(axis=-1))
        usable = np.where(wild[..., None], said[:, FROZEN, None], said) if wild.any() else said
        predictions = mixed(self.brain.spec, usable, weights)
        whole = None
        if deviations is not None:
            # Of a mixture: the mean variance, and how far apart the experts are. An expert that does not know
            # its own is passed over.
            known = np.isfinite(deviations) & ~wild[..., None]
            counted = weights[..., None] * known
            spread = np.square(usable - predictions[:, None])
            total = (counted * (np.square(np.where(known, deviations, 0)) + spread)).sum(axis=1)
            share = counted.sum(axis=1)
            whole = np.full_like(predictions, np.nan)
            np.sqrt(total / np.where(share > 0, share, 1), out=whole, where=share > 0, casting="same_kind")
        said[wild] = np.inf  # counts as the worst loss there is
        said[has_nothing] = np.nan
        return Decisions(predictions, whole, said)

    def _estimates(
        self, observations: NDArray[np.float32], sets: Sequence[tuple[Params, int, NDArray[np.intp]]]
    ) -> list[Estimate]:
        """What each set of weights says of its rows."""
        if len(sets) <= _FEW_SETS:
            self.runs += len(sets)
            return [
                self.brain.estimate(
                    observations if len(rows) == len(observations) else observations[rows], params
                )
                for params, _, rows in sets
            ]
        rows_of = [rows for *_, rows in sets]
        owners = np.repeat(np.arange(len(sets)), [len(rows) for rows in rows_of])
        every = np.concatenate(rows_of)
        values, deviations = self.run(observations[every], owners, [params for params, *_ in sets])
        ends = np.cumsum([len(rows) for rows in rows_of])[:-1]
        parts = np.split(values, ends)
        if deviations is None:
            return [(part, None) for part in parts]
        return list(zip(parts, np.split(deviations, ends), strict=True))

    def run(
        self,
        observations: NDArray[np.float32],
        owners: NDArray[np.intp],
        params: Sequence[Params],
    ) -> Estimate:
        """Predicts with many sets of weights in one run.

        Args:
            observations: (n, input_size)
            owners: (n,) for each row the index of its weights in `params`.
            params: weights, each `(*shape,)`. A dictionary must not change; a new one is noticed.

        Returns:
            (n, outputs) predictions, and deviations where the brain gives them.
        """
        self.runs += 1
        layout = self._layout(owners, len(params))
        layout.table[owners, layout.places] = observations
        values, deviations = self.brain.estimate_batched(layout.table, self._stack(params))
        rows = owners, layout.places
        return values[rows], None if deviations is None else deviations[rows]

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
