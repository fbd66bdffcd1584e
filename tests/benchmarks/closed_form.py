"""What one example costs in closed form: a rank-1 update of a player's regression, and of a thousand at once.

65 features, 2 outputs, with forgetting: `adapt/bayes-one` and `adapt/bayes-1000`. Beside it, in turns in one
process, what the same players cost by gradient: the exported graph of `export/adapt-step` (5 steps on 32
examples), 128 profiles at a time where there are more.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import numpy as np

from adaptive_agents.model.recursive_posterior import RecursivePosterior
from tests.benchmarks.adapt_step import EXAMPLES, PROFILES, STEPS, in_turns, make_brain, ways_of
from tests.benchmarks.report import BenchSettings, Progress, Result

NAME = "adapt"
TIMED = True

PLAYERS = {"adapt/bayes-one": 1, "adapt/bayes-1000": 1000}
FEATURES, OUTPUTS = 65, 2
FORGETTING = 0.999
CLOSED_FORM, GRADIENT = "closed form", f"{STEPS} gradient steps on {EXAMPLES} examples"


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """µs for one call that takes in an example of each player."""
    rounds = 11 if settings.quick else 41
    progress("exporting a brain")
    with tempfile.TemporaryDirectory() as folder:
        model, brain = make_brain(Path(folder))
        for name, players in PLAYERS.items():
            if settings.wants(name):
                progress(f"{players} players, {rounds} rounds")
                gradient = ways_of(model, brain, min(players, PROFILES[-1]))["ours"]
                yield _result(name, players, _usec(gradient, players, rounds))


def _usec(gradient: Callable[[], object], players: int, rounds: int) -> dict[str, list[float]]:
    """Processor µs for all players, in each round."""
    random = np.random.default_rng(0)
    posterior = RecursivePosterior(np.eye(FEATURES), np.zeros((FEATURES, OUTPUTS)), players)
    features = random.standard_normal((players, FEATURES)).astype(np.float32)
    targets = random.standard_normal((players, OUTPUTS)).astype(np.float32)
    usec = in_turns(
        {CLOSED_FORM: lambda: posterior.absorb(features, targets, 1.0, FORGETTING), GRADIENT: gradient},
        rounds,
        1,
    )
    usec[GRADIENT] = [each * players / min(players, PROFILES[-1]) for each in usec[GRADIENT]]
    return usec


def _result(name: str, players: int, usec: dict[str, list[float]]) -> Result:
    ours, theirs = usec[CLOSED_FORM], usec[GRADIENT]
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    low, _, high = quantiles(ratios, n=4)
    return Result(
        name=name,
        ours=median(ours),
        unit="µs per call",
        peer=GRADIENT,
        peer_value=median(theirs),
        ratio=median(ratios),
        spread=(low, high),
        spread_of="ratio",
        note=f"an example of each of {players} players, {FEATURES} features, {OUTPUTS} outputs",
    )
