"""`pytrain train` and `pytrain evaluate` as commands: settings in, a brain or a table out.

The work is in `pytrain.training.train` and `pytrain.evaluation.evaluate`, which import torch and onnxruntime;
they are imported when a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, arg

from pytrain.console import messages, results, watch
from pytrain.errors import PytrainError
from pytrain.settings import EvaluateSettings, TrainSettings

if TYPE_CHECKING:
    from adaptive_agents.model.brain import Brain
    from pytrain.evaluation.evaluate import Evaluation

TRAIN_SHARES = {"read sessions": 0.03, "meta-train": 0.77, "choose adaptation": 0.15, "export": 0.05}
EVALUATE_SHARES = {"read sessions": 0.1, "evaluate": 0.9}


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(EvaluateSettings):
    """Measure brains on players they never saw, before and after adaptation."""

    files: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="BRAIN... SESSIONS...", help_behavior_hint="(required)")
    ]
    """Brains (.brain), and session files or folders of them; a pooled brain also gives the frozen line."""
    json: Annotated[bool, FlagCreatePairsOff] = False
    """Print the figures as JSON instead of a table."""


def run_train(settings: TrainSettings) -> None:
    """The command `train`."""
    if not settings.sessions:
        raise PytrainError("no sessions to train on; name session files, or folders of them")
    from pytrain.training.train import train

    with watch(TRAIN_SHARES) as progress:
        result = train(settings, progress)
    results.print(
        f"{result.brain}: {result.algorithm}, {result.players} players and {result.examples:,} examples, "
        f"{result.meta_steps:,} meta steps, {result.seconds:.0f} s",
        soft_wrap=True,
        markup=False,
    )
    if result.stopped_early:
        results.print(
            f"stopped early: {settings.patience} validations in a row found nothing better than the model of "
            f"meta step {result.best_step:,}",
            soft_wrap=True,
            markup=False,
        )
    change = "falls" if result.error_after < result.error_before else "goes"
    results.print(
        f"on {result.validation_players} meta-validation players the error {change} from "
        f"{result.error_before:.4g} to {result.error_after:.4g} after {settings.adapt_at_sec:g} s of play "
        f"({result.num_inner_steps} steps of {result.inner_lr:g} on {result.support_size} examples)",
        soft_wrap=True,
        markup=False,
    )
    messages.print(
        f"[dim]next: pytrain evaluate {result.brain} SESSIONS…, with players it never saw[/]", soft_wrap=True
    )


def run_evaluate(command: EvaluateCommand) -> None:
    """The command `evaluate`."""
    from pytrain.evaluation.evaluate import evaluate
    from pytrain.evaluation.tables import prediction_table

    brains = _open_brains([path for path in command.files if path.suffix == ".brain"], command.threads)
    sessions = [path for path in command.files if path.suffix != ".brain"]
    if not sessions:
        raise PytrainError("no sessions to evaluate on; name session files, or folders of them")
    settings = EvaluateSettings(
        **{field.name: getattr(command, field.name) for field in fields(EvaluateSettings)}
    )
    with watch(EVALUATE_SHARES) as progress:
        evaluation = evaluate(brains, sessions, settings, progress)
    figures = prediction_figures(evaluation)
    if command.json:
        results.print_json(json.dumps(figures))
    else:
        title = f"Prediction after {settings.headline_sec:g} s of play, {figures['players']} players"
        results.print(prediction_table(figures, title))


def prediction_figures(evaluation: Evaluation) -> dict[str, Any]:
    """`prediction` of `report.json`, and the adaptation curves."""
    return {
        "players": len(evaluation.player_ids),
        "methods": {
            name: {
                "error": evaluation.headline(name).to_dict(),
                "loss": evaluation.headline_loss(name).to_dict(),
            }
            for name in evaluation.methods
        },
        "unit": evaluation.unit,
        "headline_sec": evaluation.headline_sec,
        "curve_sec": list(evaluation.curve_sec),
        "curves": {
            name: [error.to_dict() for error in curve.error] for name, curve in evaluation.methods.items()
        },
        "loss_curves": {
            name: [loss.to_dict() for loss in curve.loss] for name, curve in evaluation.methods.items()
        },
        "ratios": {name: ratio.to_dict() for name, ratio in evaluation.ratios.items()},
        "differences": {name: value.to_dict() for name, value in evaluation.differences.items()},
    }


def _open_brains(paths: Sequence[Path], threads: int) -> dict[str, Brain]:
    """Brains by the name of their method; two of one algorithm go by their file names."""
    from adaptive_agents.model.brain import Brain

    if not paths:
        raise PytrainError("no brain to evaluate; name at least one .brain file before the sessions")
    brains = [Brain.open(path, threads) for path in paths]
    by_algorithm = {brain.algorithm: brain for brain in brains}
    if len(by_algorithm) == len(brains):
        return by_algorithm
    by_file = {path.stem: brain for path, brain in zip(paths, brains, strict=True)}
    if len(by_file) < len(brains):
        raise PytrainError(
            f"{len(brains)} brains share {len(by_file)} file names; give each a file name of its own"
        )
    return by_file
