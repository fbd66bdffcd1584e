"""Plays scenarios on two processes each, set up as torchrun does it, but with one import of torch for all.

`python -m tests.unit.two_processes FOLDER` leaves what each process printed and how it ended in the folder.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch
from torch.distributed import TCPStore

from pytrain import cli
from pytrain.console import results
from pytrain.data.tasks import Batch, Tasks
from pytrain.errors import PytrainError
from pytrain.settings import TrainSettings
from pytrain.training.distributed import Processes, training_processes

CPU = torch.device("cpu")
Params = dict[str, torch.Tensor]


def make_tasks(count: int, seed: int = 0) -> Tasks:
    random = torch.Generator().manual_seed(seed)

    def batch() -> Batch:
        return Batch(
            torch.randn(count, 4, 3, generator=random),
            torch.randn(count, 4, 1, generator=random),
            torch.rand(count, 4, generator=random).round(decimals=1),
        )

    return Tasks((batch(), batch()), batch())


def gradient(params: Params, tasks: Tasks) -> tuple[Params, torch.Tensor]:
    """Of the mean over the tasks, as a meta-learner's."""
    fresh = {name: param.detach().requires_grad_() for name, param in params.items()}
    errors = tasks.query.observations @ fresh["weight"] + fresh["bias"] - tasks.query.targets
    loss = errors.square().mean()
    return dict(zip(fresh, torch.autograd.grad(loss, tuple(fresh.values())), strict=True)), loss.detach()


def pooled_gradient(params: Params, tasks: Tasks) -> tuple[Params, torch.Tensor]:
    """Of the mean over all examples, each with its weight."""
    weight = params["weight"].detach().requires_grad_()
    errors = (tasks.query.observations @ weight - tasks.query.targets).squeeze(-1)
    loss = (errors.square() * tasks.query.weights).sum() / tasks.query.weights.sum().clamp(min=1e-6)
    return {"weight": torch.autograd.grad(loss, weight)[0]}, loss.detach()


def start_params() -> Params:
    return {"weight": torch.ones(3, 1), "bias": torch.zeros(1)}


def descend(processes: Processes, count: int) -> dict:
    """A few steps on `count` tasks each; what a process ends with."""
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


def both_work(folder: Path, processes: Processes) -> None:
    found = descend(processes, 5)
    (folder / f"both_work-{processes.rank}.json").write_text(json.dumps(found))


def all_fail(folder: Path, processes: Processes) -> None:
    raise PytrainError("no such sessions")


def one_fails(folder: Path, processes: Processes) -> None:
    if processes.rank == 1:
        raise PytrainError("no such sessions")
    descend(processes, 4)


def one_is_killed(folder: Path, processes: Processes) -> None:
    if processes.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    descend(processes, 4)


SCENARIOS = {scenario.__name__: scenario for scenario in (both_work, all_fail, one_fails, one_is_killed)}


def play(name: str, folder: Path) -> None:
    """Start both processes of a scenario, and wait until they have ended."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    children = []
    for rank in range(2):
        child = os.fork()
        if child == 0:
            os.environ |= {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "LOCAL_WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
            }
            for stream in (sys.stdout, sys.stderr):
                file = (folder / f"{name}-{rank}.{stream.name.strip('<>')}").open("wb")
                os.dup2(file.fileno(), stream.fileno())
            os._exit(_end(_command(name, folder)))
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    (folder / f"{name}.codes").write_text(json.dumps(codes))


def _command(name: str, folder: Path) -> int:
    def run(settings: TrainSettings) -> None:
        with training_processes(CPU) as processes:
            SCENARIOS[name](folder, processes)
        results.print("printed once")

    cli.COMMANDS = {"train": cli.Command(TrainSettings, run, "nothing was written")}
    try:
        return cli.main(["train", "s", "--out", "a.brain"])
    except SystemExit as ended:
        return int(ended.code or 0)


def _end(code: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    for each in SCENARIOS:
        play(each, Path(sys.argv[1]))
