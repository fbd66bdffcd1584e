"""The settings of training and evaluation; each field's docstring is its line of `pytrain … --help` (tyro).

Free of torch, so that the command line can print its help at once.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from tyro.conf import FlagCreatePairsOff, Positional, arg

from pytrain.errors import PytrainError

Algorithm = Literal[
    "memory",
    "bayes",
    "maml",
    "fomaml",
    "anil",
    "reptile",
    "metasgd",
    "protonet",
    "cavia",
    "pooled",
    "scratch",
]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
Architecture = Literal["mlp", "gru"]
Activation = Literal["tanh", "relu", "elu"]
Norm = Literal["none", "layer", "batch"]
Head = Literal["linear", "prototypes", "bayesian", "memory"]
VectorLoss = Literal["huber", "squared"]
InnerOptimiser = Literal["sgd", "adam", "prototypes", "posterior", "recall"]
InnerRates = Literal["fixed", "per-weight", "per-step"]
Compile = Literal["auto", "always", "never"]


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
    matrix_lr: float = 0.0
    meta_step_size: float = 1.0
    weight_decay: float = 0.0
    inner_optimiser: InnerOptimiser = "sgd"
    inner_rates: InnerRates = "fixed"
    multi_step_loss: float = 0.0
    context_size: int = 0
    feature_size: int = 0
    cuts: int = 1
    patience: int = 0


PATIENCE = 3
"""Of learners that are given up for the pooled model where they are no better."""

DEFAULTS: dict[Algorithm, MetaTraining] = {
    "memory": MetaTraining(
        inner_optimiser="recall",
        inner_lr=1.0,
        num_inner_steps=1,
        support_size=512,
        query_size=32,
        meta_batch_size=8,
        meta_lr=3e-3,
        matrix_lr=0.02,
        meta_steps=2000,
        feature_size=64,
        cuts=6,
    ),
    "bayes": MetaTraining(
        inner_optimiser="posterior",
        inner_lr=1.0,
        num_inner_steps=1,
        support_size=512,
        query_size=32,
        meta_batch_size=8,
        meta_lr=3e-3,
        matrix_lr=0.03,
        meta_steps=1500,
        feature_size=32,
        cuts=6,
    ),
    "maml": MetaTraining(patience=PATIENCE),
    "fomaml": MetaTraining(num_inner_steps=10, patience=PATIENCE),
    "anil": MetaTraining(patience=PATIENCE),
    "reptile": MetaTraining(num_inner_steps=20, meta_batch_size=8, patience=PATIENCE),
    "metasgd": MetaTraining(inner_rates="per-weight", patience=PATIENCE),
    "protonet": MetaTraining(
        inner_optimiser="prototypes", inner_lr=1.0, num_inner_steps=1, inner_batch_size=256
    ),
    "cavia": MetaTraining(inner_lr=1.0, context_size=8, patience=PATIENCE),
    "pooled": MetaTraining(meta_batch_size=256, query_size=4, meta_steps=3000, meta_lr=5e-3, matrix_lr=0.03),
    "scratch": MetaTraining(meta_steps=0),
}
"""Those of maml, fomaml, reptile and pooled were chosen on meta-validation players of the demo game, at about
the same time of training for each; anil, metasgd, cavia and protonet start from maml's."""


def _own(name: str, metavar: str) -> Any:
    """How the help shows a setting whose default is the algorithm's own."""
    values = {algorithm: getattr(chosen, name) for algorithm, chosen in DEFAULTS.items() if chosen.meta_steps}
    ((usual, _),) = Counter(values.values()).most_common(1)
    others = [f"{algorithm} {value}" for algorithm, value in values.items() if value != usual]
    return arg(metavar=metavar, help_behavior_hint=f"(default: {'; '.join([str(usual), *others])})")


LEAST: dict[str, float] = {
    **dict.fromkeys(("window", "recurrent_size", "hidden_sizes", "inner_batch_size", "query_size"), 1),
    **dict.fromkeys(("meta_batch_size", "validations", "threads"), 1),
    **dict.fromkeys(("num_inner_steps", "support_size", "meta_steps", "context_size"), 0),
    **dict.fromkeys(("feature_size", "patience", "window_stride", "pooled_steps"), 0),
    **dict.fromkeys(
        ("inner_lr", "meta_lr", "matrix_lr", "meta_step_size", "weight_decay", "multi_step_loss"), 0.0
    ),
    **dict.fromkeys(
        ("min_cut_sec", "max_cut_sec", "query_window_sec", "adapt_at_sec", "checkpoint_sec"), 0.0
    ),
    "judge_fraction": 0.0,
}
"""The smallest amounts that can be trained with."""


@dataclass(frozen=True)
class TrainSettings:
    """Meta-train on recorded sessions of many players and write one .brain.

    Ctrl-C leaves a checkpoint, and --resume goes on from it to the same brain. `torchrun --nproc-per-node N
    -m pytrain train …` spreads each meta-batch over N processes or GPUs.
    """

    sessions: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="SESSIONS...", help_behavior_hint="(required)")
    ]
    """Session files, or folders of them, of the players to learn from."""
    out: Path
    """The .brain file to write."""
    algorithm: Algorithm = "memory"
    """The meta-learner; pooled and scratch are the baselines, protonet is for category targets."""
    validation_sessions: Annotated[tuple[Path, ...], arg(help_behavior_hint="(default: none)")] = ()
    """Sessions of the meta-validation players; without any, a part of the players is kept for it."""
    validation_fraction: float = 0.2
    """The part of the players kept for meta-validation: best model and settings are chosen on them."""
    judge_sessions: Annotated[tuple[Path, ...], arg(help_behavior_hint="(default: none)")] = ()
    """Sessions of the judges; without any, a part of the players is kept for it."""
    judge_fraction: float = 0.15
    """The part of the players, 64 at most, kept to tell what adapting gains, and used for nothing else; 0:
    none."""
    split_seed: int = 0
    """Another number, other players for meta-validation and judging; by their ids, so that one more player
    leaves the others where they are."""

    pooled: Annotated[Path | None, arg(metavar="FILE.brain", help_behavior_hint="(default: train it)")] = None
    """A brain of `--algorithm pooled` from the same sessions: the model that does not adapt, instead of
    training that again."""
    pooled_steps: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: those of pooled)")
    ] = None
    """Meta steps of the pooled model that is trained first; 0: none."""

    model: Architecture = "mlp"
    """mlp: layers that see the whole window at once; gru: a recurrent layer that reads it in order."""
    window: int = 1
    """How many of an agent's observations the model sees at once."""
    window_stride: int = 0
    """Ticks between them, to look far back with few; 0: the last ones."""
    recurrent_size: int = 32
    """gru: units of the recurrent layer; hidden_sizes are the layers on top of it."""
    hidden_sizes: tuple[int, ...] = (64, 64, 64)
    """Units of each hidden layer."""
    norm: Literal["none", "layer"] = "none"
    """layer: normalise each hidden layer (LayerNorm)."""
    activation: Activation = "relu"
    """Activation of the hidden layers."""

    inner_lr: Annotated[float | None, _own("inner_lr", "FLOAT")] = None
    """Step size of the inner loop during meta-training."""
    num_inner_steps: Annotated[int | None, _own("num_inner_steps", "INT")] = None
    """Steps of the inner loop during meta-training."""
    support_size: Annotated[int | None, _own("support_size", "INT")] = None
    """Moments in a support set during meta-training (the newest ones known by then); 0: no adaptation."""
    inner_batch_size: Annotated[int | None, _own("inner_batch_size", "INT")] = None
    """How many of them each inner step sees during meta-training; in play it sees all."""
    query_size: Annotated[int | None, _own("query_size", "INT")] = None
    """Examples in a query set during meta-training; for pooled, of each player in a batch."""
    min_cut_sec: float = 2.0
    """How many seconds of play come before the cut into support and query, at least …"""
    max_cut_sec: float = 30.0
    """… and at most; they begin anywhere in a player's play."""
    query_window_sec: float = 20.0
    """How many seconds after the cut the query is drawn from."""

    meta_batch_size: Annotated[int | None, _own("meta_batch_size", "INT")] = None
    """Tasks (players) per meta step."""
    meta_steps: Annotated[int | None, _own("meta_steps", "INT")] = None
    """Meta steps to train for."""
    meta_lr: Annotated[float | None, _own("meta_lr", "FLOAT")] = None
    """Step size of the outer optimiser (Adam, annealed to 0)."""
    matrix_lr: Annotated[float | None, _own("matrix_lr", "FLOAT")] = None
    """Step size of Muon for the weight matrices (annealed to 0); 0 leaves them to Adam like the rest."""
    meta_step_size: Annotated[float | None, _own("meta_step_size", "FLOAT")] = None
    """Reptile's step towards the adapted weights (annealed to 0)."""
    weight_decay: Annotated[float | None, _own("weight_decay", "FLOAT")] = None
    """Pulls the weights towards 0 in every meta step (AdamW); against learning few players by heart."""
    inner_optimiser: Annotated[InnerOptimiser | None, _own("inner_optimiser", "sgd|adam")] = None
    """Rule of an inner step: sgd, or for first-order learners adam (without momentum, as in Reptile)."""
    inner_rates: Annotated[InnerRates | None, _own("inner_rates", "fixed|per-weight|per-step")] = None
    """Also learn factors of the inner step size: one per weight (Meta-SGD) or per layer and step (MAML++)."""
    multi_step_loss: Annotated[float | None, _own("multi_step_loss", "FLOAT")] = None
    """How much the query loss after the earlier inner steps counts: 0 not at all, 1 like the last
    (MAML++)."""
    context_size: Annotated[int | None, _own("context_size", "INT")] = None
    """cavia: how many numbers are a player's own."""
    cuts: Annotated[int | None, _own("cuts", "INT")] = None
    """memory, bayes: how often a stretch of play (of support_size moments) is cut into support and query."""
    feature_size: Annotated[int | None, _own("feature_size", "INT")] = None
    """memory, bayes: how many features of what is observed they compare or regress on."""

    validations: int = 10
    """How often to measure on the meta-validation players; the best model is kept."""
    adapt_at_sec: tuple[float, ...] = (2.0, 5.0, 10.0, 20.0, 40.0)
    """Seconds of play; best model and settings are those with the lowest mean error after adapting to so
    much."""
    seed: int = 0
    """Seed of the initial weights and the sampling of tasks."""
    threads: int = 1
    """Threads that torch may use."""
    device: str = "auto"
    """Where to train: auto takes a GPU if there is one; or cpu, cuda, cuda:1 and the like."""
    compile: Compile = "auto"
    """Compile the meta step (half a minute, then several times as fast); auto does it for long trainings."""
    patience: Annotated[int | None, _own("patience", "INT")] = None
    """Stop early after so many validations in a row without a better model; 0 trains all meta steps."""
    resume: Annotated[bool, FlagCreatePairsOff] = False
    """Go on from the checkpoint beside --out that an interrupted training left, to the same result."""
    checkpoint_sec: float = 60.0
    """How often to write that checkpoint, beside the one at every validation."""
    log_dir: Path | None = None
    """Folder for TensorBoard logs; without it none are written."""

    def meta_training(self) -> MetaTraining:
        """The algorithm's settings: its defaults, with what was given here instead."""
        given = {field.name: getattr(self, field.name) for field in fields(MetaTraining)}
        chosen = replace(
            DEFAULTS[self.algorithm], **{name: value for name, value in given.items() if value is not None}
        )
        return replace(chosen, num_inner_steps=0) if chosen.support_size == 0 else chosen

    def check(self) -> None:
        """Raises PytrainError for an amount that cannot be trained with, by its option's name."""
        amounts = {field.name: getattr(self, field.name) for field in fields(self)} | asdict(
            self.meta_training()
        )
        for name, least in LEAST.items():
            values = amounts[name] if isinstance(amounts[name], tuple) else (amounts[name],)
            for value in values:
                if value is not None and not least <= value < math.inf:
                    option = f"--{name.replace('_', '-')}"
                    raise PytrainError(f"{option} is {value:g}: it must be {least:g} or more")
        if self.window_stride > 0 and self.window == 1:
            raise PytrainError(
                f"--window-stride is {self.window_stride}, but --window 1 sees nothing before: raise --window"
            )
        if not 0 < self.validation_fraction < 1:
            raise PytrainError(
                f"--validation-fraction is {self.validation_fraction:g}: it must lie between 0 and 1"
            )
        if self.validation_fraction + self.judge_fraction >= 1:
            raise PytrainError(
                f"--validation-fraction {self.validation_fraction:g} and --judge-fraction "
                f"{self.judge_fraction:g} leave nobody to learn from: together they must be below 1"
            )
        if not self.adapt_at_sec:
            raise PytrainError("--adapt-at-sec names no second of play: give one or more, such as 2 5 20")
        if self.pooled is not None and self.pooled_steps is not None:
            raise PytrainError(
                f"--pooled {self.pooled} gives a pooled model, --pooled-steps {self.pooled_steps} asks to "
                "train one: leave one of them out"
            )


TRAINING_MARK = "@"
"""Between a method and the seed of one of its trainings: "memory@0"."""


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
    when: Annotated[tuple[str, ...], arg(metavar="CONDITION...", help_behavior_hint="(default: none)")] = ()
    """Also measure at the moments when a condition on an observed field holds: 'agent_reload_sec<=0.1'."""
    baselines: Annotated[bool, FlagCreatePairsOff] = False
    """Also measure what needs no training: kernel ridge and nearest neighbours on the player's own examples;
    with a pooled brain, kernel ridge on what it gets wrong, and its fine-tuning with settings chosen anew."""
    fit_sessions: Annotated[
        tuple[Path, ...], arg(metavar="SESSIONS...", help_behavior_hint="(default: none)")
    ] = ()
    """Sessions of other players (the meta-validation players') on whom the baselines' settings, the best of
    them and the best learner are chosen; without any the baselines are neutral and nothing is called best."""
    as_chosen_in: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Take what an earlier evaluation chose, from its --json, instead of choosing it on --fit-sessions."""
    seed: int = 0
    """Seed of the bootstrap over players."""
    threads: int = 1
    """Threads that onnxruntime may use."""
