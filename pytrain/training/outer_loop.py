"""The outer loop of every learner: draw tasks, a meta-gradient, a step; what validates best is kept.

It knows nothing of sessions: tasks come from a function, and so does the validation. `train` gives it
players, the benchmarks give it sinusoids and images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pytrain.console import warn
from pytrain.data.tasks import Tasks
from pytrain.errors import PytrainError
from pytrain.learners.registry import KINDS, Learner
from pytrain.models.networks import Params
from pytrain.progress import Progress, ProgressCallback, silent
from pytrain.settings import Compile
from pytrain.training.checkpoint import Checkpoint, OuterState, copied
from pytrain.training.compiled import Compiled, Gradient, pays_off
from pytrain.training.distributed import Processes
from pytrain.training.interruption import Interruption, between_steps
from pytrain.training.resuming import CheckpointFile

LARGEST_META_GRADIENT = 10.0  # norm; as in MAML++, where rare steps would otherwise throw the model off
MOST_DIVERGENCES = 5  # the learning rate is a 32nd by then
PROGRESS_EVERY = 20

Draw = Callable[[], Tasks]
"""A fresh meta-batch of prepared tasks."""
Validate = Callable[[Params], dict[str, float]]
"""Scores of the meta-parameters; the lower `loss_after`, or without one `error_after`, the better they
are."""
Log = Callable[[int, dict[str, float]], None]
"""Notes scores at a meta step."""


@dataclass(frozen=True)
class Watching:
    """How a training is looked after."""

    validate: Validate | None = None
    validations: int = 10
    patience: int = 0  # validations in a row without a better model after which to stop; 0: never
    compile: Compile = "never"
    gradient: Gradient | None = None  # the learner's, compiled for an earlier training; None: compile, or not
    progress: ProgressCallback = silent
    log: Log = lambda step, scores: None
    checkpoints: CheckpointFile | None = None
    processes: Processes = field(default_factory=Processes)
    stage: str = "meta-train"  # how progress names it


def meta_train(learner: Learner, meta_params: Params, draw: Draw, watching: Watching) -> Params:
    """Train for `learner.settings.meta_steps`, and return the meta-parameters that validated best (or the
    last).

    Raises PytrainError when it diverges again and again, or never had a finite validation error.
    """
    return OuterLoop(learner, meta_params, draw, watching).run()


class OuterLoop:
    """One training under way.

    A step whose loss or meta-gradient is not finite is not taken: the training steps back to where it was
    looked at last, and goes on from there with half the learning rate, on other tasks.

    Attributes:
        step: meta steps done.
        best_step, best_score: when the best model so far was measured, and what it was chosen by.
        scores: what each validation found.
        stopped_early: whether `patience` ran out before the meta steps did.
    """

    def __init__(self, learner: Learner, meta_params: Params, draw: Draw, watching: Watching) -> None:
        self.learner = learner
        self.meta_params = meta_params
        self.watching = watching
        self.meta_steps = learner.settings.meta_steps
        self.step = 0
        self.scores: list[dict[str, float]] = []
        self.best_score, self.best_step, self.best_params = math.inf, 0, meta_params
        self.times_diverged = 0
        self._draw = draw
        self._gradient: Gradient = watching.gradient or learner.meta_gradient
        self._step_weights = learner.step_weights()
        self._optimiser = learner.outer_optimiser(meta_params)
        self._first_rates = [group["lr"] for group in self._optimiser.param_groups]
        self._good = OuterState.of(0, meta_params, self._optimiser)

    @property
    def stopped_early(self) -> bool:
        """Whether so many validations in a row found nothing better that training on is not worth it."""
        if self.step == self.meta_steps:
            return False
        return 0 < self.watching.patience <= validations_since_best(self.scores)

    def run(self) -> Params:
        """Train to the end, and return the meta-parameters that validated best; without validation the last.

        A request to stop (Ctrl-C, SIGTERM) is met after the step that is under way: a checkpoint is written,
        and then what the request raises, or KeyboardInterrupt, leaves this.
        """
        watching = self.watching
        if watching.checkpoints:
            self._go_on_from(watching.checkpoints.start())
        steps_left = self.step < self.meta_steps
        if steps_left and watching.gradient is None and pays_off(watching.compile, self.meta_steps):
            self._gradient = Compiled(self._gradient)
            note = f"compiling, up to a minute: {self.meta_steps:,} meta steps then take a part of the time"
            watching.progress(Progress(watching.stage, self.step, self.meta_steps, note=note))
        with between_steps() as interruption:
            stopped = False
            while self.step < self.meta_steps and not self.stopped_early and not stopped:
                stopped = self._meta_step(interruption)
        if stopped:  # by a request to another process, or one that does not end this process by itself
            raise KeyboardInterrupt
        if watching.validate is None:
            return self.meta_params
        if self.best_score == math.inf:
            raise PytrainError(
                f"{self.learner.algorithm} diverged (the meta-validation error is not finite): "
                f"{self._advice()}"
            )
        if self.stopped_early:
            note = f"stopped early at meta step {self.step:,}, the best was at {self.best_step:,}"
            watching.progress(Progress(watching.stage, self.meta_steps, self.meta_steps, note=note))
        return self.best_params

    def _meta_step(self, interruption: Interruption) -> bool:
        """Whether to stop after it."""
        processes = self.watching.processes
        tasks = processes.own(self._draw())
        gradients, loss = self._gradient(self.meta_params, tasks, self._step_weights)
        gradients, loss, stop = processes.combined(
            gradients, loss, len(tasks.query.weights), interruption.asked
        )
        looked = False
        if self._descend(gradients, loss):
            self.step += 1
            looked = self.step * self.watching.validations % self.meta_steps < self.watching.validations
            if looked:
                self._look(loss)
            if self.step % PROGRESS_EVERY == 0 or self.step == self.meta_steps:
                self._report(loss)
        else:
            self._step_back(loss)
        checkpoints = self.watching.checkpoints
        if checkpoints and (looked or stop or checkpoints.is_due()):
            checkpoints.save(self._checkpoint(checkpoints))
        return stop

    def _descend(self, gradients: Params, loss: Tensor) -> bool:
        """Take the step, unless it leads nowhere."""
        # One norm of all, and plain numbers: torch's clip_grad_norm_ and isfinite take five times as long.
        norm = float(torch.cat([gradient.flatten() for gradient in gradients.values()]).norm())
        if not math.isfinite(norm + float(loss)):
            return False
        if norm > LARGEST_META_GRADIENT:
            shorter = LARGEST_META_GRADIENT / norm
            gradients = {name: shorter * gradient for name, gradient in gradients.items()}
        for name, param in self.meta_params.items():
            param.grad = gradients[name]
        for group, rate in zip(self._optimiser.param_groups, self._rates(), strict=True):
            group["lr"] = rate
        self._optimiser.step()
        return True

    def _rates(self) -> list[float]:
        """The learning rates of the next step: from what the settings say to 0 along a cosine."""
        annealed = 0.5 * (1 + math.cos(math.pi * (self.step / self.meta_steps)))
        return [rate * annealed * 0.5**self.times_diverged for rate in self._first_rates]

    def _look(self, loss: Tensor) -> None:
        """Measure on the meta-validation players, keep what is best, and remember where to step back to."""
        is_good = True
        if self.watching.validate:
            is_good = math.isfinite(self._validate(self.watching.validate, {"loss": float(loss)}))
        if is_good:
            self._good = OuterState.of(self.step, self.meta_params, self._optimiser)

    def _validate(self, validate: Validate, beside: dict[str, float]) -> float:
        """Keep the meta-parameters if they are the best so far; the score that says so."""
        scores = self.watching.processes.of_first(lambda: validate(self.meta_params))
        self.scores.append(scores | beside)
        self.watching.log(self.step, self.scores[-1])
        score = chosen_by(scores)
        if score < self.best_score:
            self.best_score, self.best_step = score, self.step
            self.best_params = copied(self.meta_params)
        return score

    def _report(self, loss: Tensor) -> None:
        scores = self.scores[-1] if self.scores else {}
        self.watching.progress(Progress(self.watching.stage, self.step, self.meta_steps, scores))
        self.watching.log(self.step, {"loss": float(loss), "learning_rate": self._rates()[0]})

    def _step_back(self, loss: Tensor) -> None:
        self.times_diverged += 1
        what = (
            "the loss" if not math.isfinite(float(loss)) else f"the loss is {float(loss):.3g}, its gradient"
        )
        found = f"at meta step {self.step + 1:,} {what} is not finite"
        if self.times_diverged > MOST_DIVERGENCES:
            raise PytrainError(
                f"{self.learner.algorithm} diverged {self.times_diverged} times, each time with half the "
                f"learning rate of the time before; {found}: {self._advice()}"
            )
        self._good.put_back(self.meta_params, self._optimiser)
        self.step = self._good.step
        warn(
            f"{self.learner.algorithm} diverged: {found}. Back to meta step {self.step:,}, and on from there "
            f"with half the learning rate ({self._rates()[0]:.3g})"
        )

    def _advice(self) -> str:
        settings = self.learner.settings
        outer = f"--meta-lr ({settings.meta_lr:g})"
        if KINDS[self.learner.algorithm].outer == "meta_step_size":
            outer = f"--meta-step-size ({settings.meta_step_size:g})"
        return f"lower --inner-lr ({settings.inner_lr:g}) or {outer}"

    def _checkpoint(self, checkpoints: CheckpointFile) -> Checkpoint:
        return Checkpoint(
            fingerprint=checkpoints.fingerprint,
            stage=checkpoints.stage,
            earlier=checkpoints.earlier,
            now=OuterState.of(self.step, self.meta_params, self._optimiser),
            good=self._good,
            times_diverged=self.times_diverged,
            random_state=checkpoints.random.state(),
            best_score=self.best_score,
            best_step=self.best_step,
            best_params=self.best_params,
            scores=tuple(self.scores),
        )

    def _go_on_from(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        checkpoint.now.put_back(self.meta_params, self._optimiser)
        self.step = checkpoint.now.step
        self._good = checkpoint.good
        self.times_diverged = checkpoint.times_diverged
        self.best_score, self.best_step = checkpoint.best_score, checkpoint.best_step
        self.best_params = checkpoint.best_params
        self.scores = [dict(scores) for scores in checkpoint.scores]
        note = f"going on from meta step {self.step:,}"
        self.watching.progress(Progress(self.watching.stage, self.step, self.meta_steps, note=note))


def chosen_by(scores: dict[str, float]) -> float:
    """The score that tells which model is best."""
    return scores.get("loss_after", scores["error_after"])


def validations_since_best(scores: Sequence[dict[str, float]]) -> int:
    """How many validations there were after the best one."""
    best, since = math.inf, 0
    for each in scores:
        if chosen_by(each) < best:
            best, since = chosen_by(each), 0
        else:
            since += 1
    return since
