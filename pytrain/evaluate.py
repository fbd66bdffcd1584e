"""Evaluation on held-out players, before and after adaptation, with the graphs of the brains themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adaptive_agents.brain import Brain

from pytrain.intervals import Estimate
from pytrain.progress import ProgressCallback, silent
from pytrain.settings import EvaluateSettings

__all__ = ["Curve", "EvaluateSettings", "Evaluation", "evaluate"]


@dataclass(frozen=True)
class Curve:
    """One method's error after each of `Evaluation.curve_sec` seconds of play."""

    error: tuple[Estimate, ...]
    loss: tuple[Estimate, ...]  # negative log-likelihood for a category; the training loss for a vector
    error_per_player: tuple[tuple[float, ...], ...]  # (players, seconds)


@dataclass(frozen=True)
class Evaluation:
    """Curves of every method on the same players; `frozen` is the pooled brain without a step."""

    player_ids: tuple[str, ...]
    unit: str  # what an error is measured in, for a table's head
    curve_sec: tuple[float, ...]
    headline_sec: float
    methods: Mapping[str, Curve]
    ratios: Mapping[str, Estimate]  # "maml/frozen": ratio of mean errors at headline_sec, resampled in pairs
    differences: Mapping[str, Estimate]  # "maml-pooled": mean paired difference at headline_sec

    def headline(self, method: str) -> Estimate:
        """The error of one method after `headline_sec` seconds of play."""
        return self.methods[method].error[self.curve_sec.index(self.headline_sec)]

    def to_dict(self) -> dict[str, object]:
        """JSON-ready, with report.json's keys `players` and `methods` (each `{"error": {"mean", "ci95"}, …}`)."""
        raise NotImplementedError


def evaluate(
    brains: Mapping[str, Brain],
    sessions: Sequence[Path],
    settings: EvaluateSettings | None = None,
    progress: ProgressCallback = silent,
) -> Evaluation:
    """Evaluate brains side by side on every player found in `sessions` (files or folders).

    A brain named "pooled" also gives the line "frozen". Raises PytrainError when a player was in a brain's training,
    when brain and sessions disagree about the spec, or when a player's play is too short for the curve.
    """
    raise NotImplementedError
