"""Meta-validation: the error of the meta-validation players before and after adaptation.

Keeps the best model during training, and at its end chooses how the brain adapts in play (step size, number
of steps, size of the support set): for every algorithm on the same grid, by the same score, on these players.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import torch
from torch import Tensor

from pytrain.data.dataset import Players
from pytrain.data.tasks import Batch, newest_known, spread_between
from pytrain.errors import PytrainError
from pytrain.learners.inner_loop import adapt, adapter_of, for_each_task, trajectory
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.progress import Progress, ProgressCallback, silent

FURTHER = 2.0  # an end of the list that is best makes one more step size worth a try, so much beyond it
STEP_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100)
SEARCH_PLAYERS = 24  # of a vector: enough to tell settings apart; what is reported is measured on all
SEARCH_PLAYERS_CATEGORY = 96  # a right or wrong class tells less than a distance
FIRST_SUPPORT_SIZE = 256
QUERY_SIZE = 256
LARGEST_COST = 40_000  # examples through the network in one adaptation, which runs beside a game
GIVE_UP = 1.05  # more steps are not tried once they raised the score to this many times the best
WORTH_PAYING_FOR = 0.03  # a costlier setting has to add this part to what adaptation gains
RADIUS_MARGIN = 3.0  # how much further than any meta-validation player a real one may adapt


@dataclass(frozen=True)
class Adaptation:
    """How a brain adapts, and what that gains on the meta-validation players."""

    inner_lr: float
    num_inner_steps: int
    support_size: int
    score: float  # after adaptation: what the setting was chosen by
    error: float
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
        category = players.spec.target.kind == "category"
        count = SEARCH_PLAYERS_CATEGORY if category else SEARCH_PLAYERS
        self._search = torch.randperm(len(players), generator=torch.Generator().manual_seed(0))[:count]

    def error(
        self, model: Model, params: Params, inner_lr: float, num_inner_steps: int, support_size: int
    ) -> float:
        """Mean over the players of the error after that many steps; 0 steps is no adaptation."""
        adapted = self._adapted(model, params, inner_lr, num_inner_steps, support_size)
        return float(self._errors(model, adapted, self._who).mean())

    def score(
        self, model: Model, params: Params, inner_lr: float, num_inner_steps: int, support_size: int
    ) -> float:
        """What models and settings are chosen by, the lower the better.

        The error of a vector; for a category the negative log-likelihood, which tells the better of two
        models from far fewer examples than their accuracy does.
        """
        adapted = self._adapted(model, params, inner_lr, num_inner_steps, support_size)
        return self._score(model, adapted, self._who)

    def choose_adaptation(
        self,
        model: Model,
        params: Params,
        progress: ProgressCallback = silent,
        *,
        may_adapt: bool = True,
    ) -> Adaptation:
        """The cheapest setting of the grid whose score is about the lowest; no step at all is one of them.

        Every step size with one size of the support set; then the best and longer ones with larger sets,
        which bear them, for as long as that helps, or with smaller ones if it does not. With `may_adapt`
        False (a support size of 0) nothing is tried.
        """
        if not may_adapt:
            return self._measured_on_all(model, params, Adaptation(0.0, 0, 0, math.nan, math.nan, 0.0))
        inner_lrs = adapter_of(model).inner_lrs(model)
        sizes = adapter_of(model).support_sizes(model)
        first_size = min(sizes, key=lambda size: abs(size - FIRST_SUPPORT_SIZE))
        larger = [size for size in sizes if size > first_size]
        smaller = [size for size in reversed(sizes) if size < first_size]
        total = len(inner_lrs) + 1 + 3 * len(larger)
        without = Adaptation(inner_lrs[0], 0, 0, self._score(model, params, self._search), math.nan, 0.0)
        tried: list[Adaptation] = []
        done = 0

        def try_all(inner_lrs: tuple[float, ...], support_size: int) -> None:
            nonlocal done
            for inner_lr in inner_lrs:
                tried.extend(self._along(model, params, inner_lr, support_size))
                done += 1
                scores = {"score": min(tried, key=_score).score} if tried else {}
                progress(Progress("choose adaptation", done, total, scores))

        try_all(inner_lrs, first_size)
        if not tried:
            raise PytrainError(
                "adaptation diverges at every step size: train for longer, or with another --seed"
            )
        best_lr = min(tried, key=_score).inner_lr
        if len(inner_lrs) > 1 and best_lr == inner_lrs[0]:
            inner_lrs = (best_lr * FURTHER, *inner_lrs)
            try_all(inner_lrs[:1], first_size)
        elif len(inner_lrs) > 1 and best_lr == inner_lrs[-1]:
            inner_lrs = (*inner_lrs, best_lr / FURTHER)
            try_all(inner_lrs[-1:], first_size)
        best = inner_lrs.index(min(tried, key=_score).inner_lr)
        for others in (larger, smaller):
            for size in others:
                before = min(tried, key=_score).score
                try_all(inner_lrs[max(0, best - 2) : best + 1], size)
                now = min(tried, key=_score).score
                if before - now < WORTH_PAYING_FOR * (without.score - now):
                    break
            if min(tried, key=_score).support_size > first_size:
                break
        tried.append(without)
        lowest = min(tried, key=_score).score
        good_enough = lowest + WORTH_PAYING_FOR * (without.score - lowest)
        progress(Progress("choose adaptation", total, total, {"score": lowest}))
        chosen = min((each for each in tried if each.score <= good_enough), key=lambda each: each.cost)
        return self._measured_on_all(model, params, chosen)

    def _along(
        self, model: Model, params: Params, inner_lr: float, support_size: int
    ) -> Iterator[Adaptation]:
        """The settings met on the way to the largest number of steps; ends early where it only gets worse."""
        support = self._support(model, support_size, self._search)
        start = for_each_task(params, len(self._search))
        best = math.inf
        steps = min(adapter_of(model).most_steps, LARGEST_COST // support_size)
        for step, adapted in enumerate(trajectory(model, start, repeat(support, steps), inner_lr), start=1):
            if step in STEP_COUNTS:
                score = self._score(model, adapted, self._search)
                if not score < GIVE_UP * best:  # also ends at NaN
                    return
                best = min(best, score)
                yield Adaptation(inner_lr, step, support_size, score, math.nan, 0.0)

    def _measured_on_all(self, model: Model, params: Params, chosen: Adaptation) -> Adaptation:
        adapted = self._adapted(model, params, chosen.inner_lr, chosen.num_inner_steps, chosen.support_size)
        moved = torch.cat([(adapted[name] - start).flatten(1) for name, start in params.items()], dim=1)
        return replace(
            chosen,
            score=self._score(model, adapted, self._who),
            error=float(self._errors(model, adapted, self._who).mean()),
            distance=float(moved.norm(dim=1).max()),
        )

    def _adapted(
        self, model: Model, params: Params, inner_lr: float, num_inner_steps: int, support_size: int
    ) -> Params:
        support = self._support(model, support_size, self._who)
        start = for_each_task(params, len(self._who))
        return adapt(model, start, repeat(support, num_inner_steps), inner_lr)

    def _support(self, model: Model, size: int, who: Tensor) -> Batch:
        return model.prepared(newest_known(self._players, who, self._cut[who], size))

    def _errors(self, model: Model, params: Params, who: Tensor) -> Tensor:
        query = self._query_of(who)
        return mean_errors(model, model.predict(params, query.observations), query)

    def _score(self, model: Model, params: Params, who: Tensor) -> float:
        if model.target.kind == "category":
            return float(model.losses(params, model.prepared(self._query_of(who))).mean())
        return float(self._errors(model, params, who).mean())

    def _query_of(self, who: Tensor) -> Batch:
        columns = (self._query.observations, self._query.targets, self._query.weights)
        return Batch(*(column[who] for column in columns))


def mean_errors(model: Model, predictions: Tensor, query: Batch) -> Tensor:
    """Each task's mean error `(tasks,)`: distance in target units (vector), 1 - accuracy (category)."""
    if model.target.kind == "category":
        each = (predictions.argmax(-1) != query.targets.squeeze(-1)).float()
    else:
        each = (predictions - query.targets).norm(dim=-1)
    return (each * query.weights).sum(-1) / query.weights.sum(-1)


def _score(adaptation: Adaptation) -> float:
    return adaptation.score
