"""Meta-training: sessions of many players in, one `.brain` out.

`train` is the whole pipeline in the order the data goes; the loop itself is in `outer_loop`.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from adaptive_agents.errors import SpecError
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec
from pytrain.data.dataset import Players, player_hash, read_players, split_by_player, who_played_longer
from pytrain.data.tasks import Batch, Cuts, Tasks, TaskSampler
from pytrain.errors import PytrainError
from pytrain.export.brain import export_brain
from pytrain.learners.registry import KINDS, Learner
from pytrain.models.bayesian import Bayesian
from pytrain.models.memory import Memory
from pytrain.models.model import Model
from pytrain.models.networks import GRU, MLP, Network, Params
from pytrain.models.normalisation import Normalisation
from pytrain.models.on_pooled import encoder_for
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import Head, TrainSettings
from pytrain.training.distributed import Processes, training_processes
from pytrain.training.outer_loop import Draw, OuterLoop, Watching
from pytrain.training.resuming import CheckpointFile, checkpoint_path, fingerprint_of
from pytrain.training.validation import Adaptation, Validation

__all__ = ["TrainResult", "TrainSettings", "train"]

ON_POOLED: dict[Head, type[Bayesian] | type[Memory]] = {"bayesian": Bayesian, "memory": Memory}
LARGEST_SUPPORT = 512  # for the looks at the meta-validation players during training


@dataclass(frozen=True)
class TrainResult:
    """A finished training; errors are those of the meta-validation players at `adapt_at_sec`."""

    brain: Path
    algorithm: str
    players: int
    validation_players: int
    examples: int
    meta_steps: int  # done; fewer than asked for if it stopped early
    best_step: int  # the meta step whose model was the best on the meta-validation players, and is exported
    stopped_early: bool
    seconds: float
    error_before: float  # target units for a vector, 1 - accuracy for a category
    error_after: float
    inner_lr: float  # chosen on the meta-validation players, written to the brain
    num_inner_steps: int
    support_size: int
    trust_radius: float


class _Trained(NamedTuple):
    model: Model
    params: Params
    meta_steps: int
    best_step: int
    stopped_early: bool


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
    window = Window(settings.window, settings.window_stride)
    players, validation_players = (each.with_window(window) for each in _players(settings, progress))
    model = Model(_network(settings, players.spec, window), players.spec.target, Normalisation.of(players))
    learner = Learner.of(settings.algorithm, model, settings.meta_training())
    validation = Validation(validation_players, settings.adapt_at_sec)
    cuts = Cuts(settings.min_cut_sec, settings.max_cut_sec, settings.query_window_sec)
    sampler = TaskSampler(players, cuts, settings.seed)
    command = processes.started_by(command_line(settings))
    checkpoints = CheckpointFile(
        path=checkpoint_path(settings.out),
        fingerprint=fingerprint_of(settings, players, validation_players),
        random=sampler,
        command=f"{command} --resume",
        resume=settings.resume,
        every_sec=settings.checkpoint_sec,
        processes=processes,
    )
    with checkpoints.told_when_interrupted():
        trained = _meta_train(settings, learner, sampler, validation, checkpoints, progress)
        model, params = trained.model, trained.params
        may_adapt = learner.settings.num_inner_steps > 0
        error_before, chosen = processes.of_first(
            lambda: (
                validation.error(model, params, 0.0, 0, 1),
                asdict(validation.choose_adaptation(model, params, progress, may_adapt=may_adapt)),
            )
        )
        adaptation = Adaptation(**chosen)
        result = TrainResult(
            brain=settings.out,
            algorithm=settings.algorithm,
            players=len(players),
            validation_players=len(validation_players),
            examples=players.examples,
            meta_steps=trained.meta_steps,
            best_step=trained.best_step,
            stopped_early=trained.stopped_early,
            seconds=time.monotonic() - started,
            error_before=error_before,
            error_after=adaptation.error,
            inner_lr=adaptation.inner_lr,
            num_inner_steps=adaptation.num_inner_steps,
            support_size=adaptation.support_size,
            trust_radius=adaptation.trust_radius,
        )
        about = {
            "algorithm": settings.algorithm,
            "window": window.size,
            "window_stride_ticks": window.stride_ticks,
            "inner_loop": _inner_loop(learner, adaptation),
            "training": {
                "players": result.players,
                "validation_players": result.validation_players,
                "sessions": players.sessions,
                "examples": result.examples,
                "player_ids_sha256": sorted(map(player_hash, (*players.ids, *validation_players.ids))),
                "command": command,
                "seed": settings.seed,
                "meta_steps": result.meta_steps,
                "best_step": result.best_step,
                "seconds": round(result.seconds, 1),
            },
            "scores": {
                "meta_validation": {
                    "players": result.validation_players,
                    "at_sec": settings.adapt_at_sec,
                    "error_before": result.error_before,
                    "error_after": result.error_after,
                }
            },
        }
        if processes.is_first:
            progress(Progress("export", 0, 1))
            export_brain(settings.out, model, params, players.spec, about)
            progress(Progress("export", 1, 1))
    checkpoints.remove()
    return replace(result, seconds=time.monotonic() - started)


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


def _network(settings: TrainSettings, spec: Spec, window: Window) -> Network:
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
    return ON_POOLED[kind.head](body, encoder, spec.target.size, of_classes)


def _players(settings: TrainSettings, progress: ProgressCallback) -> tuple[Players, Players]:
    """Meta-train and meta-validation players; nobody is both."""
    players = read_players(settings.sessions, progress)
    if not settings.validation_sessions:
        players = who_played_longer(players, settings.adapt_at_sec, "--adapt-at-sec")
        return split_by_player(players, settings.validation_fraction, settings.seed)
    validation_players = read_players(settings.validation_sessions, progress)
    try:
        players.spec.check_fits(
            validation_players.spec,
            mine=f"the training session folder {settings.sessions[0]}",
            theirs=f"the validation session folder {settings.validation_sessions[0]}",
        )
    except SpecError as error:
        raise PytrainError(f"these sessions cannot be used together: {error}") from error
    both = sorted(set(players.ids) & set(validation_players.ids))
    if both:
        raise PytrainError(
            f"player {both[0]!r} is among the players to learn from and those to validate on "
            f"({len(both)} such players): leave them out of one of the two"
        )
    return (
        who_played_longer(players, settings.min_cut_sec, "--min-cut-sec"),
        who_played_longer(validation_players, settings.adapt_at_sec, "--adapt-at-sec"),
    )


def _meta_train(
    settings: TrainSettings,
    learner: Learner,
    sampler: TaskSampler,
    validation: Validation,
    checkpoints: CheckpointFile,
    progress: ProgressCallback,
) -> _Trained:
    """The outer loop on the players' tasks; what was best on the meta-validation players is kept."""
    meta_params = learner.init_meta_params(settings.seed)
    if learner.settings.meta_steps == 0 or not learner.kind.is_trained:
        return _Trained(*learner.split(meta_params), meta_steps=0, best_step=0, stopped_early=False)
    processes = checkpoints.processes
    with _tensorboard(settings if processes.is_first else replace(settings, log_dir=None)) as log:
        watching = Watching(
            validate=partial(_validate, learner, validation),
            validations=settings.validations,
            patience=settings.patience,
            compile=settings.compile,
            progress=progress,
            log=log,
            checkpoints=checkpoints,
            processes=processes,
        )
        on_device = Learner(learner.algorithm, learner.model.on(processes.device), learner.settings)
        meta_params = {name: value.to(processes.device) for name, value in meta_params.items()}
        loop = OuterLoop(on_device, meta_params, _draw(learner, sampler, processes.device), watching)
        meta_params = loop.run()
    split = learner.split({name: value.cpu() for name, value in meta_params.items()})
    return _Trained(*split, loop.step, loop.best_step, loop.stopped_early)


def _device(name: str) -> torch.device:
    """Where to train; auto takes a GPU if there is one. Raises PytrainError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise PytrainError(f"--device {name} cannot be used ({reason}): use auto or cpu") from error


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
    adapted = (chosen.inner_lr, chosen.num_inner_steps, min(chosen.support_size, LARGEST_SUPPORT))
    if not learner.kind.is_best_adapted:
        adapted = (chosen.inner_lr, 0, 1)
    scores = {
        "error_before": validation.error(model, params, 0.0, 0, 1),
        "error_after": validation.error(model, params, *adapted),
    }
    if model.target.kind == "category":
        scores["loss_after"] = validation.score(model, params, *adapted)
    return scores


def _inner_loop(learner: Learner, adaptation: Adaptation) -> dict[str, Any]:
    return {
        "inner_lr": adaptation.inner_lr,
        "num_inner_steps": adaptation.num_inner_steps,
        "support_size": adaptation.support_size,
        "optimiser": learner.model.optimiser,
        "first_order": learner.kind.first_order,
        "trust_radius": adaptation.trust_radius,
    }


def _check_can_write(out: Path) -> None:
    """Before anything long starts."""
    if out.suffix != ".brain":
        raise PytrainError(f"--out is {out}: name a file that ends in .brain")
    if not out.parent.is_dir():
        raise PytrainError(f"--out is {out}, but there is no folder {out.parent}: make it first")


def _log_nothing(step: int, scores: dict[str, float]) -> None:
    del step, scores


@contextmanager
def _tensorboard(settings: TrainSettings) -> Iterator[Any]:
    """A function that logs scores at a step; without --log-dir it does nothing."""
    if settings.log_dir is None:
        yield _log_nothing
        return
    # Here and not above: importing it takes a second.
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(settings.log_dir / settings.algorithm)) as writer:

        def log(step: int, scores: dict[str, float]) -> None:
            for name, value in scores.items():
                writer.add_scalar(name, value, step)

        yield log
