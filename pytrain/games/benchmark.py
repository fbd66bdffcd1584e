"""What the addon costs the game's main thread: a crowd of adapting agents in the engine, in real time.

The scene (`tests/benchmarks/crowd.gd`) notes what the addon says each tick took, without and with
adaptation; here that becomes a median, a 99th percentile and a histogram.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pytrain.errors import PytrainError
from pytrain.games.processes import Job, run_side_by_side
from pytrain.games.simulation import ENGINE_ERROR
from pytrain.progress import ProgressCallback, silent
from pytrain.setup.engine import ROOT, require_godot

SCRIPT = ROOT / "tests" / "benchmarks" / "crowd.gd"
AGENTS = 100
SECONDS = 8
BINS = 55


def benchmark(brain: Path, out: Path, progress: ProgressCallback = silent) -> dict[str, Any]:
    """Run the crowd and return `engine` of `report.json`.

    Raises PytrainError when the engine fails or its results do not hold the ticks that were asked for.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = out / "ticks.json"
    job = Job(
        name=f"measuring {AGENTS} agents",
        command=[
            *(str(require_godot().path), "--headless", "--path", str(ROOT), "--script", str(SCRIPT), "--"),
            *(f"agents={AGENTS}", f"seconds={SECONDS}", f"brain={brain.resolve()}"),
            f"results={results.resolve()}",
        ],
        log=out / "crowd.log",
        units=2 * SECONDS,
        timeout_sec=60.0 + 4 * SECONDS,
        failure=ENGINE_ERROR,
    )
    run_side_by_side([job], 1, "100 agents in real time", progress)
    return summarise(json.loads(results.read_text(encoding="utf-8")))


def summarise(measured: dict[str, Any]) -> dict[str, Any]:
    """What `crowd.gd` wrote, `tick_usec (ticks,)`, as the figures that are reported."""
    ticks_msec = np.asarray(measured["tick_usec"], dtype=np.float64) / 1000
    if len(ticks_msec) < 100:
        raise PytrainError(f"{len(ticks_msec)} ticks were measured, a 99th percentile needs 100 or more")
    median, p99 = np.percentile(ticks_msec, (50, 99))
    frozen_msec = np.asarray(measured["tick_usec_without_adaptation"], dtype=np.float64) / 1000
    drawn_msec = 1.1 * max(1.0, float(p99))
    counts, _ = np.histogram(ticks_msec, BINS, (0.0, drawn_msec))
    return {
        "agents": measured["agents"],
        "tick_msec": {"median": float(median), "p99": float(p99)},
        "ticks": len(ticks_msec),
        "slowest_msec": float(ticks_msec.max()),
        "adaptations": measured["adaptations"],
        "runs": measured["runs"],
        "without_adaptation_msec": dict(
            zip(("median", "p99"), map(float, np.percentile(frozen_msec, (50, 99))), strict=True)
        ),
        "histogram": {"bin_msec": drawn_msec / BINS, "ticks": [int(count) for count in counts]},
    }
