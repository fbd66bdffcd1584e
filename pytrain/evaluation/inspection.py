"""`pytrain inspect`: what is in a `.session`, `.brain` or `.profile` file, for people.

The kind is read from the file itself, so that a renamed file is still shown and a damaged one is named.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from adaptive_agents.formats.session import Examples, SessionReader
from adaptive_agents.model.brain import Brain
from adaptive_agents.spec import Spec
from pytrain.console import results
from pytrain.errors import PytrainError


@dataclass(frozen=True)
class InspectSettings:
    """Show what is in a .session, .brain or .profile file."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE...", help_behavior_hint="(required)")]
    """The files to show."""


def run(settings: InspectSettings) -> None:
    """The command."""
    if not settings.files:
        raise PytrainError("no file to show; name at least one .session, .brain or .profile")
    for path in settings.files:
        results.print(inspect(path))


def inspect(path: Path) -> RenderableType:
    """A readable view of one file.

    Raises AdaptiveAgentsError for a file that is missing, damaged, or none of the three formats.
    """
    if path.is_dir():
        raise PytrainError(f"'{path}' is a folder; name a file in it, such as {_example_in(path)}")
    show = {".session": _show_session, ".brain": _show_brain, ".profile": _show_profile}.get(path.suffix)
    if show is None:
        raise PytrainError(
            f"'{path}' has the ending '{path.suffix}'; a .session, .brain or .profile file can be shown"
        )
    if not path.is_file():
        raise PytrainError(f"'{path}' is not there; check the path")
    return show(path)


def _show_session(path: Path) -> RenderableType:
    with SessionReader(path) as reader:
        chunks = list(reader.iter_chunks())
        header, truncated = reader.header, reader.truncated
    rows = sum(len(chunk) for chunk in chunks)
    title = _title("session", path)
    facts = {
        "player": header.player_id,
        "recorded": header.started_at or "not noted",
        "game build": header.game_build or "not noted",
        "seed": header.seed,
        "examples": f"{rows:,} in {len(chunks)} chunks",
    }
    end = "[yellow]cut off: what follows the last whole chunk is lost[/]" if truncated else "whole"
    if not rows:
        return Group(title, _facts({**facts, "file ends": end}), _show_spec(header.spec))
    examples = Examples.concatenate(chunks)
    rate = header.spec.tick_rate_hz
    seconds = (int(examples.ticks.max()) - int(examples.ticks.min())) / rate
    facts |= {
        "play": f"{seconds:.1f} s at {rate} ticks per second",
        "agents": len(np.unique(examples.agents)),
        "episodes": len(np.unique(examples.episodes)),
        "file ends": end,
    }
    return Group(title, _facts(facts), _show_spec(header.spec), _show_columns(header.spec, examples))


def _show_columns(spec: Spec, examples: Examples) -> Table:
    table = Table("field", "", title="\nvalues", title_justify="left", title_style="bold")
    for heading in ("min", "mean", "max"):
        table.add_column(heading, justify="right")

    def add(name: str, kind: str, values: Any) -> None:
        table.add_row(name, kind, *(f"{value:.4g}" for value in (values.min(), values.mean(), values.max())))

    for name, column in zip(_column_names(spec), examples.observations.T, strict=True):
        add(name, "observed", column)
    table.add_section()
    for index, column in enumerate(examples.targets.T):
        suffix = f"[{index}]" if spec.target_columns > 1 else ""
        add(f"{spec.target.name}{suffix}", f"after {spec.horizon_sec:.2g} s", column)
    if not (examples.weights == 1).all():
        add("weight", "of the example", examples.weights)
    return table


def _show_brain(path: Path) -> RenderableType:
    brain = Brain.open(path)
    training, loop = brain.training, brain.inner_loop
    with zipfile.ZipFile(path) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    facts = {
        "algorithm": brain.algorithm,
        "model": _listed(brain.model),
        "sees": str(brain.window),
        "a player's own": f"{sum(array.size for array in brain.init_params.values()):,} parameters",
        "sha256": brain.sha256,
    }
    trained = {key: value for key, value in training.items() if not isinstance(value, list | dict)}
    adapts = {
        "inner_lr": f"{loop.inner_lr:g}",
        "steps": loop.num_inner_steps,
        "support": f"the newest {loop.support_size} moments",
        "order": "first" if loop.first_order else "second",
        "trust radius": f"{loop.trust_radius:g}",
    }
    parts = Table("part", "bytes", "in", "out", title="\nparts", title_justify="left", title_style="bold")
    parts.columns[1].justify = "right"
    for name, size in sizes.items():
        parts.add_row(name, f"{size:,}", *_graph_ends(path, name))
    return Group(
        _title("brain", path),
        _facts(facts),
        _show_spec(brain.spec),
        _facts(adapts, "adaptation"),
        _facts(trained, "training"),
        _facts(_flat(brain.scores) or {"none": "stored by the training"}, "scores"),
        parts,
    )


def _graph_ends(path: Path, part: str) -> tuple[str, str]:
    if not part.endswith(".onnx"):
        return "", ""
    import onnx

    with zipfile.ZipFile(path) as archive:
        graph = onnx.load_from_string(archive.read(part)).graph

    def described(values: Iterable[Any]) -> str:
        lines = []
        for value in values:
            sizes = [axis.dim_param or str(axis.dim_value) for axis in value.type.tensor_type.shape.dim]
            lines.append(f"{value.name} ({', '.join(sizes)})")
        return "\n".join(lines)

    return described(graph.input), described(graph.output)


def _show_profile(path: Path) -> RenderableType:
    from adaptive_agents.model.profile import Profile

    profile = Profile.load(path)
    facts = {"player": profile.player_id or "not named", "brains": len(profile.stored)}
    shown: list[RenderableType] = [_title("profile", path), _facts(facts)]
    for source, memory in profile.stored.items():
        numbers = sum(array.size for array in memory.params.values())
        known = {
            "sha256": memory.brain_sha256,
            "examples kept": f"{memory.support.weights.size:,}",
            "slow weights": f"{numbers:,} in {', '.join(memory.params)}",
        }
        shown += [_facts(known, f"brain {source}"), _show_spec(memory.spec)]
    return Group(*shown)


def _show_spec(spec: Spec) -> Table:
    target = (
        f"{spec.target} ({spec.target.kind}), {spec.horizon_ticks} ticks ({spec.horizon_sec:.2g} s) ahead"
    )
    fields = ", ".join(str(field) for field in spec.observation)
    return _facts({f"observes {spec.observation_size} numbers": fields, "predicts": target}, "spec")


def _column_names(spec: Spec) -> list[str]:
    return [
        field.name if field.size == 1 else f"{field.name}[{index}]"
        for field in spec.observation
        for index in range(field.size)
    ]


def _title(kind: str, path: Path) -> Text:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Text.assemble(
        (f"{kind} ", "bold"), str(path), (f"  {path.stat().st_size:,} bytes, sha256 {digest}…", "dim")
    )


def _facts(facts: dict[str, Any], title: str | None = None) -> Table:
    heading = f"\n{title}" if title else None
    table = Table(box=None, show_header=False, title=heading, title_justify="left", title_style="bold")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) else str(value))
    return table


def _flat(scores: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in scores.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = f"{value:.4g}" if isinstance(value, float) else value
    return flat


def _listed(entries: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in entries.items())


def _example_in(folder: Path) -> str:
    known = (path for path in sorted(folder.rglob("*")) if path.suffix in (".session", ".brain", ".profile"))
    return str(next(known, folder / "player.session"))
