"""Sessions -> players: reads recorded `.session` files and puts together everything that one player did.

First station offline: what `SessionRecorder` wrote becomes `Players`, stretches of one long `History` sorted
by player and time, which `tasks` cuts into support and query sets. Splits are by player, never by session or
example.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.errors import SessionError, SpecError
from adaptive_agents.examples import COLUMNS
from adaptive_agents.formats.session import SessionHeader, SessionReader
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from pytrain.console import warn
from pytrain.data.history import History, HistoryWriter
from pytrain.errors import PytrainError
from pytrain.progress import Progress, ProgressCallback, silent

ONE_OBSERVATION = Window()
NUMBERS_AT_ONCE = 1 << 16  # of which mean and scale are taken: float64 that fit a processor's cache


@dataclass(frozen=True)
class Players:
    """Some of the players of a history, each with the examples of a stretch of it.

    A tick of play counts from the player's first observation on; a later session goes on where the one before
    ended. A moment is a tick with examples: one, or one of each agent that observed the player then.
    Observations without a label (weight 0) are no examples, but they are part of windows.
    """

    spec: Spec
    ids: tuple[str, ...]
    sessions: int
    first: Tensor  # (players,) int64: player p owns the examples first[p] up to, but not including, end[p]
    end: Tensor  # (players,) int64
    starts: Tensor  # (players,) int64: the history's tick at which the player's play starts
    history: History  # also of players who are not here
    window: Window = ONE_OBSERVATION  # which of an agent's observations make one row

    def __post_init__(self) -> None:
        history = self.history
        counts = {name: len(getattr(self, name)) for name in ("ids", "first", "end", "starts")}
        if len(set(counts.values())) > 1:
            raise PytrainError(f"the columns of players differ in length: {counts}")
        examples = len(history.rows)
        if (self.end <= self.first).any() or int(self.end.max()) > examples:
            raise PytrainError(
                f"stretches from {self.first.tolist()} to {self.end.tolist()} are no stretches of a history "
                f"of {examples} examples"
            )
        for name, shape in (
            ("observations", (len(history.back), self.spec.observation_size)),
            ("targets", (examples, self.spec.target_columns)),
            ("weights", (examples,)),
            ("ticks", (examples,)),
            ("since", (len(history.back),)),
        ):
            found = tuple(getattr(history, name).shape)
            if found != shape:
                raise PytrainError(f"{name} have shape {found}, expected {shape}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def examples(self) -> int:
        """How many examples these players have together."""
        return int((self.end - self.first).sum())

    @cached_property
    def last_ticks(self) -> Tensor:
        """The tick of play of each player's last example `(players,)`."""
        return self.history.ticks[self.end - 1] - self.starts

    def first_at(self, players: Tensor, ticks: Tensor) -> Tensor:
        """Index of the first example of `players (n,)` observed at `ticks (…, n)` or later, or their end."""
        found = torch.searchsorted(self.history.ticks, self.starts[players] + ticks.clamp(min=0))
        return torch.minimum(found, self.end[players])

    def first_moment_at(self, players: Tensor, ticks: Tensor) -> Tensor:
        """Index of the first moment of `players (n,)` at `ticks (…, n)` or later, or the end of theirs."""
        return torch.searchsorted(self.history.moments, self.first_at(players, ticks))

    def select(self, indices: Sequence[int]) -> Players:
        """The players at `indices`, in that order; they share their history with the others."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in indices),
            first=self.first[indices],
            end=self.end[indices],
            starts=self.starts[indices],
        )

    def with_window(self, window: Window) -> Players:
        """The same players, seen through such windows."""
        return replace(self, window=window)

    def mean_and_scale(self, column: Literal["observations", "targets"]) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each number of a single observation, or target, over all examples.

        A number that never changes has the scale 1. Sums are float64, block by block (Chan et al. 1983).
        """
        count, mean, squares = 0, torch.zeros(()).double(), torch.zeros(()).double()
        width = getattr(self.history, column).shape[1]
        for first, end in self._blocks(max(1, NUMBERS_AT_ONCE // width)):
            block = self.history.in_a_row(column, first, end).double()
            block_mean = block.mean(0)
            away = block_mean - mean
            share = len(block) / (count + len(block))
            squares = squares + (block - block_mean).square().sum(0) + away.square() * (count * share)
            mean = mean + away * share
            count += len(block)
        deviation = (squares / count).sqrt()
        constant = deviation < 1e-6 * (1 + mean.abs())
        return mean.float(), torch.where(constant, 1.0, deviation).float()

    def _blocks(self, size: int) -> Iterator[tuple[int, int]]:
        """All examples as ranges [first, end) of up to `size`."""
        for first, end in self._stretches():
            for start in range(first, end, size):
                yield start, min(start + size, end)

    def _stretches(self) -> list[tuple[int, int]]:
        """Where their examples are in the history; those of neighbours are one stretch."""
        apart = torch.nonzero(self.first[1:] != self.end[:-1]).flatten()
        firsts = self.first[torch.cat([torch.zeros(1).long(), apart + 1])].tolist()
        ends = self.end[torch.cat([apart, torch.tensor([len(self) - 1])])].tolist()
        return list(zip(firsts, ends, strict=True))


def session_files(paths: Iterable[Path]) -> list[Path]:
    """The `.session` files named by `paths`; a folder stands for all files below it."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob("*.session"))
            if not found:
                raise PytrainError(
                    f"no .session file in {path}: record some with `pytrain record --out {path}`"
                )
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise PytrainError(f"no such session file or folder: {path}")
    return list(dict.fromkeys(files))


def read_players(paths: Iterable[Path], progress: ProgressCallback = silent) -> Players:
    """Read sessions (files or folders) and join them by player.

    One bad file among many does not stop a training: a session that is damaged, holds nothing, or has
    another spec than most is left out with a warning. Raises PytrainError when none is left.
    """
    files = session_files(paths)
    sessions = _of_one_spec(_usable_sessions(files))
    if sessions:
        spec = sessions[0].header.spec
        most_rows = sum(session.most_rows for session in sessions)

        def tell_rows(rows: int) -> None:
            progress(Progress("read sessions", rows, max(rows, most_rows)))

        with HistoryWriter(spec, most_rows) as writer:
            ids, first, starts, used = _write(sessions, writer, tell_rows)
            if used:
                ends = torch.tensor([*first[1:], writer.examples])
                columns = (torch.tensor(first), ends, torch.tensor(starts))
                players = Players(spec, tuple(ids), used, *columns, writer.history())
                progress(Progress("read sessions", most_rows, most_rows))
                return players
    raise PytrainError(
        f"none of {len(files)} session files can be used: record some with `pytrain record`, or play a "
        "scene that has a SessionRecorder"
    )


def who_played_longer(players: Players, than_sec: float, option: str) -> Players:
    """The players with examples after `than_sec` seconds of play; the others are left out with a warning.

    `option` is the setting that asks for so much. Raises PytrainError when nobody is left.
    """
    played_sec = players.last_ticks / players.spec.tick_rate_hz
    short = torch.nonzero(played_sec <= than_sec).flatten().tolist()
    if not short:
        return players
    whose = f"player {players.ids[short[0]]!r} played {float(played_sec[short[0]]):.1f} s"
    needed = f"but more than {than_sec:g} s are needed: record longer sessions, or lower {option}"
    if len(short) == len(players):
        raise PytrainError(f"no player's play is long enough: {whose}, {needed}")
    warn(f"left out: {len(short)} of {len(players)} players; {whose}, {needed}")
    return players.select(torch.nonzero(played_sec > than_sec).flatten().tolist())


def split_by_player(players: Players, held_out_fraction: float, seed: int) -> tuple[Players, Players]:
    """`(kept, held out)`: no player is in both, and both have at least one."""
    if len(players) < 2:
        raise PytrainError(
            f"{len(players)} player ({players.ids[0]!r}) cannot be split into players to learn from and "
            "players to validate on: record at least 2, better 50"
        )
    order = np.random.default_rng(seed).permutation(len(players)).tolist()
    held_out = min(max(1, round(held_out_fraction * len(players))), len(players) - 1)
    return players.select(sorted(order[held_out:])), players.select(sorted(order[:held_out]))


def player_hash(player_id: str) -> str:
    """How a brain remembers who it was trained on without naming them; 16 digits keep it small."""
    return hashlib.sha256(player_id.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _SessionFile:
    file: Path
    header: SessionHeader
    most_rows: int  # that a file of this size can hold


def _usable_sessions(files: Sequence[Path]) -> list[_SessionFile]:
    """The sessions that can be read and hold labelled examples; what is left out is told."""
    usable = []
    for file in files:
        try:
            with SessionReader(file) as session:
                if not any((chunk.weights > 0).any() for chunk in session.iter_chunks()):
                    warn(f"left out: session '{file}' holds no labelled example: its game ended too early")
                else:
                    most_rows = file.stat().st_size // _row_bytes(session.header.spec)
                    usable.append(_SessionFile(file, session.header, most_rows))
        except SessionError as error:
            warn(f"left out: {error}")
    return usable


def _row_bytes(spec: Spec) -> int:
    """What a row takes in a `.session`, frames aside."""
    numbers = {"observations": spec.observation_size, "targets": spec.target_columns}
    return sum(dtype.itemsize * numbers.get(name, 1) for name, dtype in COLUMNS.items())


def _of_one_spec(sessions: list[_SessionFile]) -> list[_SessionFile]:
    """The sessions whose spec most of them have, or if two are as frequent, the one recorded last."""
    newest_first = sorted(sessions, key=lambda session: session.header.started_at, reverse=True)
    most = Counter(session.header.spec for session in newest_first).most_common(1)
    fitting = []
    for session in sessions:
        spec, count = most[0]
        try:
            spec.check_fits(
                session.header.spec, mine=f"the spec of {count} sessions", theirs=f"session '{session.file}'"
            )
        except SpecError as error:
            warn(f"left out: {error}")
        else:
            fitting.append(session)
    return fitting


def _write(
    sessions: list[_SessionFile], writer: HistoryWriter, tell_rows: Callable[[int], None]
) -> tuple[list[str], list[int], list[int], int]:
    """Each player's id, first example and tick of start, and how many sessions were used.

    A player's sessions are joined in the order they were played; a session that turns out to be damaged is
    left out.
    """
    ids: list[str] = []
    first: list[int] = []
    starts: list[int] = []
    used = 0
    for session in sorted(sessions, key=_player_and_time):
        example, tick = writer.examples, writer.next_tick
        try:
            truncated = writer.add(session.file, tell_rows)
        except SessionError as error:
            warn(f"left out: {error}")
            continue
        used += 1
        if truncated:
            warn(
                f"session '{session.file}' ends in a cut chunk, as after a crash: "
                f"its {writer.examples - example:,} examples before that are used"
            )
        if ids[-1:] != [session.header.player_id]:
            ids.append(session.header.player_id)
            first.append(example)
            starts.append(tick)
    return ids, first, starts, used


def _player_and_time(session: _SessionFile) -> tuple[str, str, str]:
    return session.header.player_id, session.header.started_at, str(session.file)
