"""The pooled model beside a learner: what it is compared with, builds on, and falls back to.

It is trained first, on the same players and with the same body, or comes from a `.brain` that was trained so.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from adaptive_agents.errors import SpecError
from adaptive_agents.model.brain import Brain
from pytrain.data.tasks import Cuts, TaskSampler
from pytrain.errors import PytrainError
from pytrain.learners.registry import KINDS, Learner
from pytrain.models.model import Model
from pytrain.models.networks import Params
from pytrain.models.normalisation import Normalisation
from pytrain.progress import ProgressCallback
from pytrain.settings import Algorithm, MetaTraining, TrainSettings
from pytrain.training.groups import Groups
from pytrain.training.resuming import CheckpointFile
from pytrain.training.stages import network_of, run_stage, window_of
from pytrain.training.validation import Validation

POOLED: Algorithm = "pooled"
STAGE = "pooled model"


@dataclass(frozen=True)
class PooledModel:
    """The model that does not adapt."""

    model: Model
    params: Params


def pooled_beside(
    settings: TrainSettings,
    groups: Groups,
    normalisation: Normalisation,
    validation: Validation,
    checkpoints: CheckpointFile,
    progress: ProgressCallback,
) -> PooledModel | None:
    """The pooled model that goes with a learner; None where it has none, or none is wanted.

    Raises:
        PytrainError: the brain of --pooled does not go with this training.
    """
    if not KINDS[settings.algorithm].has_pooled_beside:
        return None
    pooled = _settings_of_pooled(settings)
    chosen = pooled.meta_training()
    spec = groups.train.spec
    model = Model(network_of(pooled, spec), spec.target, normalisation)
    learner = Learner.of(POOLED, model, chosen)
    if settings.pooled is not None:
        return PooledModel(learner.model, _params_of(Brain.open(settings.pooled), settings, groups, model))
    if chosen.meta_steps == 0:
        return None
    found = checkpoints.found()
    if found is not None and found.earlier:  # trained before the interruption
        return PooledModel(learner.model, dict(found.earlier))
    cuts = Cuts(settings.min_cut_sec, settings.max_cut_sec, settings.query_window_sec)
    sampler = TaskSampler(groups.train, cuts, settings.seed)
    trained = run_stage(
        pooled,
        learner,
        sampler,
        validation,
        checkpoints.at_stage(STAGE, sampler),
        progress,
        run=f"{settings.algorithm}-seed-{settings.seed}-{POOLED}",
    )
    return PooledModel(trained.model, trained.params)


def normalisation_sha256(normalisation: Normalisation) -> str:
    """By which two trainings know that they were normalised alike, and so on the same players."""
    constants = b"".join(
        torch.as_tensor(value).numpy().astype("<f4").tobytes() for value in vars(normalisation).values()
    )
    return hashlib.sha256(constants).hexdigest()[:16]


def _settings_of_pooled(settings: TrainSettings) -> TrainSettings:
    """Pooled's own way to train, on the body that was asked for."""
    own: dict[str, Any] = {field.name: None for field in fields(MetaTraining)}
    own |= {"meta_steps": settings.pooled_steps, "weight_decay": settings.weight_decay}
    return replace(settings, algorithm=POOLED, **own)


def _params_of(brain: Brain, settings: TrainSettings, groups: Groups, model: Model) -> Params:
    """The parameters of a pooled brain that was trained on the same players with the same body."""
    spec = groups.train.spec
    try:
        brain.spec.check_fits(spec, mine=brain.label, theirs="the sessions")
    except SpecError as error:
        raise PytrainError(f"--pooled cannot be used here: {error}") from error
    wanted = {
        "algorithm": (brain.algorithm, POOLED),
        "window": (brain.window, window_of(settings)),
        "network": (brain.model, model.network.describe()),
        "normalisation (so it was trained on other players, or with another --split-seed)": (
            brain.training.get("normalisation_sha256"),
            normalisation_sha256(model.normalisation),
        ),
    }
    for what, (found, expected) in wanted.items():
        if found != expected:
            raise PytrainError(
                f"--pooled {settings.pooled} does not go with this training: its {what} is {found}, here it "
                f"is {expected}: train it again on these sessions, with the same options and --algorithm "
                f"{POOLED}, or leave --pooled out"
            )
    return {name: torch.from_numpy(value.copy()) for name, value in brain.init_params.items()}
