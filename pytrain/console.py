"""How `pytrain` talks: results on stdout, everything about the way there on stderr.

A step that takes long reports `Progress`; `watch` turns that into a bar on a terminal. A parent process
that draws the bar itself sets `PYTRAIN_PROGRESS=lines` and reads `PROGRESS done total` lines
(`pytrain.games.processes`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from pytrain.progress import Progress, ProgressCallback

PROGRESS_VARIABLE = "PYTRAIN_PROGRESS"
LINE_EVERY_SEC = 0.5

results = Console(highlight=False)
messages = Console(stderr=True, highlight=False)


def fail(message: str) -> None:
    """Say what went wrong, and how to go on, without a traceback."""
    messages.print("[bold red]error:[/] ", end="")
    messages.print(message, markup=False, soft_wrap=True)


def warn(message: str) -> None:
    """Say what was left out or is doubtful, and go on; one line, above a bar that is drawn."""
    messages.print("[yellow]warning:[/] ", end="")
    messages.print(message, markup=False, soft_wrap=True)


@contextmanager
def watch(shares: Mapping[str, float] | None = None) -> Iterator[ProgressCallback]:
    """A callback that shows progress for as long as the context lasts, one bar per stage.

    `shares` says what part of the whole time each stage takes, for a reader who wants one figure.
    """
    if os.environ.get(PROGRESS_VARIABLE) == "lines":
        yield _Lines(shares or {})
        return
    if not messages.is_terminal:
        yield _Quarters()
        return
    columns = (
        TextColumn("  {task.description:<24}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[scores]}[/]"),
    )
    bars = Bars(*columns, console=messages)
    tasks: dict[str, TaskID] = {}

    def show(progress: Progress) -> None:
        if not tasks:
            bars.start()
        if progress.stage not in tasks:
            tasks[progress.stage] = bars.add_task(progress.stage, total=progress.total, scores="")
        scores = "  ".join(f"{name} {value:.3g}" for name, value in progress.scores.items())
        scores = progress.note or scores
        bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, scores=scores)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()


class _Quarters:
    """For a log file: a line whenever another quarter of a stage is done."""

    def __init__(self) -> None:
        self.printed: dict[str, int] = {}

    def __call__(self, progress: Progress) -> None:
        if progress.note:
            messages.print(f"  {progress.stage}: {progress.note}")
        quarter = 4 * progress.done // max(1, progress.total)
        if quarter > self.printed.get(progress.stage, 0):
            self.printed[progress.stage] = quarter
            messages.print(f"  {progress.stage}: {25 * quarter} %")


class _Lines:
    """Prints how much of the whole is done, often enough for a bar and not more often."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self.shares = shares
        self.reached: dict[str, float] = {}
        self.printed = 0.0

    def __call__(self, progress: Progress) -> None:
        part = progress.done / max(1, progress.total)
        self.reached[progress.stage] = max(part, self.reached.get(progress.stage, 0.0))
        whole = sum(self.shares.get(stage, 1.0) * reached for stage, reached in self.reached.items())
        now = time.monotonic()
        if whole >= 1 or now - self.printed >= LINE_EVERY_SEC:
            self.printed = now
            messages.print(f"PROGRESS {min(1000, round(1000 * whole))} 1000")
