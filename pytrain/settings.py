"""The settings of training and evaluation; each field's docstring is its line of `pytrain … --help` (tyro).

Free of torch, so that the command line can print its help at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from tyro.conf import Positional, arg

Algorithm = Literal["maml", "fomaml", "reptile", "pooled", "scratch"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
Activation = Literal["tanh", "relu", "elu"]


@dataclass(frozen=True)
class MetaTraining:
    """What an algorithm's meta step takes; see the fields of the same names in `TrainSettings`."""

    inner_lr: float = 0.2
    num_inner_steps: int = 5
    support_size: int = 800
    inner_batch_size: int = 64
    query_size: int = 64
    meta_batch_size: int = 16
    meta_steps: int = 1500
    meta_lr: float = 6e-3
    meta_step_size: float = 1.0
    learn_step_sizes: bool = False


DEFAULTS: dict[Algorithm, MetaTraining] = {
    "maml": MetaTraining(learn_step_sizes=True),
    "fomaml": MetaTraining(num_inner_steps=10, learn_step_sizes=True),
    "reptile": MetaTraining(num_inner_steps=20, meta_batch_size=8),
    "pooled": MetaTraining(meta_steps=6000, meta_lr=3e-3),
    "scratch": MetaTraining(meta_steps=0),
}
"""Chosen on meta-validation players of the demo game, at about the same time of training for each."""


def _own(name: str, metavar: str) -> Any:
    """How the help shows a setting whose default is the algorithm's own."""
    values = {algorithm: getattr(chosen, name) for algorithm, chosen in DEFAULTS.items() if chosen.meta_steps}
    if len(set(values.values())) == 1:
        shown = f"{next(iter(values.values()))}"
    else:
        shown = ", ".join(f"{algorithm} {value}" for algorithm, value in values.items())
    return arg(metavar=metavar, help_behavior_hint=f"(default: {shown})")


@dataclass(frozen=True)
class TrainSettings:
    """Meta-train on recorded sessions of many players and write one .brain."""

    sessions: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="SESSIONS...", help_behavior_hint="(required)")
    ]
    """Session files, or folders of them, of the players to learn from."""
    out: Path
    """The .brain file to write."""
    algorithm: Algorithm = "maml"
    """The meta-learner; pooled and scratch are the baselines."""
    validation_sessions: tuple[Path, ...] = ()
    """Sessions of the meta-validation players; without any, a part of the players is kept for it."""
    validation_fraction: float = 0.2
    """The part of the players kept for meta-validation."""

    hidden_sizes: tuple[int, ...] = (64, 64, 64)
    """Units of each hidden layer."""
    activation: Activation = "relu"
    """Activation of the hidden layers."""

    inner_lr: Annotated[float | None, _own("inner_lr", "FLOAT")] = None
    """Step size of the inner loop during meta-training."""
    num_inner_steps: Annotated[int | None, _own("num_inner_steps", "INT")] = None
    """Steps of the inner loop during meta-training."""
    support_size: Annotated[int | None, _own("support_size", "INT")] = None
    """Examples in a support set during meta-training (the newest ones whose label was known)."""
    inner_batch_size: Annotated[int | None, _own("inner_batch_size", "INT")] = None
    """How many of them each inner step sees during meta-training; in play it sees all."""
    query_size: Annotated[int | None, _own("query_size", "INT")] = None
    """Examples in a query set during meta-training; for pooled, of each player in a batch."""
    min_cut_sec: float = 2.0
    """The earliest second of play at which a task is cut into support and query."""
    max_cut_sec: float = 30.0
    """The latest such second."""
    query_window_sec: float = 20.0
    """How many seconds after the cut the query is drawn from."""

    meta_batch_size: Annotated[int | None, _own("meta_batch_size", "INT")] = None
    """Tasks (players) per meta step."""
    meta_steps: Annotated[int | None, _own("meta_steps", "INT")] = None
    """Meta steps to train for."""
    meta_lr: Annotated[float | None, _own("meta_lr", "FLOAT")] = None
    """Step size of the outer optimiser (Adam, annealed to 0)."""
    meta_step_size: Annotated[float | None, _own("meta_step_size", "FLOAT")] = None
    """Reptile's step towards the adapted weights (annealed to 0)."""
    learn_step_sizes: Annotated[bool | None, _own("learn_step_sizes", "True|False")] = None
    """Whether maml and fomaml also learn how far each weight moves in an inner step (Meta-SGD)."""

    validations: int = 10
    """How often to measure on the meta-validation players; the best model is kept."""
    adapt_at_sec: float = 20.0
    """The second of play whose error after adaptation chooses the best model."""
    seed: int = 0
    """Seed of the initial weights, the player split and the sampling of tasks."""
    threads: int = 1
    """Threads that torch may use."""
    log_dir: Path | None = None
    """Folder for TensorBoard logs; without it none are written."""

    def meta_training(self) -> MetaTraining:
        """The algorithm's settings: its defaults, with what was given here instead."""
        given = {field.name: getattr(self, field.name) for field in fields(MetaTraining)}
        return replace(
            DEFAULTS[self.algorithm], **{name: value for name, value in given.items() if value is not None}
        )


@dataclass(frozen=True)
class EvaluateSettings:
    """What `pytrain evaluate` measures, and how."""

    curve_sec: tuple[float, ...] = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0)
    """Seconds of play after which the error is measured."""
    headline_sec: float = 20.0
    """The second of play that the table shows; one of the curve's."""
    query_from_sec: float = 40.0
    """The query of every point of the curve is what was observed from this second of play on …"""
    query_sec: float = 20.0
    """… for so many seconds."""
    seed: int = 0
    """Seed of the bootstrap over players."""
    threads: int = 1
    """Threads that onnxruntime may use."""
