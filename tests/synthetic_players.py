"""Players whose habit is a sinusoid with an amplitude and phase of their own: easy to make, hard to guess.

The sinusoid of the MAML paper in the form of sessions: x is observed, y = amplitude * sin(x + phase) is the
target, or as a category whether y is low, middle or high.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.spec import Field, Spec, Target, TargetKind
from pytrain.data.dataset import Players
from pytrain.data.history import History

TICKS_APART = 6
HORIZON_TICKS = 36


def sinusoid_spec(kind: TargetKind = "vector") -> Spec:
    target = Target("vector", "y", 1) if kind == "vector" else Target("category", "level", 3)
    return Spec((Field("x"), Field("distraction", 2)), target, HORIZON_TICKS)


def play(player: int, seconds: float, kind: TargetKind = "vector") -> tuple[np.ndarray, ...]:
    """Ticks, observations and targets of one player; the number decides the habit."""
    random = np.random.default_rng([player, 2017])
    amplitude, phase = random.uniform(0.5, 5.0), random.uniform(0, np.pi)
    ticks = np.arange(0, round(seconds * 60), TICKS_APART)
    observations = random.standard_normal((len(ticks), 3))
    observations[:, 0] = random.uniform(-5, 5, len(ticks))
    y = amplitude * np.sin(observations[:, :1] + phase)
    targets = y if kind == "vector" else (y > -0.5).astype(float) + (y > 0.5)
    return ticks, observations.astype(np.float32), targets.astype(np.float32)


def write_sessions(
    folder: Path, players: range, kind: TargetKind = "vector", seconds: float = 60.0, name: str = "player"
) -> Path:
    """One `.session` for each player, and the folder they are in."""
    folder.mkdir(parents=True, exist_ok=True)
    for player in players:
        header = SessionHeader(sinusoid_spec(kind), f"{name}-{player}")
        with SessionWriter(folder / f"{name}-{player}.session", header) as writer:
            for tick, observation, target in zip(*play(player, seconds, kind), strict=True):
                writer.add(int(tick), 0, 0, observation, target)
    return folder


def make_players(count: int, kind: TargetKind = "vector", seconds: float = 60.0, first: int = 0) -> Players:
    """The same players without the way over files."""
    played = [play(player, seconds, kind) for player in range(first, first + count)]
    ticks, observations, targets = (
        torch.from_numpy(np.concatenate(column)) for column in zip(*played, strict=True)
    )
    lengths = [len(part[0]) for part in played]
    return players_of(sinusoid_spec(kind), ticks, lengths, observations, targets, first)


def players_of(
    spec: Spec, ticks: Tensor, lengths: list[int], observations: Tensor, targets: Tensor, number: int = 0
) -> Players:
    """Players "player-{number}" and on in memory: one session each, one agent, every observation labelled."""
    end = torch.tensor(lengths).cumsum(0)
    first = end - torch.tensor(lengths)
    starts = (ticks[end - 1] + spec.horizon_ticks + 1).cumsum(0).roll(1)
    starts[0] = 0
    back = torch.ones(len(ticks), dtype=torch.int32)
    back[first] = 0
    since = ticks.diff(prepend=ticks[:1]).int()
    since[first] = 0
    return Players(
        spec=spec,
        ids=tuple(f"player-{index}" for index in range(number, number + len(lengths))),
        sessions=len(lengths),
        first=first,
        end=end,
        starts=starts,
        history=History(
            observations=observations,
            back=back,
            since=since,
            rows=torch.arange(len(ticks)),
            ticks=ticks + starts.repeat_interleave(torch.tensor(lengths)),
            targets=targets,
            weights=torch.ones(len(ticks)),
            moments=torch.arange(len(ticks) + 1),
        ),
    )
