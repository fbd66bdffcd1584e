"""The settings of training and evaluation; each field carries its own line of `pytrain … --help`.

Free of torch, so that the command line can print its help at once. `fields_with_help` is what it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

Algorithm = Literal["maml", "fomaml", "reptile", "pooled", "scratch"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
Activation = Literal["tanh", "relu", "elu"]


class Help(NamedTuple):
    """What `--help` says about a field."""

    text: str


@dataclass(frozen=True)
class TrainSettings:
    """What `pytrain train` does; None means the algorithm's own default."""

    sessions: Annotated[
        tuple[Path, ...], Help("Session files, or folders of them, of the players to learn from.")
    ]
    out: Annotated[Path, Help("The .brain file to write.")]
    algorithm: Annotated[Algorithm, Help("The meta-learner; pooled and scratch are the baselines.")] = "maml"
    validation_sessions: Annotated[
        tuple[Path, ...],
        Help("Sessions of the meta-validation players; without any, a part of the players is kept for it."),
    ] = ()
    validation_fraction: Annotated[float, Help("The part of the players kept for meta-validation.")] = 0.2

    hidden_sizes: Annotated[tuple[int, ...], Help("Units of each hidden layer.")] = (64, 64)
    activation: Annotated[Activation, Help("Activation of the hidden layers.")] = "tanh"

    inner_lr: Annotated[float | None, Help("Step size of the inner loop during meta-training.")] = None
    num_inner_steps: Annotated[int | None, Help("Steps of the inner loop during meta-training.")] = None
    support_size: Annotated[int | None, Help("Examples in a support set during meta-training.")] = None
    query_size: Annotated[int, Help("Examples in a query set during meta-training.")] = 64
    min_cut_sec: Annotated[
        float, Help("The earliest second of play at which a task is cut into support and query.")
    ] = 2.0
    max_cut_sec: Annotated[float, Help("The latest such second.")] = 30.0
    query_window_sec: Annotated[float, Help("How many seconds after the cut the query is drawn from.")] = 20.0

    meta_batch_size: Annotated[int | None, Help("Tasks per meta step.")] = None
    meta_steps: Annotated[int | None, Help("Meta steps to train for.")] = None
    meta_lr: Annotated[float | None, Help("Step size of the outer optimiser (Adam, annealed to 0).")] = None
    meta_step_size: Annotated[
        float | None, Help("Reptile's step towards the adapted weights (annealed to 0).")
    ] = None

    validations: Annotated[
        int, Help("How often to measure on the meta-validation players; the best model is kept.")
    ] = 10
    adapt_at_sec: Annotated[
        float, Help("The second of play whose error after adaptation chooses the best model.")
    ] = 20.0
    seed: Annotated[int, Help("Seed of the initial weights, the player split and the sampling of tasks.")] = 0
    threads: Annotated[int, Help("Threads that torch may use.")] = 1
    log_dir: Annotated[Path | None, Help("Folder for TensorBoard logs; without it none are written.")] = None


@dataclass(frozen=True)
class EvaluateSettings:
    """What `pytrain evaluate` measures."""

    curve_sec: Annotated[tuple[float, ...], Help("Seconds of play after which the error is measured.")] = (
        0.0,
        2.0,
        5.0,
        10.0,
        20.0,
        40.0,
    )
    headline_sec: Annotated[float, Help("The second of play that the table shows; one of the curve's.")] = (
        20.0
    )
    query_sec: Annotated[
        float, Help("The last seconds of each player's play: the query of every point of the curve.")
    ] = 20.0
    seed: Annotated[int, Help("Seed of the bootstrap over players.")] = 0
    threads: Annotated[int, Help("Threads that onnxruntime may use.")] = 1


class SettingField(NamedTuple):
    """One field as a command line needs it; `default` is `dataclasses.MISSING` where a value must be given."""

    name: str
    type: Any
    default: Any
    help: str


def fields_with_help(settings: type) -> Iterator[SettingField]:
    """The fields of one of the classes above, in order, with plain types."""
    hints, plain = get_type_hints(settings, include_extras=True), get_type_hints(settings)
    for field in fields(settings):
        (help_,) = (extra for extra in hints[field.name].__metadata__ if isinstance(extra, Help))
        default = field.default if field.default_factory is MISSING else field.default_factory()
        yield SettingField(field.name, plain[field.name], default, help_.text)
