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

from pytrain.data.dataset import Players
from pytrain.errors import PytrainError


@dataclass(frozen=True)
class Batch:
    """Examples of several tasks side by side; rows of weight 0 are padding."""

    observations: Tensor  # (tasks, examples, window * obs_dim)
    targets: Tensor  # (tasks, examples, target columns)
    weights: Tensor  # (tasks, examples)


@dataclass(frozen=True)
class Tasks:
    """A meta-batch: for each inner step a part of the support sets, and the strictly later query sets.

    In play an inner step sees the whole support set; in training a random part of it, which is faster.
    """

    supports: tuple[Batch, ...]  # one for each inner step
    query: Batch


_Drawn = tuple[Tensor, Tensor]
"""Examples by their index, and whether each is there; both of any one shape."""


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
    examples = end[:, None] - size + torch.arange(size)
    return _gather(players, (examples, examples >= players.first[who][:, None]))[0]


def observed_between(players: Players, who: Tensor, from_ticks: Tensor, to_ticks: Tensor) -> Batch:
    """All examples of players `who (tasks,)` observed in [from, to), padded at the end."""
    first, end = players.first_at(who, from_ticks), players.first_at(who, to_ticks)
    examples = first[:, None] + torch.arange(max(1, int((end - first).max())))
    return _gather(players, (examples, examples < end[:, None]))[0]


def spread_between(players: Players, who: Tensor, from_ticks: Tensor, to_ticks: Tensor, size: int) -> Batch:
    """`size` of the examples observed in [from, to), evenly spread; of weight 0 if there is none.

    Where there are fewer than `size`, all are taken, some of them more often than others.
    """
    first, end = players.first_at(who, from_ticks), players.first_at(who, to_ticks)
    there = (end - first)[:, None]
    examples = first[:, None] + torch.arange(size) * there // size
    return _gather(players, (examples, (there > 0).expand(-1, size)))[0]


class TaskSampler:
    """Draws meta-batches of tasks from players; one seed gives one sequence of tasks."""

    def __init__(self, players: Players, cuts: Cuts, seed: int) -> None:
        self._players = players
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
        Where `support_size` is 0 there is no inner step.
        """
        who = self._draw_players(meta_batch_size)
        cut = self._uniform(torch.full_like(who, self._earliest), self._latest[who] + 1)
        moments = torch.stack([cut - self._players.spec.horizon_ticks + 1, cut, cut + self._window])
        known, first, end = self._players.first_at(who, moments)
        oldest = torch.maximum(known - support_size, self._players.first[who])
        supports = self._draw(oldest, known, inner_steps if support_size > 0 else 0, batch_size)
        asked, is_there = self._draw(first, end, 1, query_size)
        steps, query = _gather(self._players, supports, (asked[0], is_there[0]))
        return Tasks(_each(steps), query)

    def minibatches(self, meta_batch_size: int, count: int, size: int) -> Tasks:
        """A meta-batch without cuts: `count` batches of each player's examples, whenever they were observed.

        What Reptile and pooled training learn from; they query with the last of the batches.
        """
        who = self._draw_players(meta_batch_size)
        drawn = self._draw(self._players.first[who], self._players.end[who], count, size)
        batches = _each(*_gather(self._players, drawn))
        return Tasks(batches, batches[-1])

    def state(self) -> Tensor:
        """Where in its sequence of tasks the sampler is, for a checkpoint."""
        return self._random.get_state()

    def restore(self, state: Tensor) -> None:
        """Go on with the sequence of tasks where `state` was taken."""
        self._random.set_state(state)

    def _draw(self, first: Tensor, end: Tensor, count: int, size: int) -> _Drawn:
        """`count` batches of `size` random examples in [first, end) of each task; not there if empty."""
        examples = self._uniform(first[:, None].expand(-1, count * size), end[:, None])
        batches = examples.view(len(first), count, size).transpose(0, 1)
        return batches, (first < end)[:, None].expand_as(batches)

    def _draw_players(self, count: int) -> Tensor:
        return torch.randint(len(self._players), (count,), generator=self._random)

    def _uniform(self, low: Tensor, high: Tensor) -> Tensor:
        """Random integers in [low, high), elementwise; `low` where that is empty."""
        fraction = torch.rand(low.shape, generator=self._random, dtype=torch.float64)
        return low + (fraction * (high - low)).long()


def _gather(players: Players, *drawn: _Drawn) -> list[Batch]:
    """The examples that each of `drawn` names, with weight 0 where none is there; all are read at once."""
    is_there = torch.cat([there.flatten() for _, there in drawn])
    examples = torch.cat([named.flatten() for named, _ in drawn])
    examples = torch.where(is_there, examples, players.first[0])
    observations = players.history.observed(examples, players.window)
    targets, weights = players.history.labels(examples)
    weights *= is_there
    lengths = [named.numel() for named, _ in drawn]
    columns = (torch.split(column, lengths) for column in (observations, targets, weights))
    return [
        Batch(
            seen.view(*named.shape, seen.shape[1]),
            told.view(*named.shape, told.shape[1]),
            counts.view_as(named),
        )
        for (named, _), seen, told, counts in zip(drawn, *columns, strict=True)
    ]


def _each(batches: Batch) -> tuple[Batch, ...]:
    """A batch for each index of the first axis."""
    return tuple(map(Batch, batches.observations, batches.targets, batches.weights))
