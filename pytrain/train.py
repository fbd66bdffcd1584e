"""Meta-training: sessions of many players in, one `.brain` out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytrain.progress import ProgressCallback, silent
from pytrain.settings import TrainSettings

__all__ = ["TrainResult", "TrainSettings", "train"]


@dataclass(frozen=True)
class TrainResult:
    """A finished training; errors are those of the meta-validation players at `adapt_at_sec`."""

    brain: Path
    algorithm: str
    players: int
    validation_players: int
    examples: int
    meta_steps: int
    seconds: float
    error_before: float  # target units for a vector, 1 - accuracy for a category
    error_after: float
    inner_lr: float  # chosen on the meta-validation players, written to the brain
    num_inner_steps: int
    support_size: int
    trust_radius: float


def train(settings: TrainSettings, progress: ProgressCallback = silent) -> TrainResult:
    """Train, choose the adaptation settings on the meta-validation players, export and write `settings.out`.

    Raises PytrainError for sessions that cannot be trained on; the file appears whole or not at all.
    """
    raise NotImplementedError
