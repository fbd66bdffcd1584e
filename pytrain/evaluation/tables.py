"""The figures of `report.json` as tables for a terminal."""

from __future__ import annotations

import math

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from pytrain.evaluation.goals import Figures, Target, estimate

METHOD_NAMES = {
    "frozen": "no adaptation (frozen)",
    "scratch": "trained from scratch",
    "pooled": "pooled, fine-tuned",
    "reptile": "Reptile",
    "fomaml": "first-order MAML",
    "maml": "MAML",
    "metasgd": "Meta-SGD",
    "anil": "ANIL",
    "cavia": "CAVIA",
    "protonet": "prototypes",
}
CATEGORY_UNIT = "1 - accuracy"  # what `evaluate` measures a category's error in
CONDITION_NAMES = {
    "no_lead": "no lead",
    "linear_lead": "linear lead",
    "frozen": "frozen brain",
    "adapting": "adapting brain",
}


def prediction_table(figures: Figures, title: str) -> RenderableType:
    """Error per method, and as a part of the frozen brain's; the lowest stands out."""
    if figures["unit"] == CATEGORY_UNIT:
        return _category_table(figures, title)
    table = Table("method", box=SIMPLE)
    for heading in (f"error, {figures['unit']}", "95 % interval", "of frozen"):
        table.add_column(heading, justify="right")
    errors = {name: estimate(method["error"]) for name, method in figures["methods"].items()}
    lowest = min(error.mean for error in errors.values())
    digits = max(0, 2 - math.floor(math.log10(lowest))) if lowest > 0 else 2
    for name, error in sorted(errors.items(), key=lambda item: _rank(item[0])):
        table.add_row(
            METHOD_NAMES.get(name, name),
            f"{error.mean:.{digits}f}",
            f"{error.low:.{digits}f} – {error.high:.{digits}f}",
            f"{error.mean / errors['frozen'].mean:.2f}" if "frozen" in errors else "",
            style="bold" if error.mean == lowest else None,
        )
    return _titled(title, table)


def _category_table(figures: Figures, title: str) -> RenderableType:
    """Accuracy and negative log-likelihood per method; the lowest of these stands out."""
    table = Table("method", box=SIMPLE)
    for heading in ("accuracy", "95 % interval", "negative log-likelihood", "95 % interval"):
        table.add_column(heading, justify="right")
    losses = {name: estimate(method["loss"]) for name, method in figures["methods"].items()}
    lowest = min(loss.mean for loss in losses.values())
    for name, loss in sorted(losses.items(), key=lambda item: _rank(item[0])):
        error = estimate(figures["methods"][name]["error"])
        table.add_row(
            METHOD_NAMES.get(name, name),
            f"{1 - error.mean:.1%}",
            f"{1 - error.high:.1%} – {1 - error.low:.1%}",
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
    for name, label in CONDITION_NAMES.items():
        rate = estimate(figures["methods"][name]["hit_rate"])
        cells = ["", ""]
        if f"adapting/{name}" in figures["paired_ratio"]:
            gain = estimate(figures["paired_ratio"][f"adapting/{name}"])
            cells = [f"× {gain.mean:.2f}", f"{gain.low:.2f} – {gain.high:.2f}"]
        table.add_row(label, f"{rate.mean:.1%}", f"{rate.low:.1%} – {rate.high:.1%}", *cells)
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


def _rank(method: str) -> int:
    known = list(METHOD_NAMES)
    return known.index(method) if method in known else len(known)
