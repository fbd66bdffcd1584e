"""The outer loop by itself, on a learner whose loss is a parabola: what it does when a training goes wrong.

What a whole training does when it is interrupted is in `test_long_training`.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from pytrain.data.tasks import Batch, Tasks
from pytrain.errors import PytrainError
from pytrain.settings import MetaTraining
from pytrain.training.outer_loop import (
    MOST_DIVERGENCES,
    OuterLoop,
    Watching,
    meta_train,
    validations_since_best,
)
from pytrain.training.resuming import CheckpointFile


@dataclass
class Parabola:
    """A learner of one number: the loss is its squared distance from what is drawn, near 1.

    Its loss is not finite in the steps of `bad`, counted from 1 over all calls.
    """

    settings: MetaTraining = field(default_factory=lambda: MetaTraining(meta_steps=20, meta_lr=0.1))
    bad: tuple[int, ...] = ()
    algorithm: str = "maml"
    calls: int = 0
    lrs: list[float] = field(default_factory=list)

    def meta_gradient(self, meta_params, tasks, step_weights=None):
        self.calls += 1
        self.lrs.append(self.optimiser.param_groups[0]["lr"])
        error = meta_params["w"] - tasks.query.targets.mean()
        loss = torch.tensor(math.nan) if self.calls in self.bad else error.square().sum()
        return {"w": 2 * error}, loss

    def step_weights(self):
        return None

    def outer_optimiser(self, meta_params):
        self.optimiser = torch.optim.Adam(meta_params.values(), lr=self.settings.meta_lr)
        return self.optimiser


class Sampler:
    """Draws targets near 1, and can be put back."""

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(1)

    def __call__(self) -> Tasks:
        targets = 1 + 0.1 * torch.randn(4, 1, 1, generator=self.random)
        return Tasks((), Batch(torch.zeros(4, 1, 1), targets, torch.ones(4, 1)))

    def state(self) -> torch.Tensor:
        return self.random.get_state()

    def restore(self, state: torch.Tensor) -> None:
        self.random.set_state(state)


def distance(meta_params) -> dict[str, float]:
    """Validation: how far from 1."""
    return {"error_before": 1.0, "error_after": abs(1 - float(meta_params["w"]))}


def start() -> dict[str, torch.Tensor]:
    return {"w": torch.zeros(1)}


@pytest.fixture
def said(capsys):
    """What was printed so far, without line breaks."""
    return lambda: " ".join(capsys.readouterr().err.split())


def test_a_step_whose_loss_is_not_finite_is_taken_back_and_told(said):
    learner = Parabola(bad=(14,))
    loop = OuterLoop(learner, start(), Sampler(), Watching(distance, validations=4))
    params = loop.run()
    assert "maml diverged: at meta step 14 the loss is not finite. Back to meta step 10" in (
        message := said()
    )
    assert "half the learning rate" in message
    assert learner.calls == 14 + 10
    assert loop.step == 20
    assert torch.isfinite(params["w"]).all()


def test_after_a_divergence_the_learning_rate_is_half_of_what_it_would_have_been():
    straight, diverged = Parabola(), Parabola(bad=(14,))
    for learner in (straight, diverged):
        meta_train(learner, start(), Sampler(), Watching(distance, validations=4))
    assert diverged.lrs[:14] == straight.lrs[:14]
    assert diverged.lrs[15:] == [lr / 2 for lr in straight.lrs[11:]]


def test_a_gradient_that_is_not_finite_is_not_followed_either(said):
    learner = Parabola()
    plain = learner.meta_gradient

    def overflowing(*arguments):
        gradients, loss = plain(*arguments)
        return ({"w": torch.full((1,), math.inf)} if learner.calls == 3 else gradients), loss

    learner.meta_gradient = overflowing
    meta_train(learner, start(), Sampler(), Watching())
    assert "at meta step 3 the loss is 0.545" in (message := said())
    assert "its gradient is not finite. Back to meta step 2" in message


@pytest.mark.parametrize(
    ("algorithm", "advice"),
    [("maml", r"--inner-lr \(0.2\) or --meta-lr \(0.1\)"), ("reptile", r"or --meta-step-size \(1\)")],
)
def test_a_training_that_diverges_again_and_again_is_given_up(said, algorithm, advice):
    learner = Parabola(bad=tuple(range(3, 99)), algorithm=algorithm)
    with pytest.raises(PytrainError, match=rf"{algorithm} diverged {MOST_DIVERGENCES + 1} times.*{advice}"):
        meta_train(learner, start(), Sampler(), Watching())
    assert said().count("warning:") == MOST_DIVERGENCES


def test_a_state_that_does_not_validate_is_no_state_to_step_back_to(said):
    def validate(meta_params):
        scores = distance(meta_params)
        return scores | {"error_after": math.nan} if loop.step == 10 else scores

    loop = OuterLoop(Parabola(bad=(14,)), start(), Sampler(), Watching(validate, validations=4))
    loop.run()
    assert "Back to meta step 5" in said()


def test_what_validated_best_is_returned_not_the_last():
    errors = iter([3.0, 1.0, 2.0, 2.0])
    seen = []

    def validate(meta_params):
        seen.append(float(meta_params["w"]))
        return {"error_before": 4.0, "error_after": next(errors)}

    loop = OuterLoop(Parabola(), start(), Sampler(), Watching(validate, validations=4))
    params = loop.run()
    assert float(params["w"]) == seen[1]
    assert (loop.best_step, loop.best_score, loop.step, loop.stopped_early) == (10, 1.0, 20, False)


def test_patience_ends_a_training_that_gets_no_better_and_says_so():
    errors = iter([3.0, 1.0, 2.0, 1.0, 1.5, 0.1])
    told = []
    watching = Watching(
        lambda _: {"error_before": 4.0, "error_after": next(errors)},
        validations=10,
        patience=3,
        progress=told.append,
    )
    loop = OuterLoop(Parabola(), start(), Sampler(), watching)
    loop.run()
    assert (loop.step, loop.best_step, loop.stopped_early) == (10, 4, True)
    assert told[-1].note == "stopped early at meta step 10, the best was at 4"
    assert told[-1].done == told[-1].total


def test_a_training_whose_patience_ends_with_its_last_step_did_not_stop_early():
    errors = iter([1.0, 2.0, 3.0, 4.0])
    watching = Watching(
        lambda _: {"error_before": 4.0, "error_after": next(errors)}, validations=4, patience=3
    )
    loop = OuterLoop(Parabola(), start(), Sampler(), watching)
    loop.run()
    assert (loop.step, loop.best_step, loop.stopped_early) == (20, 5, False)


def test_where_validation_gives_a_loss_it_counts_instead_of_the_error():
    losses = iter([3.0, 1.0, 2.0, 2.0])
    watching = Watching(
        lambda _: {"error_before": 1.0, "error_after": 1.0, "loss_after": next(losses)}, validations=4
    )
    loop = OuterLoop(Parabola(), start(), Sampler(), watching)
    loop.run()
    assert (loop.best_step, loop.best_score) == (10, 1.0)


def test_a_meta_gradient_that_is_too_long_is_shortened():
    learner = Parabola()
    learner.meta_gradient = lambda *_: ({"w": torch.tensor([-3e3]), "v": torch.tensor([4e3])}, torch.ones(()))
    learner.outer_optimiser = lambda params: torch.optim.SGD(params.values(), lr=1.0)
    learner.settings = MetaTraining(meta_steps=1)
    params = meta_train(learner, {"w": torch.zeros(1), "v": torch.zeros(1)}, Sampler(), Watching())
    assert params["w"].item() == pytest.approx(6.0)
    assert params["v"].item() == pytest.approx(-8.0)


@pytest.mark.parametrize(
    ("errors", "since"),
    [([], 0), ([1.0], 0), ([1.0, 1.0], 1), ([2.0, 1.0, 3.0, math.nan], 2), ([math.nan, math.inf], 2)],
)
def test_validations_are_counted_since_the_best(errors, since):
    assert validations_since_best([{"error_after": error} for error in errors]) == since


@pytest.mark.parametrize("interrupt_at", [1, 7, 12, 19])
def test_a_resumed_training_ends_like_one_without_a_break_even_if_it_diverged(tmp_path, interrupt_at):
    """The interruption comes before, at, between and after validations, and around a divergence."""

    def train(learner: Parabola, resume: bool, interrupt_at: int = 0):
        sampler = Sampler()
        plain = learner.meta_gradient

        def interrupted(*arguments):
            if learner.calls + 1 == interrupt_at:
                signal.raise_signal(signal.SIGINT)
            return plain(*arguments)

        learner.meta_gradient = interrupted
        file = CheckpointFile(tmp_path / "a.checkpoint", {"--seed": "0"}, sampler, "pytrain train", resume)
        loop = OuterLoop(
            learner, start(), sampler, Watching(distance, validations=4, patience=9, checkpoints=file)
        )
        return loop, loop.run()

    def bad(first_call: int) -> tuple[int, ...]:
        return tuple(call - first_call for call in (9, 13) if call > first_call)

    straight, expected = train(Parabola(bad=bad(0)), resume=False)
    (tmp_path / "a.checkpoint").unlink()
    first = Parabola(bad=bad(0))
    with pytest.raises(KeyboardInterrupt):
        train(first, resume=False, interrupt_at=interrupt_at)
    assert first.calls == interrupt_at
    resumed, params = train(Parabola(bad=bad(interrupt_at)), resume=True)
    assert torch.equal(params["w"], expected["w"])
    assert resumed.scores == straight.scores
    assert (resumed.best_step, resumed.best_score) == (straight.best_step, straight.best_score)
    assert resumed.times_diverged == straight.times_diverged == 2


def test_a_second_ctrl_c_does_not_wait_and_the_last_checkpoint_stays(tmp_path):
    learner, sampler = Parabola(), Sampler()

    def hanging(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("waited")

    learner.meta_gradient = hanging
    file = CheckpointFile(Path(tmp_path / "a.checkpoint"), {}, sampler, "pytrain train")
    with pytest.raises(KeyboardInterrupt):
        meta_train(learner, start(), sampler, Watching(checkpoints=file))
    assert not file.path.exists()
