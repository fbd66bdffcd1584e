"""The last stage of the demo: `report.json` for other programs and `report.html` for people.

The page is one file without outside resources: the template beside this module, filled with figures and with
the drawings of `pytrain.evaluation.charts`.
"""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from pytrain.evaluation.charts import Bar, Line, bar_chart, histogram, line_chart
from pytrain.evaluation.goals import (
    TICK_MSEC,
    Target,
    best_non_learner,
    headline_learner,
    judge,
    summary,
)
from pytrain.evaluation.intervals import Estimate, Figures, estimate
from pytrain.evaluation.names import CONDITION_NAMES, label
from pytrain.evaluation.report_prediction import (
    adaptation_curves,
    difference_table,
    player_strips,
    prediction_table,
    ratio_curves,
)

TEMPLATE = Path(__file__).with_name("report.html")


def write_report(report: dict[str, Any], out: Path) -> None:
    """Write both files into `out`; whatever is there under these names is replaced."""
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (out / "report.html").write_text(render(report), encoding="utf-8")


def render(report: Figures) -> str:
    """The page for the figures of `report.json`."""
    prediction, unseen, play, engine = (
        report[part] for part in ("prediction", "unseen_family", "play", "engine")
    )
    targets = judge(report)
    after = prediction["headline_sec"]
    left, right = _method(report)
    learner = headline_learner(report)
    conditions = {name: said for name, said in CONDITION_NAMES.items() if name in play["methods"]}
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        lead=escape(summary(report)[0]),
        verdict=escape(" ".join(summary(report)[1:])),
        cards=_cards(report, targets),
        prediction_players=f"{prediction['players']} players",
        unseen_players=f"{unseen['players']} players",
        prediction_ratios=ratio_curves(prediction),
        unseen_ratios=ratio_curves(unseen),
        prediction_chart=adaptation_curves(prediction),
        unseen_chart=adaptation_curves(unseen),
        player_strips=player_strips(prediction),
        learner_label=escape(label(learner)),
        difference_table=difference_table(prediction, unseen, learner),
        prediction_table=prediction_table(prediction, unseen, after),
        play_players=play["players"],
        play_chart=bar_chart(
            [
                Bar(name, said, estimate(play["methods"][name]["hit_rate"]))
                for name, said in conditions.items()
            ],
            "{:.1%}".format,
            "hits per shot",
        ),
        play_curves=line_chart(
            [
                Line(name, said, play["curve_sec"], [estimate(point) for point in play["curves"][name]])
                for name, said in conditions.items()
            ],
            "seconds of play",
            "hits per shot",
            show="{:.0%}".format,
        ),
        engine_agents=engine["agents"],
        engine_chart=histogram(
            engine["histogram"]["ticks"],
            engine["histogram"]["bin_msec"],
            [
                (engine["tick_msec"]["median"], f"median {engine['tick_msec']['median']:.2f} ms"),
                (engine["tick_msec"]["p99"], f"99 of 100 within {engine['tick_msec']['p99']:.2f} ms"),
                (TICK_MSEC, f"target {TICK_MSEC:g} ms"),
            ],
            "milliseconds",
        ),
        engine_table=_engine_table(engine),
        target_table=_target_table(targets),
        method_left=_items(left),
        method_right=_items(right),
        commands="".join(f"<div>{escape(command)}</div>" for command in report["commands"]),
        stages=_stages(report["seconds"]),
        total_seconds=_minutes(sum(report["seconds"].values())),
        footer=escape(
            f"{time.strftime('%Y-%m-%d %H:%M')} · {os.cpu_count()} cores · {platform.system()} "
            f"{platform.machine()} · Python {platform.python_version()} · {report.get('engine_version', '')}"
        ),
    )


def _cards(report: Figures, targets: Sequence[Target]) -> str:
    prediction, unseen, play, engine = (
        report[part] for part in ("prediction", "unseen_family", "play", "engine")
    )
    learner, other = headline_learner(report), best_non_learner(play)
    known, kept_out = (estimate(part["ratios"][f"{learner}/frozen"]) for part in (prediction, unseen))
    after = f"{prediction['headline_sec']:g}"
    hits = play["paired_ratio"].get(f"adapting/{other}")
    hit_ratio = Estimate(math.nan, math.nan, math.nan) if hits is None else estimate(hits)
    return "".join(
        (
            _card(
                f"{known.mean:.2f}",
                "",
                f"of the best frozen model's error remains after {after} s of play ({label(learner)})",
                f"{known.low:.2f} – {known.high:.2f}",
                _of(targets, "ratio-20"),
            ),
            _card(
                f"{kept_out.mean:.2f}",
                "",
                "of it remains with players of a kind that was kept out of training",
                f"{kept_out.low:.2f} – {kept_out.high:.2f}",
                _of(targets, "unseen-20"),
            ),
            _card(
                f"{hit_ratio.mean:.2f}",
                "×",
                f"as many hits as with the best that did not learn to adapt ({CONDITION_NAMES[other]})",
                f"{hit_ratio.low:.2f} – {hit_ratio.high:.2f}",
                _of(targets, "hits/non-learner"),
            ),
            _card(
                f"{engine['tick_msec']['p99']:.2f}",
                "ms",
                f"of the main thread is the most that {engine['agents']} agents take in 99 of 100 ticks",
                f"median {engine['tick_msec']['median']:.2f} ms",
                _of(targets, "engine"),
            ),
        )
    )


def _card(number: str, unit: str, text: str, interval: str, target: Target) -> str:
    small = f"<small>{unit}</small>" if unit else ""
    word, mark = ("met", "✓") if target.met else ("missed", "✗")
    wanted = target.wanted.partition(",")[0]
    return (
        f'<div class="card"><div class="number">{number}{small}</div><p>{escape(text)}</p>'
        f'<p class="interval">{escape(interval)}</p>'
        f'<span class="chip {word}">{mark} {escape(wanted)}</span></div>'
    )


def _of(targets: Sequence[Target], key: str) -> Target:
    return next(target for target in targets if target.key == key)


def _engine_table(engine: Figures) -> str:
    frozen = engine["without_adaptation_msec"]
    rows = [
        ("ticks measured", f"{engine['ticks']:,}"),
        ("median", f"{engine['tick_msec']['median']:.3f} ms"),
        ("99 of 100 ticks within", f"{engine['tick_msec']['p99']:.3f} ms"),
        ("slowest", f"{engine['slowest_msec']:.3f} ms"),
        ("adaptations meanwhile", f"{engine['adaptations']:,}"),
        ("median without adaptation", f"{frozen['median']:.3f} ms"),
        ("99 of 100 without adaptation", f"{frozen['p99']:.3f} ms"),
    ]
    return "<table>" + "".join(f'<tr><td>{a}</td><td class="n">{b}</td></tr>' for a, b in rows) + "</table>"


def _target_table(targets: Sequence[Target]) -> str:
    rows = "".join(
        f'<tr><td><span class="chip {word}">{word}</span></td><td>{escape(target.what)}</td>'
        f"<td>{escape(target.wanted)}</td><td>{escape(target.measured)}</td></tr>"
        for target, word in ((target, "met" if target.met else "missed") for target in targets)
    )
    return f"<table><tr><th></th><th>what</th><th>wanted</th><th>measured</th></tr>{rows}</table>"


def _method(report: Figures) -> tuple[list[str], list[str]]:
    prediction, play = report["prediction"], report["play"]
    trainings = max(method.get("trainings", 1) for method in prediction["methods"].values())
    chosen = prediction.get("chosen")
    left = [
        "Players are split, not examples: nobody who is measured was seen in training, or in choosing "
        "settings.",
        "What is predicted lies strictly later in time than everything a method may learn from.",
        "Every method's settings were chosen on the meta-validation players; so was the learner that the "
        "headline is about"
        + (f", and the best baseline ({label(chosen['best_baseline'])})." if chosen is not None else "."),
        "Frozen is the model trained on all players pooled together, without a step, with the same window. "
        "Pooled, fine-tuned is the same model with gradient steps on the same support set.",
        "Kernel ridge and nearest neighbours learned from nobody: they look up in the player's own examples, "
        "with widths and weights of the fields chosen on other players.",
    ]
    right = [
        f"Intervals are 95 % bootstraps over the {prediction['players']} players"
        + (f" and the {trainings} trainings of each brain" if trainings > 1 else "")
        + "; ratios and differences resample both sides together.",
        "In play every player meets all archers with the same habits and the same seed; what differs is only "
        "the aim.",
        f"The adapting archers use {play['brain']}, the best learner on the meta-validation players; "
        f"the frozen ones use {play['frozen_brain']}.",
        "Players are scripted: styles drawn from continuous parameters, with noise and reaction time. People "
        "are less regular, and the gain on them is smaller.",
        ("" if trainings > 1 else "One run, one seed: another training may differ by as much as methods do. ")
        + "Absolute times belong to this machine.",
    ]
    return left, right


def _items(texts: Sequence[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)


def _stages(seconds: Figures) -> str:
    return "".join(
        f'<div style="flex:{took}" title="{escape(name)}: {took:.0f} s">{escape(name)}<br>{took:.0f} s</div>'
        for name, took in seconds.items()
    )


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
