"""Long trainings: interrupted and resumed, spread over processes, stopped early, on a disk that is full."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pytrain.console import PROGRESS_VARIABLE
from pytrain.errors import PytrainError
from pytrain.learners import gradient
from pytrain.settings import TrainSettings
from pytrain.training import choosing
from pytrain.training import train as training
from pytrain.training.checkpoint import Checkpoint
from pytrain.training.pooled_beside import STAGE
from pytrain.training.train import command_line, train
from tests.synthetic_players import write_sessions

QUICK = {
    "hidden_sizes": (16,),
    "meta_batch_size": 5,
    "support_size": 64,
    "inner_batch_size": 16,
    "num_inner_steps": 2,
    "query_size": 16,
    "validations": 4,
    "meta_steps": 60,
    "pooled_steps": 20,
}


@pytest.fixture(scope="module", autouse=True)
def small_grid():
    """One of the settings that are tried for adaptation: the choice is not what is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient, "INNER_LRS", (0.2,))
        patch.setattr(choosing, "STEP_COUNTS", (1,))
        patch.setattr(gradient, "SUPPORT_SIZES", (128,))
        yield


@pytest.fixture(scope="module")
def sessions(tmp_path_factory) -> Path:
    """A folder of eight players."""
    return write_sessions(tmp_path_factory.mktemp("sessions"), range(8))


def settings(sessions: Path, out: Path, **changes) -> TrainSettings:
    return TrainSettings(sessions=(sessions,), out=out, **(QUICK | changes))


@pytest.fixture
def exported(monkeypatch) -> dict:
    """Tracing the graphs takes seconds; what would have been written is handed out instead."""
    written: dict = {}

    def keep(path, model, params, spec, about, frozen):
        written.update(path=path, model=model, params=params, spec=spec, frozen=frozen, **about)

    monkeypatch.setattr(training, "export_brain", keep)
    return written


@pytest.fixture
def said(capsys):
    """What was printed so far, without line breaks."""
    return lambda: " ".join(capsys.readouterr().err.split())


def parameters(exported: dict) -> dict[str, torch.Tensor]:
    """All that was learned, with the rates where there are some."""
    rates = exported["model"].rates or {}
    return dict(exported["params"]) | {f"rate of {name}": value for name, value in rates.items()}


def interrupt_at(step: int, number: signal.Signals = signal.SIGINT, stage: str = "meta-train"):
    """A progress callback that is Ctrl-C in a certain meta step."""

    def watch(progress) -> None:
        if (progress.stage, progress.done) == (stage, step):
            signal.raise_signal(number)

    return watch


@pytest.mark.parametrize("algorithm", ["maml", "metasgd", "reptile", "pooled"])
def test_a_resumed_training_gives_the_same_brain_to_the_bit(sessions, tmp_path, exported, algorithm):
    chosen = settings(sessions, tmp_path / "a.brain", algorithm=algorithm)
    train(chosen)
    straight = parameters(exported)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(40))
    told = []
    result = train(replace(chosen, resume=True), told.append)
    assert next(each for each in told if each.stage == "meta-train").done == 41
    assert result.meta_steps == 60
    resumed = parameters(exported)
    assert resumed.keys() == straight.keys()
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("algorithm", ["fomaml", "bayes"])
def test_an_interruption_in_the_pooled_stage_does_not_show_in_the_brain(
    sessions, tmp_path, exported, said, algorithm
):
    chosen = settings(sessions, tmp_path / "a.brain", algorithm=algorithm, pooled_steps=60)
    train(chosen)
    straight, frozen = parameters(exported), exported["frozen"]
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(40, stage="pooled model"))
    assert "pooled model: checkpoint of meta step 41: " in said()
    told = []
    train(replace(chosen, resume=True), told.append)
    assert next(each for each in told if each.stage == "pooled model").done == 41
    assert next(each for each in told if each.stage == "meta-train").done == 20
    resumed = parameters(exported)
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())
    if frozen is not None:
        assert all(torch.equal(exported["frozen"][1][name], value) for name, value in frozen[1].items())
    assert list(tmp_path.iterdir()) == []


def test_a_pooled_model_is_not_trained_again_when_its_learner_was_interrupted(sessions, tmp_path, exported):
    chosen = settings(sessions, tmp_path / "a.brain")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(40))
    told = []
    train(replace(chosen, resume=True), told.append)
    assert "pooled model" not in {each.stage for each in told}


def test_an_interrupted_training_says_where_its_checkpoint_is_and_how_to_go_on(
    sessions, tmp_path, exported, said
):
    chosen = settings(sessions, tmp_path / "a.brain")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(20))
    go_on = f"{command_line(chosen)} --resume"
    told = said()
    assert f"meta step 21: {tmp_path / 'a.checkpoint'}; go on with: " in told
    assert sorted(told.partition("go on with: ")[2].split()) == sorted(go_on.split())
    assert [each.name for each in tmp_path.iterdir()] == ["a.checkpoint"]


def test_an_interruption_while_the_adaptation_is_chosen_costs_no_meta_step(
    sessions, tmp_path, exported, said
):
    def watch(progress) -> None:
        if progress.stage == "choose adaptation":
            raise KeyboardInterrupt

    chosen = settings(sessions, tmp_path / "a.brain")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, watch)
    assert "checkpoint of meta step 60" in said()
    told = []
    train(replace(chosen, resume=True), told.append)
    assert [each.done for each in told if each.stage == "meta-train"] == [60]
    assert exported["params"]


def test_other_settings_cannot_go_on_from_a_checkpoint(sessions, tmp_path, exported):
    chosen = settings(sessions, tmp_path / "a.brain", algorithm="maml", meta_lr=0.01)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(20))
    with pytest.raises(
        PytrainError, match=r"--meta-lr was 0\.01, now it is 0\.02: repeat with --meta-lr 0\.01"
    ):
        train(replace(chosen, meta_lr=0.02, resume=True))
    with pytest.raises(PytrainError, match="--algorithm was maml, now it is fomaml"):
        train(replace(chosen, algorithm="fomaml", resume=True))


def test_starting_over_is_told(sessions, tmp_path, exported, said):
    chosen = settings(sessions, tmp_path / "a.brain")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, interrupt_at(20))
    said()
    train(chosen)
    assert "this training starts over" in said()
    assert [each.name for each in tmp_path.iterdir()] == ["a.older.checkpoint"]


def test_a_disk_that_is_full_does_not_end_a_training(sessions, tmp_path, exported, said, monkeypatch):
    def refused(*_) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    chosen = settings(sessions, tmp_path / "a.brain")
    train(chosen)
    straight = parameters(exported)
    monkeypatch.setattr(Checkpoint, "save", refused)
    train(chosen)
    assert "no checkpoint at meta step 15" in (message := said())
    assert "No space left on device" in message
    assert all(torch.equal(parameters(exported)[name], value) for name, value in straight.items())


def test_patience_is_told_in_the_result(sessions, tmp_path, exported):
    """With steps as small as these nothing gets better, to the last digit that a score has."""
    still = {"algorithm": "maml", "pooled_steps": 0, "meta_lr": 1e-30}
    chosen = settings(sessions, tmp_path / "a.brain", **still, validations=20, patience=2)
    result = train(chosen)
    assert (result.meta_steps, result.best_step, result.stopped_early) == (9, 3, True)


def test_tensorboard_shows_loss_errors_and_learning_rate_of_each_learner(sessions, tmp_path, exported):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for algorithm in ("maml", "pooled"):
        train(settings(sessions, tmp_path / "a.brain", algorithm=algorithm, log_dir=tmp_path / "logs"))
        events = EventAccumulator(str(tmp_path / "logs" / f"{algorithm}-seed-0"))
        events.Reload()
        assert set(events.Tags()["scalars"]) == {"loss", "error_before", "error_after", "learning_rate"}
        assert [event.step for event in events.Scalars("error_after")] == [15, 30, 45, 60]
        rates = [event.value for event in events.Scalars("learning_rate")]
        assert rates == sorted(rates, reverse=True)


@pytest.mark.slow
def test_a_real_training_that_is_asked_to_end_can_be_gone_on_with(sessions, tmp_path, exported):
    chosen = settings(sessions, tmp_path / "a.brain", meta_steps=4000, validations=40, checkpoint_sec=0.05)
    process = start(chosen)
    process.send_signal(signal.SIGTERM)
    message = " ".join(process.communicate(timeout=60)[1].split())
    assert process.returncode == 128 + signal.SIGTERM, message
    assert "ended by SIGTERM; no brain was written" in message
    assert f"{tmp_path / 'a.checkpoint'}; go on with: pytrain train" in message
    step = int(re.search(r"checkpoint of meta step ([\d,]+)", message)[1].replace(",", ""))
    assert goes_on_at(chosen) == step


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint(sessions, tmp_path):
    chosen = settings(sessions, tmp_path / "a.brain", meta_steps=4000, validations=1, checkpoint_sec=0.05)
    process = start(chosen)
    process.kill()
    process.communicate(timeout=60)
    assert 0 < goes_on_at(chosen) < 4000


def start(chosen: TrainSettings) -> subprocess.Popen[str]:
    """`pytrain train` in a process of its own, with a first checkpoint written."""
    command = [sys.executable, "-m", *command_line(chosen).split()]
    environment = os.environ | {PROGRESS_VARIABLE: "lines"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while not chosen.out.with_suffix(".checkpoint").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return process


def goes_on_at(chosen: TrainSettings) -> int:
    """The meta step that a resumed training goes on from."""
    reached = []

    def watch(progress) -> None:
        if progress.stage in (STAGE, "meta-train"):
            reached.append(progress.done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(replace(chosen, resume=True), watch)
    return reached[0]


TRAIN_WITHOUT_EXPORT = """
import os, sys
import numpy as np
from pytrain import cli
from pytrain.learners import gradient
from pytrain.training import choosing
from pytrain.training import train as training

def keep(path, model, params, spec, about, frozen):
    np.savez(os.environ["OUT"], **{name: value.numpy() for name, value in params.items()})

training.export_brain = keep
gradient.INNER_LRS, choosing.STEP_COUNTS, gradient.SUPPORT_SIZES = (0.2,), (1,), (128,)
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "rounding"), [("maml", 1e-6), ("memory", 1e-5)])
def test_two_processes_of_torchrun_train_the_brain_that_one_does(
    sessions, tmp_path, exported, algorithm, rounding
):
    """Five tasks in a meta-batch: two for the one, three for the other.

    Muon brings singular values near 1 whatever they were, and memory's own parameters hold an inverse: both
    enlarge the rounding of a sum that was made in two parts.
    """
    chosen = settings(sessions, tmp_path / "a.brain", algorithm=algorithm, meta_steps=20)
    train(chosen)
    (tmp_path / "train.py").write_text(TRAIN_WITHOUT_EXPORT)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(
        [*torchrun, tmp_path / "train.py", *command_line(chosen).split()[1:]],
        env=os.environ
        | {"OUT": str(tmp_path / "params.npz"), "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("20 meta steps") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["params.npz", "train.py"]
    with np.load(tmp_path / "params.npz") as params:
        for name, value in exported["params"].items():
            np.testing.assert_allclose(params[name], value.numpy(), rtol=rounding, atol=rounding)
