"""Omniglot without convolutions, beside the figures of MAML's paper (Finn et al. 2017, table 1).

    python -m tests.benchmarks omniglot/maml-mlp     # the two goals; about 25 minutes each on one core
    python -m tests.benchmarks omniglot              # and Reptile and ProtoNet beside them

An MLP 256-128-64-64 with LayerNorm and ReLU on images of 28 x 28. Trained on background characters, with the
last 64 of them kept for meta-validation, by which everything here was chosen; tested on episodes of
evaluation characters, the same for all learners, 15 queries a character. LayerNorm instead of the paper's
batch normalisation: no prediction depends on which other queries come with it. MAML also learns its step size
for each layer (as MAML++ does).

Training is `pytrain`'s own outer loop, testing its own inner loop. Meta-parameters are kept in OUT/omniglot/
whenever they were validated.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Tasks
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.registry import Learner
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.models.normalisation import Normalisation
from pytrain.progress import Progress as TrainProgress
from pytrain.settings import MetaTraining
from pytrain.training.outer_loop import Watching, meta_train
from tests.benchmarks.omniglot_images import Episodes, as_they_are, images_of, varied
from tests.benchmarks.omniglot_recipes import NOTHING_IS_KNOWN, RECIPES, SHOTS, WAY, Recipe
from tests.benchmarks.report import BenchSettings, CannotRun, Progress, Result, data_folder

NAME = "omniglot"
TIMED = False

VALIDATION_CHARACTERS = 64
VARIANTS, QUICK_VARIANTS = 12, 1
EPISODES, QUICK_EPISODES = 1000, 50
QUERY_SHOTS = 15
AT_ONCE = 50  # episodes
TEST_SEED, VALIDATION_SEED = 10**6, 10**6 + 1
LINE_EVERY_SEC = 20.0


@dataclass(frozen=True)
class Characters:
    """The three kinds of characters, as `Episodes` takes them."""

    train: Tensor
    validation: Tensor
    test: Tensor

    @classmethod
    def of(cls, folder: Path, variants: int) -> Characters:
        """Load the folder's two files; the last background characters are for validation."""
        background = images_of(folder / "images_background.npz")
        train, validation = background[:-VALIDATION_CHARACTERS], background[-VALIDATION_CHARACTERS:]
        random = torch.Generator().manual_seed(0)
        return cls(
            varied(train, variants, random) if variants > 1 else as_they_are(train),
            as_they_are(validation),
            as_they_are(images_of(folder / "images_evaluation.npz")),
        )


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Train each learner in each setting, and test it."""
    wanted = [
        (recipe, shots) for shots in SHOTS for recipe in RECIPES if settings.wants(_name(recipe.name, shots))
    ]
    folder = data_folder(settings, "omniglot")
    _keep_memory()
    progress("loading the images")
    characters = Characters.of(folder, QUICK_VARIANTS if settings.quick else VARIANTS)
    left_out = set()
    for recipe, shots in wanted:
        if recipe.convolutional and (settings.quick or _device(settings).type == "cpu"):
            left_out.add(recipe.name)
        else:
            yield _one(recipe, shots, characters, settings, progress)
    if left_out and not settings.quick:
        names = " and ".join(sorted(left_out))
        raise CannotRun(f"{names}, that is (the rest was run): they would take a processor days, use a GPU")


def _one(
    recipe: Recipe, shots: int, characters: Characters, settings: BenchSettings, progress: Progress
) -> Result:
    began = time.monotonic()
    quick, name = settings.quick, f"{recipe.name} {WAY}w{shots}s"
    training = replace(recipe.training, support_size=WAY * shots)
    if quick:
        training = replace(training, meta_steps=recipe.quick_steps)
    learner = _learner(recipe, training)
    trained = _trained(learner, recipe, shots, characters, settings, progress)
    episodes = Episodes(characters.test, WAY, TEST_SEED, turned=False, device=_device(settings))
    accuracies = _accuracies(
        learner, trained, _held_out(episodes, QUICK_EPISODES if quick else EPISODES, shots), recipe.test_steps
    )
    mean = float(accuracies.mean())
    half = 1.96 * float(accuracies.std()) / math.sqrt(len(accuracies))
    minutes = (time.monotonic() - began) / 60
    progress(f"{name}: {mean:.2f} % +- {half:.2f} after {minutes:.1f} minutes")
    return Result.against(
        _name(recipe.name, shots),
        mean,
        "% accuracy",
        recipe.paper,
        recipe.papers[SHOTS.index(shots)],
        spread=(mean - half, mean + half),
        goal=None if quick else recipe.goal,
        note=f"{'quick: ' if quick else ''}{training.meta_steps:,} meta steps, 1 seed, {recipe.how}; "
        f"spread: 95 % of {len(accuracies):,} episodes",
    )


def _learner(recipe: Recipe, training: MetaTraining) -> Learner:
    nothing = Normalisation(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
    model = Model(recipe.network, Target("category", "character", WAY), nothing)
    base = NOTHING_IS_KNOWN.init_params(torch.Generator())
    return Learner.of(recipe.algorithm, model, training, {name: 0 * value for name, value in base.items()})


def _trained(
    learner: Learner,
    recipe: Recipe,
    shots: int,
    characters: Characters,
    settings: BenchSettings,
    progress: Progress,
) -> Params:
    """The meta-parameters that validated best; in a quick run the last ones."""
    training, device = learner.settings, _device(settings)
    train = Episodes(characters.train, WAY, 0, turned=True, device=device)
    validation = Episodes(characters.validation, WAY, VALIDATION_SEED, turned=False, device=device)
    held_out = _held_out(validation, recipe.validation_episodes, shots)
    kept = settings.out / NAME / f"{recipe.name}-{WAY}w{shots}s.npz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    said = _Said(f"{recipe.name} {WAY}w{shots}s", progress)

    def draw() -> Tasks:
        if recipe.train_shots:
            return train.minibatches(
                training.meta_batch_size,
                recipe.train_shots,
                training.inner_batch_size,
                training.num_inner_steps,
            )
        return train.tasks(training.meta_batch_size, shots, training.query_size, training.num_inner_steps)

    def validate(meta_params: Params) -> dict[str, float]:
        accuracy = float(_accuracies(learner, meta_params, held_out, recipe.test_steps).mean())
        arrays = {key: value.detach().cpu().numpy() for key, value in meta_params.items()}
        np.savez(kept, allow_pickle=False, **arrays)
        said.accuracy = accuracy
        return {"error_after": 100 - accuracy}

    meta_params = {key: value.to(device) for key, value in learner.init_meta_params(0).items()}
    if recipe.algorithm not in ("protonet", "bayes"):
        # Classes mean something else in every task, so none should start out ahead.
        for key in learner.model.network.head:
            meta_params[key].zero_()
    watching = Watching(
        validate=None if settings.quick else validate,
        validations=recipe.validations,
        compile="never" if settings.quick or recipe.convolutional else "always",
        progress=said,
    )
    return meta_train(learner, meta_params, draw, watching)


def _held_out(episodes: Episodes, count: int, shots: int) -> list[tuple[Batch, Batch]]:
    """Support and query sets of so many tasks, in parts that fit into memory side by side."""
    parts = [episodes.draw(AT_ONCE, (shots, QUERY_SHOTS)) for _ in range(count // AT_ONCE)]
    return [(support, query) for support, query in parts]


def _accuracies(
    learner: Learner, meta_params: Params, held_out: Sequence[tuple[Batch, Batch]], steps: int
) -> Tensor:
    """Of each task, after so many inner steps on its support set: % of its queries."""
    model, init_params = learner.split({name: value.detach() for name, value in meta_params.items()})
    found = []
    for support, query in held_out:
        start = for_each_task(init_params, len(query.weights))
        adapted = adapt(model, start, repeat(support, steps), learner.settings.inner_lr)
        outputs = model.network(model.shared | adapted, query.observations)
        found.append((outputs.argmax(-1) == query.targets.argmax(-1)).float().mean(-1) * 100)
    return torch.cat(found).detach().cpu()


def _name(recipe: str, shots: int) -> str:
    return f"{NAME}/{recipe}/{WAY}w{shots}s"


def _device(settings: BenchSettings) -> torch.device:
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(auto if settings.device == "auto" else settings.device)


def _keep_memory() -> None:
    """Let glibc keep what is freed: per-task weights are large enough that it would give every one of them
    back to the system and fetch it anew, which takes longer than the arithmetic."""
    mallopt: Callable[[int, int], int] | None = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        largest_mapped, trim_threshold, unlimited = -4, -1, 2**31 - 1
        mallopt(largest_mapped, 0)
        mallopt(trim_threshold, unlimited)


class _Said:
    """Passes on a line every now and then of what `meta_train` tells, with the last accuracy."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name, self._progress = name, progress
        self._at = time.monotonic()
        self.accuracy: float | None = None

    def __call__(self, progress: TrainProgress) -> None:
        if progress.note or time.monotonic() - self._at >= LINE_EVERY_SEC:
            self._at = time.monotonic()
            note = f" ({progress.note})" if progress.note else ""
            validated = "" if self.accuracy is None else f", {self.accuracy:.2f} % on meta-validation"
            line = f"{self._name}: meta step {progress.done:,} of {progress.total:,}"
            self._progress(f"{line}{validated}{note}")
