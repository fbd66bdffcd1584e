"""What `pytrain evaluate` prints."""

from __future__ import annotations

from rich.console import Console

from pytrain.evaluation.tables import prediction_table


def shown(figures: dict) -> str:
    console = Console(width=100, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as capture:
        console.print(prediction_table(figures, "Prediction after 20 s of play, 96 players"))
    return capture.get()


def figure(mean: float, low: float, high: float) -> dict:
    return {"mean": mean, "ci95": [low, high]}


def test_a_category_is_told_in_accuracy_and_likelihood() -> None:
    methods = {
        "pooled": {"error": figure(0.38, 0.36, 0.4), "loss": figure(0.84, 0.8, 0.88)},
        "reptile": {"error": figure(0.35, 0.33, 0.37), "loss": figure(0.81, 0.78, 0.84)},
    }
    table = shown({"unit": "1 - accuracy", "methods": methods})
    row = next(line for line in table.splitlines() if "Reptile" in line)
    assert row.split() == ["Reptile", "65.0%", "63.0%", "–", "67.0%", "0.810", "0.780", "–", "0.840"]


def test_a_vector_is_told_in_its_own_units_and_as_a_part_of_the_frozen_error() -> None:
    methods = {
        "frozen": {"error": figure(64.8, 62.0, 67.7)},
        "maml": {"error": figure(48.4, 44.8, 52.0)},
    }
    table = shown({"unit": "px", "methods": methods})
    row = next(line for line in table.splitlines() if "MAML" in line)
    assert row.split() == ["MAML", "48.4", "44.8", "–", "52.0", "0.75"]
