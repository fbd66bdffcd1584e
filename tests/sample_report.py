"""Made-up figures in the form of `report.json`, so that tables and page can be tested without a demo."""

from __future__ import annotations

import math
from typing import Any

from pytrain.games.benchmark import summarise

CURVE_SEC = [0.0, 2.0, 5.0, 10.0, 20.0, 40.0]
FLOORS = {"frozen": 62.0, "scratch": 44.0, "pooled": 41.0, "reptile": 31.0, "fomaml": 30.0, "maml": 27.5}
HIT_RATES = {"no_lead": 0.09, "linear_lead": 0.21, "frozen": 0.27, "adapting": 0.39}


def figure(mean: float, part: float = 0.05) -> dict[str, Any]:
    """A mean with an interval of plus and minus `part` of it."""
    return {"mean": mean, "ci95": [mean * (1 - part), mean * (1 + part)]}


def make_report(adapting: float = 0.39, tick_usec: float = 500.0) -> dict[str, Any]:
    """Figures of a demo that met its targets, but for what the arguments spoil."""
    rates = {**HIT_RATES, "adapting": adapting}
    play_sec = [second + 2.5 for second in range(0, 60, 5)]
    ticks = [tick_usec * (1 + 0.3 * math.sin(tick)) for tick in range(600)]
    engine = summarise(
        {
            "agents": 100,
            "tick_usec": ticks,
            "tick_usec_without_adaptation": ticks,
            "runs": 600,
            "adaptations": 10,
        }
    )
    return {
        "prediction": prediction(players=64, add=0.0),
        "unseen_family": prediction(players=48, add=9.0),
        "play": {
            "players": 64,
            "methods": {name: {"hit_rate": figure(rate)} for name, rate in rates.items()},
            "paired_ratio": {
                f"adapting/{name}": figure(adapting / HIT_RATES[name]) for name in ("linear_lead", "frozen")
            },
            "curve_sec": play_sec,
            "curves": {
                name: [
                    figure(rate * (1 - 0.5 * math.exp(-second / 8) * (name == "adapting")))
                    for second in play_sec
                ]
                for name, rate in rates.items()
            },
            "brain": "maml.brain",
            "frozen_brain": "pooled.brain",
        },
        "engine": engine,
        "seconds": {"record": 62.0, "train": 121.0, "evaluate": 14.0, "play": 71.0, "engine": 15.0},
        "commands": [
            "pytrain record --population meta-train --players 0:192 --out build/demo/sessions/meta-train",
            "pytrain train build/demo/sessions/meta-train --algorithm maml --out maml.brain",
        ],
    }


def prediction(players: int, add: float) -> dict[str, Any]:
    """Errors that fall from the frozen model's, or from far above it, towards each method's floor."""
    starts = {name: 210.0 if name == "scratch" else 60.0 + add for name in FLOORS}
    curves = {
        name: [
            figure(floor + add + (starts[name] - floor - add) * math.exp(-second / 6), 0.08)
            for second in CURVE_SEC
        ]
        for name, floor in FLOORS.items()
    }
    curves["frozen"] = [figure(FLOORS["frozen"] + add, 0.08)] * len(CURVE_SEC)
    return {
        "players": players,
        "methods": {name: {"error": points[4]} for name, points in curves.items()},
        "unit": "px",
        "headline_sec": 20.0,
        "curve_sec": CURVE_SEC,
        "curves": curves,
        "ratios": {
            f"{name}/{other}": figure(floor / FLOORS[other])
            for name, floor in FLOORS.items()
            for other in ("frozen", "pooled")
        },
    }
