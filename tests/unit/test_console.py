"""Progress for those who do not sit before a terminal: a log file, and a parent process."""

from __future__ import annotations

import pytest

from pytrain.console import PROGRESS_VARIABLE, watch
from pytrain.progress import Progress


def test_a_log_file_gets_a_line_for_every_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    with watch() as show:
        for done in range(101):
            show(Progress("record", done, 100))
    assert capsys.readouterr().err.split("\n")[:-1] == [f"  record: {part} %" for part in (25, 50, 75, 100)]


def test_a_parent_process_gets_one_rising_figure_over_all_stages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROGRESS_VARIABLE, "lines")
    monkeypatch.setattr("pytrain.console.LINE_EVERY_SEC", 0.0)
    with watch({"read": 0.2, "train": 0.8}) as show:
        for stage in ("read", "read", "train"):
            for done in range(5):
                show(Progress(stage, done, 4))
    figures = [int(line.split()[1]) for line in capsys.readouterr().err.splitlines()]
    assert figures == sorted(figures)
    assert figures[-1] == 1000
    assert 200 in figures
