"""What a long-running step of `pytrain` tells whoever watches it (the command line draws a bar from it)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a stage; `scores` are the newest figures worth showing beside the bar."""

    stage: str  # "read sessions", "meta-train", "choose adaptation", "export", "evaluate"
    done: int
    total: int
    scores: Mapping[str, float] = field(default_factory=dict)
    note: str = ""  # why it takes long just now


ProgressCallback = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """The callback of someone who does not watch."""
