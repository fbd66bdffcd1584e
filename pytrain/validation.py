"""Meta-validation: the error of the meta-validation players before and after adaptation.

Keeps the best model during training, and at its end chooses how the brain adapts in play (step size, number
of steps, size of the support set): for every algorithm on the same grid, by the same error, on these players.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from torch import Tensor

from pytrain.dataset import Players
from pytrain.errors import PytrainError
from pytrain.inner_loop import adapt, for_each_task, trajectory
from pytrain.models import Model
from pytrain.networks import CONTEXT, Params
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.tasks import Batch, newest_known, spread_between

INNER_LRS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
STEP_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100)
SUPPORT_SIZES = (128, 256, 512, 1024)
SEARCH_PLAYERS = 24  # enough to tell settings apart; what is reported is measured on all
FIRST_SUPPORT_SIZE = 256
QUERY_SIZE = 256
LARGEST_COST = 40_000  # examples through the network in one adaptation, which runs beside a game
GIVE_UP = 1.05  # more steps are not tried once they raised the error to this many times the best
WORTH_PAYING_FOR = 0.015  # a costlier setting has to lower the error by this part of it
RADIUS_MARGIN = 3.0  # how much further than any meta-validation player a real one may adapt


@dataclass(frozen=True)
class Adaptation:
    """How a brain adapts, and what that gains on the meta-validation players."""

    inner_lr: float
    num_inner_steps: int
    support_size: int
    error: float  # after adaptation
    distance: float  # the largest L2 distance of adapted from initial parameters, over the players

    @property
    def cost(self) -> int:
        """Examples that one adaptation passes through the network."""
        return self.num_inner_steps * self.support_size

    @property
    def trust_radius(self) -> float:
        """How far play may move the parameters."""
        return RADIUS_MARGIN * self.distance


class Validation:
    """The meta-validation players, cut once: support before a second of play, query after it."""

    def __init__(self, players: Players, at_sec: float) -> None:
        self._players = players
        self._who = torch.arange(len(players))
        self._cut = torch.full_like(self._who, round(at_sec * players.spec.tick_rate_hz))
        self._query = spread_between(players, self._who, self._cut, players.last_ticks + 1, QUERY_SIZE)
        self._search = torch.randperm(len(players), generator=torch.Generator().manual_seed(0))[
            :SEARCH_PLAYERS
        ]

    def error(
        self, model: Model, params: Params, inner_lr: float, num_inner_steps: int, support_size: int
    ) -> float:
        """Mean over the players of the error after that many steps; 0 steps is no adaptation."""
        adapted = self._adapted(model, params, inner_lr, num_inner_steps, support_size)
        return self._error(model, adapted, self._who)

    def choose_adaptation(
        self, model: Model, params: Params, progress: ProgressCallback = silent
    ) -> Adaptation:
        """The cheapest setting of the grid whose error is about the lowest.

        Every step size with one size of the support set; then the best and longer ones with larger sets,
        which bear them, for as long as that helps, or with smaller ones if it does not.
        """
        inner_lrs = _inner_lrs(model)
        larger = [size for size in SUPPORT_SIZES if size > FIRST_SUPPORT_SIZE]
        smaller = [size for size in reversed(SUPPORT_SIZES) if size < FIRST_SUPPORT_SIZE]
        total = len(inner_lrs) + 3 * len(larger)
        tried: list[Adaptation] = []
        done = 0

        def try_all(inner_lrs: tuple[float, ...], support_size: int) -> None:
            nonlocal done
            for inner_lr in inner_lrs:
                tried.extend(self._along(model, params, inner_lr, support_size))
                done += 1
                scores = {"error": min(tried, key=_error).error} if tried else {}
                progress(Progress("choose adaptation", done, total, scores))

        try_all(inner_lrs, FIRST_SUPPORT_SIZE)
        if not tried:
            raise PytrainError(
                "adaptation diverges at every step size: train for longer, or with another --seed"
            )
        best = inner_lrs.index(min(tried, key=_error).inner_lr)
        for sizes in (larger, smaller):
            for size in sizes:
                before = min(tried, key=_error).error
                try_all(inner_lrs[max(0, best - 2) : best + 1], size)
                if min(tried, key=_error).error > before * (1 - WORTH_PAYING_FOR):
                    break
            if min(tried, key=_error).support_size > FIRST_SUPPORT_SIZE:
                break
        good_enough = min(tried, key=_error).error * (1 + WORTH_PAYING_FOR)
        progress(Progress("choose adaptation", total, total, {"error": good_enough}))
        chosen = min((each for each in tried if each.error <= good_enough), key=lambda each: each.cost)
        return self._measured_on_all(model, params, chosen)

    def _along(
        self, model: Model, params: Params, inner_lr: float, support_size: int
    ) -> Iterator[Adaptation]:
        """The settings met on the way to the largest number of steps; ends early where it only gets worse."""
        support = self._support(model, support_size, self._search)
        start = for_each_task(params, len(self._search))
        best = math.inf
        steps = 1 if model.optimiser == "prototypes" else min(STEP_COUNTS[-1], LARGEST_COST // support_size)
        for step, adapted in enumerate(trajectory(model, start, repeat(support, steps), inner_lr), start=1):
            if step in STEP_COUNTS:
                error = self._error(model, adapted, self._search)
                if not error < GIVE_UP * best:  # also ends at NaN
                    return
                best = min(best, error)
                yield Adaptation(inner_lr, step, support_size, error, 0.0)

    def _measured_on_all(self, model: Model, params: Params, chosen: Adaptation) -> Adaptation:
        adapted = self._adapted(model, params, chosen.inner_lr, chosen.num_inner_steps, chosen.support_size)
        moved = torch.cat([(adapted[name] - start).flatten(1) for name, start in params.items()], dim=1)
        error = self._error(model, adapted, self._who)
        return replace(chosen, error=error, distance=float(moved.norm(dim=1).max()))

    def _adapted(
        self, model: Model, params: Params, inner_lr: float, num_inner_steps: int, support_size: int
    ) -> Params:
        support = self._support(model, support_size, self._who)
        start = for_each_task(params, len(self._who))
        return adapt(model, start, repeat(support, num_inner_steps), inner_lr)

    def _support(self, model: Model, size: int, who: Tensor) -> Batch:
        return model.prepared(newest_known(self._players, who, self._cut[who], size))

    def _error(self, model: Model, params: Params, who: Tensor) -> float:
        columns = (self._query.observations, self._query.targets, self._query.weights)
        query = Batch(*(column[who] for column in columns))
        return float(mean_errors(model, model.predict(params, query.observations), query).mean())


def mean_errors(model: Model, predictions: Tensor, query: Batch) -> Tensor:
    """Each task's mean error `(tasks,)`: distance in target units (vector), 1 - accuracy (category)."""
    if model.target.kind == "category":
        each = (predictions.argmax(-1) != query.targets.squeeze(-1)).float()
    else:
        each = (predictions - query.targets).norm(dim=-1)
    return (each * query.weights).sum(-1) / query.weights.sum(-1)


def _inner_lrs(model: Model) -> tuple[float, ...]:
    """The step sizes to try: a context is a few long steps away, Adam's steps are as long as inner_lr."""
    if model.optimiser == "prototypes":
        return (1.0,)
    factor = 0.05 if model.optimiser == "adam" else 10.0 if model.adapts == (CONTEXT,) else 1.0
    return tuple(factor * inner_lr for inner_lr in INNER_LRS)


def _error(adaptation: Adaptation) -> float:
    return adaptation.error
