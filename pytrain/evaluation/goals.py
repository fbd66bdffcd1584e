"""What this project set out to show, held against what was measured: each target is met or plainly missed.

Reads the figures in the form of `report.json`, so that the tables on the terminal, the report and
anyone who reads the file judge the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytrain.evaluation.intervals import Estimate

ERROR_RATIO_TO_FROZEN = 0.6
HIT_RATIO_TO_LINEAR_LEAD = 1.5
HIT_RATIO_TO_FROZEN = 1.25
LEAST_PLAYERS_IN_PLAY = 64
TICK_MSEC = 1.0

_META_LEARNERS = (("reptile", "Reptile"), ("maml", "MAML"))

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One thing to show, and whether it was shown."""

    key: str
    what: str
    wanted: str
    measured: str
    met: bool


def estimate(stored: Figures) -> Estimate:
    """A figure of `report.json`."""
    return Estimate(stored["mean"], *stored["ci95"])


def judge(report: Figures) -> list[Target]:
    """Every target, in the order of the report's parts."""
    return [
        *_judge_prediction(report["prediction"]),
        *_judge_unseen_family(report["unseen_family"]),
        *_judge_play(report["play"]),
        _judge_engine(report["engine"]),
    ]


def summary(report: Figures) -> list[str]:
    """In plain sentences what adaptation gained, the most telling first; misses are counted."""
    prediction, play = report["prediction"], report["play"]
    errors = {name: float(method["error"]["mean"]) for name, method in prediction["methods"].items()}
    best, label = min(_META_LEARNERS, key=lambda learner: errors[learner[0]])
    lead, frozen = (
        estimate(play["paired_ratio"][f"adapting/{other}"]) for other in ("linear_lead", "frozen")
    )
    targets = judge(report)
    missed = sum(not target.met for target in targets)
    sentences = [
        f"After {prediction['headline_sec']:g} seconds of play, {label} predicts players it never saw with "
        f"{errors[best] / errors['frozen']:.0%} of a frozen brain's error, and archers that adapt hit "
        f"{lead.mean:.2f} times as often as with linear lead, {frozen.mean:.2f} times as often as with the "
        "best brain that does not adapt.",
        f"Fine-tuning the pooled model on the same seconds leaves {errors['pooled'] / errors['frozen']:.0%} "
        f"of the error; {_worth(estimate(prediction['ratios'][f'{best}/pooled']))}",
    ]
    if not missed:
        return [*sentences, f"All {len(targets)} targets were met."]
    return [*sentences, f"{missed} of {len(targets)} targets {'was' if missed == 1 else 'were'} missed."]


def _worth(ratio_to_pooled: Estimate) -> str:
    if ratio_to_pooled.high < 1:
        return f"having learned to learn takes off another {1 - ratio_to_pooled.mean:.0%}."
    return "having learned to learn gained nothing over that on these players."


def _judge_prediction(prediction: Figures) -> list[Target]:
    errors = {name: estimate(method["error"]) for name, method in prediction["methods"].items()}
    targets = list[Target]()
    for name, label in _META_LEARNERS:
        ratio = errors[name].mean / errors["frozen"].mean
        targets.append(
            Target(
                f"{name}/frozen",
                f"{label}'s error on new players, as a part of the frozen brain's",
                f"at most {ERROR_RATIO_TO_FROZEN}",
                f"{ratio:.2f}",
                ratio <= ERROR_RATIO_TO_FROZEN,
            )
        )
        targets.append(
            Target(
                f"{name}/pooled",
                f"{label}'s error on new players, against the pooled model fine-tuned",
                f"below {errors['pooled']:.3g}, intervals apart",
                f"{errors[name]:.3g}",
                errors[name].is_below(errors["pooled"]),
            )
        )
    return targets


def _judge_unseen_family(unseen: Figures) -> list[Target]:
    errors = {name: estimate(method["error"]) for name, method in unseen["methods"].items()}
    return [
        Target(
            f"{name}/unseen",
            f"{label}'s error on a family of players kept out of training",
            f"below the frozen brain's {errors['frozen'].mean:.3g}",
            f"{errors[name]:.3g}",
            errors[name].mean < errors["frozen"].mean,
        )
        for name, label in _META_LEARNERS
    ]


def _judge_play(play: Figures) -> list[Target]:
    rates = {name: estimate(method["hit_rate"]) for name, method in play["methods"].items()}
    targets = []
    for other, label, wanted in (
        ("linear_lead", "linear lead", HIT_RATIO_TO_LINEAR_LEAD),
        ("frozen", "the frozen brain", HIT_RATIO_TO_FROZEN),
    ):
        ratio = estimate(play["paired_ratio"][f"adapting/{other}"])
        apart = rates[other].is_below(rates["adapting"])
        enough = play["players"] >= LEAST_PLAYERS_IN_PLAY
        targets.append(
            Target(
                f"adapting/{other}",
                f"hits in play, adapting against {label}, {play['players']} players",
                f"at least {wanted} times, intervals apart",
                f"{ratio:.3g} times" + ("" if apart else ", intervals overlap"),
                ratio.mean >= wanted and apart and enough,
            )
        )
    return targets


def _judge_engine(engine: Figures) -> Target:
    tick = engine["tick_msec"]
    return Target(
        "engine",
        f"main-thread time per tick for {engine['agents']} agents",
        f"at most {TICK_MSEC:g} ms",
        f"median {tick['median']:.2f} ms, 99 of 100 ticks within {tick['p99']:.2f} ms",
        bool(tick["p99"] <= TICK_MSEC),
    )
