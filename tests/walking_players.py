"""Players as games have them: what they do lasts, several agents see it at once, and habits change.

The sinusoid players are drawn anew at every moment. A walker's x drifts (its autocorrelation over a tenth of
a second is .97), four agents see it at the same ticks from where each stands, ten minutes long, in two
sessions; half way through, the habit becomes another one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.dataset import Players, read_players

TICKS_APART = 6
HORIZON_TICKS = 36
SECONDS = 600.0
REMEMBERS = 0.97
SPEC = Spec((Field("x"), Field("tick"), Field("agent")), Target("vector", "y", 1), HORIZON_TICKS)
X, TICK, AGENT = range(3)


def habits(player: int) -> np.ndarray:
    """Amplitude and phase before and after the change `(2, 2)`."""
    random = np.random.default_rng([player, 2024])
    first = random.uniform((1.0, 0.0), (5.0, np.pi))
    return np.stack([first, (-first[0], first[1] + random.uniform(0.5, 1.5))])


def make_walkers(folder: Path, players: range, *, agents: int = 4, seconds: float = SECONDS) -> Players:
    """Walkers who were recorded to `folder`, in two sessions each."""
    for player in players:
        random = np.random.default_rng([player, 2025])
        moments = round(seconds * 60) // TICKS_APART
        steps = random.standard_normal(moments) * np.sqrt(1 - REMEMBERS**2)
        x = 0.0
        for session, part in enumerate(np.array_split(np.arange(moments), 2)):
            amplitude, phase = habits(player)[session]
            header = SessionHeader(SPEC, f"walker-{player}", started_at=f"2026-01-0{session + 1}")
            with SessionWriter(folder / f"{player}-{session}.session", header) as writer:
                for moment in part:
                    x = REMEMBERS * x + steps[moment]
                    y = amplitude * np.sin(2 * x + phase)
                    tick = int(moment) * TICKS_APART
                    for agent in range(agents):
                        writer.add(tick, agent, session, [x, tick, agent], [y])
    return read_players([folder])
