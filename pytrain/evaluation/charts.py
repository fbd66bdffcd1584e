"""The report's drawings as inline SVG: lines with bands, bars with intervals, players as dots, a histogram.

Colours are CSS variables of the page (`--maml`, `--ink`, …), so that a drawing follows light and dark. No
library is needed for four kinds of drawing, and nothing is loaded from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from pytrain.evaluation.intervals import Estimate

WIDTH = 560
LEFT, TOP, BOTTOM = 46, 26, 40


@dataclass(frozen=True)
class Line:
    """One method's course: an estimate at each `x`."""

    name: str
    """The CSS variable of its colour."""
    label: str
    x: Sequence[float]
    y: Sequence[Estimate]
    dashed: bool = False
    band: bool = True
    """Whether its intervals are drawn. Those of two lines that overlap say nothing of their difference: where
    methods are to be compared, draw what one is to the other."""


@dataclass(frozen=True)
class Strip:
    """One method's value for each player."""

    name: str
    label: str
    values: Sequence[float]


@dataclass(frozen=True)
class Bar:
    """One measured quantity with its interval."""

    name: str
    label: str
    value: Estimate


@dataclass(frozen=True)
class _Plot:
    """Maps values to the drawing and draws its axes."""

    height: int
    right: int
    x_max: float
    y_max: float

    def x(self, value: float) -> float:
        return round(LEFT + value / self.x_max * (WIDTH - LEFT - self.right), 1)

    def y(self, value: float) -> float:
        return round(self.height - BOTTOM - value / self.y_max * (self.height - TOP - BOTTOM), 1)

    def axes(self, x_label: str, y_label: str, x_ticks: Sequence[float], show: Callable[[float], str]) -> str:
        end, floor = WIDTH - self.right, self.height - BOTTOM
        parts = []
        for value in ticks(self.y_max):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{end}" y1="{y}" y2="{y}"/>')
            parts.append(
                f'<text class="tick" x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{show(value)}</text>'
            )
        for value in x_ticks:
            x = self.x(value)
            parts.append(f'<text class="tick" x="{x}" y="{floor + 18}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{end}" y1="{floor}" y2="{floor}"/>')
        parts.append(
            f'<text class="label" x="{end}" y="{self.height - 4}" text-anchor="end">{x_label}</text>'
        )
        parts.append(f'<text class="label" x="2" y="13">{y_label}</text>')
        return "".join(parts)


def line_chart(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    mark: float | None = None,
    show: Callable[[float], str] = "{:g}".format,
    y_max: float | None = None,
) -> str:
    """Lines, those that have a band with it, named at their right ends.

    `mark` is an x that the text speaks of. What lies above `y_max` is left out of the drawing.
    """
    x_max = max(max(line.x) for line in lines)
    y_max = _round_up(y_max or max(estimate.high for line in lines for estimate in line.y))
    plot = _Plot(340, 140, x_max, y_max)
    parts = [plot.axes(escape(x_label), escape(y_label), ticks(x_max), show)]
    if mark is not None:
        x = plot.x(mark)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{plot.height - BOTTOM}"/>')
    parts.append(
        f'<svg x="0" y="{TOP - 4}" width="{WIDTH}" height="{plot.height - BOTTOM - TOP + 10}" '
        f'viewBox="0 {TOP - 4} {WIDTH} {plot.height - BOTTOM - TOP + 10}" class="clip">'
    )
    for line in (line for line in lines if line.band):
        upper = [f"{plot.x(x)},{plot.y(y.high)}" for x, y in zip(line.x, line.y, strict=True)]
        lower = [f"{plot.x(x)},{plot.y(y.low)}" for x, y in zip(line.x, line.y, strict=True)]
        parts.append(f'<polygon class="band" {_colour(line)} points="{" ".join(upper + lower[::-1])}"/>')
    for line in lines:
        points = [(plot.x(x), plot.y(y.mean)) for x, y in zip(line.x, line.y, strict=True)]
        dashes = ' stroke-dasharray="5 5"' if line.dashed else ""
        path = " ".join(f"{x},{y}" for x, y in points)
        parts.append(f'<polyline class="line" {_colour(line)}{dashes} points="{path}"/>')
        if not line.dashed:
            parts += [f'<circle class="dot" {_colour(line)} cx="{x}" cy="{y}" r="3"/>' for x, y in points]
    parts.append("</svg>")
    heights = spread([plot.y(line.y[-1].mean) for line in lines], gap=16)
    for line, y in zip(lines, heights, strict=True):
        x = WIDTH - plot.right + 12
        parts.append(
            f'<text class="name" {_colour(line)} x="{x}" y="{y + 4:.1f}">{escape(line.label)}</text>'
        )
    return _svg(plot.height, parts, f"{y_label} against {x_label}")


def bar_chart(bars: Sequence[Bar], show: Callable[[float], str], title: str) -> str:
    """Horizontal bars from zero with 95 % intervals, each with its value."""
    row, thick, name_width, value_width = 80, 36, 128, 64
    most = _round_up(max(bar.value.high for bar in bars))
    scale = (WIDTH - name_width - value_width) / most
    parts = []
    for index, bar in enumerate(bars):
        y = 22 + index * row
        end, low, high = (
            name_width + value * scale for value in (bar.value.mean, bar.value.low, bar.value.high)
        )
        middle = y + thick // 2
        parts.append(
            f'<text class="name" x="{name_width - 12}" y="{middle + 4}" text-anchor="end">'
            f"{escape(bar.label)}</text>"
            f'<rect class="bar" {_colour(bar)} x="{name_width}" y="{y}" width="{end - name_width:.1f}"'
            f' height="{thick}" rx="4"/>'
            f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
            f'<line class="whisker" x1="{low:.1f}" x2="{low:.1f}" y1="{middle - 5}" y2="{middle + 5}"/>'
            f'<line class="whisker" x1="{high:.1f}" x2="{high:.1f}" y1="{middle - 5}" y2="{middle + 5}"/>'
            f'<text class="value" x="{high + 10:.1f}" y="{middle + 5}">{show(bar.value.mean)}</text>'
        )
    return _svg(22 + len(bars) * row, parts, title)


def strip_chart(strips: Sequence[Strip], mark: float, x_max: float, x_label: str) -> str:
    """A row of dots for each method, one a player; the longer strokes are the median and the worst tenth's
    start.

    `mark` is a value to be beaten. What lies above `x_max` is drawn at the edge.
    """
    row, name_width, right = 46, 132, 14
    height = TOP + row * len(strips) + BOTTOM

    def x(value: float) -> float:
        return round(name_width + min(value, x_max) / x_max * (WIDTH - name_width - right), 1)

    floor = height - BOTTOM
    parts = [f'<line class="mark" x1="{x(mark)}" x2="{x(mark)}" y1="{TOP - 8}" y2="{floor}"/>']
    parts += [
        f'<text class="tick" x="{x(value)}" y="{floor + 18}" text-anchor="middle">{value:g}</text>'
        for value in ticks(x_max)
    ]
    parts.append(f'<line class="axis" x1="{name_width}" x2="{WIDTH - right}" y1="{floor}" y2="{floor}"/>')
    parts.append(
        f'<text class="label" x="{WIDTH - right}" y="{height - 4}" text-anchor="end">{escape(x_label)}</text>'
    )
    for index, strip in enumerate(strips):
        middle = TOP + row * index + row // 2
        parts.append(
            f'<text class="name" {_colour(strip)} x="{name_width - 12}" y="{middle + 4}" text-anchor="end">'
            f"{escape(strip.label)}</text>"
        )
        for player, value in enumerate(strip.values):
            # Apart by a fixed scatter, so that a page is the same whenever it is drawn.
            y = middle + (player * 0.618 % 1 - 0.5) * (row - 22)
            parts.append(f'<circle class="player" {_colour(strip)} cx="{x(value)}" cy="{y:.1f}" r="2.4"/>')
        ordered = sorted(strip.values)
        for part in (0.5, 0.9):
            at = x(ordered[math.ceil(part * len(ordered)) - 1])
            parts.append(f'<line class="whisker" x1="{at}" x2="{at}" y1="{middle - 17}" y2="{middle + 17}"/>')
    return _svg(height, parts, x_label)


def histogram(
    counts: Sequence[int], bin_width: float, marks: Sequence[tuple[float, str]], x_label: str
) -> str:
    """How often each value occurred; `marks` are values to point at, with what they are."""
    last = max(index for index, count in enumerate(counts) if count) + 1
    x_max = max([last * bin_width, *(1.05 * value for value, _ in marks)])
    plot = _Plot(300, 14, x_max, _round_up(max(counts) * 1.3))
    parts = [plot.axes(escape(x_label), "ticks", ticks(x_max), "{:g}".format)]
    for index, count in enumerate(counts[:last]):
        if count:
            x, end = plot.x(index * bin_width), plot.x((index + 1) * bin_width)
            y = plot.y(count)
            parts.append(
                f'<rect class="bar" style="--c:var(--maml)" x="{x + 0.5:.1f}" y="{y}" '
                f'width="{max(1.0, end - x - 1):.1f}" height="{plot.height - BOTTOM - y:.1f}"/>'
            )
    for index, (value, label) in enumerate(marks):
        x, y = plot.x(value), TOP + 16 * index
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{y}" y2="{plot.height - BOTTOM}"/>')
        side = "end" if x > WIDTH * 0.7 else "start"
        parts.append(
            f'<text class="note" x="{x + (-6 if side == "end" else 6)}" y="{y + 9}" text-anchor="{side}">'
            f"{escape(label)}</text>"
        )
    return _svg(plot.height, parts, f"histogram of {x_label}")


def ticks(most: float) -> list[float]:
    """Four to eight round values from 0 to `most`."""
    step = 10.0 ** math.floor(math.log10(most))
    for part in (1, 0.5, 0.2, 0.1):
        if most / (step * part) >= 4:
            step *= part
            break
    return [round(index * step, 10) for index in range(math.floor(most / step + 1e-9) + 1)]


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Move labels apart to at least `gap`, keeping their order and staying near where they belong."""
    order = sorted(range(len(positions)), key=lambda index: positions[index])
    groups: list[list[int]] = []

    def span(group: list[int]) -> tuple[float, float]:
        centre = sum(positions[index] for index in group) / len(group)
        half = gap * (len(group) - 1) / 2
        return centre - half, centre + half

    for index in order:
        groups.append([index])
        while len(groups) > 1 and span(groups[-1])[0] - span(groups[-2])[1] < gap:
            last = groups.pop()
            groups[-1] += last
    placed = list(positions)
    for group in groups:
        top = span(group)[0]
        for place, index in enumerate(group):
            placed[index] = top + gap * place
    return placed


def _round_up(most: float) -> float:
    step = ticks(most)[1]
    return math.ceil(most / step - 1e-9) * step


def _colour(drawn: Line | Bar | Strip) -> str:
    return f'style="--c:var(--{drawn.name})"'


def _svg(height: int, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        + "".join(parts)
        + "</svg>"
    )
