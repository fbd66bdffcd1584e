"""Meta-training: sessions of many players in, one `.brain` out.

`train` is the whole pipeline in the order the data goes; `_meta_train` is the outer loop of all algorithms.
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import torch

from adaptive_agents.errors import SpecError
from pytrain.dataset import Players, player_hash, read_players, split_by_player, who_played_longer
from pytrain.errors import PytrainError
from pytrain.export import export_brain
from pytrain.learners import meta_gradient_of, outer_optimiser
from pytrain.models import MLP, Model, Normalisation, Params
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import MetaTraining, TrainSettings
from pytrain.step_sizes import split, with_step_sizes
from pytrain.tasks import Cuts, TaskSampler
from pytrain.validation import Adaptation, Validation

__all__ = ["TrainResult", "TrainSettings", "train"]

LARGEST_SUPPORT = 512  # for the looks at the meta-validation players during training
LARGEST_META_GRADIENT = 10.0  # norm; as in MAML++, where rare steps would otherwise throw the model off


@dataclass(frozen=True)
class TrainResult:
    """A finished training; errors are those of the meta-validation players at `adapt_at_sec`."""

    brain: Path
    algorithm: str
    players: int
    validation_players: int
    examples: int
    meta_steps: int
    seconds: float
    error_before: float  # target units for a vector, 1 - accuracy for a category
    error_after: float
    inner_lr: float  # chosen on the meta-validation players, written to the brain
    num_inner_steps: int
    support_size: int
    trust_radius: float


def train(settings: TrainSettings, progress: ProgressCallback = silent) -> TrainResult:
    """Train, choose the adaptation settings on the meta-validation players, export and write `settings.out`.

    Raises PytrainError for sessions that cannot be trained on; the file appears whole or not at all.
    """
    started = time.monotonic()
    _check_can_write(settings.out)
    torch.set_num_threads(settings.threads)
    players, validation_players = _players(settings, progress)
    spec = players.spec
    network = MLP(spec.observation_size, settings.hidden_sizes, spec.target.size, settings.activation)
    model = Model(network, spec.target, Normalisation.of(players))
    validation = Validation(validation_players, settings.adapt_at_sec)

    model, params = _meta_train(settings, model, players, validation, progress)
    adaptation = validation.choose_adaptation(model, params, progress)
    error_before = validation.error(model, params, 0.0, 0, 1)
    seconds = time.monotonic() - started

    progress(Progress("export", 0, 1))
    about = {
        "algorithm": settings.algorithm,
        "inner_loop": _inner_loop(settings, adaptation),
        "training": {
            "players": len(players),
            "validation_players": len(validation_players),
            "sessions": players.sessions,
            "examples": players.examples,
            "player_ids_sha256": sorted(map(player_hash, (*players.ids, *validation_players.ids))),
            "command": command_line(settings),
            "seed": settings.seed,
            "seconds": round(seconds, 1),
        },
        "scores": {
            "meta_validation": {
                "players": len(validation_players),
                "at_sec": settings.adapt_at_sec,
                "error_before": error_before,
                "error_after": adaptation.error,
            }
        },
    }
    export_brain(settings.out, model, params, spec, about)
    progress(Progress("export", 1, 1))
    return TrainResult(
        brain=settings.out,
        algorithm=settings.algorithm,
        players=len(players),
        validation_players=len(validation_players),
        examples=players.examples,
        meta_steps=settings.meta_training().meta_steps,
        seconds=time.monotonic() - started,
        error_before=error_before,
        error_after=adaptation.error,
        inner_lr=adaptation.inner_lr,
        num_inner_steps=adaptation.num_inner_steps,
        support_size=adaptation.support_size,
        trust_radius=adaptation.trust_radius,
    )


def command_line(settings: TrainSettings) -> str:
    """The command that trains this again: every setting that is not the default."""
    words = ["pytrain", "train", *map(str, settings.sessions)]
    for field in fields(TrainSettings):
        value = getattr(settings, field.name)
        if field.name == "sessions" or (field.default is not MISSING and value == field.default):
            continue
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


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
    model: Model,
    players: Players,
    validation: Validation,
    progress: ProgressCallback,
) -> tuple[Model, Params]:
    """The outer loop: meta-gradient, step; what was best on the meta-validation players is kept."""
    chosen = settings.meta_training()
    meta_params = model.network.init_params(torch.Generator().manual_seed(settings.seed))
    if chosen.meta_steps == 0 or settings.algorithm == "scratch":
        return model, meta_params
    if chosen.learn_step_sizes:
        _check_can_learn_step_sizes(settings)
        meta_params = with_step_sizes(meta_params)
    cuts = Cuts(settings.min_cut_sec, settings.max_cut_sec, settings.query_window_sec)
    sampler = TaskSampler(players, cuts, settings.seed)
    meta_gradient = meta_gradient_of(settings.algorithm, model, sampler, chosen)
    optimiser = outer_optimiser(settings.algorithm, meta_params, chosen)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _annealed(step / chosen.meta_steps))
    best, best_params = math.inf, meta_params
    scores: dict[str, float] = {}
    with _tensorboard(settings) as log:
        for step in range(1, chosen.meta_steps + 1):
            gradients, loss = meta_gradient(meta_params)
            for name, param in meta_params.items():
                param.grad = gradients[name]
            torch.nn.utils.clip_grad_norm_(meta_params.values(), LARGEST_META_GRADIENT)
            optimiser.step()
            schedule.step()
            if step * settings.validations % chosen.meta_steps < settings.validations:
                scores = _validate(settings, chosen, *split(model, meta_params), validation)
                scores["loss"] = float(loss)
                log(step, scores)
                if scores["error_after"] < best:
                    best = scores["error_after"]
                    best_params = {name: param.detach().clone() for name, param in meta_params.items()}
            if step % 20 == 0 or step == chosen.meta_steps:
                progress(Progress("meta-train", step, chosen.meta_steps, scores))
    if best == math.inf:
        raise PytrainError(
            f"{settings.algorithm} diverged (the meta-validation error is not finite): lower --inner-lr "
            f"({chosen.inner_lr:g}) or --meta-lr ({chosen.meta_lr:g})"
        )
    return split(model, best_params)


def _check_can_learn_step_sizes(settings: TrainSettings) -> None:
    if settings.algorithm not in ("maml", "fomaml"):
        raise PytrainError(
            f"--learn-step-sizes is for maml and fomaml, not for {settings.algorithm}: leave it out"
        )


def _annealed(done: float) -> float:
    """From 1 to 0 along a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def _validate(
    settings: TrainSettings, chosen: MetaTraining, model: Model, params: Params, validation: Validation
) -> dict[str, float]:
    """Error before and after adaptation as it was trained; the pooled model is to be best without any."""
    before = validation.error(model, params, 0.0, 0, 1)
    if settings.algorithm == "pooled":
        return {"error_before": before, "error_after": before}
    after = validation.error(
        model, params, chosen.inner_lr, chosen.num_inner_steps, min(chosen.support_size, LARGEST_SUPPORT)
    )
    return {"error_before": before, "error_after": after}


def _inner_loop(settings: TrainSettings, adaptation: Adaptation) -> dict[str, Any]:
    return {
        "inner_lr": adaptation.inner_lr,
        "num_inner_steps": adaptation.num_inner_steps,
        "support_size": adaptation.support_size,
        "first_order": settings.algorithm != "maml",
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
