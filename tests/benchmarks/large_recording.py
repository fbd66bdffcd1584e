"""How much memory a long recording takes to train on: its peak in a process that reads it and draws tasks.

A synthetic recording is written, a session for each player. A process of its own then goes the way of
`pytrain train` up to the learner: read, split, normalise, cut the meta-validation players, draw meta-batches.
On the disk of the temporary folder a bit more than twice the recording's size must be free.

    python -m tests.benchmarks.large_recording [--rows 50000000] [--players 40]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from adaptive_agents.formats.session import Examples, SessionHeader, SessionWriter
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.columns import temporary_folder
from pytrain.data.dataset import read_players, split_by_player
from pytrain.data.tasks import Cuts, TaskSampler
from pytrain.models.normalisation import Normalisation
from pytrain.training.validation import Validation
from tests.benchmarks.report import BenchSettings, Progress, Result

NAME = "recording"
TIMED = True

ROWS, QUICK_ROWS = 50_000_000, 2_000_000
PLAYERS = 40
AGENTS = 8
TICKS_APART = 6
META_BATCHES = 200
LIMIT_GIB = 4.0
SPEC = Spec((Field("seen", 14),), Target("vector", "displacement", 2), horizon_ticks=36)


@dataclass(frozen=True)
class Measured:
    """What a process that trains on the recording took."""

    examples: int
    read_sec: float
    normalise_sec: float
    validation_sec: float
    task_usec: float  # for a meta-batch of tasks with a cut
    minibatch_usec: float  # for a meta-batch of random examples, as Reptile draws them
    start_gib: float  # the process's peak before it reads anything: Python and torch
    peak_gib: float


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Peak memory, and rows read in a second."""
    rows = QUICK_ROWS if settings.quick else ROWS
    measured = measure(rows, PLAYERS, progress)
    millions = f"{rows // 1_000_000} million rows"
    yield Result.against(
        f"{NAME}/peak-memory",
        measured.peak_gib,
        f"GiB for {millions}",
        "the limit",
        LIMIT_GIB,
        lower_is_better=True,
        goal=1.0,
    )
    yield Result(f"{NAME}/read", measured.examples / measured.read_sec, f"rows per second of {millions}")
    yield Result(f"{NAME}/tasks", measured.task_usec, f"µs for a meta-batch of 25 tasks out of {millions}")


def measure(rows: int, players: int, progress: Progress) -> Measured:
    """Write a recording of so many rows, and train on it in another process."""
    with tempfile.TemporaryDirectory(dir=temporary_folder()) as folder:
        began = time.perf_counter()
        size = write_recording(Path(folder), rows, players)
        progress(f"{rows:,} rows, {size / 2**30:.2f} GiB written in {time.perf_counter() - began:.0f} s")
        command = [sys.executable, "-m", "tests.benchmarks.large_recording", "--train-on", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last_line = (done.stderr.strip().splitlines() or ["killed, perhaps for want of memory"])[-1]
            raise RuntimeError(f"training on {rows:,} rows ended with {done.returncode}: {last_line}")
        return Measured(**json.loads(done.stdout))


def write_recording(folder: Path, rows: int, players: int) -> int:
    """A session for each player, in which agents observe by turns; how many bytes they have."""
    random = np.random.default_rng(0)
    chunk = Examples.zeros(SPEC, 65_536)
    chunk.observations[:] = random.standard_normal(chunk.observations.shape)
    chunk.targets[:] = random.standard_normal(chunk.targets.shape)
    chunk.weights[:] = random.random(len(chunk)) > 0.05  # some stay without a label
    row = np.arange(len(chunk))
    chunk.agents[:] = row % AGENTS
    size = 0
    for player in range(players):
        header = SessionHeader(SPEC, f"player-{player:03}")
        with SessionWriter(folder / f"{player:03}.session", header, chunk_rows=256) as writer:
            for first in range(0, rows // players, len(chunk)):
                chunk.ticks[:] = (first + row) // AGENTS * TICKS_APART
                chunk.ticks[::1000] = np.maximum(chunk.ticks[::1000] - 60, 0)  # some labels took longer
                chunk.episodes[:] = (first + row) // 100_000
                writer.extend(chunk.select(slice(0, rows // players - first)))
            size += writer.bytes_written
    return size


def train_on(folder: Path) -> Measured:
    """What training does with sessions before a learner sees them."""
    torch.set_num_threads(1)  # as `pytrain train` does unless told otherwise
    start_gib = _peak_gib()
    seconds = [time.perf_counter()]

    def lap() -> float:
        seconds.append(time.perf_counter())
        return seconds[-1] - seconds[-2]

    players = read_players([folder])
    read_sec = lap()
    examples = players.examples
    players, held_out = split_by_player(players, 0.2, 0)
    Normalisation.of(players)
    normalise_sec = lap()
    Validation(held_out, (20.0,))
    validation_sec = lap()
    sampler = TaskSampler(players.with_window(Window(5, 30)), Cuts(2.0, 3600.0, 20.0), 0)
    for _ in range(META_BATCHES):
        sampler.tasks(25, 128, 64, 5, 32)
    task_sec = lap()
    for _ in range(META_BATCHES):
        sampler.minibatches(25, 5, 32)
    return Measured(
        examples=examples,
        read_sec=read_sec,
        normalise_sec=normalise_sec,
        validation_sec=validation_sec,
        task_usec=1e6 * task_sec / META_BATCHES,
        minibatch_usec=1e6 * lap() / META_BATCHES,
        start_gib=start_gib,
        peak_gib=_peak_gib(),
    )


def _peak_gib() -> float:
    """The largest resident memory that this process had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--players", type=int, default=PLAYERS)
    parser.add_argument("--train-on", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.train_on:
        print(json.dumps(asdict(train_on(given.train_on))))
        return
    measured = measure(given.rows, given.players, lambda line: print(line, flush=True))
    print(f"{measured.examples / measured.read_sec:,.0f} examples/s read ({measured.read_sec:.1f} s)")
    for name, value in asdict(measured).items():
        print(f"{name:16} {value:,.2f}")


if __name__ == "__main__":
    main()
