"""The report's part on prediction: curves against the frozen model, players one by one, tables of pairs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pytrain.evaluation.charts import Line, Strip, line_chart, strip_chart
from pytrain.evaluation.intervals import Estimate, Figures, estimate
from pytrain.evaluation.names import SHORT_NAMES, label, rank

WORST = 0.1  # the part of the players who fare worst
MOST_RATIO = 2.0  # that is drawn


def adaptation_curves(figures: Figures) -> str:
    """Each method's error against seconds of play, without bands: those are for what is paired."""
    lines = [
        Line(
            name,
            _short(name),
            figures["curve_sec"],
            [estimate(point) for point in figures["curves"][name]],
            dashed=name == "frozen",
            band=False,
        )
        for name in _shown(figures)
    ]
    frozen = next((line for line in lines if line.name == "frozen"), lines[0])
    return line_chart(
        lines,
        "seconds of play",
        f"error, {figures['unit']}",
        mark=figures["headline_sec"],
        y_max=1.3 * max(point.mean for point in frozen.y),
    )


def ratio_curves(figures: Figures) -> str:
    """What every method's error is to the frozen model's, with the paired band."""
    lines = [
        Line(
            name,
            _short(name),
            figures["curve_sec"],
            [estimate(point) for point in figures["ratio_curves"][f"{name}/frozen"]],
        )
        for name in _shown(figures)
        if f"{name}/frozen" in figures["ratio_curves"]
    ]
    one = [Estimate(1.0, 1.0, 1.0)] * len(figures["curve_sec"])
    return line_chart(
        [Line("frozen", "frozen", figures["curve_sec"], one, dashed=True), *lines],
        "seconds of play",
        "error, part of the frozen model's",
        mark=figures["headline_sec"],
        y_max=1.3,
    )


def player_strips(figures: Figures) -> str:
    """Every player's error after the headline's seconds, as a part of the frozen model's on them."""
    at = figures["curve_sec"].index(figures["headline_sec"])
    errors = {name: [row[at] for row in rows] for name, rows in figures["per_player"].items()}
    strips = [
        Strip(
            name,
            _short(name),
            [mine / max(1e-9, frozen) for mine, frozen in zip(errors[name], errors["frozen"], strict=True)],
        )
        for name in _shown(figures)
        if name != "frozen"
    ]
    return strip_chart(
        strips, 1.0, MOST_RATIO, "part of the frozen model's error; strokes: median, worst tenth"
    )


def prediction_table(prediction: Figures, unseen: Figures, after: float) -> str:
    """Each method after the headline's seconds, on new players and on those of the kind kept out."""
    rows = []
    for name in _shown(prediction):
        cells = []
        for figures in (prediction, unseen):
            at = figures["curve_sec"].index(after)
            error = estimate(figures["methods"][name]["error"])
            ratio = figures["ratios"].get(f"{name}/frozen")
            of_frozen = "" if ratio is None else f"{estimate(ratio):.2f}"
            worst = _worst([row[at] for row in figures["per_player"][name]])
            cells.append(
                f'<td class="n">{error.mean:.1f}</td>'
                f'<td class="n interval">{error.low:.1f} – {error.high:.1f}</td>'
                f'<td class="n">{of_frozen}</td><td class="n">{worst:.1f}</td>'
            )
        rows.append(
            f'<tr><td><span class="swatch" style="--c:var(--{name})"></span>{escape(label(name))}</td>'
            f"{''.join(cells)}</tr>"
        )
    unit = escape(str(prediction["unit"]))
    heads = (
        f'<th class="n">{{}}, {unit}</th><th class="n">95 % interval</th><th class="n">of frozen, paired</th>'
        '<th class="n">worst tenth</th>'
    )
    return (
        f"<table><tr><th>after {after:g} s of play</th>{heads.format('new players')}"
        f"{heads.format('unseen kind')}</tr>{''.join(rows)}</table>"
    )


def difference_table(prediction: Figures, unseen: Figures, learner: str) -> str:
    """How much less the learner errs than each other method, paired; what is not below 0 is no gain."""
    rows = []
    for name in _shown(prediction):
        stored = [figures["differences"].get(f"{learner}-{name}") for figures in (prediction, unseen)]
        if None in stored:
            continue
        cells = "".join(f'<td class="n">{estimate(each):+.1f}</td>' for each in stored if each is not None)
        rows.append(f"<tr><td>{escape(label(name))}</td>{cells}</tr>")
    unit = escape(str(prediction["unit"]))
    return (
        f'<table><tr><th>its error less that of</th><th class="n">new players, {unit}</th>'
        f'<th class="n">unseen kind</th></tr>{"".join(rows)}</table>'
    )


def _shown(figures: Figures) -> list[str]:
    """The methods of a figure, in the order of the tables."""
    return sorted(figures["methods"], key=rank)


def _short(name: str) -> str:
    return SHORT_NAMES.get(name, name)


def _worst(errors: Sequence[float]) -> float:
    """Mean error of the tenth of the players who fare worst."""
    worst = sorted(errors, reverse=True)[: max(1, round(WORST * len(errors)))]
    return sum(worst) / len(worst)
