"""All benchmarks, or the named ones: `python -m tests.benchmarks [NAMES …] [--quick]`.

Those that measure time run alone, one after the other; then the others, two at a time. What was run replaces
its own results in `build/bench/report.json`; all others stay. The exit status is 1 if one failed.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from tests.benchmarks.report import REPORT, BenchSettings, data_from_environment, merged, read, table, write
from tests.benchmarks.run_one import Part, part_path

ROOT = Path(__file__).parents[2]
MODULES = (
    *("train", "adapt_step", "closed_form", "individual_agents", "large_recording", "ship"),
    *("sinusoid", "omniglot", "rock_paper_scissors", "fish", "demo"),
)
AT_A_TIME = 2
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Listed:
    """A module of this folder that is a benchmark."""

    module: str
    name: str
    timed: bool


def listed() -> list[Listed]:
    """The benchmarks, read from their source: importing them would import torch into this process."""
    found = [(module, _constants(path)) for module in MODULES if (path := _path(module)).exists()]
    return [Listed(module, *constants) for module, constants in found if constants]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, write the report, print the table."""
    console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
    settings, only_list = _settings(arguments)
    benchmarks = listed()
    if only_list:
        for each in benchmarks:
            console.print(f"{each.name:12} tests/benchmarks/{each.module}.py")
        return 0
    unknown = [
        name for name in settings.names if name.split("/")[0] not in {each.name for each in benchmarks}
    ]
    if unknown:
        known = ", ".join(each.name for each in benchmarks)
        console.print(f"there is no benchmark {', '.join(unknown)}: the names begin with {known}")
        return 2
    chosen = [each for each in benchmarks if settings.wants(each.name)]
    path = settings.out / REPORT
    parts: list[tuple[Listed, Part]] = []
    try:
        for each, part in _run(chosen, settings):
            parts.append((each, part))
            write(path, merged(read(path), part.results))
    except KeyboardInterrupt:
        console.print("interrupted: what was done so far is in the report")
    console.print(table([result for _, part in parts for result in part.results], "\nThis run"))
    for each, part in parts:
        style = {"done": "green", "not run": "yellow"}.get(part.outcome, "bold red")
        reason = f": {part.reason}" if part.reason else ""
        line = f"{each.name:12} {part.outcome} after {part.seconds:.0f} s{reason}"
        console.print(line, style=style, markup=False, soft_wrap=True)
    console.print(f"{path}: {len(read(path))} results")
    return 0 if len(parts) == len(chosen) and all(p.outcome in ("done", "not run") for _, p in parts) else 1


def _run(chosen: Sequence[Listed], settings: BenchSettings) -> Iterator[tuple[Listed, Part]]:
    for each in chosen:
        if each.timed:
            yield each, _run_one(each, settings)
    untimed = [each for each in chosen if not each.timed]
    with ThreadPoolExecutor(AT_A_TIME) as threads:
        yield from zip(untimed, threads.map(lambda each: _run_one(each, settings), untimed), strict=True)


def _run_one(benchmark: Listed, settings: BenchSettings) -> Part:
    part_path(settings.out, benchmark.module).unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.run_one", benchmark.module]
    environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONUNBUFFERED": "1"}
    written = json.dumps(asdict(settings), default=str)
    subprocess.run([*command, written], cwd=ROOT, env=environment, check=False)
    return Part.read(part_path(settings.out, benchmark.module))


def _settings(arguments: Sequence[str] | None) -> tuple[BenchSettings, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help='such as "train" or "sinusoid/maml"; none means all')
    parser.add_argument("--quick", action="store_true", help="all of it within five minutes, and rougher")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--data", type=Path, default=data_from_environment(), help="the data sets' folder")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--list", action="store_true", help="only say which benchmarks there are")
    given = parser.parse_args(arguments)
    names = tuple(name.strip("/") for name in given.names)
    return BenchSettings(
        given.quick, given.data.resolve(), given.out.resolve(), given.device, names
    ), given.list


def _path(module: str) -> Path:
    return Path(__file__).with_name(f"{module}.py")


def _constants(path: Path) -> tuple[str, bool] | None:
    """NAME and TIMED; None where the module has no NAME, and so is no benchmark of this kind."""
    assigned: dict[str, object] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("NAME", "TIMED"):
                assigned[name] = ast.literal_eval(node.value)
    return (str(assigned["NAME"]), bool(assigned.get("TIMED", True))) if "NAME" in assigned else None


if __name__ == "__main__":
    sys.exit(main())
