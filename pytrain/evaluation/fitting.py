"""Chooses the settings of the baselines on players whom nobody is measured on, never by hand.

Every setting is chosen by the mean over the curve of the error (of a category: the negative log-likelihood)
on the fit players: widths, ridges, numbers of neighbours, how much each field counts, and how a pooled brain
is fine-tuned. Without fit players the defaults are neutral ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain
from adaptive_agents.model.window import Window
from pytrain.data.dataset import Players
from pytrain.data.tasks import spread_between
from pytrain.evaluation.baselines import (
    FROZEN_KERNEL,
    KERNEL,
    KNN,
    POOLED_TUNED,
    Array,
    Constant,
    Features,
    KernelRidge,
    NearestNeighbours,
    frozen_prior,
)
from pytrain.evaluation.conditions import ALL
from pytrain.evaluation.measure import Questions, ask, measure
from pytrain.evaluation.predictors import BrainPredictor, FrozenPredictor, Predictor
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import EvaluateSettings

SEARCH_PLAYERS = 24
TUNED_PLAYERS = 12  # for fine-tuning, which takes a hundred times as long
QUERY_SIZE = 128
SPREAD_SIZE = 256  # rows of each player, of which the spread of the inputs is taken

WIDTHS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 4.0)
RIDGES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
NEIGHBOURS = (1, 2, 3, 5, 8, 12, 20, 40)
WEIGHT_FACTORS = (0.0, 0.4, 2.5)
WORTH_A_WEIGHT = 0.003  # the part of the score that a field's weight must gain, or it stays 1
INNER_LRS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
FIRST_STEPS = 10
STEP_COUNTS = (1, 2, 5, 10, 20, 50, 100)


P = TypeVar("P", bound=Predictor)


@dataclass(frozen=True)
class Search:
    """The fit players, and how a predictor is scored on them."""

    players: Players
    settings: EvaluateSettings
    seed: int = 0
    _asked: dict[tuple[Window, int, int | None], list[Questions]] = field(default_factory=dict)

    def score(self, predictor: Predictor, most_players: int | None = SEARCH_PLAYERS) -> float:
        """Mean over players and seconds, the lower the better; infinite where it diverges."""
        measured = measure(predictor, self._questions(predictor, most_players))[ALL]
        category = self.players.spec.target.kind == "category"
        score = float((measured.loss if category else measured.error).mean())
        return score if np.isfinite(score) else np.inf

    def at(self, seconds: float) -> Search:
        """The same at one second alone, which takes less time."""
        return Search(
            self.players, replace(self.settings, curve_sec=(seconds,), headline_sec=seconds), self.seed
        )

    def _questions(self, predictor: Predictor, most_players: int | None) -> list[Questions]:
        """The same for all settings of a predictor, so they are put together once."""
        key = (predictor.window, predictor.support_size, most_players)
        if key not in self._asked:
            curve = tuple(seconds for seconds in self.settings.curve_sec if seconds > 0)
            settings = replace(self.settings, curve_sec=curve or self.settings.curve_sec)
            players = self.players
            if most_players is not None and len(players) > most_players:
                order = np.random.default_rng(self.seed).permutation(len(players))
                players = players.select(sorted(order[:most_players].tolist()))
            window, size = predictor.window, predictor.support_size
            self._asked[key] = list(ask(players, window, size, settings, query_size=QUERY_SIZE))
        return self._asked[key]

    def best(self, candidates: Iterable[P], most_players: int | None = SEARCH_PLAYERS) -> P:
        """The one of the lowest score; the first of equals."""
        return min(candidates, key=lambda predictor: self.score(predictor, most_players))


def baselines(
    players: Players,
    frozen: Mapping[str, Brain],
    window: Window,
    search: Search | None,
    progress: ProgressCallback = silent,
) -> dict[str, dict[str, Predictor]]:
    """The baselines by name, with settings chosen on the players of `search`, else neutral ones.

    Those that go with a frozen model are there once for each of its trainings in `frozen`, by the first of
    which their settings are chosen. `players` are those who are measured: of them only the spread of what
    they observed is taken, and only if there are no others. `window` is the learners', for all but what goes
    with a brain.
    """
    of = players if search is None else search.players
    target = of.spec.target
    features = _features(of, window)
    prior = Constant(_expected(None if search is None else search.players, of))
    kernel = KernelRidge(target, window, features, prior)
    nearest = NearestNeighbours(target, window, features, prior)

    def fit_both() -> dict[str, Predictor]:
        if search is None:
            return {KERNEL: kernel, KNN: nearest}
        fitted = _fit_kernel(kernel, search)
        # The weights of the fields say which moments are alike; that is the same question.
        alike = replace(nearest, features=fitted.features)
        return {
            KERNEL: fitted,
            KNN: search.best([_fit_neighbours(nearest, search), _fit_neighbours(alike, search)]),
        }

    def fit_residual() -> KernelRidge:
        brain = next(iter(frozen.values()))
        own = _features(of, brain.window)
        residual = KernelRidge(
            target, brain.window, own, frozen_prior(target, FrozenPredictor(brain).predict)
        )
        return residual if search is None else _fit_kernel(residual, search)

    steps = 1 + bool(frozen) + (search is not None and any(map(_is_tunable, frozen.values())))
    progress(Progress("fit baselines", 0, steps))
    fitted: dict[str, dict[str, Predictor]] = {
        name: {"": predictor} for name, predictor in fit_both().items()
    }
    if frozen:
        progress(Progress("fit baselines", 1, steps))
        residual = fit_residual()
        fitted[FROZEN_KERNEL] = {
            training: replace(residual, prior=frozen_prior(target, FrozenPredictor(brain).predict))
            for training, brain in frozen.items()
        }
    if steps == 3 and search is not None:
        progress(Progress("fit baselines", 2, steps))
        tuned = _fit_tuning(next(iter(frozen.values())), search)
        fitted[POOLED_TUNED] = {training: replace(tuned, brain=brain) for training, brain in frozen.items()}
    progress(Progress("fit baselines", steps, steps))
    return fitted


def _fit_kernel(kernel: KernelRidge, search: Search) -> KernelRidge:
    """Width and ridge in turn, then how much each field counts, then width and ridge again."""
    kernel = _fit_weights(_fit_width_and_ridge(kernel, search), search)
    return _fit_width_and_ridge(kernel, search, near=True)


def _fit_width_and_ridge(kernel: KernelRidge, search: Search, near: bool = False) -> KernelRidge:
    widths, ridges = (
        (_around(WIDTHS, kernel.width), _around(RIDGES, kernel.ridge)) if near else (WIDTHS, RIDGES)
    )
    kernel = search.best(replace(kernel, width=width) for width in widths)
    kernel = search.best(replace(kernel, ridge=ridge) for ridge in ridges)
    return search.best(replace(kernel, width=width) for width in _around(WIDTHS, kernel.width))


def _around(values: tuple[float, ...], value: float) -> tuple[float, ...]:
    at = values.index(value)
    return values[max(0, at - 1) : at + 2]


def _fit_neighbours(nearest: NearestNeighbours, search: Search) -> NearestNeighbours:
    return search.best(replace(nearest, neighbours=count) for count in NEIGHBOURS)


def _fit_weights(kernel: KernelRidge, search: Search) -> KernelRidge:
    """Each field, and each older slot of the window, may count more, less or nothing, one after the other."""
    seconds = sorted(search.settings.curve_sec)
    middle = search.at(seconds[len(seconds) * 2 // 3])
    lowest = middle.score(kernel)
    for group in _groups(search.players, kernel.features):
        tries = []
        for factor in WEIGHT_FACTORS:
            weights = np.where(group, kernel.features.weights * factor, kernel.features.weights)
            tries.append(replace(kernel, features=replace(kernel.features, weights=weights)))
        scores = [middle.score(each) for each in tries]
        if min(scores) < lowest * (1 - WORTH_A_WEIGHT):
            lowest = min(scores)
            kernel = tries[scores.index(lowest)]
    return kernel


def _groups(players: Players, features: Features) -> list[NDArray[np.bool_]]:
    """What is weighed together, each `(window, slot)`: the numbers of a field in all slots, and older
    slots."""
    groups = []
    first = 0
    for observed in players.spec.observation:
        group = np.zeros(features.scale.shape, dtype=bool)
        group[:, first : first + observed.size] = True
        groups.append(group)
        first += observed.size
    for slot in range(len(features.scale) - 1):
        group = np.zeros(features.scale.shape, dtype=bool)
        group[slot] = True
        groups.append(group)
    return [group for group in groups if np.isfinite(features.scale[group]).any()]


def _fit_tuning(pooled: Brain, search: Search) -> BrainPredictor:
    """How a pooled brain is fine-tuned, by step size and number of steps: no step less than its own
    search."""
    own = BrainPredictor(pooled)
    tried = search.best(
        (replace(own, inner_lr=inner_lr, num_inner_steps=FIRST_STEPS) for inner_lr in INNER_LRS),
        TUNED_PLAYERS,
    )
    at = INNER_LRS.index(tried.inner_lr or INNER_LRS[0])
    found = [own, tried]
    for inner_lr in INNER_LRS[max(0, at - 1) : at + 2]:
        lowest = np.inf
        for steps in STEP_COUNTS:
            candidate = replace(own, inner_lr=inner_lr, num_inner_steps=steps)
            score = search.score(candidate, TUNED_PLAYERS)
            if score > lowest:
                break
            lowest = score
            found.append(candidate)
    return search.best(found, TUNED_PLAYERS)


def _is_tunable(brain: Brain) -> bool:
    return brain.algorithm == "pooled" and brain.inner_loop.support_size > 0


def _features(players: Players, window: Window) -> Features:
    who = torch.arange(len(players))
    start = torch.zeros_like(who)
    rows = spread_between(players.with_window(window), who, start, players.last_ticks + 1, SPREAD_SIZE)
    return Features.of(rows.observations[rows.weights > 0].numpy(), window)


def _expected(fit_players: Players | None, players: Players) -> Array:
    """What is expected of a player nobody has seen: the fit players' mean, else 0, or every class alike."""
    target = players.spec.target
    if fit_players is None:
        return np.full(target.size, 1 / target.size if target.kind == "category" else 0.0)
    who = torch.arange(len(fit_players))
    rows = spread_between(fit_players, who, torch.zeros_like(who), fit_players.last_ticks + 1, SPREAD_SIZE)
    targets = rows.targets[rows.weights > 0].numpy().astype(np.float64)
    if target.kind == "category":
        return np.bincount(targets[:, 0].astype(np.int64), minlength=target.size) / len(targets)
    mean: Array = targets.mean(0)
    return mean
