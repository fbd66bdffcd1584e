"""The figures of `report.json` as tables for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from pytrain.evaluation.goals import Target
from pytrain.evaluation.intervals import Estimate, Figures, estimate
from pytrain.evaluation.names import CATEGORY_UNIT, CONDITION_NAMES, label, rank


def prediction_tables(figures: Figures, title: str) -> Iterator[RenderableType]:
    """All that `pytrain evaluate` shows: the headline, every second, how sure, and each `--when`."""
    yield prediction_table(figures, title)
    if "frozen" in figures["methods"]:
        yield curve_table(figures, "frozen", "Part of the error without adaptation, after seconds of play")
    chosen = figures.get("chosen")
    if chosen is not None:
        best = label(chosen["best_baseline"])
        if chosen["best_baseline"] != "frozen":
            yield curve_table(figures, "best-baseline", f"Part of the error of the best baseline ({best})")
        yield _chosen_line(chosen)
    if any("calibration_error" in method for method in figures["methods"].values()):
        yield certainty_table(figures)
    for condition, part in figures.get("when", {}).items():
        yield prediction_table(part, f"Only when {condition}, {part['players']} players")


def prediction_table(figures: Figures, title: str) -> RenderableType:
    """Error per method, before and after, and as a part of the frozen brain's; the lowest stands out.

    `before` is a brain's own frozen model; `of frozen` the ratio to the line "frozen", with its paired
    interval.
    """
    if figures["unit"] == CATEGORY_UNIT:
        return _category_table(figures, title)
    table = Table("method", box=SIMPLE)
    for heading in (f"error, {figures['unit']}", "95 % interval", "before", "of frozen", "paired interval"):
        table.add_column(heading, justify="right")
    errors = {name: estimate(method["error"]) for name, method in figures["methods"].items()}
    lowest = min(error.mean for error in errors.values())
    digits = max(0, 2 - math.floor(math.log10(lowest))) if lowest > 0 else 2
    for name, error in sorted(errors.items(), key=lambda item: rank(item[0])):
        before = figures["methods"][name].get("before")
        table.add_row(
            _label(figures, name),
            f"{error.mean:.{digits}f}",
            f"{error.low:.{digits}f} – {error.high:.{digits}f}",
            "" if before is None else f"{before['mean']:.{digits}f}",
            *_of_frozen(figures, name),
            style="bold" if error.mean == lowest else None,
        )
    return _titled(title, table)


def curve_table(figures: Figures, to: str, title: str) -> RenderableType:
    """At every second the ratio of each method's error to that of `to`.

    Bold is a paired interval below 1, dim one that holds 1.
    """
    table = Table("method", box=SIMPLE)
    for seconds in figures["curve_sec"]:
        table.add_column(f"{seconds:g} s", justify="right")
    for name in sorted(figures["methods"], key=rank):
        ratios = figures["ratio_curves"].get(f"{name}/{to}")
        if ratios is not None:
            table.add_row(_label(figures, name), *(_ratio(estimate(ratio)) for ratio in ratios))
    note = Text("bold: paired interval below 1; dim: it holds 1", "dim")
    return Group(_titled(title, table), note)


def certainty_table(figures: Figures) -> RenderableType:
    """How often the truth was in the intervals (or sets of classes) that were to hold so many per cent."""
    table = Table("method", box=SIMPLE)
    methods = {name: each for name, each in figures["methods"].items() if "calibration_error" in each}
    levels = list(next(iter(methods.values()))["coverage"])
    category = figures["unit"] == CATEGORY_UNIT
    for heading in (*(f"in {level} %" for level in levels), "calibration error", *(["Brier"] * category)):
        table.add_column(heading, justify="right")
    for name in sorted(methods, key=rank):
        method = methods[name]
        table.add_row(
            _label(figures, name),
            *(f"{method['coverage'][level]['mean']:.1%}" for level in levels),
            f"{method['calibration_error']['mean']:.3f}",
            *([f"{method['brier']['mean']:.3f}"] if category else []),
        )
    return _titled("How sure it is: how often the truth lay within", table)


def _chosen_line(chosen: Figures) -> RenderableType:
    learner = chosen["best_learner"]
    said = f"best baseline {label(chosen['best_baseline'])}"
    if learner is not None:
        said += f", best learner {label(learner)}"
    return Text(f"Chosen on {chosen['players']} other players (--fit-sessions): {said}.")


def _label(figures: Figures, name: str) -> str:
    trainings = figures["methods"][name].get("trainings", 1)
    return f"{label(name)} (× {trainings})" if trainings > 1 else label(name)


def _of_frozen(figures: Figures, name: str) -> tuple[str, str]:
    ratio = figures.get("ratios", {}).get(f"{name}/frozen")
    if ratio is not None:
        paired = estimate(ratio)
        return f"{paired.mean:.2f}", f"{paired.low:.2f} – {paired.high:.2f}"
    if "frozen" not in figures["methods"]:
        return "", ""
    errors = (figures["methods"][which]["error"]["mean"] for which in (name, "frozen"))
    mine, frozen = errors
    return f"{mine / frozen:.2f}", ""


def _ratio(ratio: Estimate) -> Text:
    style = "bold" if ratio.high < 1 else "dim" if ratio.low <= 1 else ""
    return Text(f"{ratio.mean:.2f}", style)


def _category_table(figures: Figures, title: str) -> RenderableType:
    """Accuracy and negative log-likelihood per method; the lowest of these stands out."""
    table = Table("method", box=SIMPLE)
    for heading in ("accuracy", "95 % interval", "before", "negative log-likelihood", "95 % interval"):
        table.add_column(heading, justify="right")
    losses = {name: estimate(method["loss"]) for name, method in figures["methods"].items()}
    lowest = min(loss.mean for loss in losses.values())
    for name, loss in sorted(losses.items(), key=lambda item: rank(item[0])):
        method = figures["methods"][name]
        error = estimate(method["error"])
        table.add_row(
            _label(figures, name),
            f"{1 - error.mean:.1%}",
            f"{1 - error.high:.1%} – {1 - error.low:.1%}",
            f"{1 - method['before']['mean']:.1%}" if "before" in method else "",
            f"{loss.mean:.3f}",
            f"{loss.low:.3f} – {loss.high:.3f}",
            style="bold" if loss.mean == lowest else None,
        )
    return _titled(title, table)


def play_table(figures: Figures) -> RenderableType:
    """Hit rate per condition, and what adaptation gains over it."""
    table = Table(Column("aimed by", no_wrap=True), box=SIMPLE)
    for heading in ("hits", "95 % interval", "adapting hits", "95 % interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, said in CONDITION_NAMES.items():
        if name not in figures["methods"]:
            continue
        rate = estimate(figures["methods"][name]["hit_rate"])
        cells = ["", ""]
        if f"adapting/{name}" in figures["paired_ratio"]:
            gain = estimate(figures["paired_ratio"][f"adapting/{name}"])
            cells = [f"× {gain.mean:.2f}", f"{gain.low:.2f} – {gain.high:.2f}"]
        table.add_row(said, f"{rate.mean:.1%}", f"{rate.low:.1%} – {rate.high:.1%}", *cells)
    return _titled(f"In play, {figures['players']} players: hits per shot", table)


def engine_table(figures: Figures) -> RenderableType:
    """Main-thread time per tick."""
    table = Table("per tick", box=SIMPLE)
    table.add_column("adapting, ms", justify="right")
    table.add_column("not adapting, ms", justify="right")
    adapting, frozen = figures["tick_msec"], figures["without_adaptation_msec"]
    table.add_row("median", f"{adapting['median']:.3f}", f"{frozen['median']:.3f}")
    table.add_row("99 of 100 ticks within", f"{adapting['p99']:.3f}", f"{frozen['p99']:.3f}")
    return _titled(f"In the engine, what {figures['agents']} agents take of the main thread", table)


def target_list(targets: list[Target]) -> RenderableType:
    """What was to be shown, and whether it was."""
    grid = Table.grid(padding=(0, 2))
    for target in targets:
        mark = Text("  met", "green") if target.met else Text("  missed", "bold yellow")
        grid.add_row(mark, f"{target.what}: {target.measured} (wanted: {target.wanted})")
    return _titled("What it had to show", grid)


def _titled(title: str, content: RenderableType) -> RenderableType:
    return Group(Text(f"\n{title}", "bold"), content)
