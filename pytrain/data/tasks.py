"""Players -> tasks: support sets (earlier) and query sets (strictly later) cut out of what a player did.

Second station offline. A task is one player, who is met at some second of their play and cut at a later one.
The support set holds what was observed since then and whose label was known at the cut; the query set only
what was observed after it, so a horizon lies between them and no support label looks into the query. Support
is counted in moments, as in play: of the agents that saw the player at the same tick, one example. Sampling
draws whole meta-batches as a few tensor operations.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adaptive_agents.model.support import row_of_moment
from pytrain.data.dataset import Players
from pytrain.errors import PytrainError


@dataclass(frozen=True)
class Batch:
    """Examples of several tasks side by side; rows of weight 0 are padding."""

    observations: Tensor  # (tasks, examples, input_size)
    targets: Tensor  # (tasks, examples, target columns)
    weights: Tensor  # (tasks, examples)


@dataclass(frozen=True)
class Spans:
    """Which of the support counts for which of the queries, where one stretch of play is cut many times.

    The queries of a task are as many groups of equal size, one after the other.
    """

    first: Tensor  # (tasks, groups): the first example of the support that counts
    end: Tensor  # (tasks, groups): the one after the last

    @classmethod
    def of_all(cls, support: Batch) -> Spans:
        """A single cut, at which everything counts."""
        first = torch.zeros(len(support.weights), 1, dtype=torch.long, device=support.weights.device)
        return cls(first, first + support.weights.shape[1])

    @property
    def groups(self) -> int:
        """Cuts of each task."""
        return self.first.shape[1]

    def weights(self, support: Tensor) -> Tensor:
        """What examples of weights `(tasks, support)` weigh for each cut `(tasks, groups, support)`."""
        place = torch.arange(support.shape[1], device=support.device)
        counts = (place >= self.first[..., None]) & (place < self.end[..., None])
        return support[:, None] * counts

    def of(self, tasks: slice) -> Spans:
        """Those of some of the tasks."""
        return Spans(self.first[tasks], self.end[tasks])

    def to(self, device: torch.device) -> Spans:
        """The same on a device."""
        return Spans(self.first.to(device), self.end.to(device))


@dataclass(frozen=True)
class Tasks:
    """A meta-batch: for each inner step a part of the support sets, and the strictly later query sets.

    In play an inner step sees the whole support set; in training a random part of it, which is faster.
    """

    supports: tuple[Batch, ...]  # one for each inner step
    query: Batch
    spans: Spans | None = (
        None  # of stretches that are cut many times; None: everything counts for every query
    )


WHOLE_SHARE = 0.5
"""The part of a stretch's cuts at which all that is known counts; at the others some of it."""
EMPTY_SHARE = 0.04
"""The part of those others at which nothing counts."""

_Drawn = tuple[Tensor, Tensor]
"""Examples by their index, and whether each is there; both of any one shape."""


@dataclass(frozen=True)
class Cuts:
    """How training cuts a player's play into support and query.

    A task may start at any second of it, so that nobody is known as a beginner only, and through the end of a
    session, as a player's profile outlives it.
    """

    earliest_sec: float = 2.0  # seconds from the start of a task to its cut, at least
    latest_sec: float = 30.0  # … and at most
    query_window_sec: float = 20.0  # how long after the cut the query is drawn from


def newest_known(players: Players, who: Tensor, cut_ticks: Tensor, size: int) -> Batch:
    """The newest `size` moments of players `who (tasks,)` whose labels were known at `cut_ticks (tasks,)`.

    Known means that the horizon had passed: tick + horizon <= cut. Each moment is one example, of the agents
    by turns, as play keeps them. Fewer moments are padded in front.
    """
    first = players.first_moment_at(who, torch.zeros_like(cut_ticks))
    end = players.first_moment_at(who, cut_ticks - players.spec.horizon_ticks + 1)
    moments, is_there = _newest(first, end, size)
    example, examples = _of_moments(players, moments, is_there)
    example = example + row_of_moment((moments - first[:, None]).clamp(min=0), examples)
    return _gather(players, (example, is_there))[0]


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
        self._longest = players.last_ticks.clamp(max=latest)
        if latest < self._earliest:
            raise PytrainError(
                f"--max-cut-sec {cuts.latest_sec:g} is before --min-cut-sec {cuts.earliest_sec:g}: raise it"
            )

    def tasks(
        self,
        meta_batch_size: int,
        support_size: int,
        query_size: int,
        inner_steps: int,
        batch_size: int,
        *,
        from_nothing: bool = False,
    ) -> Tasks:
        """A meta-batch: players drawn evenly, each met and cut at random.

        Each of the inner steps sees `batch_size` of the `support_size` newest moments known at the cut.
        Where `support_size` is 0 there is no inner step. `from_nothing` lets a cut come at any time after the
        start, also before anything is known: such supports have weight 0 throughout.
        """
        oldest, known, asked = self._cut(meta_batch_size, support_size, query_size, from_nothing)
        count = inner_steps if support_size > 0 else 0
        supports = self._one_of_each(*self._some(oldest, known, count * batch_size))
        steps, query = _gather(self._players, _in_batches(supports, count), asked)
        return Tasks(_each(steps), query)

    def whole_tasks(
        self, meta_batch_size: int, support_size: int, query_size: int, *, from_nothing: bool = False
    ) -> Tasks:
        """The same with a single support set: the newest moments, each once, oldest first, padded in front.

        For learners that absorb all that is known at once.
        """
        oldest, known, asked = self._cut(meta_batch_size, support_size, query_size, from_nothing)
        supports = self._one_of_each(*_newest(oldest, known, support_size))
        support, query = _gather(self._players, supports, asked)
        return Tasks((support,), query)

    def tracks(self, meta_batch_size: int, support_size: int, groups: int, query_size: int) -> Tasks:
        """A meta-batch of stretches of play, each cut `groups` times: what is encoded once serves all cuts.

        A stretch is up to `support_size` moments in a row, oldest first, anywhere in a player's play. At each
        cut, anywhere in it, either all moments known by then count, or some, whose number is spread evenly by
        its logarithm; `query_size` queries come from the time after the cut.
        """
        players = self._players
        who = self._draw_players(meta_batch_size)
        all_first = players.first_moment_at(who, torch.zeros_like(who))
        all_end = players.first_moment_at(who, players.last_ticks[who] + 1)
        start = self._uniform(all_first, torch.maximum(all_first + 1, all_end - support_size + 1))
        moments = start[:, None] + torch.arange(support_size)
        is_there = moments < all_end[:, None]
        support = self._one_of_each(moments, is_there)
        length = is_there.sum(1)
        cut_at = start[:, None] + self._uniform(
            torch.zeros(len(who), groups).long(), length[:, None].expand(-1, groups)
        )
        example, _ = _of_moments(players, cut_at, torch.ones_like(cut_at).bool())
        cut = players.history.pages.take(players.history.ticks, example.flatten()).view_as(example)
        cut = (cut - players.starts[who][:, None]).T.contiguous()
        known = players.first_moment_at(who, cut - players.spec.horizon_ticks + 1).T - start[:, None]
        known = known.clamp(min=0)
        share, fraction = torch.rand((2, *known.shape), generator=self._random, dtype=torch.float64)
        some = ((known + 1).double() ** fraction).long().clamp(max=known) * (fraction > EMPTY_SHARE)
        counted = torch.where(share < WHOLE_SHARE, known, some)
        after, end = players.first_at(who, torch.stack([cut, cut + self._window]))
        asked = self._some(after.T.flatten(), end.T.flatten(), query_size)
        asked = (asked[0].reshape(len(who), -1), asked[1].reshape(len(who), -1))
        known_support, query = _gather(players, support, asked)
        return Tasks((known_support,), query, Spans(known - counted, known))

    def minibatches(self, meta_batch_size: int, count: int, size: int) -> Tasks:
        """A meta-batch without cuts: `count` batches of each player's examples, whenever they were observed.

        What Reptile and pooled training learn from; they query with the last of the batches.
        """
        who = self._draw_players(meta_batch_size)
        drawn = self._some(self._players.first[who], self._players.end[who], count * size)
        batches = _each(*_gather(self._players, _in_batches(drawn, count)))
        return Tasks(batches, batches[-1])

    def state(self) -> Tensor:
        """Where in its sequence of tasks the sampler is, for a checkpoint."""
        return self._random.get_state()

    def restore(self, state: Tensor) -> None:
        """Go on with the sequence of tasks where `state` was taken."""
        self._random.set_state(state)

    def _cut(
        self, count: int, support_size: int, query_size: int, from_nothing: bool
    ) -> tuple[Tensor, Tensor, _Drawn]:
        """`count` tasks: the moments that are their support, from and up to which, and their queries.

        A task starts where the whole query window is still ahead, if the player's play is long enough.
        """
        players = self._players
        who = self._draw_players(count)
        least = torch.full_like(who, 0 if from_nothing else self._earliest)
        length = self._uniform(least, self._longest[who] + 1)
        room = (players.last_ticks[who] - length - self._window).clamp(min=0)
        start = self._uniform(torch.zeros_like(room), room + 1)
        cut = start + length
        first, known = players.first_moment_at(
            who, torch.stack([start, cut - players.spec.horizon_ticks + 1])
        )
        oldest = torch.maximum(known - support_size, first)
        after, end = players.first_at(who, torch.stack([cut, cut + self._window]))
        return oldest, known, self._some(after, end, query_size)

    def _one_of_each(self, moments: Tensor, is_there: Tensor) -> _Drawn:
        """A random example of each of the moments that are there."""
        first, count = _of_moments(self._players, moments, is_there)
        return self._uniform(first, first + count), is_there

    def _some(self, first: Tensor, end: Tensor, size: int) -> _Drawn:
        """`size` random numbers in [first, end) for each task; not there if that is empty."""
        numbers = self._uniform(first[:, None].expand(-1, size), end[:, None])
        return numbers, (first < end)[:, None].expand_as(numbers)

    def _draw_players(self, count: int) -> Tensor:
        return torch.randint(len(self._players), (count,), generator=self._random)

    def _uniform(self, low: Tensor, high: Tensor) -> Tensor:
        """Random integers in [low, high), elementwise; `low` where that is empty."""
        fraction = torch.rand(low.shape, generator=self._random, dtype=torch.float64)
        return low + (fraction * (high - low)).long()


def _newest(first: Tensor, end: Tensor, size: int) -> _Drawn:
    """The last `size` of the numbers in [first, end) of each task; those that are too many are not there."""
    numbers = end[:, None] - size + torch.arange(size)
    return numbers, numbers >= first[:, None]


def _in_batches(drawn: _Drawn, count: int) -> _Drawn:
    """What is drawn for each task `(tasks, count * size)`, in batches `(count, tasks, size)`."""
    size = drawn[0].shape[1] // max(1, count)
    numbers, is_there = (each.reshape(len(each), count, size).transpose(0, 1) for each in drawn)
    return numbers, is_there


def _of_moments(players: Players, moments: Tensor, is_there: Tensor) -> tuple[Tensor, Tensor]:
    """The first example of each moment, and how many it has; for those not there of any."""
    history = players.history
    named = torch.where(is_there, moments, 0).flatten()
    first, end = history.pages.take(history.moments, torch.cat([named, named + 1])).view(2, *moments.shape)
    return first, end - first


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
