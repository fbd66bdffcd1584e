"""The benchmarks' report: merged by name, whole or not at all, and readable."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks.__main__ import listed, main
from tests.benchmarks.report import (
    BenchSettings,
    CannotRun,
    Result,
    as_json,
    data_folder,
    merged,
    read,
    table,
)
from tests.benchmarks.report import write as write_report
from tests.benchmarks.run_one import Part, part_path, run


def of(*results: Result) -> list[dict]:
    return [as_json(result, "a command") for result in results]


def test_a_benchmark_that_was_run_replaces_its_own_results_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "report.json"
    assert read(path) == []
    write_report(path, of(Result("train/maml", 1.0, "/s"), Result("rps/maml/accuracy-20", 0.6, "%")))
    write_report(
        path, merged(read(path), of(Result("train/maml", 2.0, "/s"), Result("train/reptile", 3.0, "/s")))
    )
    stored = json.loads(path.read_text())["results"]
    assert {result["name"]: result["ours"] for result in stored} == {
        "rps/maml/accuracy-20": 0.6,
        "train/maml": 2.0,
        "train/reptile": 3.0,
    }


def test_results_stand_in_the_order_of_their_names_and_numbers() -> None:
    names = ("sinusoid/maml/steps-10", "sinusoid/maml/steps-5", "export/adapt-step", "sinusoid/maml/steps-1")
    ordered = [result["name"] for result in merged([], of(*(Result(name, 0.0, "") for name in names)))]
    assert ordered == [names[2], names[3], names[1], names[0]]


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_a_ratio_above_one_is_always_better(lower_is_better: bool) -> None:
    ours, theirs = (0.25, 0.5) if lower_is_better else (0.5, 0.25)
    result = Result.against("a", ours, "", "paper", theirs, lower_is_better=lower_is_better, goal=1.0)
    assert result.ratio == 2.0
    assert not result.missed


def test_a_missed_goal_stands_out_in_the_table() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    slow = Result.against("train/maml", 98.0, "/s", "learn2learn", 2.0, spread=(48.0, 50.0), goal=50.0)
    fast = Result.against("train/reptile", 200.0, "/s", "learn2learn", 2.0, goal=80.0, note="100 tasks")
    assert slow.missed
    console.print(table(of(slow, fast), "This run"))
    printed = console.export_text()
    assert "49.0" in printed
    assert "✗ ≥ 50.0" in printed
    assert "✓ ≥ 80.0" in printed
    assert "100 tasks" in printed


def test_names_ask_for_a_group_or_for_one_result() -> None:
    settings = BenchSettings(names=("sinusoid/maml", "train/reptile"))
    assert settings.wants("sinusoid")
    assert settings.wants("sinusoid/maml/steps-1")
    assert not settings.wants("sinusoid/reptile/steps-10")
    assert not settings.wants("train/rep")
    assert BenchSettings().wants("anything")


def test_a_missing_data_folder_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match=r"no folder .*omniglot: set --data or \$BENCH_DATA"):
        data_folder(BenchSettings(data=tmp_path), "omniglot")


def test_a_benchmark_that_fails_keeps_what_it_had_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        NAME = "broken"

        @staticmethod
        def run(settings, progress):
            yield Result("broken/first", 1.0, "")
            raise ZeroDivisionError("no more")

    monkeypatch.setattr("importlib.import_module", lambda name: Broken)
    part = run("broken", BenchSettings(quick=True, out=tmp_path))
    stored = Part.read(part_path(tmp_path, "broken"))
    assert stored == part
    assert (part.outcome, part.reason) == ("failed", "ZeroDivisionError: no more")
    assert [result["command"] for result in part.results] == [
        "python -m tests.benchmarks broken/first --quick"
    ]
    assert "broken: begins" in capsys.readouterr().out


def test_an_unknown_benchmark_is_refused_with_the_names_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    said = capsys.readouterr().out
    assert "trian" in said
    assert all(each.name in said for each in listed())
