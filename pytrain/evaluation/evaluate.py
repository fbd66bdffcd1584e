"""Evaluation on held-out players, before and after adaptation, with the graphs of the brains themselves.

What is measured is what ships: the `.brain`'s own policy and adaptation graphs, run through
`adaptive_agents.model.brain` as the engine runs them. Every method learns from the same play (its newest
examples, as many as it takes) and answers the same query, which lies after all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from adaptive_agents.errors import SpecError
from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.support import SupportSet
from pytrain.data.dataset import Players, player_hash, read_players
from pytrain.data.tasks import Batch, newest_known, observed_between
from pytrain.errors import PytrainError
from pytrain.evaluation.intervals import Estimate, bands, mean_with_interval, ratio_with_interval
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import EvaluateSettings

__all__ = ["Curve", "EvaluateSettings", "Evaluation", "evaluate"]

PLAYERS_AT_ONCE = 32
FROZEN, POOLED = "frozen", "pooled"

PerPlayer = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One method's error after each of `Evaluation.curve_sec` seconds of play."""

    error: tuple[Estimate, ...]
    loss: tuple[Estimate, ...]  # negative log-likelihood for a category; the training loss for a vector
    error_per_player: tuple[tuple[float, ...], ...]  # (players, seconds)


@dataclass(frozen=True)
class Evaluation:
    """Curves of every method on the same players; `frozen` is the pooled brain without a step."""

    player_ids: tuple[str, ...]
    unit: str  # what an error is measured in, for a table's head
    curve_sec: tuple[float, ...]
    headline_sec: float
    methods: Mapping[str, Curve]
    ratios: Mapping[str, Estimate]  # "maml/frozen": ratio of mean errors at headline_sec, resampled in pairs
    differences: Mapping[str, Estimate]  # "maml-pooled": mean paired difference at headline_sec

    def headline(self, method: str) -> Estimate:
        """The error of one method after `headline_sec` seconds of play."""
        return self.methods[method].error[self.curve_sec.index(self.headline_sec)]

    def headline_loss(self, method: str) -> Estimate:
        """The same for its loss: a category's negative log-likelihood, in nats."""
        return self.methods[method].loss[self.curve_sec.index(self.headline_sec)]


def evaluate(
    brains: Mapping[str, Brain],
    sessions: Sequence[Path],
    settings: EvaluateSettings | None = None,
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Evaluate brains side by side on every player found in `sessions` (files or folders).

    A brain named "pooled" also gives the line "frozen". Raises PytrainError when a player was in a brain's
    training, when brain and sessions disagree about the spec, or when a player's play is too short for the
    curve.
    """
    settings = settings or EvaluateSettings()
    _check_curve(settings)
    players = read_players(sessions, progress)
    for brain in brains.values():
        _check_unseen(brain, players)
    measured = dict(brains)
    steps: dict[str, int | None] = dict.fromkeys(measured)
    if POOLED in brains:
        measured = {FROZEN: brains[POOLED], **measured}
        steps = {FROZEN: 0, **steps}
    _check_query(players, settings)
    errors: dict[str, PerPlayer] = {}
    curves: dict[str, Curve] = {}
    for done, (name, brain) in enumerate(measured.items()):
        progress(Progress("evaluate", done, len(measured)))
        errors[name], losses = _measure(brain, players, settings, steps[name])
        curves[name] = Curve(
            error=tuple(bands(errors[name], settings.seed)),
            loss=tuple(bands(losses, settings.seed)),
            error_per_player=tuple(tuple(row) for row in errors[name].tolist()),
        )
    progress(Progress("evaluate", len(measured), len(measured)))
    headline = settings.curve_sec.index(settings.headline_sec)
    baselines = [name for name in (FROZEN, POOLED) if name in errors]
    pairs = [(one, other) for one, other in product(errors, baselines) if one != other]
    return Evaluation(
        player_ids=players.ids,
        unit="1 - accuracy" if players.spec.target.kind == "category" else f"units of {players.spec.target}",
        curve_sec=settings.curve_sec,
        headline_sec=settings.headline_sec,
        methods=curves,
        ratios={
            f"{one}/{other}": ratio_with_interval(
                errors[one][:, headline], errors[other][:, headline], settings.seed
            )
            for one, other in pairs
        },
        differences={
            f"{one}-{other}": mean_with_interval(
                errors[one][:, headline] - errors[other][:, headline], settings.seed
            )
            for one, other in pairs
        },
    )


def _measure(
    brain: Brain, players: Players, settings: EvaluateSettings, num_inner_steps: int | None
) -> tuple[PerPlayer, PerPlayer]:
    """Error and loss of one brain, both `(players, seconds)`; None steps means the brain's own number."""
    players = players.with_window(brain.window)
    errors = np.zeros((len(players), len(settings.curve_sec)))
    losses = np.zeros_like(errors)
    for first in range(0, len(players), PLAYERS_AT_ONCE):
        who = torch.arange(first, min(first + PLAYERS_AT_ONCE, len(players)))
        query = _as_arrays(observed_between(players, who, *_query_ticks(players, who, settings)))
        rows = slice(first, first + len(who))
        for column, seconds in enumerate(settings.curve_sec):
            adapted = _adapted(brain, players, who, seconds, num_inner_steps)
            predictions = brain.predict_batched(query.observations, adapted)
            errors[rows, column] = _mean_errors(players.spec.target.kind, predictions, query)
            losses[rows, column] = brain.adapt(adapted, query, num_inner_steps=0).loss_before
    return errors, losses


def _adapted(
    brain: Brain, players: Players, who: torch.Tensor, seconds: float, num_inner_steps: int | None
) -> Params:
    """The weights that the brain would have for each of `who` after so many seconds of play.

    Who has shown nothing yet, or plays against a brain that takes no support, has the brain's own.
    """
    params = {name: np.repeat(value[None], len(who), axis=0) for name, value in brain.init_params.items()}
    cut = torch.full_like(who, round(seconds * players.spec.tick_rate_hz))
    support = newest_known(players, who, cut, brain.inner_loop.support_size)
    shown = (support.weights > 0).any(1)
    if not shown.any():
        return params
    known = _as_arrays(_without_padding(support, shown))
    of_shown = {name: value[shown.numpy()] for name, value in params.items()}
    adapted = brain.adapt(of_shown, known, num_inner_steps=num_inner_steps).params
    for name, value in adapted.items():
        params[name][shown.numpy()] = value
    return params


def _without_padding(support: Batch, who: torch.Tensor) -> Batch:
    """Of `who`, without the columns that hold no player's example: early in play that is most of them."""
    used = (support.weights > 0).any(0)
    columns = (support.observations, support.targets, support.weights)
    return Batch(*(column[who][:, used] for column in columns))


def _as_arrays(batch: Batch) -> SupportSet:
    return SupportSet(batch.observations.numpy(), batch.targets.numpy(), batch.weights.numpy())


def _mean_errors(kind: str, predictions: NDArray[np.float32], query: SupportSet) -> PerPlayer:
    """Each player's mean error `(players,)`: distance in target units, or 1 - accuracy."""
    if kind == "category":
        each = (predictions.argmax(-1) != query.targets[..., 0]).astype(np.float64)
    else:
        each = np.linalg.norm(predictions.astype(np.float64) - query.targets, axis=-1)
    mean: PerPlayer = (each * query.weights).sum(-1) / query.weights.sum(-1)
    return mean


def _query_ticks(
    players: Players, who: torch.Tensor, settings: EvaluateSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """From when to when the query of `who` was observed: the same for all methods and points of the curve."""
    rate = players.spec.tick_rate_hz
    start = torch.full_like(who, round(settings.query_from_sec * rate))
    return start, start + round(settings.query_sec * rate)


def _check_query(players: Players, settings: EvaluateSettings) -> None:
    who = torch.arange(len(players))
    first, end = (players.first_at(who, ticks) for ticks in _query_ticks(players, who, settings))
    empty = torch.nonzero(first == end).flatten().tolist()
    if empty:
        seconds = int(players.last_ticks[empty[0]]) / players.spec.tick_rate_hz
        raise PytrainError(
            f"player {players.ids[empty[0]]!r} played {seconds:.1f} s, but the query starts after "
            f"{settings.query_from_sec:g} s ({len(empty)} such players): leave their sessions out, or lower "
            "--query-from-sec and --curve-sec"
        )


def _check_curve(settings: EvaluateSettings) -> None:
    if settings.headline_sec not in settings.curve_sec:
        raise PytrainError(
            f"--headline-sec {settings.headline_sec:g} is none of --curve-sec {settings.curve_sec}: "
            "add it there"
        )
    if max(settings.curve_sec) > settings.query_from_sec:
        raise PytrainError(
            f"--curve-sec goes up to {max(settings.curve_sec):g} s, but the query starts at --query-from-sec "
            f"{settings.query_from_sec:g} s: what was adapted to must lie before it"
        )


def _check_unseen(brain: Brain, players: Players) -> None:
    try:
        brain.spec.check_fits(players.spec, mine=brain.label, theirs="the sessions")
    except SpecError as error:
        raise PytrainError(str(error)) from error
    seen = set(brain.training.get("player_ids_sha256", ()))
    known = [player for player in players.ids if player_hash(player) in seen]
    if known:
        raise PytrainError(
            f"player {known[0]!r} was in the training of {brain.label} ({len(known)} such players): "
            "evaluate on sessions of players that it never saw"
        )
