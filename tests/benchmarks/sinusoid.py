"""Sine waves from few examples, beside the errors of the papers (Finn et al. 2017, section 5.1; Reptile).

Five seeds; medians over them, on held-out waves that are the same for all. A run whose training fails, or
whose error rises with more steps to over twice what it was, counts as diverged; the note says how many did.
Training is `pytrain`'s own outer loop, testing its own inner loop.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import median

from pytrain.errors import PytrainError
from pytrain.learners.inner_loop import for_each_task, trajectory
from pytrain.learners.registry import Learner
from pytrain.models.networks import Params
from pytrain.progress import Progress as TrainProgress
from pytrain.settings import DEFAULTS, Activation, Algorithm, MetaTraining
from pytrain.training.compiled import Compiled, Gradient, pays_off
from pytrain.training.outer_loop import Watching, meta_train
from tests.benchmarks.report import BenchSettings, Progress, Result
from tests.benchmarks.waves import Waves, held_out_waves, wave_learner

NAME = "sinusoid"
TIMED = False

SEEDS, QUICK_SEEDS = 5, 1
HELD_OUT, HELD_OUT_SEED = 600, 10**6
LINE_EVERY_SEC = 30.0
PAPER, REPRODUCED = "paper", "Reptile, reproduced"

MAML = MetaTraining(
    inner_lr=0.01,
    num_inner_steps=5,
    support_size=10,
    query_size=10,
    meta_batch_size=25,
    meta_steps=10_000,
    meta_lr=3e-3,
    inner_rates="per-step",
    multi_step_loss=1.0,
)
REPTILE = MetaTraining(
    inner_lr=0.02,
    num_inner_steps=5,
    inner_batch_size=10,
    meta_batch_size=5,
    meta_steps=20_000,
    meta_step_size=1.0,
)
BAYES = replace(
    DEFAULTS["bayes"],
    support_size=10,
    query_size=10,
    cuts=4,
    meta_batch_size=25,
    meta_steps=10_000,
    meta_lr=3e-3,
    matrix_lr=0.0,
    feature_size=32,
)


@dataclass(frozen=True)
class Recipe:
    """One learner: how it is trained, how it is tested, and what it is held against."""

    name: str
    algorithm: Algorithm
    settings: MetaTraining
    shots: int
    peers: dict[int, tuple[str, float]]
    """By the number of inner steps: whose error, and how large."""
    how: str = ""
    """What of the training is not as in the paper."""
    hidden_sizes: tuple[int, ...] = (40, 40)
    activation: Activation = "relu"
    quick_steps: int = 3000
    goal: float = 1.0
    """How many times better than the peer it is to be."""


RECIPES = (
    Recipe(
        "maml",
        "maml",
        MAML,
        5,
        {1: (PAPER, 0.67), 5: (PAPER, 0.38), 10: (PAPER, 0.35)},
        how=" (70,000 in the paper), learned rates and the loss of all 5 steps (MAML++)",
    ),
    Recipe(
        "reptile",
        "reptile",
        REPTILE,
        10,
        {10: (REPRODUCED, 0.25), 32: (REPRODUCED, 0.15)},
        hidden_sizes=(64, 64),
        activation="tanh",
    ),
    Recipe("bayes", "bayes", BAYES, 5, {1: ("paper, MAML", 0.35)}, activation="tanh", goal=2.5),
)


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Train each learner once for each seed, and test all of its models on the same waves."""
    for recipe in RECIPES:
        name = f"{NAME}/{recipe.name}"
        if settings.wants(name):
            training = recipe.settings
            if settings.quick:
                training = replace(training, meta_steps=recipe.quick_steps)
            recipe = replace(recipe, settings=training)
            seeds = QUICK_SEEDS if settings.quick else SEEDS
            gradient = _gradient(recipe, seeds)
            tests = [_one_seed(recipe, seed, gradient, progress) for seed in range(seeds)]
            yield from _results(recipe, tests)


def _results(recipe: Recipe, tests: list[list[float]]) -> Iterator[Result]:
    diverged = sum(_diverged(errors) for errors in tests)
    trained = recipe.settings
    for steps, (peer, error) in recipe.peers.items():
        after = [errors[steps] for errors in tests]
        yield Result.against(
            f"{NAME}/{recipe.name}" + (f"/steps-{steps}" if trained.num_inner_steps > 1 else ""),
            median(after),
            "MSE",
            peer,
            error,
            lower_is_better=True,
            spread=(min(after), max(after)),
            goal=recipe.goal,
            note=f"{recipe.shots}-shot, median of {len(tests)} seed(s), {diverged} diverged, "
            f"{trained.meta_steps:,} meta steps{recipe.how}",
        )


def _gradient(recipe: Recipe, seeds: int) -> Gradient | None:
    """The learner's, to be compiled once for all seeds; None where the training is too short for it."""
    learner = _learner(recipe)
    return Compiled(learner.meta_gradient) if pays_off("auto", seeds * recipe.settings.meta_steps) else None


def _learner(recipe: Recipe) -> Learner:
    return wave_learner(recipe.algorithm, recipe.hidden_sizes, recipe.activation, recipe.settings)


def _one_seed(recipe: Recipe, seed: int, gradient: Gradient | None, progress: Progress) -> list[float]:
    """The mean error on the held-out waves before and after each inner step."""
    settings = recipe.settings
    learner = _learner(recipe)
    waves = Waves(seed)
    draw = {"reptile": waves.minibatches, "bayes": waves.tracks}.get(recipe.algorithm, waves.tasks)
    stages = _Stages(f"{recipe.name}, seed {seed}", progress)
    watching = Watching(gradient=gradient, progress=stages)
    try:
        trained = meta_train(learner, learner.init_meta_params(seed), lambda: draw(settings), watching)
    except PytrainError as error:
        progress(f"{recipe.name}, seed {seed}: {error}")
        return [math.inf] * (1 + max(recipe.peers))
    errors = test(learner, trained, recipe.shots, max(recipe.peers))
    shown = ", ".join(f"{errors[steps]:.3f} after {steps}" for steps in recipe.peers)
    mark = " (diverged)" if _diverged(errors) else ""
    progress(f"{recipe.name}, seed {seed}: {errors[0]:.2f} before adaptation, {shown}{mark}")
    return errors


def test(learner: Learner, meta_params: Params, shots: int, steps: int) -> list[float]:
    """The mean error on the held-out waves before and after each inner step."""
    support, query = held_out_waves(HELD_OUT, shots, HELD_OUT_SEED)
    model, init_params = learner.split({name: value.detach() for name, value in meta_params.items()})
    start = for_each_task(init_params, HELD_OUT)
    adapted = trajectory(model, start, repeat(support, steps), learner.settings.inner_lr)
    return [float(model.losses(params, query).mean()) for params in (start, *adapted)]


def _diverged(errors: list[float]) -> bool:
    return not errors[-1] <= 2 * min(errors)


class _Stages:
    """Passes on a line a minute of what `meta_train` tells."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name, self._progress = name, progress
        self._said = time.monotonic()

    def __call__(self, progress: TrainProgress) -> None:
        if progress.note or time.monotonic() - self._said >= LINE_EVERY_SEC:
            self._said = time.monotonic()
            note = f" ({progress.note})" if progress.note else ""
            self._progress(f"{self._name}: meta step {progress.done:,} of {progress.total:,}{note}")
