"""What the benchmarks on real people share: the ordinary commands, paired changes, coverage.

People of one group (a game, where they see each other) are drawn together, and with all that was measured on
them: their errors are no independent evidence.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.support import SupportSet
from pytrain.data.dataset import Players, read_players
from pytrain.data.tasks import Batch, newest_known, observed_between
from pytrain.evaluation.evaluate import EvaluateSettings
from pytrain.evaluation.intervals import Estimate, mean_with_interval, ratio_with_interval
from tests.benchmarks.report import Result

LEARNERS = ("pooled", "fomaml", "reptile", "bayes", "memory")
"""Who is trained at the defaults; all others are held against the first, which does without the person."""

PerPerson = Mapping[str, float]
"""One number for each person, by id."""
LEVEL = 0.8  # of the intervals and sets whose coverage is told


def run_pytrain(arguments: Sequence[str], log: Path) -> None:
    """Run `pytrain` as a command; what it printed is in `log`. Raises RuntimeError if it failed."""
    with log.open("w") as output:
        command = [sys.executable, "-m", "pytrain", *arguments]
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    if status != 0:
        last_lines = " ".join(log.read_text().split()[-40:])
        raise RuntimeError(f"pytrain {shlex.join(arguments)} ended with status {status}: {last_lines}")


def change_percent(ours: PerPerson, peers: PerPerson, group: Mapping[str, int]) -> Estimate:
    """By how much our mean error differs from the peer's, of the same people drawn by group."""
    sums: dict[int, list[float]] = {}
    for person, error in ours.items():
        of_group = sums.setdefault(group[person], [0.0, 0.0])
        of_group[0] += error
        of_group[1] += peers[person]
    above, below = np.array(list(sums.values())).T
    ratio = ratio_with_interval(above, below)
    return Estimate(*(100 * (value - 1) for value in (ratio.mean, ratio.low, ratio.high)))


def below_pooled(name: str, changes: Mapping[str, Estimate], unit: str) -> Result:
    """How many of these changes of the error, named by what changed, are worse by over half an interval."""
    worse = {what: change for what, change in changes.items() if change.mean > (change.high - change.low) / 2}
    said = "; ".join(f"{what} {change:+.2f} {unit}" for what, change in worse.items())
    return Result(
        name,
        len(worse),
        f"of {len(changes)} worse than pooled by more than half an interval",
        ratio=0.0 if worse else 1.0,
        goal=1.0,
        note=said,
    )


def covered(brain: Brain, sessions: Path, settings: EvaluateSettings, after_sec: float) -> PerPerson:
    """How often what came lay within the brain's 80 % interval, after so many seconds of play, by person.

    A vector: mean over its coordinates. A category: within the smallest set of classes that has that
    probability, where the last class belongs to it with the part that is missing.
    """
    players = read_players([sessions]).with_window(brain.window)
    shares: dict[str, float] = {}
    for person, player_id in enumerate(players.ids):
        who = torch.tensor([person])
        query = _arrays(observed_between(players, who, *_query_ticks(players, who, settings)))
        params = _adapted(brain, players, who, after_sec)
        predictions, deviations = brain.estimate_batched(query.observations, params)
        if players.spec.target.kind == "category":
            inside = in_smallest_set(_probabilities(predictions[0]), query.targets[0, :, 0].astype(int))
        elif deviations is None or brain.uncertainty is None:
            raise ValueError(f"{brain.label} gives no deviations: its coverage cannot be measured")
        else:
            half_width = brain.uncertainty.intervals[LEVEL] * deviations[0]
            inside = (np.abs(query.targets[0] - predictions[0]) <= half_width).mean(axis=1)
        shares[player_id] = float(np.average(inside, weights=query.weights[0]))
    return shares


def in_smallest_set(probabilities: NDArray[np.float64], classes: NDArray[np.int_]) -> NDArray[np.float64]:
    """How likely the class that came `(n,)` is in the smallest set of LEVEL; `probabilities (n, classes)`."""
    own = np.take_along_axis(probabilities, classes[:, None], axis=1)
    likelier = np.where(probabilities > own, probabilities, 0.0).sum(axis=1, keepdims=True)
    inside: NDArray[np.float64] = np.clip((LEVEL - likelier) / np.maximum(own, 1e-12), 0.0, 1.0)[:, 0]
    return inside


def coverage(name: str, shares: PerPerson, when: str, how: str) -> Result:
    """A learner's `covered` as a figure, beside what its intervals promise."""
    share = mean_with_interval(list(shares.values()))
    return Result(
        name,
        share.mean,
        f"of what came, {when}",
        "as promised",
        LEVEL,
        spread=(share.low, share.high),
        note=f"{len(shares)} people, {how}",
    )


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _adapted(brain: Brain, players: Players, who: torch.Tensor, after_sec: float) -> Params:
    """The weights of one player `who (1,)`: the brain's own where nothing was shown yet."""
    params = {name: value[None] for name, value in brain.init_params.items()}
    cut = torch.full_like(who, round(after_sec * players.spec.tick_rate_hz))
    support = newest_known(players, who, cut, brain.inner_loop.support_size)
    known = (support.weights > 0)[0]
    columns = (support.observations, support.targets, support.weights)
    return brain.adapt(params, _arrays(Batch(*(column[:, known] for column in columns)))).params


def _query_ticks(
    players: Players, who: torch.Tensor, settings: EvaluateSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    start = torch.full_like(who, round(settings.query_from_sec * players.spec.tick_rate_hz))
    return start, start + round(settings.query_sec * players.spec.tick_rate_hz)


def _arrays(batch: Batch) -> SupportSet:
    return SupportSet(batch.observations.numpy(), batch.targets.numpy(), batch.weights.numpy())
