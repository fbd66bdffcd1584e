"""What this project set out to show, held against what was measured: each target is met or plainly missed.

Reads the figures in the form of `report.json`, so that the tables on the terminal, the report and anyone who
reads the file judge the same numbers. Whoever is judged was chosen on other players, and every comparison is
paired: a ratio and its interval come from the same players on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytrain.evaluation.intervals import Estimate, Figures, estimate
from pytrain.evaluation.names import BASELINES, CONDITION_NAMES, LEARNING_CONDITIONS, label

RATIO_TO_FROZEN = {2.0: 1.0, 5.0: 0.9, 20.0: 0.68, 40.0: 0.6}
"""At most so much of the frozen model's error is left after so many seconds."""
UNSEEN_RATIO_TO_FROZEN = {20.0: 0.6}
RIVALS = ("kernel", "fomaml")
RIVALS_FROM_SEC = 5.0
COVERAGE_80 = (0.75, 0.85)
HIT_RATIO_TO_NON_LEARNER = 1.2
HIT_RATIO_TO_FROZEN = 1.75
LEAST_PLAYERS_IN_PLAY = 64
TICK_MSEC = 1.0
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Target:
    """One thing to show, and whether it was shown."""

    key: str
    what: str
    wanted: str
    measured: str
    met: bool


def judge(report: Figures) -> list[Target]:
    """Every target, in the order of the report's parts."""
    learner = headline_learner(report)
    prediction, unseen = report["prediction"], report["unseen_family"]
    return [
        *_judge_ratios(prediction, learner, RATIO_TO_FROZEN, "ratio", "new players"),
        *_judge_ratios(
            unseen, learner, UNSEEN_RATIO_TO_FROZEN, "unseen", "players of a kind never trained on"
        ),
        *(_judge_rival(prediction, learner, rival) for rival in RIVALS),
        _judge_coverage(prediction, learner),
        *_judge_play(report["play"]),
        _judge_engine(report["engine"]),
    ]


def headline_learner(report: Figures) -> str:
    """The learner that the headline is about: the one that other players chose, never the best on these.

    That is what the fit players of the evaluation chose, or else the brain that validation chose for play.
    """
    prediction = report["prediction"]
    chosen = (prediction.get("chosen") or {}).get("best_learner")
    played = str(report["play"].get("brain", "")).removesuffix(".brain")
    learners = [name for name in prediction["methods"] if name not in BASELINES]
    names = [str(name) for name in (chosen, played, *learners)]
    return next(name for name in names if name in prediction["methods"])


def best_non_learner(play: Figures) -> str:
    """The way of aiming that hits most often among those that did not learn to adapt."""
    others = [str(name) for name in play["methods"] if name not in LEARNING_CONDITIONS]
    return max(others, key=lambda name: float(play["methods"][name]["hit_rate"]["mean"]))


def summary(report: Figures) -> list[str]:
    """In plain sentences what adaptation gained, the most telling first; misses are counted."""
    prediction, play = report["prediction"], report["play"]
    learner = headline_learner(report)
    left = estimate(prediction["ratios"][f"{learner}/frozen"])
    sentences = [
        f"After {prediction['headline_sec']:g} seconds of play, {label(learner)} predicts players it never "
        f"saw with {left:.0%} of the best frozen model's error; {_hits(play)}",
        *_beside_baseline(prediction, learner),
        *_worse_off(prediction, learner),
    ]
    targets = judge(report)
    missed = sum(not target.met for target in targets)
    if not missed:
        return [*sentences, f"All {len(targets)} targets were met."]
    return [*sentences, f"{missed} of {len(targets)} targets {'was' if missed == 1 else 'were'} missed."]


def _hits(play: Figures) -> str:
    other = best_non_learner(play)
    best, frozen = (play["paired_ratio"].get(f"adapting/{name}") for name in (other, "frozen"))
    said = []
    if best is not None and other != "frozen":
        said.append(
            f"{best['mean']:.2f} times as often as the best that did not learn to ({CONDITION_NAMES[other]})"
        )
    if frozen is not None:
        said.append(f"{frozen['mean']:.2f} times as often as with the frozen model")
    return f"archers that adapt hit {', '.join(said)}."


def _beside_baseline(prediction: Figures, learner: str) -> Iterator[str]:
    """How the learner stands beside the best baseline that other players chose."""
    baseline = (prediction.get("chosen") or {}).get("best_baseline", "pooled")
    ratio = prediction["ratios"].get(f"{learner}/{baseline}")
    if baseline == "frozen" or ratio is None:
        return
    paired = estimate(ratio)
    left = prediction["ratios"][f"{baseline}/frozen"]["mean"]
    if paired.high < 1:
        verdict = f"having learned to learn takes off another {1 - paired.mean:.0%}."
    elif paired.low > 1:
        verdict = f"having learned to learn is {paired.mean - 1:.0%} worse than that."
    else:
        verdict = "having learned to learn gained nothing over that on these players."
    yield f"The best baseline ({label(baseline)}) leaves {left:.0%} of the error; {verdict}"


def _worse_off(prediction: Figures, learner: str) -> Iterator[str]:
    """Whom adaptation harms at the first second after 0."""
    errors = prediction.get("per_player", {})
    if learner not in errors or "frozen" not in errors:
        return
    at, seconds = next((at, sec) for at, sec in enumerate(prediction["curve_sec"]) if sec > 0)
    pairs = list(zip(errors[learner], errors["frozen"], strict=True))
    worse = sum(mine[at] > frozen[at] for mine, frozen in pairs) / len(pairs)
    yield f"After {seconds:g} seconds {worse:.0%} of the players are predicted worse than by the frozen one."


def _judge_ratios(
    figures: Figures, learner: str, wanted: dict[float, float], key: str, whom: str
) -> Iterator[Target]:
    """A ratio below 1 has to be so with its whole interval; at 1, no worse is enough."""
    for seconds, most in wanted.items():
        ratio = _ratio_at(figures, f"{learner}/frozen", seconds)
        yield Target(
            f"{key}-{seconds:g}",
            f"{label(learner)}'s error on {whom} after {seconds:g} s, as a part of the best frozen model's",
            f"at most {most:.2f}",
            NOT_MEASURED if ratio is None else f"{ratio:.2f}",
            ratio is not None and ratio.mean <= most and (most >= 1 or ratio.high < 1),
        )


def _judge_rival(figures: Figures, learner: str, rival: str) -> Target:
    curve = figures.get("ratio_curves", {}).get(f"{learner}/{rival}")
    ratios = {
        seconds: estimate(stored)
        for seconds, stored in zip(figures["curve_sec"], curve or [], strict=curve is not None)
        if seconds >= RIVALS_FROM_SEC
    }
    return Target(
        f"below/{rival}",
        f"{label(learner)}'s error, as a part of that of {label(rival)}, from {RIVALS_FROM_SEC:g} s on",
        "paired intervals below 1",
        ", ".join(f"{ratio:.2f} after {seconds:g} s" for seconds, ratio in ratios.items()) or NOT_MEASURED,
        bool(ratios) and all(ratio.high < 1 for ratio in ratios.values()),
    )


def _judge_coverage(figures: Figures, learner: str) -> Target:
    stored = figures["methods"][learner].get("coverage", {}).get("80")
    low, high = COVERAGE_80
    return Target(
        "coverage-80",
        f"how often the truth lies in {label(learner)}'s 80 % interval",
        f"between {low} and {high}",
        NOT_MEASURED if stored is None else f"{estimate(stored):.2f}",
        stored is not None and low <= stored["mean"] <= high,
    )


def _judge_play(play: Figures) -> Iterator[Target]:
    best = best_non_learner(play)
    enough = play["players"] >= LEAST_PLAYERS_IN_PLAY
    strongest = f"the best that did not learn to adapt ({CONDITION_NAMES[best]})"
    for key, other, wanted, said in (
        ("hits/non-learner", best, HIT_RATIO_TO_NON_LEARNER, strongest),
        ("hits/frozen", "frozen", HIT_RATIO_TO_FROZEN, "the frozen model"),
    ):
        stored = play["paired_ratio"].get(f"adapting/{other}")
        yield Target(
            key,
            f"hits in play, adapting against {said}, {play['players']} players",
            f"at least {wanted} times",
            NOT_MEASURED if stored is None else f"{estimate(stored):.3g} times",
            stored is not None and stored["mean"] >= wanted and estimate(stored).low > 1 and enough,
        )


def _judge_engine(engine: Figures) -> Target:
    tick = engine["tick_msec"]
    return Target(
        "engine",
        f"main-thread time per tick for {engine['agents']} agents",
        f"at most {TICK_MSEC:g} ms",
        f"median {tick['median']:.2f} ms, 99 of 100 ticks within {tick['p99']:.2f} ms",
        bool(tick["p99"] <= TICK_MSEC),
    )


def _ratio_at(figures: Figures, name: str, seconds: float) -> Estimate | None:
    curve = figures.get("ratio_curves", {}).get(name)
    if curve is None or seconds not in figures["curve_sec"]:
        return None
    return estimate(curve[figures["curve_sec"].index(seconds)])
