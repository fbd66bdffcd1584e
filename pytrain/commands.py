"""`pytrain train` and `pytrain evaluate` as commands: settings in, a brain or a table out.

The work is in `pytrain.training.train` and `pytrain.evaluation.evaluate`, which import torch and onnxruntime;
they are imported when a command runs, so that `--help` answers at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from pytrain.console import messages, results, watch
from pytrain.errors import PytrainError
from pytrain.settings import TRAINING_MARK, EvaluateSettings, TrainSettings

if TYPE_CHECKING:
    from adaptive_agents.model.brain import Brain
    from pytrain.training.train import TrainResult

TRAIN_SHARES = {
    "read sessions": 0.03,
    "pooled model": 0.3,
    "meta-train": 0.5,
    "choose adaptation": 0.1,
    "judge": 0.02,
    "export": 0.05,
}
EVALUATE_SHARES = {"read sessions": 0.1, "evaluate": 0.9}
FIT_SHARES = {"read sessions": 0.05, "fit baselines": 0.6, "evaluate": 0.35}


@dataclass(frozen=True, kw_only=True)
class EvaluateCommand(EvaluateSettings):
    """Measure brains on players they never saw, before and after adaptation, beside baselines."""

    files: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="BRAIN... SESSIONS...", help_behavior_hint="(required)")
    ]
    """Brains (.brain), and session files or folders of them. A pooled brain gives the line of no adaptation;
    brains named NAME@SEED.brain are trainings of one method, resampled with the players."""
    json: Annotated[bool, FlagCreatePairsOff] = False
    """Print the figures as JSON instead of a table: also after every second, and of every player."""
    csv: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Also write the error of every player, method, training and second as a table."""


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
            f"stopped early: {settings.meta_training().patience} validations in a row found nothing better",
            soft_wrap=True,
            markup=False,
        )
    if result.gave_way:
        results.print(
            f"no meta step made {result.algorithm} better than the pooled model, which it now starts from",
            soft_wrap=True,
            markup=False,
        )
    results.print(_told(result), soft_wrap=True, markup=False)
    messages.print(
        f"[dim]next: pytrain evaluate {result.brain} SESSIONS…, with players it never saw[/]", soft_wrap=True
    )


def _told(result: TrainResult) -> str:
    """What adapting gains, on whom that was measured, and how the brain adapts."""
    judgement, setting = result.judgement, result.setting
    on = "used for nothing else" if result.judged else "whom the settings were chosen on, which flatters it"
    curve = ", ".join(
        f"{sec:g} s {after:.4g}" for sec, after in zip(judgement.curve_sec, judgement.adapted, strict=True)
    )
    steps = f"{setting.num_inner_steps} steps"
    if setting.moments_per_step:
        steps = f"a step for every {setting.moments_per_step:g} moments, up to {setting.num_inner_steps},"
    how = {
        "average": f"by {steps} of {setting.inner_lr:g} on the newest {setting.support_size} moments",
        "statistics": "exactly, to all that a player has ever shown",
        "examples": f"by looking up the newest {setting.support_size} moments",
    }[result.consolidation]
    lines = [
        judgement.verdict,
        f"  measured on {judgement.players} players {on}",
        f"  error without adapting {judgement.frozen[judgement.at]:.4g}; adapting after {curve}",
        f"  it adapts {how}" if setting.num_inner_steps else "  it does not adapt",
    ]
    return "\n".join(lines)


def run_evaluate(command: EvaluateCommand) -> None:
    """The command `evaluate`."""
    from pytrain.evaluation.evaluate import evaluate
    from pytrain.evaluation.figures import prediction_figures, write_csv
    from pytrain.evaluation.tables import prediction_tables

    paths = list(dict.fromkeys(path for path in command.files if path.suffix == ".brain"))
    if not paths and not command.baselines:
        raise PytrainError(
            "no brain to evaluate; name at least one .brain file before the sessions, or give --baselines"
        )
    brains = _open_brains(paths, command.threads)
    sessions = [path for path in command.files if path.suffix != ".brain"]
    if not sessions:
        raise PytrainError("no sessions to evaluate on; name session files, or folders of them")
    settings = EvaluateSettings(
        **{field.name: getattr(command, field.name) for field in fields(EvaluateSettings)}
    )
    with watch(FIT_SHARES if command.baselines else EVALUATE_SHARES) as progress:
        evaluation = evaluate(brains, sessions, settings, progress)
    if command.csv is not None:
        write_csv(command.csv, evaluation)
    figures = prediction_figures(evaluation)
    if command.json:
        results.print_json(json.dumps(figures))
        return
    title = f"Prediction after {settings.headline_sec:g} s of play, {figures['players']} players"
    for table in prediction_tables(figures, title):
        results.print(table)


def _open_brains(paths: Sequence[Path], threads: int) -> dict[str, Brain]:
    """Brains by the name of their method.

    A file named NAME@SEED.brain is one training of NAME. Any other goes by its algorithm, or where several
    have the same, by its file name.
    """
    from adaptive_agents.model.brain import Brain

    brains = {path: Brain.open(path, threads) for path in paths}
    seeded = [path for path in paths if TRAINING_MARK in path.stem]
    algorithms = Counter(brain.algorithm for path, brain in brains.items() if path not in seeded)
    named: dict[str, Brain] = {}
    for path, brain in brains.items():
        by_file = path in seeded or algorithms[brain.algorithm] > 1
        name = path.stem if by_file else brain.algorithm
        if name in named:
            raise PytrainError(
                f"{brain.label} and {named[name].label} are both named {name!r} (in {path.parent} and "
                f"{Path(named[name].source).parent}); give each a file name of its own, or the trainings of "
                "one method the names NAME@0.brain, NAME@1.brain and so on"
            )
        named[name] = brain
    methods = {name.partition(TRAINING_MARK)[0] for name in named if TRAINING_MARK in name}
    if both := sorted(methods & named.keys()):
        raise PytrainError(
            f"{both[0]!r} is both a brain and the name of trainings ({both[0]}{TRAINING_MARK}…): rename "
            "one of them"
        )
    return named
