"""Meta-training: sessions of many players in, one `.brain` out.

`train` is the whole pipeline in the order the data goes: the players in three groups, the pooled model, the
learner, how it adapts, what that gains, and the file. The loop itself is in `outer_loop`.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from pytrain.data.dataset import player_hash
from pytrain.data.tasks import Cuts, TaskSampler
from pytrain.errors import PytrainError
from pytrain.export.brain import export_brain
from pytrain.learners.adapter import Consolidation
from pytrain.learners.inner_loop import adapter_of
from pytrain.learners.registry import Learner
from pytrain.models.model import Model
from pytrain.models.normalisation import Normalisation
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import TrainSettings
from pytrain.training.choosing import Adaptation, choose_adaptation, is_better
from pytrain.training.distributed import Processes, training_processes
from pytrain.training.groups import Groups, read_groups
from pytrain.training.judging import Judgement, judge
from pytrain.training.pooled_beside import PooledModel, normalisation_sha256, pooled_beside
from pytrain.training.resuming import CheckpointFile, checkpoint_path, fingerprint_of
from pytrain.training.stages import Trained, network_of, run_stage, window_of
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation

__all__ = ["TrainResult", "TrainSettings", "train"]

STAGE = "meta-train"


@dataclass(frozen=True)
class TrainResult:
    """A finished training."""

    brain: Path
    algorithm: str
    players: int
    validation_players: int
    examples: int
    meta_steps: int  # done; fewer than asked for if it stopped early
    best_step: int  # the meta step whose model was the best on the meta-validation players, and is exported
    stopped_early: bool
    gave_way: bool  # to the pooled model's parameters, which meta-training has not bettered
    seconds: float
    setting: Setting  # how the brain adapts: chosen on the meta-validation players
    score: float  # its mean over the curve and the meta-validation players
    trust_radius: float
    consolidation: Consolidation  # what of a player lasts
    validated: Judgement  # on the meta-validation players, whom everything was chosen on
    judged: Judgement | None  # on the judges; None: there were too few players for some

    @property
    def judgement(self) -> Judgement:
        """The best that is known of what adapting gains."""
        return self.judged or self.validated


def train(settings: TrainSettings, progress: ProgressCallback = silent) -> TrainResult:
    """Train, choose the adaptation settings on the meta-validation players, export and write `settings.out`.

    Started by torchrun, its processes train together, and the first of them writes. Raises PytrainError for
    sessions that cannot be trained on; the file appears whole or not at all.
    """
    with training_processes(_device(settings.device)) as processes:
        settings.check()
        torch.set_num_threads(settings.threads)
        if processes.is_first:
            _check_can_write(settings.out)
        return _train(settings, processes, progress if processes.is_first else silent)


def _train(settings: TrainSettings, processes: Processes, progress: ProgressCallback) -> TrainResult:
    started = time.monotonic()
    window = window_of(settings)
    groups = read_groups(settings, progress).with_window(window)
    spec = groups.train.spec
    model = Model(network_of(settings, spec), spec.target, Normalisation.of(groups.train))
    Learner.of(settings.algorithm, model, settings.meta_training(), {})  # refuses before anything long
    validation = Validation(groups.validation, settings.adapt_at_sec)
    cuts = Cuts(settings.min_cut_sec, settings.max_cut_sec, settings.query_window_sec)
    sampler = TaskSampler(groups.train, cuts, settings.seed)
    command = processes.started_by(command_line(settings))
    checkpoints = CheckpointFile(
        path=checkpoint_path(settings.out),
        fingerprint=fingerprint_of(settings, groups.train, groups.validation),
        random=sampler,
        command=f"{command} --resume",
        resume=settings.resume,
        every_sec=settings.checkpoint_sec,
        processes=processes,
    )
    with checkpoints.told_when_interrupted():
        pooled = pooled_beside(settings, groups, model.normalisation, validation, checkpoints, progress)
        start = None if pooled is None else pooled.params
        learner = Learner.of(settings.algorithm, model, settings.meta_training(), start)
        trained = run_stage(
            settings,
            learner,
            sampler,
            validation,
            checkpoints.at_stage(STAGE, sampler, earlier=start),
            progress,
        )
        trained, adaptation = _chosen(settings, learner, pooled, trained, validation, progress)
        adapting = (trained.model, trained.params)
        frozen = adapting if pooled is None else (pooled.model, pooled.params)
        progress(Progress("judge", 0, 1))
        takes_steps = adaptation.setting.num_inner_steps > 0
        judged = None
        if groups.judges is not None:
            judges = Validation(groups.judges, settings.adapt_at_sec)
            figures = judges.measure(*frozen, NO_ADAPTATION), judges.measure(*adapting, adaptation.setting)
            judged = judge(judges.curve_sec, *figures, takes_steps=takes_steps)
        figures = validation.measure(*frozen, NO_ADAPTATION), adaptation.measured
        result = TrainResult(
            brain=settings.out,
            algorithm=settings.algorithm,
            players=len(groups.train),
            validation_players=len(validation),
            examples=groups.train.examples,
            meta_steps=trained.meta_steps,
            best_step=trained.best_step,
            stopped_early=trained.stopped_early,
            gave_way=trained.gave_way,
            seconds=time.monotonic() - started,
            setting=adaptation.setting,
            score=adaptation.score,
            trust_radius=adaptation.trust_radius,
            consolidation=adapter_of(learner.model).consolidation,
            validated=judge(validation.curve_sec, *figures, takes_steps=takes_steps),
            judged=judged,
        )
        progress(Progress("judge", 1, 1))
        if processes.is_first:
            progress(Progress("export", 0, 1))
            about = _about(settings, groups, learner, adaptation, result, command)
            carried = frozen if pooled is not None and learner.kind.carries_frozen else None
            export_brain(settings.out, *adapting, spec, about, carried)
            progress(Progress("export", 1, 1))
    checkpoints.remove()
    return replace(result, seconds=time.monotonic() - started)


def _chosen(
    settings: TrainSettings,
    learner: Learner,
    pooled: PooledModel | None,
    trained: Trained,
    validation: Validation,
    progress: ProgressCallback,
) -> tuple[Trained, Adaptation]:
    """The model to export and how it adapts.

    Where meta-training has not made it better than the pooled model, that is what a player starts from: what
    is worth nothing on these recordings must not make an enemy worse.
    """
    may_adapt = learner.settings.num_inner_steps > 0
    adaptation = choose_adaptation(validation, trained.model, trained.params, progress, may_adapt=may_adapt)
    if pooled is None or not learner.kind.takes_over:
        return trained, adaptation
    if is_better(adaptation.measured, validation.measure(pooled.model, pooled.params, NO_ADAPTATION)):
        return trained, adaptation
    model, params = learner.split(learner.init_meta_params(settings.seed, pooled.params))
    adaptation = choose_adaptation(validation, model, params, progress, may_adapt=may_adapt)
    return replace(trained, model=model, params=params, best_step=0, gave_way=True), adaptation


def _about(
    settings: TrainSettings,
    groups: Groups,
    learner: Learner,
    adaptation: Adaptation,
    result: TrainResult,
    command: str,
) -> dict[str, Any]:
    """What the manifest says of the training."""
    scores = {"meta_validation": {"score": result.score} | result.validated.to_dict()}
    if result.judged is not None:
        scores = {"judge": result.judged.to_dict()} | scores
        del scores["meta_validation"]["verdict"]  # there is one, and it is not theirs
    about: dict[str, Any] = {
        "algorithm": settings.algorithm,
        "window": settings.window,
        "window_stride_ticks": settings.window_stride,
        "inner_loop": {
            **asdict(adaptation.setting),
            "optimiser": learner.model.optimiser,
            "first_order": learner.kind.first_order,
            "trust_radius": adaptation.trust_radius,
        },
        "training": {
            "players": result.players,
            "validation_players": result.validation_players,
            "judges": 0 if groups.judges is None else len(groups.judges),
            "sessions": groups.train.sessions,
            "examples": result.examples,
            "player_ids_sha256": sorted(map(player_hash, (*groups.train.ids, *groups.validation.ids))),
            "normalisation_sha256": normalisation_sha256(learner.model.normalisation),
            "command": command,
            "seed": settings.seed,
            "meta_steps": result.meta_steps,
            "best_step": result.best_step,
            "seconds": round(result.seconds, 1),
        },
        "scores": scores,
    }
    if adaptation.intervals:
        about["uncertainty"] = {"intervals": adaptation.intervals}
    return about


def command_line(settings: TrainSettings) -> str:
    """The command that trains this again, from the start: every setting that is not the default."""
    words = ["pytrain", "train", *map(str, settings.sessions)]
    for field in fields(TrainSettings):
        value = getattr(settings, field.name)
        if field.name in ("sessions", "resume") or (field.default is not MISSING and value == field.default):
            continue
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


def _device(name: str) -> torch.device:
    """Where to train; auto takes a GPU if there is one. Raises PytrainError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PytrainError(f"--device {name} cannot be used ({reason}): use auto or cpu") from error


def _check_can_write(out: Path) -> None:
    """Before anything long starts."""
    if out.suffix != ".brain":
        raise PytrainError(f"--out is {out}: name a file that ends in .brain")
    if not out.parent.is_dir():
        raise PytrainError(f"--out is {out}, but there is no folder {out.parent}: make it first")
