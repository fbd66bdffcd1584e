"""What `pytrain evaluate` prints."""

from __future__ import annotations

from rich.console import Console, RenderableType

from pytrain.evaluation.tables import certainty_table, curve_table, prediction_table, prediction_tables


def printed(*tables: RenderableType, styled: bool = False) -> str:
    console = Console(width=130, force_terminal=styled, color_system="standard" if styled else None)
    with console.capture() as capture:
        for table in tables:
            console.print(table)
    return capture.get()


def shown(figures: dict) -> str:
    return printed(prediction_table(figures, "Prediction after 20 s of play, 96 players"))


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


def test_what_a_brain_was_before_and_its_paired_interval_are_beside_it() -> None:
    maml = {"error": figure(48.4, 44.8, 52.0), "before": figure(72.0, 70.0, 74.0), "trainings": 3}
    methods = {"frozen": {"error": figure(64.8, 62.0, 67.7)}, "maml": maml}
    ratios = {"maml/frozen": figure(0.747, 0.71, 0.784)}
    table = shown({"unit": "px", "methods": methods, "ratios": ratios})
    row = next(line for line in table.splitlines() if "MAML" in line)
    assert row.split() == [
        "MAML",
        "(×",
        "3)",
        "48.4",
        "44.8",
        "–",
        "52.0",
        "72.0",
        "0.75",
        "0.71",
        "–",
        "0.78",
    ]


def test_at_every_second_a_gain_that_is_certain_stands_out() -> None:
    points = [figure(1.1, 1.02, 1.2), figure(0.95, 0.88, 1.03), figure(0.8, 0.7, 0.9)]
    figures = {
        "methods": {"frozen": {}, "maml": {}},
        "curve_sec": [2.0, 5.0, 20.0],
        "ratio_curves": {"maml/frozen": points},
    }
    table = printed(curve_table(figures, "frozen", "Part of the error"), styled=True)
    row = next(line for line in table.splitlines() if "MAML" in line)
    assert "\x1b[1m0.80" in row.replace(" ", "")
    assert "\x1b[2m0.95" in row.replace(" ", "")
    assert "1.10" in row
    assert "m1.10" not in row


def test_how_often_the_truth_lay_within_is_told_of_those_who_know() -> None:
    levels = {level: figure(part, part, part) for level, part in (("50", 0.51), ("80", 0.79), ("95", 0.96))}
    calibration_error = figure(0.01, 0.0, 0.02)
    memory = {"error": figure(40, 39, 41), "coverage": levels, "calibration_error": calibration_error}
    figures = {"unit": "px", "methods": {"maml": {"error": figure(48, 47, 49)}, "memory": memory}}
    table = printed(certainty_table(figures))
    assert "MAML" not in table
    row = next(line for line in table.splitlines() if "memory" in line)
    assert row.split() == ["memory", "51.0%", "79.0%", "96.0%", "0.010"]
    whole = printed(*prediction_tables({**figures, "when": {}}, "Prediction"))
    assert "How sure it is" in whole
