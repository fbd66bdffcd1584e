"""Checkpoints keep every bit, notice every damage, and are there whole whenever a training is ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrain.errors import PytrainError
from pytrain.training.checkpoint import Checkpoint, OuterState, copied
from tests.unit.full_disk import files_limited_to

FINGERPRINT = {"--seed": "0", "number of training players": 3}
DTYPES = [torch.float16, torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool]


def make_checkpoint(step: int = 3, size: int = 4) -> Checkpoint:
    """After `step` meta steps of Adam on weights of `size` rows."""
    params = weights(size)
    adam = torch.optim.Adam(params.values())
    for _ in range(step):
        take_step(params, adam)
    state = OuterState.of(step, params, adam)
    return Checkpoint(
        fingerprint=FINGERPRINT,
        stage="meta-train",
        earlier={"base": torch.ones(2)},
        now=state,
        good=state,
        times_diverged=1,
        random_state=torch.Generator().manual_seed(step).get_state(),
        best_score=1 / 3,
        best_step=2,
        best_params=copied(params),
        scores=({"error_before": 0.1, "error_after": float("inf")},),
    )


def weights(size: int = 4) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(size)
    return {
        "layer1.weight": torch.randn(size, 3, generator=random),
        "layer1.bias": torch.randn(3, generator=random),
        "log_step_size.layer1.bias": torch.randn(3, generator=random),
    }


def take_step(params: dict[str, torch.Tensor], optimiser: torch.optim.Optimizer) -> None:
    for param in params.values():
        param.grad = torch.sin(3 * param)
    optimiser.step()


def same_bits(left: torch.Tensor, right: torch.Tensor) -> bool:
    a, b = left.numpy(), right.numpy()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def groups(params: dict[str, torch.Tensor]) -> list[dict]:
    *others, last = params.values()
    return [{"params": others, "lr": 0.1}, {"params": [last], "lr": 0.3}]


OPTIMISERS = {
    "adam": lambda params: torch.optim.Adam(groups(params)),
    "fused adam": lambda params: torch.optim.Adam(groups(params), fused=True),
    "sgd": lambda params: torch.optim.SGD(params.values(), lr=0.1),
    "sgd with momentum": lambda params: torch.optim.SGD(groups(params), momentum=0.9),
}


@pytest.mark.parametrize("make_optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
def test_steps_after_a_break_are_the_steps_without_one(tmp_path, make_optimiser):
    straight, interrupted = weights(), weights()
    optimiser = make_optimiser(straight)
    for _ in range(7):
        take_step(straight, optimiser)

    optimiser = make_optimiser(interrupted)
    for _ in range(3):
        take_step(interrupted, optimiser)
    state = OuterState.of(3, interrupted, optimiser)
    replace(make_checkpoint(), now=state).save(tmp_path / "a.checkpoint")
    resumed = {name: torch.full_like(value, 9.0) for name, value in weights().items()}
    optimiser = make_optimiser(resumed)
    Checkpoint.load(tmp_path / "a.checkpoint", FINGERPRINT).now.put_back(resumed, optimiser)
    for _ in range(4):
        take_step(resumed, optimiser)
    assert all(same_bits(resumed[name], value) for name, value in straight.items())


def test_a_state_is_a_copy_that_further_steps_leave_alone():
    params = weights()
    adam = torch.optim.Adam(params.values())
    take_step(params, adam)
    state = OuterState.of(1, params, adam)
    take_step(params, adam)
    take_step(params, adam)
    state.put_back(params, adam)
    take_step(params, adam)
    again = weights()
    fresh = torch.optim.Adam(again.values())
    take_step(again, fresh)
    take_step(again, fresh)
    assert all(same_bits(params[name], value) for name, value in again.items())


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    """Any bits, NaNs of every kind among them, in any small shape."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    size = int(np.prod(shape, dtype=int))
    bits = draw(st.binary(min_size=8 * size, max_size=8 * size))
    if dtype == torch.bool:
        return torch.tensor([bit > 127 for bit in bits[:size]], dtype=dtype).reshape(shape)
    array = np.frombuffer(bits, dtype=torch.empty(0, dtype=dtype).numpy().dtype)[:size].copy()
    return torch.from_numpy(array).reshape(shape)


@settings(max_examples=50)
@given(
    params=st.dictionaries(st.text(), tensors(), max_size=4),
    best_score=st.floats(),
    fingerprint=st.dictionaries(st.text(), st.text() | st.integers(), max_size=3),
)
def test_what_is_read_is_what_was_written_to_the_bit(params, best_score, fingerprint):
    state = OuterState(5, params, {f"{name}/exp_avg": value for name, value in params.items()})
    written = replace(
        make_checkpoint(),
        fingerprint=fingerprint,
        now=state,
        good=replace(state, step=4),
        best_params=params,
        best_score=best_score,
        stage="pooled model",
        earlier=params,
    )
    read = Checkpoint.from_bytes(written.to_bytes(), Path("a.checkpoint"), fingerprint)
    assert (read.now.step, read.good.step, read.best_step, read.times_diverged) == (5, 4, 2, 1)
    assert repr(read.best_score) == repr(best_score)  # NaN too, whose bits mean nothing
    assert (read.scores, read.stage) == (written.scores, "pooled model")
    for part in (read.now.meta_params, read.good.meta_params, read.best_params, read.earlier):
        assert list(part) == list(params)
        assert all(same_bits(part[name], value) for name, value in params.items())
    assert all(same_bits(value, read.now.optimiser[name]) for name, value in state.optimiser.items())
    assert same_bits(read.random_state, written.random_state)


@settings(max_examples=50)
@given(position=st.integers(0), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(position, bit):
    data = bytearray(make_checkpoint().to_bytes())
    data[position % len(data)] ^= 1 << bit
    with pytest.raises(PytrainError, match=r"'a\.checkpoint' .*leave out --resume"):
        Checkpoint.from_bytes(bytes(data), Path("a.checkpoint"), FINGERPRINT)


@settings(max_examples=50)
@given(length=st.integers(0))
def test_a_cut_file_is_noticed(length):
    data = make_checkpoint().to_bytes()
    with pytest.raises(PytrainError, match=r"'a\.checkpoint' .*leave out --resume"):
        Checkpoint.from_bytes(data[: length % len(data)], Path("a.checkpoint"), FINGERPRINT)


def test_no_checkpoint_and_one_of_another_version_are_told_apart(tmp_path):
    with pytest.raises(PytrainError, match=r"there is no checkpoint .*leave out --resume"):
        Checkpoint.load(tmp_path / "gone.checkpoint", FINGERPRINT)
    data = bytearray(make_checkpoint().to_bytes())
    data[8] = 7
    with pytest.raises(PytrainError, match="has version 7, this pytrain reads version 2"):
        Checkpoint.from_bytes(bytes(data), Path("a.checkpoint"), FINGERPRINT)


def test_the_setting_that_differs_is_named_with_both_values(tmp_path):
    path = tmp_path / "a.checkpoint"
    make_checkpoint().save(path)
    with pytest.raises(PytrainError, match=r"--seed was 0, now it is 7: repeat with --seed 0 .*or leave out"):
        Checkpoint.load(path, FINGERPRINT | {"--seed": "7"})
    with pytest.raises(PytrainError, match="training players was 3, now it is 4: train on the same sessions"):
        Checkpoint.load(path, FINGERPRINT | {"number of training players": 4})
    with pytest.raises(PytrainError, match="--norm was None, now it is layer"):
        Checkpoint.load(path, FINGERPRINT | {"--norm": "layer"})


def test_a_full_disk_leaves_the_older_checkpoint_whole(tmp_path):
    path = tmp_path / "a.checkpoint"
    make_checkpoint(step=1).save(path)
    larger = make_checkpoint(step=2, size=2000)
    with files_limited_to(8_000 + path.stat().st_size), pytest.raises(OSError, match="File too large"):
        larger.save(path)
    assert Checkpoint.load(path, FINGERPRINT).now.step == 1
    assert list(tmp_path.iterdir()) == [path]


KILLED_WHILE_SAVING = """
import os, signal, sys, time
from pathlib import Path
from tests.unit.test_checkpoint import FINGERPRINT, Checkpoint, make_checkpoint

path, checkpoint = Path(sys.argv[1]), make_checkpoint(size=20_000)
checkpoint.save(path)
for after_sec in (0.0, 0.001, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05):
    child = os.fork()
    while child == 0:
        checkpoint.save(path)
    time.sleep(after_sec)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert Checkpoint.load(path, FINGERPRINT).now.step == 3
"""


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(tmp_path):
    command = [sys.executable, "-c", KILLED_WHILE_SAVING, tmp_path / "a.checkpoint"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
