"""Sessions -> players: reads recorded `.session` files and puts together everything that one player did.

First station offline: what `SessionRecorder` wrote becomes `Players`, a few long tensors sorted by player
and time, which `tasks` cuts into support and query sets. Splits are by player, never by session or example.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.errors import SessionError, SpecError
from adaptive_agents.session import Session, read_session
from adaptive_agents.spec import Spec
from pytrain.console import warn
from pytrain.errors import PytrainError
from pytrain.progress import Progress, ProgressCallback, silent


@dataclass(frozen=True)
class Players:
    """Every example of every player, sorted by player and then by tick of play.

    A tick of play counts from the player's first observation on; a later session goes on where the one before
    ended. Examples without a label (weight 0) are not here.
    """

    spec: Spec
    ids: tuple[str, ...]
    sessions: int
    offsets: Tensor  # (players + 1,) int64: player p owns the examples offsets[p]:offsets[p + 1]
    ticks: Tensor  # (examples,) int64: tick of play of the observation
    observations: Tensor  # (examples, obs_dim) float32
    targets: Tensor  # (examples, target_columns) float32
    weights: Tensor  # (examples,) float32

    def __post_init__(self) -> None:
        examples = len(self.ticks)
        if self.offsets.shape != (len(self.ids) + 1,) or int(self.offsets[-1]) != examples:
            raise PytrainError(
                f"offsets {tuple(self.offsets.shape)} ending at {int(self.offsets[-1])} do not delimit "
                f"{len(self.ids)} players of {examples} examples"
            )
        for name, columns in (
            ("observations", (self.spec.observation_size,)),
            ("targets", (self.spec.target_columns,)),
            ("weights", ()),
        ):
            shape = tuple(getattr(self, name).shape)
            if shape != (examples, *columns):
                raise PytrainError(f"{name} have shape {shape}, expected {(examples, *columns)}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def examples(self) -> int:
        """How many examples all players have together."""
        return len(self.ticks)

    @cached_property
    def last_ticks(self) -> Tensor:
        """The tick of play of each player's last observation `(players,)`."""
        return self.ticks[self.offsets[1:] - 1]

    @cached_property
    def _clock(self) -> Tensor:
        """`ticks`, but ascending over all players: one search finds a tick of any player `(examples,)`."""
        owner = torch.repeat_interleave(torch.arange(len(self)), self.offsets.diff())
        return owner * self._ticks_apart + self.ticks

    @cached_property
    def _ticks_apart(self) -> int:
        return int(self.last_ticks.max()) + 1

    def first_at(self, players: Tensor, ticks: Tensor) -> Tensor:
        """Index of the first example of `players (n,)` observed at `ticks (n,)` or later, or their end."""
        wanted = players * self._ticks_apart + ticks.clamp(0, self._ticks_apart)
        return torch.searchsorted(self._clock, wanted)

    def select(self, indices: Sequence[int]) -> Players:
        """The players at `indices`, in that order."""
        bounds = [(int(self.offsets[i]), int(self.offsets[i + 1])) for i in indices]
        rows = torch.cat([torch.arange(first, end) for first, end in bounds])
        lengths = torch.tensor([0, *(end - first for first, end in bounds)])
        return Players(
            spec=self.spec,
            ids=tuple(self.ids[i] for i in indices),
            sessions=self.sessions,
            offsets=lengths.cumsum(0),
            ticks=self.ticks[rows],
            observations=self.observations[rows],
            targets=self.targets[rows],
            weights=self.weights[rows],
        )


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
    sessions = _of_one_spec(_usable_sessions(files, progress))
    if not sessions:
        raise PytrainError(
            f"none of {len(files)} session files can be used: record some with `pytrain record`, or play a "
            "scene that has a SessionRecorder"
        )
    by_player: dict[str, list[tuple[Path, Session]]] = {}
    for file, session in sessions:
        by_player.setdefault(session.header.player_id, []).append((file, session))
    ids = tuple(sorted(by_player))
    spec = sessions[0][1].header.spec
    played = [_join(by_player[player], spec.horizon_ticks) for player in ids]
    lengths = [0, *(len(ticks) for ticks, *_ in played)]
    ticks, observations, targets, weights = (
        torch.from_numpy(np.concatenate(column)) for column in zip(*played, strict=True)
    )
    offsets = torch.tensor(lengths).cumsum(0)
    return Players(spec, ids, len(sessions), offsets, ticks, observations, targets, weights)


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


def _usable_sessions(files: Sequence[Path], progress: ProgressCallback) -> list[tuple[Path, Session]]:
    """The sessions that can be read and hold labelled examples; what is left out, or cut, is told."""
    usable = []
    for done, file in enumerate(files, start=1):
        try:
            session = read_session(file)
        except SessionError as error:
            warn(f"left out: {error}")
        else:
            examples = session.examples
            if not (examples.weights > 0).any():
                warn(f"left out: session '{file}' holds no labelled example: its game ended too early")
            else:
                usable.append((file, session))
                if session.truncated:
                    warn(
                        f"session '{file}' ends in a cut chunk, as after a crash: "
                        f"its {len(examples):,} examples before that are used"
                    )
        progress(Progress("read sessions", done, len(files)))
    return usable


def _of_one_spec(sessions: list[tuple[Path, Session]]) -> list[tuple[Path, Session]]:
    """The sessions whose spec most of them have, or if two are as frequent, the one recorded last."""
    newest_first = sorted(sessions, key=lambda item: item[1].header.started_at, reverse=True)
    most = Counter(session.header.spec for _, session in newest_first).most_common(1)
    fitting = []
    for file, session in sessions:
        spec, count = most[0]
        try:
            spec.check_fits(
                session.header.spec, mine=f"the spec of {count} sessions", theirs=f"session '{file}'"
            )
        except SpecError as error:
            warn(f"left out: {error}")
        else:
            fitting.append((file, session))
    return fitting


def _join(sessions: list[tuple[Path, Session]], horizon_ticks: int) -> tuple[np.ndarray, ...]:
    """One player's sessions in the order they were played, as ticks of play and columns."""
    parts = []
    start = 0
    for _, session in sorted(sessions, key=lambda item: (item[1].header.started_at, str(item[0]))):
        examples = session.examples
        order = np.argsort(examples.ticks, kind="stable")
        order = order[examples.weights[order] > 0]
        ticks = examples.ticks[order] - examples.ticks.min() + start
        parts.append((ticks, examples.observations[order], examples.targets[order], examples.weights[order]))
        start = int(examples.ticks.max() - examples.ticks.min()) + start + horizon_ticks + 1
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
