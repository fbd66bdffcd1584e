"""The outer loop of every learner: draw tasks, a meta-gradient, a step; what validates best is kept.

It knows nothing of sessions: tasks come from a function, and so does the validation. `train` gives it
players, the benchmarks give it sinusoids and images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pytrain.compiled import Compiled, Gradient, pays_off
from pytrain.errors import PytrainError
from pytrain.learners import Learner
from pytrain.networks import Params
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import Compile
from pytrain.tasks import Tasks

LARGEST_META_GRADIENT = 10.0  # norm; as in MAML++, where rare steps would otherwise throw the model off
PROGRESS_EVERY = 20

Draw = Callable[[], Tasks]
"""A fresh meta-batch of prepared tasks."""
Validate = Callable[[Params], dict[str, float]]
"""Scores of the meta-parameters; the lower its `error_after`, the better they are."""
Log = Callable[[int, dict[str, float]], None]
"""Notes scores at a meta step."""


@dataclass(frozen=True)
class Watching:
    """How a training is looked after."""

    validate: Validate | None = None
    validations: int = 10
    compile: Compile = "never"
    progress: ProgressCallback = silent
    log: Log = lambda step, scores: None


def meta_train(learner: Learner, meta_params: Params, draw: Draw, watching: Watching) -> Params:
    """Train for `learner.settings.meta_steps`, and return the meta-parameters that validated best (or the
    last).

    Raises PytrainError when none ever had a finite validation error.
    """
    meta_steps = learner.settings.meta_steps
    optimiser = learner.outer_optimiser(meta_params)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _annealed(step / meta_steps))
    gradient: Gradient = learner.meta_gradient
    if pays_off(watching.compile, meta_steps):
        gradient = Compiled(gradient)
        note = f"compiling, up to a minute: {meta_steps:,} meta steps then take a part of the time"
        watching.progress(Progress("meta-train", 0, meta_steps, note=note))
    best, best_params = math.inf, meta_params
    scores: dict[str, float] = {}
    step_weights = learner.step_weights()
    for step in range(1, meta_steps + 1):
        gradients, loss = gradient(meta_params, draw(), step_weights)
        for name, param in meta_params.items():
            param.grad = gradients[name]
        torch.nn.utils.clip_grad_norm_(meta_params.values(), LARGEST_META_GRADIENT)
        optimiser.step()
        schedule.step()
        if watching.validate and step * watching.validations % meta_steps < watching.validations:
            scores = watching.validate(meta_params) | {"loss": float(loss)}
            watching.log(step, scores)
            if scores["error_after"] < best:
                best = scores["error_after"]
                best_params = {name: param.detach().clone() for name, param in meta_params.items()}
        if step % PROGRESS_EVERY == 0 or step == meta_steps:
            watching.progress(Progress("meta-train", step, meta_steps, scores))
    if watching.validate is None:
        return meta_params
    if best == math.inf:
        settings = learner.settings
        raise PytrainError(
            f"{learner.algorithm} diverged (the meta-validation error is not finite): lower --inner-lr "
            f"({settings.inner_lr:g}) or --meta-lr ({settings.meta_lr:g})"
        )
    return best_params


def _annealed(done: float) -> float:
    """From 1 to 0 along a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
