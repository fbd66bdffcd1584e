"""Two processes give what one gives, and when one fails nobody waits for it or repeats its message.

A whole training started by torchrun is in `test_long_training`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pytrain import cli
from pytrain.errors import PytrainError
from pytrain.training.distributed import Processes, training_processes
from tests.unit.two_processes import CPU, gradient, make_tasks, pooled_gradient, start_params


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Path:
    """The folder with what came of all scenarios."""
    folder = tmp_path_factory.mktemp("played")
    command = [sys.executable, "-m", "tests.unit.two_processes", folder]
    root = Path(__file__).resolve().parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture
def both(played) -> list[dict]:
    """What two processes end with; of the five tasks in each meta-batch one takes two, the other three."""
    return [json.loads((played / f"both_work-{rank}.json").read_text()) for rank in range(2)]


def printed(folder: Path, scenario: str, stream: str) -> str:
    """What both processes printed."""
    return "".join((folder / f"{scenario}-{rank}.{stream}").read_text() for rank in range(2))


def exit_codes(folder: Path, scenario: str) -> list[int]:
    return json.loads((folder / f"{scenario}.codes").read_text())


def test_two_processes_take_the_steps_of_one(both):
    def steps(count: int) -> dict[str, torch.Tensor]:
        params = start_params()
        for step in range(count):
            gradients, _ = gradient(params, make_tasks(5, seed=step))
            params = {name: param - 0.1 * gradients[name] for name, param in params.items()}
        return params

    alone = steps(7)
    for one in both:
        for name, value in alone.items():
            torch.testing.assert_close(torch.tensor(one["params"][name]), value, rtol=1e-6, atol=1e-6)
    _, loss = gradient(steps(6), make_tasks(5, seed=6))
    assert both[0]["loss"] == pytest.approx(float(loss), rel=1e-5)
    pooled, _ = pooled_gradient(alone, make_tasks(5, seed=9))
    torch.testing.assert_close(torch.tensor(both[1]["pooled"]), pooled["weight"], rtol=1e-5, atol=1e-6)


def test_both_processes_have_the_same_bits_and_stop_after_the_same_step(both):
    assert both[0] == both[1]
    assert both[0]["stopped_at"] == 6


def test_what_the_first_process_found_is_told_to_the_others(both):
    assert both[1]["told"] == {"rank": 0, "best": 0.1}
    assert both[1]["bytes"] == [0, 255]
    assert both[1]["nothing"] == []


def test_only_the_first_process_prints(played):
    assert exit_codes(played, "both_work") == [0, 0]
    assert printed(played, "both_work", "stdout") == "printed once\n"
    assert "error" not in printed(played, "both_work", "stderr")


@pytest.mark.parametrize("scenario", ["all_fail", "one_fails"])
def test_an_error_is_shown_once(played, scenario):
    said = printed(played, scenario, "stderr")
    assert said.count("error: ") == said.count("error: no such sessions") == 1, said
    assert "Traceback" not in said
    assert sorted(exit_codes(played, scenario)) == [1, cli.USER_MISTAKE]
    assert printed(played, scenario, "stdout") == ""


def test_when_a_process_is_killed_the_others_say_that_it_is_gone_and_end(played):
    said = printed(played, "one_is_killed", "stderr")
    assert "error: the connection to another process of this training is lost" in said
    assert "Traceback" not in said
    assert exit_codes(played, "one_is_killed") == [cli.USER_MISTAKE, -signal.SIGKILL]


def test_without_torchrun_everything_is_as_if_this_was_not_here():
    params, tasks = start_params(), make_tasks(3)
    with training_processes(CPU) as processes:
        assert processes == Processes()
        assert processes.is_first
        assert processes.started_by("pytrain train") == "pytrain train"
        assert processes.own(tasks) is tasks
        gradients, loss = gradient(params, tasks)
        combined = processes.combined(gradients, loss, 3, stop=True)
        assert (combined.gradients, combined.loss, combined.stop) == (gradients, loss, True)
        assert processes.of_first(lambda: {"step": 3}) == {"step": 3}
        assert processes.bytes_of_first(lambda: b"ab") == b"ab"


@pytest.mark.parametrize(("count", "size"), [(2, 2), (5, 2), (7, 3), (25, 4)])
def test_every_task_is_in_one_slice(count, size):
    tasks = make_tasks(count)
    slices = [Processes(rank, size).own(tasks) for rank in range(size)]
    lengths = [len(part.query.weights) for part in slices]
    assert max(lengths) - min(lengths) <= 1
    wholes = [*tasks.supports, tasks.query]
    for i, whole in enumerate(wholes):
        parts = [[*part.supports, part.query][i] for part in slices]
        assert torch.equal(torch.cat([part.observations for part in parts]), whole.observations)
        assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)
        assert torch.equal(torch.cat([part.weights for part in parts]), whole.weights)


def test_fewer_tasks_than_processes_are_refused_with_both_numbers():
    with pytest.raises(PytrainError, match=r"2 tasks .* 3 processes: raise --meta-batch-size \(2\)"):
        Processes(0, 3).own(make_tasks(2))


def test_the_command_to_go_on_with_starts_as_many_processes(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    command = Processes(0, 8).started_by("pytrain train s --out a.brain")
    assert command == "torchrun --nproc-per-node 4 -m pytrain train s --out a.brain"
