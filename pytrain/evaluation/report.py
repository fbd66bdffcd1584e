"""The last stage of the demo: `report.json` for other programs and `report.html` for people.

The page is one file without outside resources: the template beside this module, filled with figures and with
the drawings of `pytrain.evaluation.charts`.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from pytrain.evaluation.charts import Bar, Line, bar_chart, histogram, line_chart
from pytrain.evaluation.goals import TICK_MSEC, Figures, Target, estimate, judge, summary
from pytrain.evaluation.tables import CONDITION_NAMES, METHOD_NAMES

TEMPLATE = Path(__file__).with_name("report.html")
SHORT_NAMES = {**METHOD_NAMES, "frozen": "frozen", "scratch": "from scratch"}


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
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        lead=escape(summary(report)[0]),
        verdict=escape(" ".join(summary(report)[1:])),
        cards=_cards(report, targets),
        prediction_players=f"{prediction['players']} players",
        unseen_players=f"{unseen['players']} players",
        prediction_chart=_adaptation_curves(prediction),
        unseen_chart=_adaptation_curves(unseen),
        prediction_table=_prediction_table(prediction, unseen, after),
        play_players=play["players"],
        play_chart=bar_chart(
            [
                Bar(name, label, estimate(play["methods"][name]["hit_rate"]))
                for name, label in CONDITION_NAMES.items()
            ],
            "{:.1%}".format,
            "hits per shot",
        ),
        play_curves=line_chart(
            [
                Line(name, label, play["curve_sec"], [estimate(point) for point in play["curves"][name]])
                for name, label in CONDITION_NAMES.items()
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
    prediction, play, engine = (report[part] for part in ("prediction", "play", "engine"))
    best = min(("reptile", "maml"), key=lambda name: float(prediction["methods"][name]["error"]["mean"]))
    ratio = prediction["ratios"].get(f"{best}/frozen")
    errors = {name: method["error"]["mean"] for name, method in prediction["methods"].items()}
    lead, frozen = (estimate(play["paired_ratio"][f"adapting/{name}"]) for name in ("linear_lead", "frozen"))
    return "".join(
        (
            _card(
                f"{errors[best] / errors['frozen']:.2f}",
                "",
                f"of the frozen brain's error remains after {prediction['headline_sec']:g} s of play "
                f"({METHOD_NAMES[best]})",
                f"{estimate(ratio).low:.2f} – {estimate(ratio).high:.2f}" if ratio else "",
                _of(targets, f"{best}/frozen"),
            ),
            _card(
                f"{lead.mean:.2f}",
                "×",
                "as many hits as with linear lead from the velocity",
                f"{lead.low:.2f} – {lead.high:.2f}",
                _of(targets, "adapting/linear_lead"),
            ),
            _card(
                f"{frozen.mean:.2f}",
                "×",
                "as many hits as with the best brain that does not adapt",
                f"{frozen.low:.2f} – {frozen.high:.2f}",
                _of(targets, "adapting/frozen"),
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


def _adaptation_curves(figures: Figures) -> str:
    lines = [
        Line(
            name,
            SHORT_NAMES[name],
            figures["curve_sec"],
            [estimate(point) for point in figures["curves"][name]],
            dashed=name == "frozen",
        )
        for name in METHOD_NAMES
        if name in figures["curves"]
    ]
    highest = max(point.high for line in lines if line.name != "scratch" for point in line.y)
    return line_chart(
        lines,
        "seconds of play",
        f"error, {figures['unit']}",
        mark=figures["headline_sec"],
        y_max=1.2 * highest,
    )


def _prediction_table(prediction: Figures, unseen: Figures, after: float) -> str:
    rows = []
    for name, label in METHOD_NAMES.items():
        if name not in prediction["methods"]:
            continue
        cells = []
        for figures in (prediction, unseen):
            error = estimate(figures["methods"][name]["error"])
            of_frozen = error.mean / figures["methods"]["frozen"]["error"]["mean"]
            cells.append(
                f'<td class="n">{error.mean:.1f}</td>'
                f'<td class="n interval">{error.low:.1f} – {error.high:.1f}</td>'
                f'<td class="n">{of_frozen:.2f}</td>'
            )
        rows.append(
            f'<tr><td><span class="swatch" style="--c:var(--{name})"></span>{label}</td>{"".join(cells)}</tr>'
        )
    unit = escape(str(prediction["unit"]))
    heads = f'<th class="n">{{}}, {unit}</th><th class="n">95 % interval</th><th class="n">of frozen</th>'
    return (
        f"<table><tr><th>after {after:g} s of play</th>{heads.format('new players')}"
        f"{heads.format('unseen kind')}</tr>{''.join(rows)}</table>"
    )


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
    left = [
        "Players are split, not examples: nobody who is measured was seen in training, or in choosing "
        "settings.",
        "What is predicted lies strictly later in time than everything a method may learn from.",
        "Every method's step size and number of steps were chosen on the meta-validation players.",
        "Frozen is the model trained on all players pooled together, without a step: the strongest that does "
        "not adapt. Pooled, fine-tuned is the same model with gradient steps on the same support set.",
        "From scratch starts from random weights and sees only the new player.",
    ]
    right = [
        f"Intervals are 95 % bootstraps over the {prediction['players']} players; ratios resample both sides "
        "of the same players together.",
        "In play every player meets all four archers with the same habits and the same seed; what differs is "
        "only the aim.",
        f"The adapting archers use {play['brain']}, the best meta-learner on the meta-validation players; "
        f"the frozen ones use {play['frozen_brain']}.",
        "Players are scripted: styles drawn from continuous parameters, with noise and reaction time. People "
        "are less regular, and the gain on them is smaller.",
        "One run, one seed; absolute times belong to this machine.",
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
