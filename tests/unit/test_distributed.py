"""Two real processes give what one gives, and when one fails nobody waits for it or repeats its message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pytrain.distributed import Processes, training_processes
from pytrain.errors import PytrainError
from pytrain.tasks import Batch, Tasks

CPU = torch.device("cpu")


def make_tasks(count: int, seed: int = 0) -> Tasks:
    random = torch.Generator().manual_seed(seed)

    def batch() -> Batch:
        return Batch(
            torch.randn(count, 4, 3, generator=random),
            torch.randn(count, 4, 1, generator=random),
            torch.rand(count, 4, generator=random).round(decimals=1),
        )

    return Tasks((batch(), batch()), batch())


def gradient(params: dict[str, torch.Tensor], tasks: Tasks) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Of the mean over the tasks, as a meta-learner's."""
    fresh = {name: param.detach().requires_grad_() for name, param in params.items()}
    errors = tasks.query.observations @ fresh["weight"] + fresh["bias"] - tasks.query.targets
    loss = errors.square().mean()
    return dict(zip(fresh, torch.autograd.grad(loss, tuple(fresh.values())), strict=True)), loss.detach()


def pooled_gradient(
    params: dict[str, torch.Tensor], tasks: Tasks
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Of the mean over all examples, each with its weight."""
    weight = params["weight"].detach().requires_grad_()
    errors = (tasks.query.observations @ weight - tasks.query.targets).squeeze(-1)
    loss = (errors.square() * tasks.query.weights).sum() / tasks.query.weights.sum().clamp(min=1e-6)
    return {"weight": torch.autograd.grad(loss, weight)[0]}, loss.detach()


def start_params() -> dict[str, torch.Tensor]:
    return {"weight": torch.ones(3, 1), "bias": torch.zeros(1)}


def descend(processes: Processes, count: int) -> dict:
    """A few steps; what every process ends with."""
    params = start_params()
    stopped_at = None
    for step in range(8):
        tasks = processes.own(make_tasks(count, seed=step))
        asked = processes.rank == 1 and step == 6
        gradients, loss, stop = processes.combined(
            *gradient(params, tasks), weight=len(tasks.query.weights), stop=asked
        )
        params = {name: param - 0.1 * gradients[name] for name, param in params.items()}
        if stop:
            stopped_at = step
            break
    tasks = processes.own(make_tasks(count, seed=9))
    pooled, _, _ = processes.combined(
        *pooled_gradient(params, tasks), weight=tasks.query.weights.sum(), stop=False
    )
    return {
        "params": {name: param.tolist() for name, param in params.items()},
        "pooled": pooled["weight"].tolist(),
        "loss": float(loss),
        "stopped_at": stopped_at,
        "told": processes.of_first(lambda: {"rank": processes.rank, "best": 0.1}),
        "bytes": list(processes.bytes_of_first(lambda: bytes([processes.rank, 255]))),
        "nothing": list(processes.bytes_of_first(lambda: b"")),
    }


def fail() -> None:
    raise PytrainError("no such sessions")


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from pytrain import cli
from pytrain.console import results
from pytrain.distributed import training_processes
from tests.unit.test_distributed import CPU, descend, fail

def run(settings):
    with training_processes(CPU) as processes:
        {body}
    results.print("printed once")

cli.COMMANDS = {{"train": cli.Command(cli.TrainSettings, run, "nothing was written")}}
sys.exit(cli.main(["train", "s", "--out", "a.brain"]))
"""


def torchrun(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of a script, and what they printed together."""
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(path), *arguments]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"OUT": str(folder), "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> list[dict]:
    """What two processes end with; of the five tasks in each meta-batch one takes two, the other three."""
    folder = tmp_path_factory.mktemp("both")
    body = "Path(os.environ['OUT'], str(processes.rank)).write_text(json.dumps(descend(processes, 5)))"
    ended = torchrun(folder, SCRIPT.format(body=body))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "printed once\n"
    return [json.loads((folder / rank).read_text()) for rank in "01"]


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


@pytest.mark.parametrize("body", ["fail()", "fail() if processes.rank == 1 else descend(processes, 4)"])
def test_an_error_is_shown_once(tmp_path, body):
    ended = torchrun(tmp_path, SCRIPT.format(body=body))
    assert ended.returncode == 1
    assert ended.stderr.count("error: ") == 1, ended.stderr
    assert ended.stderr.count("error: no such sessions") == 1, ended.stderr
    assert ended.stdout == ""


def test_when_a_process_is_killed_the_others_say_that_it_is_gone_and_end(tmp_path):
    body = "os.kill(os.getpid(), signal.SIGKILL) if processes.rank else descend(processes, 4)"
    ended = torchrun(tmp_path, SCRIPT.format(body=body))
    assert ended.returncode == 1
    assert ended.stderr.count("Traceback") == 1, ended.stderr  # torchrun's own
    assert ended.stderr.count("error: the connection to another process") <= 1
    assert "SIGKILL" in ended.stderr


def test_without_torchrun_everything_is_as_if_this_was_not_here():
    params, tasks = start_params(), make_tasks(3)
    with training_processes(CPU) as processes:
        assert processes == Processes()
        assert processes.is_first
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
