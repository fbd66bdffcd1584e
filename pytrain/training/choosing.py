"""How a brain adapts in play: chosen on the meta-validation players, by their mean score over the curve.

Step size, number of steps, whether that grows with what a player has shown, and size of the support set: for
every algorithm from the same grid, by the same score. To take no step at all is one of the choices, and the
one that is taken where the others are not better with certainty.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from pytrain.errors import PytrainError
from pytrain.learners.inner_loop import adapter_of, for_each_task, trajectory
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.training.validation import NO_ADAPTATION, Measured, Setting, Validation

FURTHER = 2.0  # an end of the list that is best makes one more step size worth a try, so much beyond it
STEP_COUNTS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100)
MOMENTS_PER_STEP = (0.0, 2.0, 5.0, 10.0, 20.0, 50.0)
SEARCH_PLAYERS = 24  # of a vector: enough to tell settings apart; what is reported is measured on all
SEARCH_PLAYERS_CATEGORY = 96  # a right or wrong class tells less than a distance
FIRST_SUPPORT_SIZE = 256
LARGEST_COST = 40_000  # examples through the network in one adaptation, which runs beside a game
GIVE_UP = 1.05  # more steps are not tried once they raised the score to this many times the best
WORTH_PAYING_FOR = 0.03  # a costlier setting has to add this part to what adaptation gains
CERTAIN = 1.0  # standard errors, over the players, by which adaptation has to be better than none
RADIUS_QUANTILE, RADIUS_MARGIN = 0.99, 1.5  # how far nearly all of the players adapt, and a little further
COVERAGES = (0.5, 0.8, 0.95)  # of the intervals that a brain with deviations gives


@dataclass(frozen=True)
class Adaptation:
    """How a brain adapts, and what is known of it from the meta-validation players."""

    setting: Setting
    measured: Measured
    trust_radius: float  # the L2 distance from the initial parameters within which play stays
    intervals: dict[str, float]  # coverage -> half width in deviations; empty without deviations

    @property
    def score(self) -> float:
        """What it was chosen by: the mean over curve and players."""
        return float(self.measured.scores.mean())


@dataclass(frozen=True)
class _Tried:
    setting: Setting
    score: float


def choose_adaptation(
    validation: Validation,
    model: Model,
    params: Params,
    progress: ProgressCallback = silent,
    *,
    may_adapt: bool = True,
) -> Adaptation:
    """The cheapest setting of the grid whose score is about the lowest; no step at all is one of them.

    Every step size with one size of the support set; then the best and longer ones with larger sets, which
    bear them, for as long as that helps, or with smaller ones if it does not. With `may_adapt` False (a
    support size of 0) nothing is tried.
    """
    if not may_adapt:
        return _measured(validation, model, params, Setting(0.0, 0, 0))
    category = model.target.kind == "category"
    search = _Search(
        validation.some(SEARCH_PLAYERS_CATEGORY if category else SEARCH_PLAYERS), model, params, progress
    )
    chosen = _measured(validation, model, params, search.run())
    if is_better(chosen.measured, validation.measure(model, params, NO_ADAPTATION)):
        return chosen
    return _measured(validation, model, params, Setting(chosen.setting.inner_lr, 0, 0))


def is_better(one: Measured, other: Measured) -> bool:
    """Whether one scores lower than the other on the same players, by more than chance among them."""
    gains = (other.scores - one.scores).mean(0)
    uncertainty = float(gains.std()) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    return float(gains.mean()) > CERTAIN * uncertainty


class _Search:
    """The grid on some of the meta-validation players."""

    def __init__(
        self, validation: Validation, model: Model, params: Params, progress: ProgressCallback
    ) -> None:
        self.validation, self.model, self.params, self.progress = validation, model, params, progress
        self.adapter = adapter_of(model)
        self.tried: list[_Tried] = []
        points = range(len(validation.curve_sec))
        largest = max(self.adapter.support_sizes(model))
        shown = [(validation.support(model, point, largest).weights > 0).sum(1) for point in points]
        self.moments = torch.stack(shown)  # (points, players), of the largest support set
        self.done, self.total = 0, 1

    @property
    def best(self) -> _Tried:
        return min(self.tried, key=lambda tried: tried.score)

    def run(self) -> Setting:
        inner_lrs = self.adapter.inner_lrs(self.model)
        sizes = self._sizes()
        first_size = min(sizes, key=lambda size: abs(size - FIRST_SUPPORT_SIZE))
        larger = [size for size in sizes if size > first_size]
        smaller = [size for size in reversed(sizes) if size < first_size]
        self.total = len(inner_lrs) + 1 + 3 * len(larger)
        without = self.validation.score(self.model, self.params, NO_ADAPTATION)
        self._try(inner_lrs, first_size)
        if not self.tried:
            raise PytrainError(
                "adaptation diverges at every step size: train for longer, or with another --seed"
            )
        best_lr = self.best.setting.inner_lr
        if len(inner_lrs) > 1 and best_lr == inner_lrs[0]:
            inner_lrs = (best_lr * FURTHER, *inner_lrs)
            self._try(inner_lrs[:1], first_size)
        elif len(inner_lrs) > 1 and best_lr == inner_lrs[-1]:
            inner_lrs = (*inner_lrs, best_lr / FURTHER)
            self._try(inner_lrs[-1:], first_size)
        at = inner_lrs.index(self.best.setting.inner_lr)
        for others in (larger, smaller):
            for size in others:
                before = self.best.score
                self._try(inner_lrs[max(0, at - 2) : at + 1], size)
                if before - self.best.score < WORTH_PAYING_FOR * (without - self.best.score):
                    break
            if self.best.setting.support_size > first_size:
                break
        self.tried.append(_Tried(Setting(inner_lrs[0], 0, 0), without))
        lowest = self.best.score
        self.progress(Progress("choose adaptation", self.total, self.total, {"score": lowest}))
        good_enough = lowest + WORTH_PAYING_FOR * (without - lowest)
        good = [each for each in self.tried if each.score <= good_enough]
        return min(good, key=lambda tried: (tried.setting.cost, tried.score)).setting

    def _sizes(self) -> list[int]:
        """The sizes of the support set that can make a difference: no player has shown more moments."""
        sizes = list(self.adapter.support_sizes(self.model))
        enough = [size for size in sizes if size >= int(self.moments.max())]
        return [size for size in sizes if not enough or size <= enough[0]]

    def _try(self, inner_lrs: tuple[float, ...], support_size: int) -> None:
        for inner_lr in inner_lrs:
            self.tried.extend(self._along(inner_lr, support_size))
            self.done += 1
            scores = {"score": self.best.score} if self.tried else {}
            self.progress(Progress("choose adaptation", min(self.done, self.total), self.total, scores))

    def _along(self, inner_lr: float, support_size: int) -> Iterator[_Tried]:
        """The settings met on the way to the largest number of steps, at each point of the curve."""
        most = min(self.adapter.most_steps, LARGEST_COST // support_size)
        counts = [count for count in STEP_COUNTS if count <= most]
        points = range(len(self.validation.curve_sec))
        scores = torch.stack([self._scores_at(point, inner_lr, support_size, counts) for point in points])
        moments = self.moments.clamp(max=support_size)
        tried_counts = torch.tensor(counts)
        for count in counts:
            seen = set()
            for moments_per_step in MOMENTS_PER_STEP:
                setting = Setting(inner_lr, count, support_size, moments_per_step)
                steps = setting.steps_for(moments.flatten())
                # The nearest of what was measured; a player who has shown nothing has one step of nothing.
                nearest = (steps[:, None] - tried_counts).abs().argmin(1).view_as(moments)
                if (known := tuple(nearest.flatten().tolist())) in seen:
                    continue
                seen.add(known)
                score = float(scores.gather(1, nearest[:, None]).mean())
                if score < math.inf:
                    yield _Tried(setting, score)

    def _scores_at(self, point: int, inner_lr: float, support_size: int, counts: list[int]) -> Tensor:
        """Scores after each count of steps `(counts, players)`; infinite where it had only got worse."""
        support = self.validation.support(self.model, point, support_size)
        start = for_each_task(self.params, len(self.validation))
        scores = torch.full((len(counts), len(self.validation)), math.inf)
        best = math.inf
        steps = trajectory(self.model, start, repeat(support, counts[-1]), inner_lr)
        for step, adapted in enumerate(steps, start=1):
            if step in counts:
                found = self.validation.scores_of(self.model, adapted)
                if not float(found.mean()) < GIVE_UP * best:  # also ends at NaN
                    break
                scores[counts.index(step)] = found
                best = min(best, float(found.mean()))
        return scores


def _measured(validation: Validation, model: Model, params: Params, setting: Setting) -> Adaptation:
    """A setting on all players."""
    measured = validation.measure(model, params, setting)
    radius, intervals = 0.0, {}
    if setting.num_inner_steps > 0:
        radius = RADIUS_MARGIN * float(torch.quantile(measured.distances, RADIUS_QUANTILE))
    if model.has_deviations:
        ordered = measured.errors_in_deviations.flatten().sort().values
        for coverage in COVERAGES:
            intervals[f"{coverage:g}"] = float(ordered[min(round(coverage * len(ordered)), len(ordered) - 1)])
    return Adaptation(setting, measured, radius, intervals)
