"""The report says what was measured: the promised keys, the misses too, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from pytrain.errors import PytrainError
from pytrain.evaluation.charts import spread, ticks
from pytrain.evaluation.goals import judge, summary
from pytrain.evaluation.report import render, write_report
from pytrain.games.benchmark import summarise
from tests.sample_report import make_report

METHODS = {"frozen", "scratch", "pooled", "reptile", "fomaml", "maml"}


def test_report_json_has_the_promised_keys(tmp_path: Path) -> None:
    write_report(make_report(), tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report.keys() >= {"prediction", "unseen_family", "play", "engine", "seconds"}
    for part in ("prediction", "unseen_family"):
        assert isinstance(report[part]["players"], int)
        assert report[part]["methods"].keys() == METHODS
        assert all(is_figure(method["error"]) for method in report[part]["methods"].values())
    play = report["play"]
    assert play["methods"].keys() == {"no_lead", "linear_lead", "frozen", "adapting"}
    assert all(is_figure(method["hit_rate"]) for method in play["methods"].values())
    assert play["paired_ratio"].keys() == {"adapting/linear_lead", "adapting/frozen"}
    assert all(is_figure(ratio) for ratio in play["paired_ratio"].values())
    assert report["engine"]["agents"] == 100
    assert report["engine"]["tick_msec"].keys() == {"median", "p99"}
    assert all(isinstance(seconds, float) for seconds in report["seconds"].values())


def is_figure(stored: dict[str, object]) -> bool:
    low, high = stored["ci95"]
    return stored.keys() == {"mean", "ci95"} and low <= stored["mean"] <= high


def test_the_page_loads_nothing_and_is_well_formed() -> None:
    page = render(make_report())
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?:https?:)?//""", page)
    assert "<script" not in page
    assert "$" not in page

    open_tags: list[str] = []

    class Nesting(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in ("meta", "br"):
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            pass

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    Nesting().feed(page)
    assert open_tags == []


def test_targets_that_were_met_are_all_said_to_be_met() -> None:
    assert all(target.met for target in judge(make_report()))
    assert summary(make_report())[-1] == "All 9 targets were met."
    assert "✗" not in render(make_report())


def test_a_missed_target_is_said_with_its_measurement_and_what_was_wanted() -> None:
    report = make_report(adapting=0.31)
    missed = [target.key for target in judge(report) if not target.met]
    assert missed == ["adapting/linear_lead", "adapting/frozen"]
    assert summary(report)[-1] == "2 of 9 targets were missed."
    assert "1.48 [1.4, 1.55] times" in render(report)
    assert "✗ at least 1.5 times" in render(report)


def test_intervals_that_overlap_are_a_miss_however_large_the_ratio() -> None:
    report = make_report()
    report["play"]["methods"]["adapting"]["hit_rate"]["ci95"] = [0.2, 0.6]
    (target,) = [target for target in judge(report) if target.key == "adapting/frozen"]
    assert not target.met
    assert "overlap" in target.measured


def test_fewer_players_than_promised_are_a_miss() -> None:
    report = make_report()
    report["play"]["players"] = 63
    assert {target.key for target in judge(report) if not target.met} == {
        "adapting/linear_lead",
        "adapting/frozen",
    }


def test_a_tick_that_is_often_too_slow_is_a_miss() -> None:
    (target,) = [target for target in judge(make_report(tick_usec=900.0)) if not target.met]
    assert target.key == "engine"


def test_a_meta_learner_that_gains_nothing_over_fine_tuning_is_said_to() -> None:
    report = make_report()
    report["prediction"]["ratios"]["maml/pooled"] = {"mean": 0.97, "ci95": [0.92, 1.02]}
    assert "gained nothing over that" in " ".join(summary(report))


def test_too_few_ticks_have_no_99th_percentile() -> None:
    with pytest.raises(PytrainError, match="99 ticks were measured"):
        summarise({"agents": 1, "tick_usec": [1.0] * 99})


@pytest.mark.parametrize("most", [0.37, 1.0, 62.0, 900.0])
def test_axis_ticks_are_few_and_start_at_zero(most: float) -> None:
    values = ticks(most)
    assert values[0] == 0
    assert 4 <= len(values) <= 11
    assert values[-1] <= most


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    placed = spread([10.0, 11.0, 12.0, 90.0], gap=16)
    assert placed == sorted(placed)
    assert min(b - a for a, b in pairwise(placed)) == pytest.approx(16)
    assert placed[3] == 90.0
