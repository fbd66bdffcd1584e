"""The one loop that everything is measured by: learn from a player's first seconds, answer what came later.

Every predictor learns from the same play, its newest examples, as many as it takes, and answers the same
query, which lies after all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Target
from pytrain.data.dataset import Players
from pytrain.data.tasks import Batch, newest_known, observed_between, spread_between
from pytrain.evaluation.calibration import Calibration, calibration
from pytrain.evaluation.conditions import ALL, Condition
from pytrain.evaluation.predictors import Answers, Predictor
from pytrain.settings import EvaluateSettings

PLAYERS_AT_ONCE = 32

PerPlayer = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One predictor's figures on some moments of each player's query; a player without such moments has
    NaN."""

    error: PerPlayer
    """(players, seconds): mean distance in target units, or 1 - accuracy."""
    loss: PerPlayer
    """(players, seconds): a vector's mean squared distance; a category's negative log-likelihood, in nats."""
    coverage: PerPlayer | None
    """(players, seconds, levels), where the predictor tells how sure it is."""
    gaps: PerPlayer | None
    """(players, seconds, parts): see `Calibration`."""
    brier: PerPlayer | None
    """(players, seconds), of a category."""


@dataclass(frozen=True)
class Questions:
    """Of some players, what is known of them after each second of the curve, and what is asked then."""

    target: Target
    supports: tuple[SupportSet, ...]  # one for each second
    query: SupportSet
    counts: Mapping[str, NDArray[np.float32]]  # (players, rows): what each row counts for all, or a condition


def ask(
    players: Players,
    window: Window,
    support_size: int,
    settings: EvaluateSettings,
    conditions: Mapping[str, Condition] | None = None,
    query_size: int | None = None,
) -> Iterator[Questions]:
    """All players, some at a time, so that rows of a window need little memory.

    With a `query_size` only so many rows of each player's query, evenly spread, are asked.
    """
    seen = players.with_window(window)
    for first in range(0, len(players), PLAYERS_AT_ONCE):
        who = torch.arange(first, min(first + PLAYERS_AT_ONCE, len(players)))
        query = _as_arrays(_query(seen, who, settings, query_size))
        counts = {ALL: query.weights}
        if conditions:
            single = _query(players, who, settings, query_size).observations
            for name, condition in conditions.items():
                counts[name] = query.weights * condition.holds(single).numpy()
        supports = tuple(_support(seen, who, seconds, support_size) for seconds in settings.curve_sec)
        yield Questions(players.spec.target, supports, query, counts)


def measure(predictor: Predictor, questions: Iterable[Questions]) -> dict[str, Measured]:
    """The figures on all moments of the query, and on those of each condition, after every second."""
    parts: dict[str, list[list[_Figures]]] = {}
    for asked in questions:
        for name in asked.counts:
            parts.setdefault(name, []).append([])
        for support in asked.supports:
            answers = predictor.fit(support)(asked.query.observations)
            for name, counts in asked.counts.items():
                counted = SupportSet(asked.query.observations, asked.query.targets, counts)
                parts[name][-1].append(_figures(asked.target, answers, counted))
    return {name: _joined(rows) for name, rows in parts.items()}


def query_ticks(
    players: Players, who: torch.Tensor, settings: EvaluateSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """From when to when the query of `who` was observed: the same for all methods and points of the curve."""
    rate = players.spec.tick_rate_hz
    start = torch.full_like(who, round(settings.query_from_sec * rate))
    return start, start + round(settings.query_sec * rate)


def _support(players: Players, who: torch.Tensor, seconds: float, size: int) -> SupportSet:
    """What is known of `who` after so many seconds of play: their newest moments, at most `size`."""
    cut = torch.full_like(who, round(seconds * players.spec.tick_rate_hz))
    known = players.first_moment_at(who, cut - players.spec.horizon_ticks + 1)
    most = int((known - players.first_moment_at(who, torch.zeros_like(cut))).max())
    return _as_arrays(newest_known(players, who, cut, min(size, most)))


def _query(players: Players, who: torch.Tensor, settings: EvaluateSettings, query_size: int | None) -> Batch:
    between = query_ticks(players, who, settings)
    if query_size is None:
        return observed_between(players, who, *between)
    return spread_between(players, who, *between, query_size)


def _as_arrays(batch: Batch) -> SupportSet:
    return SupportSet(batch.observations.numpy(), batch.targets.numpy(), batch.weights.numpy())


@dataclass(frozen=True)
class _Figures:
    """Of some players after one second: `(players,)` each."""

    error: PerPlayer
    loss: PerPlayer
    calibration: Calibration | None


def _figures(target: Target, answers: Answers, query: SupportSet) -> _Figures:
    predictions = answers.predictions.astype(np.float64)
    if target.kind == "category":
        truth = query.targets.astype(np.int64)
        error = (predictions.argmax(-1) != truth[..., 0]).astype(np.float64)
        raised = predictions - predictions.max(-1, keepdims=True)
        of_truth = np.take_along_axis(raised, truth, axis=-1)[..., 0]
        loss = np.log(np.exp(raised).sum(-1)) - of_truth
    else:
        error = np.linalg.norm(predictions - query.targets, axis=-1)
        loss = error**2
    counted = query.weights.sum(-1)
    total = np.where(counted > 0, counted, np.nan)
    error, loss = ((each * query.weights).sum(-1) / total for each in (error, loss))
    return _Figures(error, loss, calibration(target, answers, query))


def _joined(parts: list[list[_Figures]]) -> Measured:
    """From figures by players and seconds."""

    def table(values: list[list[PerPlayer]]) -> PerPlayer:
        return np.concatenate([np.stack(seconds, axis=1) for seconds in values])

    def of_calibration(part: Callable[[Calibration], PerPlayer | None]) -> PerPlayer | None:
        values = [
            [None if each.calibration is None else part(each.calibration) for each in seconds]
            for seconds in parts
        ]
        known = [[value for value in seconds if value is not None] for seconds in values]
        return table(known) if known[0] else None

    return Measured(
        error=table([[each.error for each in seconds] for seconds in parts]),
        loss=table([[each.loss for each in seconds] for seconds in parts]),
        coverage=of_calibration(lambda each: each.coverage),
        gaps=of_calibration(lambda each: each.gaps),
        brier=of_calibration(lambda each: each.brier),
    )
