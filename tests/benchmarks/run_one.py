"""One benchmark in a process of its own: `python -m tests.benchmarks.run_one MODULE SETTINGS`, by `__main__`.

So a crash takes no other benchmark down, memory peaks are each one's own, and all have the same threads: one.
What is done so far stands in `OUT/parts/NAME.json` after every result, also when the rest fails.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import torch

from adaptive_agents.formats.atomic import write_atomically
from tests.benchmarks.report import Benchmark, BenchSettings, CannotRun, as_json

Outcome = Literal["done", "not run", "failed", "interrupted"]


@dataclass
class Part:
    """What one benchmark has given so far."""

    results: list[dict[str, Any]] = field(default_factory=list)
    outcome: Outcome = "interrupted"
    reason: str = ""
    seconds: float = 0.0

    @classmethod
    def read(cls, path: Path) -> Part:
        """What a benchmark left behind; an interrupted one where it left nothing."""
        if not path.exists():
            return cls(outcome="failed", reason="its process ended before it began")
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Replace the file, whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(vars(self), ensure_ascii=False).encode())


def part_path(out: Path, module: str) -> Path:
    """Where the benchmark of a module leaves its results."""
    return out / "parts" / f"{module}.json"


def run(module: str, settings: BenchSettings) -> Part:
    """Run the benchmark, writing after every result; an exception becomes the outcome."""
    began = time.monotonic()
    path = part_path(settings.out, module)
    part = Part()
    part.write(path)
    try:
        benchmark = cast("Benchmark", importlib.import_module(f"tests.benchmarks.{module}"))

        def progress(line: str) -> None:
            print(f"{time.monotonic() - began:6.0f} s  {benchmark.NAME}: {line}", flush=True)

        progress("begins")
        for result in benchmark.run(settings, progress):
            quick = " --quick" if settings.quick else ""
            command = f"python -m tests.benchmarks {result.name}{quick}"
            part.results.append(as_json(result, command))
            part.seconds = time.monotonic() - began
            part.write(path)
        part.outcome = "done"
    except CannotRun as error:
        part.outcome, part.reason = "not run", str(error)
    except KeyboardInterrupt:
        part.reason = "interrupted"
    except Exception as error:  # noqa: BLE001 - whatever it was, the others go on and the table says it
        traceback.print_exc()
        part.outcome, part.reason = "failed", f"{type(error).__name__}: {error}"
    part.seconds = time.monotonic() - began
    part.write(path)
    return part


def main(arguments: list[str]) -> int:
    """`MODULE SETTINGS`, the settings as JSON; 0 unless the benchmark failed."""
    module, written = arguments
    given = json.loads(written)
    settings = BenchSettings(
        quick=given["quick"],
        data=Path(given["data"]),
        out=Path(given["out"]),
        device=given["device"],
        names=tuple(given["names"]),
    )
    torch.set_num_threads(1)
    return 0 if run(module, settings).outcome in ("done", "not run") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
