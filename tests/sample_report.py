"""Made-up figures in the form of `report.json`, so that tables and page can be tested without a demo."""

from __future__ import annotations

import math
from typing import Any

from pytrain.games.benchmark import summarise

CURVE_SEC = [0.0, 2.0, 5.0, 10.0, 20.0, 40.0]
FLOORS = {
    "frozen": 62.0,
    "kernel": 44.0,
    "frozen_kernel": 43.0,
    "pooled": 41.0,
    "fomaml": 36.0,
    "memory": 27.5,
}
STARTS = {"kernel": 120.0}  # the others start as the frozen model does
HIT_RATES = {"no_lead": 0.09, "linear_lead": 0.08, "frozen": 0.21, "adapting": 0.39}


def figure(mean: float, part: float = 0.05) -> dict[str, Any]:
    """A mean with an interval of plus and minus `part` of it."""
    return {"mean": mean, "ci95": sorted([mean * (1 - part), mean * (1 + part)])}


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
                f"adapting/{name}": figure(adapting / HIT_RATES[name])
                for name in HIT_RATES
                if name != "adapting"
            },
            "curve_sec": play_sec,
            "curves": {
                name: [
                    figure(rate * (1 - 0.5 * math.exp(-second / 8) * (name == "adapting")))
                    for second in play_sec
                ]
                for name, rate in rates.items()
            },
            "brain": "memory.brain",
            "frozen_brain": "pooled.brain",
        },
        "engine": engine,
        "seconds": {"record": 62.0, "train": 121.0, "evaluate": 14.0, "play": 71.0, "engine": 15.0},
        "commands": [
            "pytrain record --population meta-train --players 0:192 --out build/demo/sessions/meta-train",
            "pytrain train build/demo/sessions/meta-train --algorithm memory --out memory.brain",
        ],
    }


def prediction(players: int, add: float) -> dict[str, Any]:
    """Errors that fall from the frozen model's, or from far above it, towards each method's floor."""
    frozen = FLOORS["frozen"] + add
    means = {}
    for name, floor in FLOORS.items():
        start = STARTS.get(name, FLOORS["frozen"]) + add
        floor = floor + add / 2
        means[name] = [floor + (start - floor) * math.exp(-second / 3) for second in CURVE_SEC]
    means["frozen"] = [frozen] * len(CURVE_SEC)
    pairs = [(one, other) for one in FLOORS for other in FLOORS if one != other]
    pairs += [(one, "best-baseline") for one in FLOORS if one != "pooled"]
    against = {**means, "best-baseline": means["pooled"]}
    ratios = {
        f"{one}/{other}": [figure(a / b, 0.02) for a, b in zip(means[one], against[other], strict=True)]
        for one, other in pairs
    }
    differences = {
        f"{one}-{other}": [figure(a - b, 0.02) for a, b in zip(means[one], against[other], strict=True)]
        for one, other in pairs
    }
    methods: dict[str, dict[str, Any]] = {
        name: {"error": figure(errors[4], 0.08), "trainings": 1} for name, errors in means.items()
    }
    methods["memory"]["coverage"] = {"50": figure(0.5), "80": figure(0.81), "95": figure(0.94)}
    return {
        "players": players,
        "methods": methods,
        "unit": "px",
        "headline_sec": 20.0,
        "curve_sec": CURVE_SEC,
        "curves": {name: [figure(error, 0.08) for error in errors] for name, errors in means.items()},
        "ratios": {name: curve[4] for name, curve in ratios.items()},
        "ratio_curves": ratios,
        "differences": {name: curve[4] for name, curve in differences.items()},
        "difference_curves": differences,
        "player_ids": [f"player-{player}" for player in range(players)],
        "per_player": {
            name: [[error * (0.8 + 0.4 * player / players) for error in errors] for player in range(players)]
            for name, errors in means.items()
        },
        "chosen": {
            "players": 32,
            "best_baseline": "pooled",
            "best_learner": "memory",
            "errors": {name: errors[4] for name, errors in means.items()},
            "settings": {},
        },
    }
