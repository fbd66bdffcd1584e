"""Players -> tasks: support sets (earlier) and query sets (strictly later) cut out of what a player did.

Second station offline. A task is one player, cut at one moment of play. The support set holds the newest
examples whose label was known at the cut; the query set only what was observed after it, so a horizon lies
between them and no support label looks into the query. Sampling draws whole meta-batches as a few tensor
operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytrain.dataset import Players
from pytrain.errors import PytrainError


@dataclass(frozen=True)
class Batch:
    """Examples of several tasks side by side; rows of weight 0 are padding."""

    observations: Tensor  # (tasks, examples, obs_dim)
    targets: Tensor  # (tasks, examples, target columns)
    weights: Tensor  # (tasks, examples)


@dataclass(frozen=True)
class Tasks:
    """A meta-batch: for each inner step a part of the support sets, and the strictly later query sets.

    In play an inner step sees the whole support set; in training a random part of it, which is faster.
    """

    supports: tuple[Batch, ...]  # one for each inner step
    query: Batch


@dataclass(frozen=True)
class Cuts:
    """Where training cuts a player's play into support and query, in seconds of play."""

    earliest_sec: float = 2.0
    latest_sec: float = 30.0
    query_window_sec: float = 20.0


def newest_known(players: Players, who: Tensor, cut_ticks: Tensor, size: int) -> Batch:
    """The newest `size` examples of players `who (tasks,)` whose label was known at `cut_ticks (tasks,)`.

    Known means that the horizon had passed: tick + horizon <= cut. Fewer examples are padded in front.
    """
    end = players.first_at(who, cut_ticks - players.spec.horizon_ticks + 1)
    rows = end[:, None] - size + torch.arange(size)
    return _gather(players, rows, is_there=rows >= players.offsets[who][:, None])


def observed_between(players: Players, who: Tensor, from_ticks: Tensor, to_ticks: Tensor) -> Batch:
    """All examples of players `who (tasks,)` observed in [from, to), padded at the end."""
    first, end = players.first_at(who, from_ticks), players.first_at(who, to_ticks)
    rows = first[:, None] + torch.arange(max(1, int((end - first).max())))
    return _gather(players, rows, is_there=rows < end[:, None])


class TaskSampler:
    """Draws meta-batches of tasks from players; one seed gives one sequence of tasks."""

    def __init__(self, players: Players, cuts: Cuts, seed: int) -> None:
        self._players = players
        self._cuts = cuts
        self._random = torch.Generator().manual_seed(seed)
        rate = players.spec.tick_rate_hz
        ticks = [round(sec * rate) for sec in (cuts.earliest_sec, cuts.latest_sec, cuts.query_window_sec)]
        self._earliest, latest, self._window = ticks
        self._latest = players.last_ticks.clamp(max=latest)
        if latest < self._earliest:
            raise PytrainError(
                f"--max-cut-sec {cuts.latest_sec:g} is before --min-cut-sec {cuts.earliest_sec:g}: raise it"
            )

    def tasks(
        self, meta_batch_size: int, support_size: int, query_size: int, inner_steps: int, batch_size: int
    ) -> Tasks:
        """A meta-batch: players drawn evenly, each cut at a random moment.

        Each of the inner steps sees `batch_size` of the `support_size` newest examples known at the cut.
        """
        who = self._draw_players(meta_batch_size)
        cut = self._uniform(torch.full_like(who, self._earliest), self._latest[who] + 1)
        known = self._players.first_at(who, cut - self._players.spec.horizon_ticks + 1)
        oldest = torch.maximum(known - support_size, self._players.offsets[who])
        supports = self._batches(oldest, known, inner_steps, batch_size)
        first, end = self._players.first_at(who, cut), self._players.first_at(who, cut + self._window)
        return Tasks(supports, *self._batches(first, end, 1, query_size))

    def minibatches(self, meta_batch_size: int, count: int, size: int) -> Tasks:
        """A meta-batch without cuts: `count` batches of each player's examples, whenever they were observed.

        What Reptile and pooled training learn from; they query with the last of the batches.
        """
        who = self._draw_players(meta_batch_size)
        batches = self._batches(self._players.offsets[who], self._players.offsets[who + 1], count, size)
        return Tasks(batches, batches[-1])

    def state(self) -> Tensor:
        """Where in its sequence of tasks the sampler is, for a checkpoint."""
        return self._random.get_state()

    def restore(self, state: Tensor) -> None:
        """Go on with the sequence of tasks where `state` was taken."""
        self._random.set_state(state)

    def _batches(self, first: Tensor, end: Tensor, count: int, size: int) -> tuple[Batch, ...]:
        """`count` batches of `size` random examples in [first, end) of each task; of weight 0 if none is."""
        rows = self._uniform(first[:, None].expand(-1, count * size), end[:, None])
        there = (first < end)[:, None].expand(-1, size)
        return tuple(_gather(self._players, part, there) for part in torch.split(rows, size, dim=1))

    def _draw_players(self, count: int) -> Tensor:
        return torch.randint(len(self._players), (count,), generator=self._random)

    def _uniform(self, low: Tensor, high: Tensor) -> Tensor:
        """Random integers in [low, high), elementwise; `low` where that is empty."""
        fraction = torch.rand(low.shape, generator=self._random, dtype=torch.float64)
        return low + (fraction * (high - low)).long()


def _gather(players: Players, rows: Tensor, is_there: Tensor) -> Batch:
    """The examples at `rows (tasks, examples)`, with weight 0 where none is there."""
    rows = torch.where(is_there, rows, players.offsets[0])
    return Batch(players.observations[rows], players.targets[rows], players.weights[rows] * is_there)
