"""The history of all players: every recorded observation, in order of player and time, as columns on disk.

Between sessions and players. A `History` is shared by all `Players` that are split off it. `HistoryWriter`
puts it together from sessions that are streamed, so that neither a recording nor a single session need fit
into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adaptive_agents.errors import SessionError
from adaptive_agents.formats.session import Examples, SessionReader
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from pytrain.data.columns import ColumnFiles, ResidentPages

BLOCK_BYTES = 16 << 20  # of rows that are sorted and written at once
FURTHEST_BACK = 1 << 20  # rows; an agent that did not observe for longer has forgotten what was before
STEPS_BACK = 4  # from one observation to the one before, until it is asked whether all are far enough
LONGEST_AGO = (1 << 31) - 1  # ticks; nothing looks back so far


@dataclass(frozen=True)
class History:
    """Every observation of every player; those that have a label are the examples, the others only a past."""

    observations: Tensor  # (rows, obs_dim) float32
    back: Tensor  # (rows,) int32: so many rows before, the same agent observed last in this episode; 0: never
    since: Tensor  # (rows,) int32: how many ticks before that was
    rows: Tensor  # (examples,) int64: the row that was observed
    ticks: Tensor  # (examples,) int64, ascending over all players
    targets: Tensor  # (examples, target_columns) float32
    weights: Tensor  # (examples,) float32, above 0
    moments: Tensor  # (moments + 1,) int64: the first example of each tick that has any, and their number
    pages: ResidentPages = field(default_factory=ResidentPages)

    def observed(self, examples: Tensor, window: Window) -> Tensor:
        """What was observed at `examples (n,)` and before, oldest first `(n, input_size)`.

        A window looks at one agent in one episode; `Window` tells what is in it.
        """
        rows = self.pages.take(self.rows, examples)
        obs_dim = self.observations.shape[1]
        if window.is_sparse:
            apart = (self._ticks_apart(part, window) for part in self.pages.parts(rows))
            seen, is_there = (torch.cat(each) for each in zip(*apart, strict=True))
            slots = self.pages.take(self.observations, seen.flatten()).view(*seen.shape, obs_dim)
            return torch.cat([slots, is_there[..., None].to(slots.dtype)], dim=-1).flatten(1)
        newest_first = [rows]
        for _ in range(window.size - 1):
            rows = rows - self.pages.take(self.back, rows)
            newest_first.append(rows)
        windows = torch.stack(newest_first[::-1], dim=1)
        return self.pages.take(self.observations, windows.flatten()).view(
            len(examples), window.input_size(obs_dim)
        )

    def _ticks_apart(self, rows: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        """For `rows (n,)` what each slot of a sparse window shows, and whether it is there `(n, size)`.

        The way back from observation to observation is gone once for all rows and slots; it leads along few
        pages for each row.
        """
        age = torch.zeros_like(rows)
        way, ages = [rows], [age]
        is_on_the_way = torch.ones(1).bool()
        while is_on_the_way.any():
            for _ in range(STEPS_BACK):
                back = self.back.index_select(0, rows)
                age = age + self.since.index_select(0, rows)
                rows = rows - back
                way.append(rows)
                ages.append(age)
            is_on_the_way = (back > 0) & (age < window.reach_ticks)
        wanted = torch.arange(window.size - 1, -1, -1) * window.stride_ticks
        # Where the episode began later, the oldest stands in; of two of one tick the later.
        found = torch.minimum(wanted, age[:, None])
        steps = torch.searchsorted(torch.stack(ages, dim=1), found)
        return torch.stack(way, dim=1).gather(1, steps), age[:, None] >= wanted

    def in_a_row(self, column: Literal["observations", "targets"], first: int, end: int) -> Tensor:
        """The examples in [first, end), read from the disk in one go `(end - first, columns)`."""
        self.pages.limit()
        if column == "targets":
            return self.targets[first:end]
        rows = self.rows[first:end]
        start = int(rows[0])
        return self.observations[start : int(rows[-1]) + 1].index_select(0, rows - start)

    def labels(self, examples: Tensor) -> tuple[Tensor, Tensor]:
        """Targets `(n, target_columns)` and weights `(n,)` of `examples (n,)`."""
        return self.pages.take(self.targets, examples), self.pages.take(self.weights, examples)


class HistoryWriter:
    """Appends sessions, one after the other; the next tick is always later than all before."""

    def __init__(self, spec: Spec, most_rows: int) -> None:
        """`most_rows` may come; raises PytrainError where the disk has no room for them."""
        self._spec = spec
        columns: dict[str, tuple[type[np.generic], int | None]] = {
            "observations": (np.float32, spec.observation_size),
            "back": (np.int32, None),
            "since": (np.int32, None),
            "rows": (np.int64, None),
            "ticks": (np.int64, None),
            "targets": (np.float32, spec.target_columns),
            "weights": (np.float32, None),
            "moments": (np.int64, None),
        }
        row_bytes = sum(np.dtype(dtype).itemsize * (width or 1) for dtype, width in columns.values())
        self._files = ColumnFiles(columns, most_rows * row_bytes)
        self._held_back = max(256, BLOCK_BYTES // row_bytes // 4)
        self.next_tick = 0
        """Where the next session starts."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()

    @property
    def examples(self) -> int:
        """How many examples there are so far."""
        return self._files.rows("ticks")

    def add(self, file: Path, tell_rows: Callable[[int], None]) -> bool:
        """Append a session in order of time; says whether its file was cut, and thus taken only up to there.

        A recording is nearly sorted: a label that took longer is a little late. How many rows to hold back in
        memory for that is tried; a file in no order at all is held as a whole.

        Raises:
            SessionError: the file is damaged; nothing of it is in the history.
            PytrainError: the disk is full.
        """
        before = self._files.row_counts()
        held_back = self._held_back
        while True:
            try:
                with SessionReader(file) as session:
                    if self._append(session, held_back, tell_rows):
                        return session.truncated
            except SessionError:
                self._files.cut(before)
                raise
            self._files.cut(before)
            held_back *= 4

    def history(self) -> History:
        """All that was added; there has to be something. The writer is done then."""
        self._files.append("moments", np.array([self.examples]))
        columns, pages = self._files.mapped()
        return History(**columns, pages=pages)

    def _append(self, session: SessionReader, held_back: int, tell_rows: Callable[[int], None]) -> bool:
        """Whether the session is in order, if so many rows at a time are sorted."""
        links = _Links()
        first = None
        newest = self.next_tick
        newest_moment = -1
        for block in _in_order(session.iter_chunks(), held_back):
            first = int(block.ticks[0]) if first is None else first
            ticks = block.ticks - first + self.next_tick
            if ticks[0] < newest:
                return False
            newest = int(ticks[-1])
            row = self._files.rows("back")
            labelled = np.flatnonzero(block.weights > 0)
            self._files.append("observations", block.observations)
            back, since = links.before(block.agents, block.episodes, ticks)
            self._files.append("back", back)
            self._files.append("since", since)
            is_moment = np.diff(ticks[labelled], prepend=newest_moment) > 0
            self._files.append("moments", self.examples + np.flatnonzero(is_moment))
            self._files.append("rows", row + labelled)
            self._files.append("ticks", ticks[labelled])
            self._files.append("targets", block.targets[labelled])
            self._files.append("weights", block.weights[labelled])
            newest_moment = int(ticks[labelled[-1]]) if len(labelled) else newest_moment
            tell_rows(row + len(block))
        self.next_tick = newest + self._spec.horizon_ticks + 1
        return True


class _Links:
    """Finds, for the rows of one session, where and when the same agent observed last in the same episode."""

    def __init__(self) -> None:
        self._rows = 0
        self._agents = np.zeros(0, np.int64)  # each agent in each episode once, sorted
        self._newest = np.zeros(0, np.int64)  # the row of its newest observation
        self._ticks = np.zeros(0, np.int64)  # and its tick

    def before(
        self, agents: NDArray[np.int32], episodes: NDArray[np.int32], ticks: NDArray[np.int64]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """How many rows and ticks before each row that is, both `(rows,)`; 0 where it is the first."""
        known = len(self._agents)
        agent = np.concatenate([self._agents, (episodes.astype(np.int64) << 32) + agents.astype(np.uint32)])
        row = np.concatenate([self._newest, self._rows + np.arange(len(agents))])
        tick = np.concatenate([self._ticks, ticks])
        self._rows += len(agents)
        order = np.argsort(agent, kind="stable")
        agent, row, tick = agent[order], row[order], tick[order]
        same = agent[1:] == agent[:-1]
        back, since = np.zeros(len(order), np.int32), np.zeros(len(order), np.int32)
        back[order[1:]] = np.where(same, np.diff(row), 0)
        since[order[1:]] = np.where(same, np.diff(tick).clip(max=LONGEST_AGO), 0)
        newest = np.append(~same, True) & (row >= self._rows - FURTHEST_BACK)
        self._agents, self._newest, self._ticks = agent[newest], row[newest], tick[newest]
        return back[known:], since[known:]


def _in_order(chunks: Iterable[Examples], held_back: int) -> Iterator[Examples]:
    """The rows in blocks sorted by tick; the newest are held back, since older ones may still come."""
    waiting: list[Examples] = []
    rows = 0
    for chunk in chunks:
        waiting.append(chunk)
        rows += len(chunk)
        if rows >= 4 * held_back:
            block = _sorted(Examples.concatenate(waiting))
            yield block.select(slice(0, rows - held_back))
            waiting, rows = [block.select(slice(rows - held_back, rows))], held_back
    if rows:
        yield _sorted(Examples.concatenate(waiting))


def _sorted(examples: Examples) -> Examples:
    if (np.diff(examples.ticks) >= 0).all():
        return examples
    return examples.select(np.argsort(examples.ticks, kind="stable"))
