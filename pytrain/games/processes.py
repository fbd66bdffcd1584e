"""Runs engine and training processes side by side, watches their progress, and ends them when we end.

A process tells how far it is by printing `PROGRESS done total` lines; everything it prints goes to its
own log file, which is also what an error message points at. A process that exits with another code than
0, that prints a line its job calls a failure, or that runs out of time fails the whole batch: the others
are stopped (only those started here, by process group) and one `PytrainError` says which one, why, and
where its log is.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pytrain.errors import PytrainError
from pytrain.progress import Progress, ProgressCallback, silent

POLL_SEC = 0.1
GRACE_SEC = 5.0
_PROGRESS = re.compile(rb"^PROGRESS (\d+) (\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One process to run."""

    name: str  # how messages call it: "recording meta-train players 0 to 96"
    command: Sequence[str]
    log: Path
    units: int = 1  # its share of the progress bar, for example its number of players
    output: Path | None = None  # where stdout goes instead of the log, for a command that prints a result
    timeout_sec: float = 600.0
    failure: str | None = None  # a regular expression for log lines that mean failure despite exit code 0
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def run_side_by_side(
    jobs: Sequence[Job], at_once: int, stage: str, progress: ProgressCallback = silent
) -> dict[str, float]:
    """Run all jobs in order, at most `at_once` at a time; return each one's wall time in seconds.

    Raises PytrainError for the first job that fails. On any exception, Ctrl-C included, nothing stays
    running.
    """
    if at_once < 1:
        raise PytrainError(f"at least one process is needed to run anything, {at_once} were asked for")
    waiting, running, seconds = list(jobs), list[_Running](), dict[str, float]()
    total = sum(job.units for job in jobs)
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_Running(waiting.pop(0)))
            time.sleep(POLL_SEC)
            for process in list(running):
                if process.has_ended():
                    process.raise_if_failed()
                    seconds[process.job.name] = time.monotonic() - process.started
                    running.remove(process)
            finished = sum(job.units for job in jobs if job.name in seconds)
            under_way = sum(process.units_done() for process in running)
            progress(Progress(stage, round(finished + under_way), total))
    finally:
        for process in running:
            process.stop()
    return seconds


class _Running:
    """A started job: its process, its open log and how far it got."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.started = time.monotonic()
        self.share = 0.0
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with job.log.open("wb") as log, _output(job, log) as output:
            try:
                # Its own process group: a wrapper script and what it starts are ended together, and Ctrl-C in
                # the terminal reaches us first.
                self.process = subprocess.Popen(
                    list(job.command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=log,
                    cwd=job.folder,
                    env={**os.environ, **job.environment},
                    start_new_session=True,
                )
            except OSError as error:
                raise PytrainError(
                    f"{job.name} could not start {job.command[0]!r}: {error.strerror}"
                ) from error
        self.read = job.log.open("rb")

    def has_ended(self) -> bool:
        """Whether the process is over; ends it when its time is up."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.started > self.job.timeout_sec:
            self.stop()
            raise PytrainError(
                f"{self.job.name} was still running after {self.job.timeout_sec:.0f} s and was stopped; "
                f"its log is {self.job.log}"
            )
        return False

    def units_done(self) -> float:
        for done, total in _PROGRESS.findall(self.read.read()):
            self.share = min(1.0, int(done) / max(1, int(total)))
        return self.share * self.job.units

    def raise_if_failed(self) -> None:
        self.read.close()
        log = self.job.log.read_text(encoding="utf-8", errors="replace")
        code = self.process.returncode
        failures = re.findall(self.job.failure, log, re.MULTILINE) if self.job.failure else []
        if code == 0 and not failures:
            return
        why = f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if code == 0:
            why = f"reported {len(failures)} error{'s' if len(failures) > 1 else ''}"
        printed = [line for line in log.splitlines() if line.strip() and "PROGRESS" not in line]
        quoted = "".join(f"\n    {line.strip()}" for line in failures[:8] or printed[-8:])
        raise PytrainError(f"{self.job.name} {why}; its log is {self.job.log}{quoted}")

    def stop(self) -> None:
        """End the process and everything it started: asked first, then made to."""
        self.read.close()
        for end in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is not None:
                return
            os.killpg(self.process.pid, end)
            try:
                self.process.wait(GRACE_SEC)
            except subprocess.TimeoutExpired:
                continue


@contextmanager
def _output(job: Job, log: IO[bytes]) -> Iterator[IO[bytes]]:
    if job.output is None:
        yield log
    else:
        with job.output.open("wb") as output:
            yield output
