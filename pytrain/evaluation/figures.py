"""An `Evaluation` in the forms that other programs read: `prediction` of `report.json`, and a table of
players."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytrain.evaluation.comparison import Curve, Evaluation
from pytrain.evaluation.conditions import ALL
from pytrain.evaluation.intervals import Estimate

CSV_COLUMNS = ("moments", "player", "method", "training", "seconds", "error")


def prediction_figures(evaluation: Evaluation) -> dict[str, Any]:
    """`prediction` of `report.json`, and everything by second and by player; see the keys below.

    - `methods`: by name, at `headline_sec`: `error`, `loss`, how many `trainings`; of a brain also
      `before`, the error of its own frozen model; where a method tells how sure it is, `coverage` by per
      cent, `calibration_error`, and for a category `brier`.
    - `curves`, `loss_curves`, `coverage_curves`: the same after every second of `curve_sec`.
    - `ratios`, `differences` (at `headline_sec`), `ratio_curves`, `difference_curves`: "one/other" and
      "one-other", paired; `best-baseline` stands for `chosen.best_baseline`, `before` for a brain's own
      frozen model.
    - `per_player`: by method `(players, seconds)`, in the order of `player_ids`.
    - `chosen`: what the fit players chose; null without any.
    - `when`: all this by condition.
    """
    methods = evaluation.methods
    at = evaluation.headline_index
    return {
        "players": len(evaluation.player_ids),
        "methods": {name: _method(curve, at) for name, curve in methods.items()},
        "unit": evaluation.unit,
        "headline_sec": evaluation.headline_sec,
        "curve_sec": list(evaluation.curve_sec),
        "curves": {name: _stored(curve.error) for name, curve in methods.items()},
        "loss_curves": {name: _stored(curve.loss) for name, curve in methods.items()},
        "coverage_curves": {
            name: {_per_cent(level): _stored(each) for level, each in curve.coverage.items()}
            for name, curve in methods.items()
            if curve.coverage is not None
        },
        "ratios": {name: ratio.to_dict() for name, ratio in evaluation.ratios.items()},
        "differences": {name: value.to_dict() for name, value in evaluation.differences.items()},
        "ratio_curves": {name: _stored(curve) for name, curve in evaluation.ratio_curves.items()},
        "difference_curves": {name: _stored(curve) for name, curve in evaluation.difference_curves.items()},
        "player_ids": list(evaluation.player_ids),
        "per_player": {name: curve.error_per_player for name, curve in methods.items()},
        "chosen": None if evaluation.chosen is None else evaluation.chosen.to_dict(),
        "when": {text: prediction_figures(each) for text, each in evaluation.when.items()},
    }


def write_csv(path: Path, evaluation: Evaluation) -> None:
    """One row per moments (all, or a condition), player, method, training and second of the curve."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(CSV_COLUMNS)
        for moments, each in {ALL: evaluation, **evaluation.when}.items():
            table.writerows(_rows(moments, each))


def _rows(moments: str, evaluation: Evaluation) -> Iterable[tuple[object, ...]]:
    for name, curve in evaluation.methods.items():
        for training, players in zip(curve.trainings, curve.per_training.tolist(), strict=True):
            for player, errors in zip(evaluation.player_ids, players, strict=True):
                for seconds, error in zip(evaluation.curve_sec, errors, strict=True):
                    yield moments, player, name, training, f"{seconds:g}", f"{error:.6g}"


def _method(curve: Curve, at: int) -> dict[str, Any]:
    stored: dict[str, Any] = {
        "error": curve.error[at].to_dict(),
        "loss": curve.loss[at].to_dict(),
        "trainings": len(curve.trainings),
    }
    for name in ("before", "calibration_error", "brier"):
        estimates: tuple[Estimate, ...] | None = getattr(curve, name)
        if estimates is not None:
            stored[name] = estimates[at].to_dict()
    if curve.coverage is not None:
        stored["coverage"] = {
            _per_cent(level): estimates[at].to_dict() for level, estimates in curve.coverage.items()
        }
    return stored


def _stored(estimates: Iterable[Estimate]) -> list[dict[str, object]]:
    return [estimate.to_dict() for estimate in estimates]


def _per_cent(level: float) -> str:
    return f"{100 * level:g}"
