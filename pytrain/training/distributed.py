"""One training on several processes: `torchrun --nproc-per-node N -m pytrain train …`.

Every process draws the same meta-batches (they share the seed), takes the meta-gradient of its own slice of
the tasks, and adds it to the others'; so all take the same outer steps, and the result is that of one process
to within rounding. The first process alone measures, prints and writes; what it found is told to the others.
Without torchrun there is one process, and nothing here costs anything.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from pytrain.console import messages, results
from pytrain.data.tasks import Batch, Tasks
from pytrain.errors import PytrainError
from pytrain.models.networks import Params

PATIENCE_WITH_OTHERS = timedelta(minutes=30)  # the first process may validate or export for long
_FAILED = "pytrain/failed"
_CPU = torch.device("cpu")


class Combined(NamedTuple):
    """Of the whole meta-batch, the same in every process."""

    gradients: Params
    loss: Tensor
    stop: bool  # whether any process was asked to stop


@dataclass(frozen=True)
class Processes:
    """The processes that train together; `Processes()` is a training on its own."""

    rank: int = 0
    size: int = 1
    device: torch.device = _CPU

    @property
    def is_first(self) -> bool:
        """Whether this process measures, prints and writes."""
        return self.rank == 0

    def started_by(self, command: str) -> str:
        """The command line that starts as many processes on this machine, each with `command`."""
        if self.size == 1:
            return command
        return f"torchrun --nproc-per-node {os.environ['LOCAL_WORLD_SIZE']} -m {command}"

    def own(self, tasks: Tasks) -> Tasks:
        """This process's slice of a meta-batch; slices differ by one task where they do not divide evenly.

        Raises PytrainError when there are fewer tasks than processes.
        """
        if self.size == 1:
            return tasks
        count = len(tasks.query.weights)
        if count < self.size:
            raise PytrainError(
                f"a meta-batch of {count} tasks cannot be spread over {self.size} processes: raise "
                f"--meta-batch-size ({count}) or lower --nproc-per-node ({self.size})"
            )
        mine = slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)
        spans = tasks.spans and tasks.spans.of(mine)
        return Tasks(tuple(_cut(support, mine) for support in tasks.supports), _cut(tasks.query, mine), spans)

    def combined(self, gradients: Params, loss: Tensor, weight: Tensor | float, stop: bool) -> Combined:
        """The mean over all processes' slices of gradients and losses that are each a mean over one slice.

        `weight` is what this process's mean was taken over: its number of tasks, or the sum of its examples'
        weights. One tensor goes around, however many parameters there are.
        """
        if self.size == 1:
            return Combined(gradients, loss, stop)
        parts = [gradient.flatten() for gradient in gradients.values()]
        mean = torch.cat([*parts, loss.detach().to(parts[0]).reshape(1)])
        flat = torch.cat([mean * weight, mean.new_tensor([float(weight), float(stop)])])
        with _talking():
            dist.all_reduce(flat)
        *sums, loss_sum, total, stops = torch.split(flat, [*(part.numel() for part in parts), 1, 1, 1])
        total = total.clamp(min=1e-6)  # no task of a meta-batch may have an example
        means = {
            name: (part / total).view_as(gradient)
            for part, (name, gradient) in zip(sums, gradients.items(), strict=True)
        }
        return Combined(means, (loss_sum / total).squeeze(0).to(loss.dtype), bool(stops > 0))

    def of_first(self, compute: Callable[[], Any]) -> Any:
        """What `compute` gave the first process: anything that JSON can hold."""
        if self.size == 1:
            return compute()
        return json.loads(self.bytes_of_first(lambda: json.dumps(compute()).encode()))

    def bytes_of_first(self, read: Callable[[], bytes]) -> bytes:
        """The bytes that `read` gave the first process."""
        if self.size == 1:
            return read()
        data = bytearray(read() if self.is_first else b"")
        with _talking():
            length = torch.tensor([len(data)], device=self.device)
            dist.broadcast(length, src=0)
            content = torch.empty(int(length), dtype=torch.uint8)
            if self.is_first and data:
                content = torch.frombuffer(data, dtype=torch.uint8)
            content = content.to(self.device)
            dist.broadcast(content, src=0)
        return content.cpu().numpy().tobytes()


@contextlib.contextmanager
def training_processes(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun started, or this one on its own; `device` is what the settings chose.

    On GPUs each process has its own. Of the exceptions that leave this context in all processes, only the
    first keeps its message; the others' processes end silently.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Processes(device=device)
        return
    rank = int(os.environ["RANK"])
    if rank > 0:
        messages.quiet = results.quiet = True
    device = _own_device(device)
    store, _, _ = next(rendezvous("env://", timeout=PATIENCE_WITH_OTHERS))
    try:
        with _talking():
            dist.init_process_group(
                "nccl" if device.type == "cuda" else "gloo",
                store=PrefixStore("pytrain/collectives", store),
                rank=rank,
                world_size=size,
                timeout=PATIENCE_WITH_OTHERS,
                device_id=device if device.type == "cuda" else None,
            )
        yield Processes(rank, size, device)
    except BaseException as error:
        _end_quietly_after_the_first(store, error)
        raise
    # Not after an exception: the others are stuck then, and waiting for them would hang this process too.
    dist.destroy_process_group()


def _own_device(device: torch.device) -> torch.device:
    if device.type != "cuda":
        return device
    local_rank, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local_rank >= here:
        raise PytrainError(
            f"process {local_rank + 1} on this machine has no GPU of its own, there are {here}: lower "
            f"--nproc-per-node to {here}, or train with --device cpu"
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def _end_quietly_after_the_first(store: Store, error: BaseException) -> None:
    """Return in the process that failed first, whose error is to be shown; end every other one."""
    with contextlib.suppress(RuntimeError):  # the store is gone where torchrun has been killed
        if store.add(_FAILED, 1) > 1:
            raise SystemExit(1) from error
    messages.quiet = results.quiet = False


@contextlib.contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PytrainError(
            "the connection to another process of this training is lost: it has ended, or its machine cannot "
            "be reached; start all of them again, with --resume to go on from the checkpoint"
        ) from error


def _cut(batch: Batch, tasks: slice) -> Batch:
    return Batch(batch.observations[tasks], batch.targets[tasks], batch.weights[tasks])
