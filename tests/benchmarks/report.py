"""What a benchmark gives, and `build/bench/report.json`, where all of them meet.

A benchmark is a module with `NAME`, `TIMED` and `run(settings, progress)`, which yields a `Result` for every
figure; `python -m tests.benchmarks` runs each in a process of its own (see `run_one`) and merges what came.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from adaptive_agents.formats.atomic import write_atomically

REPORT = "report.json"
DATA_VARIABLE = "BENCH_DATA"

Progress = Callable[[str], None]
"""Takes a line on how far a benchmark is; it is printed with the benchmark's name in front."""


class CannotRun(Exception):  # noqa: N818 - it is a finding, not a fault
    """This machine lacks what the benchmark needs; the message says what, and what to do about it."""


def data_from_environment() -> Path:
    """The folder of the data sets, unless the command line names another."""
    return Path(os.environ.get(DATA_VARIABLE, "../shared/data"))


@dataclass(frozen=True)
class BenchSettings:
    """What was asked for on the command line."""

    quick: bool = False
    """Within about a minute: fewer repetitions, seeds and meta steps. The figures are rougher."""
    data: Path = field(default_factory=data_from_environment)
    out: Path = Path("build/bench")
    device: str = "auto"
    """auto, cpu or cuda; what measures time against a peer stays on the processor."""
    names: tuple[str, ...] = ()
    """Results or groups of them, such as "train" or "sinusoid/maml"; none means all."""

    def wants(self, name: str) -> bool:
        """Whether this result, or group of results, or a part of it, was asked for."""
        return not self.names or any(
            f"{name}/".startswith(f"{asked}/") or f"{asked}/".startswith(f"{name}/") for asked in self.names
        )


@dataclass(frozen=True)
class Result:
    """One figure beside its peer's, which was measured in the same run or is quoted from a paper."""

    name: str
    ours: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    """How many times better than the peer: above 1 is better, for rates, scores, errors and times alike."""
    spread: tuple[float, float] | None = None
    """The lowest and the highest of the repetitions, seeds or splits, of what `spread_of` says."""
    spread_of: Literal["ours", "ratio"] = "ours"
    goal: float | None = None
    """The least ratio that will do."""
    note: str = ""

    @classmethod
    def against(
        cls,
        name: str,
        ours: float,
        unit: str,
        peer: str,
        peer_value: float,
        *,
        lower_is_better: bool = False,
        spread: tuple[float, float] | None = None,
        goal: float | None = None,
        note: str = "",
    ) -> Self:
        """A figure whose ratio is that of the two values."""
        ratio = peer_value / ours if lower_is_better else ours / peer_value
        return cls(name, ours, unit, peer, peer_value, ratio, spread, goal=goal, note=note)

    @property
    def missed(self) -> bool:
        """Whether there is a goal, and it was not reached."""
        return self.goal is not None and (self.ratio is None or not self.ratio >= self.goal)


class Benchmark(Protocol):
    """What a module of this folder offers to be run."""

    NAME: str
    """The first part of its results' names."""
    TIMED: bool
    """Whether it measures time; then nothing else runs beside it."""

    def run(self, settings: BenchSettings, progress: Progress) -> Iterable[Result]:
        """Yield every wanted result; raise CannotRun for what is not there."""
        ...


def data_folder(settings: BenchSettings, name: str) -> Path:
    """The folder of a data set, or CannotRun with what to set."""
    folder = settings.data / name
    if not folder.is_dir():
        raise CannotRun(f"there is no folder {folder}: set --data or ${DATA_VARIABLE} to the folder above it")
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    """The results of a report; none where there is no report yet."""
    if not path.exists():
        return []
    results: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["results"]
    return results


def merged(older: Sequence[dict[str, Any]], newer: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """All results in the order of their names; where a name was measured again, the newer one."""
    by_name = {result["name"]: result for result in (*older, *newer)}
    return [by_name[name] for name in sorted(by_name, key=_natural)]


def write(path: Path, results: Sequence[dict[str, Any]]) -> None:
    """Replace the report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"results": list(results)}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, content.encode())


def as_json(result: Result, command: str) -> dict[str, Any]:
    """A result as the report holds it, with the command that gives it again."""
    return {**asdict(result), "command": command}


def table(results: Sequence[dict[str, Any]], title: str) -> Table:
    """All figures for a person: ours, the peer's, how many times better, and whether that will do."""
    shown = Table(title=title, title_justify="left", box=SIMPLE, pad_edge=False)
    shown.add_column("figure", no_wrap=True)
    for heading in ("ours", "peer's", "× better", "spread", "goal"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("unit, peer, note", overflow="fold")
    for result in results:
        of_ratio = result.get("spread_of") == "ratio"
        spread = result.get("spread")
        goal, ratio = result.get("goal"), result.get("ratio")
        missed = goal is not None and (ratio is None or not ratio >= goal)
        remarks = [result["unit"]]
        if result.get("peer"):
            remarks.append(f"against {result['peer']}")
        if result.get("note"):
            remarks.append(result["note"])
        shown.add_row(
            result["name"],
            _figure(result["ours"]),
            _figure(result.get("peer_value")),
            _figure(ratio),
            "" if not spread else f"{'× ' if of_ratio else ''}{_figure(spread[0])} – {_figure(spread[1])}",
            Text("" if goal is None else f"{'✗' if missed else '✓'} ≥ {_figure(goal)}"),
            "; ".join(remarks),
            style="yellow" if missed else None,
        )
    return shown


def _figure(value: float | None) -> str:
    """Three digits that count."""
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def _natural(name: str) -> tuple[Any, ...]:
    """steps-5 before steps-10."""
    parts = name.replace("/", "-").split("-")
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
