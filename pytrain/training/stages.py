"""A stage of a training: one learner, all meta steps; what was best on the meta-validation players is kept.

A training has up to two: the pooled model (`pooled_beside`), and the learner that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from pytrain.data.tasks import Batch, Tasks, TaskSampler
from pytrain.learners.registry import KINDS, Learner
from pytrain.models.bayesian import Bayesian
from pytrain.models.memory import Memory
from pytrain.models.model import Model
from pytrain.models.networks import GRU, MLP, Network, Params
from pytrain.models.on_pooled import encoder_for
from pytrain.progress import ProgressCallback
from pytrain.settings import Head, TrainSettings
from pytrain.training.outer_loop import Draw, OuterLoop, Watching
from pytrain.training.resuming import CheckpointFile
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation

ON_POOLED: tuple[Head, ...] = ("bayesian", "memory")
LARGEST_SUPPORT = 512  # for the looks at the meta-validation players during training


@dataclass(frozen=True)
class Trained:
    """A model, the parameters from which a player starts, and how they came about."""

    model: Model
    params: Params
    meta_steps: int = 0  # done; fewer than asked for if it stopped early
    best_step: int = 0  # the meta step whose model was the best on the meta-validation players
    stopped_early: bool = False
    gave_way: bool = False  # to the pooled model's parameters


def window_of(settings: TrainSettings) -> Window:
    """What of an agent's past the network sees."""
    return Window(settings.window, settings.window_stride)


def network_of(settings: TrainSettings, spec: Spec) -> Network:
    """The network that the settings ask for."""
    window = window_of(settings)
    chosen, kind = settings.meta_training(), KINDS[settings.algorithm]
    of_classes = spec.target.kind == "category"
    is_gru = settings.model == "gru"
    inputs = settings.recurrent_size if is_gru else window.input_size(spec.observation_size)
    mlp = MLP(
        inputs=inputs,
        hidden_sizes=settings.hidden_sizes,
        outputs=spec.target.size,
        activation=settings.activation,
        norm=settings.norm,
        context_size=chosen.context_size,
        head_kind="prototypes" if kind.head == "prototypes" else "linear",
    )
    body = (
        GRU(window.slot_size(spec.observation_size), window.size, settings.recurrent_size, mlp)
        if is_gru
        else mlp
    )
    if kind.head not in ON_POOLED:
        return body
    encoder = encoder_for(body, settings.hidden_sizes[-1:], chosen.feature_size)
    if kind.head == "bayesian":
        return Bayesian(body, encoder, spec.target.size, of_classes)
    whole = Memory(body, encoder, spec.target.size, of_classes)
    return replace(whole, size=max(1, math.ceil(chosen.support_size / whole.every)))


def run_stage(
    settings: TrainSettings,
    learner: Learner,
    sampler: TaskSampler,
    validation: Validation,
    checkpoints: CheckpointFile,
    progress: ProgressCallback,
    run: str = "",
) -> Trained:
    """The outer loop on the players' tasks.

    `run` names it in TensorBoard; without, algorithm and seed do.
    """
    meta_params = learner.init_meta_params(settings.seed)
    if learner.settings.meta_steps == 0 or not learner.kind.is_trained:
        return Trained(*learner.split(meta_params))
    processes = checkpoints.processes
    log_dir = settings.log_dir if processes.is_first else None
    with _tensorboard(log_dir, run or f"{learner.algorithm}-seed-{settings.seed}") as log:
        watching = Watching(
            validate=partial(_validate, learner, validation),
            validations=settings.validations,
            patience=learner.settings.patience,
            compile=settings.compile,
            progress=progress,
            log=log,
            checkpoints=checkpoints,
            processes=processes,
            stage=checkpoints.stage,
        )
        on_device = Learner(learner.algorithm, learner.model.to(processes.device), learner.settings)
        meta_params = {name: value.to(processes.device) for name, value in meta_params.items()}
        loop = OuterLoop(on_device, meta_params, _draw(learner, sampler, processes.device), watching)
        meta_params = loop.run()
    split = learner.split({name: value.cpu() for name, value in meta_params.items()})
    return Trained(*split, loop.step, loop.best_step, loop.stopped_early)


def _draw(learner: Learner, sampler: TaskSampler, device: torch.device) -> Draw:
    """Fresh meta-batches of players, prepared for the learner."""

    def on_device(batch: Batch) -> Batch:
        return Batch(*(column.to(device) for column in vars(batch).values()))

    def draw() -> Tasks:
        tasks = learner.draw(sampler)
        spans = tasks.spans and tasks.spans.to(device)
        return Tasks(tuple(map(on_device, tasks.supports)), on_device(tasks.query), spans)

    return draw


def _validate(learner: Learner, validation: Validation, meta_params: Params) -> dict[str, float]:
    """Error before and after adaptation as it was trained; the pooled model is to be best without any."""
    chosen = learner.settings
    model, params = learner.split({name: value.detach().cpu() for name, value in meta_params.items()})
    setting = Setting(chosen.inner_lr, chosen.num_inner_steps, min(chosen.support_size, LARGEST_SUPPORT))
    if not learner.kind.is_best_adapted:
        setting = NO_ADAPTATION
    before = validation.measure(model, params, NO_ADAPTATION)
    after = validation.measure(model, params, setting)
    scores = {"error_before": float(before.errors.mean()), "error_after": float(after.errors.mean())}
    if model.target.kind == "category":
        scores["loss_after"] = float(after.scores.mean())
    return scores


def _log_nothing(step: int, scores: dict[str, float]) -> None:
    del step, scores


@contextmanager
def _tensorboard(log_dir: Path | None, run: str) -> Iterator[Any]:
    """A function that logs scores at a step, as a run of its own; without --log-dir it does nothing."""
    if log_dir is None:
        yield _log_nothing
        return
    # Here and not above: importing it takes a second.
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(log_dir / run)) as writer:

        def log(step: int, scores: dict[str, float]) -> None:
            for name, value in scores.items():
                writer.add_scalar(name, value, step)

        yield log
