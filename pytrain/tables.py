"""The figures of `report.json` as tables for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from pytrain.targets import Figures, Target, estimate

METHOD_NAMES = {
    "frozen": "no adaptation (frozen)",
    "scratch": "trained from scratch",
    "pooled": "pooled, fine-tuned",
    "reptile": "Reptile",
    "fomaml": "first-order MAML",
    "maml": "MAML",
}
CONDITION_NAMES = {
    "no_lead": "no lead",
    "linear_lead": "linear lead",
    "frozen": "frozen brain",
    "adapting": "adapting brain",
}


def prediction_table(figures: Figures, title: str) -> Table:
    """Error per method, best last, and as a part of the frozen brain's."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("method")
    table.add_column(f"error, {figures.get('unit', '')}".rstrip(", "), justify="right")
    table.add_column("95 % interval", justify="right")
    table.add_column("of frozen", justify="right")
    errors = {name: estimate(method["error"]) for name, method in figures["methods"].items()}
    lowest = min(error.mean for error in errors.values())
    for name in sorted(errors, key=lambda name: list(METHOD_NAMES).index(name)):
        error = errors[name]
        part = f"{error.mean / errors['frozen'].mean:.2f}" if "frozen" in errors else ""
        table.add_row(
            METHOD_NAMES[name],
            f"{error.mean:.4g}",
            f"{error.low:.4g} – {error.high:.4g}",
            part,
            style="bold" if error.mean == lowest else None,
        )
    return table


def play_table(figures: Figures) -> Table:
    """Hit rate per condition, and what adaptation gains over it."""
    table = Table(
        title=f"In play: hits per shot, {figures['players']} players",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("the archers aim by")
    for heading in ("hits", "95 % interval", "adapting hits"):
        table.add_column(heading, justify="right")
    for name, label in CONDITION_NAMES.items():
        rate = estimate(figures["methods"][name]["hit_rate"])
        pair = figures["paired_ratio"].get(f"adapting/{name}")
        gain = f"{estimate(pair):.3g} times" if pair else ""
        table.add_row(label, f"{rate.mean:.1%}", f"{rate.low:.1%} – {rate.high:.1%}", gain)
    return table


def engine_table(figures: Figures) -> Table:
    """Main-thread time per tick."""
    table = Table(
        title=f"In the engine: main thread, {figures['agents']} agents",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("per tick")
    table.add_column("ms", justify="right")
    table.add_row("median", f"{figures['tick_msec']['median']:.3f}")
    table.add_row("99 of 100 ticks within", f"{figures['tick_msec']['p99']:.3f}")
    return table


def target_table(targets: list[Target]) -> Table:
    """What was to be shown, and whether it was."""
    table = Table(title="What it had to show", title_justify="left", title_style="bold")
    for heading in ("", "what", "wanted", "measured"):
        table.add_column(heading)
    for target in targets:
        mark = Text("met", "green") if target.met else Text("missed", "bold yellow")
        table.add_row(mark, target.what, target.wanted, target.measured)
    return table
