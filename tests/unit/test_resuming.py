"""The checkpoint file beside a brain: who may go on from it, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytrain.errors import PytrainError
from pytrain.settings import TrainSettings
from pytrain.training.checkpoint import Checkpoint
from pytrain.training.distributed import Processes
from pytrain.training.resuming import CheckpointFile, checkpoint_path, fingerprint_of
from tests.synthetic_players import make_players
from tests.unit.full_disk import files_limited_to
from tests.unit.test_checkpoint import FINGERPRINT, make_checkpoint


class Sampler:
    """Draws nothing, but remembers where it is."""

    def __init__(self) -> None:
        self.random = torch.Generator()

    def state(self) -> torch.Tensor:
        return self.random.get_state()

    def restore(self, state: torch.Tensor) -> None:
        self.random.set_state(state)


def make_file(path: Path, **changes) -> CheckpointFile:
    return CheckpointFile(path, FINGERPRINT, Sampler(), "pytrain train s --out a.brain --resume", **changes)


@pytest.fixture
def said(capsys):
    """What was printed so far, without line breaks."""
    return lambda: " ".join(capsys.readouterr().err.split())


def test_it_lies_beside_the_brain():
    assert checkpoint_path(Path("brains/archer.brain")) == Path("brains/archer.checkpoint")


def test_only_what_influences_the_result_must_be_the_same():
    players, others = make_players(3), make_players(2, first=3)
    one = TrainSettings((Path("here"),), Path("a.brain"), "reptile")
    moved = TrainSettings(
        (Path("there"),), Path("b.brain"), "reptile", log_dir=Path("logs"), resume=True, threads=2
    )
    same = fingerprint_of(one, players, others)
    assert fingerprint_of(moved, players, others) == same
    assert fingerprint_of(replace(one, inner_lr=0.2, meta_batch_size=8), players, others) == same
    for changed in (
        fingerprint_of(replace(one, inner_lr=0.1), players, others),
        fingerprint_of(replace(one, hidden_sizes=(64, 64)), players, others),
        fingerprint_of(replace(one, patience=5), players, others),
        fingerprint_of(replace(one, seed=1), players, others),
        fingerprint_of(one, make_players(3, first=1), others),
        fingerprint_of(one, make_players(3, seconds=50.0), others),
        fingerprint_of(one, players, make_players(1, first=3)),
    ):
        assert changed != same


def test_a_training_goes_on_with_the_tasks_that_would_have_come_next(tmp_path):
    make_file(tmp_path / "a.checkpoint").save(make_checkpoint(step=3))
    file = make_file(tmp_path / "a.checkpoint", resume=True)
    assert file.start().now.step == 3
    assert torch.equal(file.random.state(), torch.Generator().manual_seed(3).get_state())


def test_starting_over_puts_the_older_checkpoint_aside_and_says_how_to_go_on_from_it(tmp_path, said):
    make_file(tmp_path / "a.checkpoint").save(make_checkpoint(step=1))
    again = make_file(tmp_path / "a.checkpoint")
    assert again.start() is None
    assert "starts over" in (message := said())
    assert f"rename it to '{tmp_path / 'a.checkpoint'}' and run: pytrain train" in message
    assert Checkpoint.load(tmp_path / "a.older.checkpoint", FINGERPRINT).now.step == 1
    again.save(make_checkpoint(step=2))
    again.remove()
    assert [each.name for each in tmp_path.iterdir()] == ["a.older.checkpoint"]


def test_nothing_to_go_on_from_is_told(tmp_path):
    with pytest.raises(PytrainError, match=r"there is no checkpoint .*a\.checkpoint' .*leave out --resume"):
        make_file(tmp_path / "a.checkpoint", resume=True).start()


def test_a_full_disk_is_told_and_the_training_goes_on(tmp_path, said):
    file = make_file(tmp_path / "a.checkpoint")
    with files_limited_to(1000):
        file.save(make_checkpoint(step=2))
    assert "no checkpoint at meta step 2" in (message := said())
    assert "(File too large), there is none; the training goes on" in message
    file.save(make_checkpoint(step=3))
    with files_limited_to(1000):
        file.save(make_checkpoint(step=4))
    assert "the one of meta step 3 is kept" in said()
    assert Checkpoint.load(file.path, FINGERPRINT).now.step == 3


def test_it_is_written_as_often_as_asked(tmp_path):
    assert make_file(tmp_path / "a.checkpoint", every_sec=0).is_due()
    assert not make_file(tmp_path / "a.checkpoint", every_sec=60).is_due()


def test_only_the_first_process_writes(tmp_path):
    second = make_file(tmp_path / "a.checkpoint", every_sec=0, processes=Processes(1, 2))
    assert not second.is_due()
    second.save(make_checkpoint())
    assert not second.path.exists()


def test_an_interruption_is_told_how_to_go_on_and_a_mistake_is_not(tmp_path, said):
    file = make_file(tmp_path / "a.checkpoint")
    with pytest.raises(KeyboardInterrupt), file.told_when_interrupted():
        raise KeyboardInterrupt
    assert said() == ""
    file.save(make_checkpoint(step=3))
    with pytest.raises(PytrainError), file.told_when_interrupted():
        raise PytrainError("diverged")
    assert said() == ""
    with pytest.raises(KeyboardInterrupt), file.told_when_interrupted():
        raise KeyboardInterrupt
    assert f"meta step 3: {file.path}; go on with: pytrain train s --out a.brain --resume" in said()
