"""The report says what was measured: the promised keys, the misses too, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from pytrain.errors import PytrainError
from pytrain.evaluation.charts import WIDTH, Line, Strip, line_chart, spread, strip_chart, ticks
from pytrain.evaluation.goals import judge, summary
from pytrain.evaluation.intervals import Estimate
from pytrain.evaluation.report import render, write_report
from pytrain.games.benchmark import summarise
from tests.sample_report import figure, make_report

METHODS = {"frozen", "kernel", "frozen_kernel", "pooled", "fomaml", "memory"}


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
    assert play["paired_ratio"].keys() == {"adapting/no_lead", "adapting/linear_lead", "adapting/frozen"}
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
    assert [target.key for target in judge(make_report()) if not target.met] == []
    assert summary(make_report())[-1] == "All 11 targets were met."
    assert "✗" not in render(make_report())


def test_a_missed_target_is_said_with_its_measurement_and_what_was_wanted() -> None:
    report = make_report(adapting=0.25)
    missed = [target.key for target in judge(report) if not target.met]
    assert missed == ["hits/non-learner", "hits/frozen"]
    assert summary(report)[-1] == "2 of 11 targets were missed."
    assert "1.19 [1.13, 1.25] times" in render(report)
    assert "✗ at least 1.2 times" in render(report)


def test_linear_lead_is_no_target_and_no_headline() -> None:
    report = make_report()
    assert not any("linear" in target.key + target.what for target in judge(report))
    assert "linear" not in " ".join(summary(report))


def test_hits_are_held_against_whoever_hits_most_without_learning() -> None:
    report = make_report()
    report["play"]["methods"]["kernel"] = {"hit_rate": figure(0.36)}
    report["play"]["paired_ratio"]["adapting/kernel"] = figure(0.39 / 0.36)
    (target,) = [target for target in judge(report) if target.key == "hits/non-learner"]
    assert not target.met
    assert "kernel ridge" in target.what


def test_a_ratio_is_judged_by_its_paired_interval_and_not_by_those_of_two_means() -> None:
    report = make_report()
    methods = report["prediction"]["methods"]
    methods["memory"]["error"]["ci95"] = [10.0, 90.0]  # players differ more than methods do
    assert all(target.met for target in judge(report))
    report["prediction"]["ratio_curves"]["memory/fomaml"][3]["ci95"][1] = 1.01
    assert [target.key for target in judge(report) if not target.met] == ["below/fomaml"]


def test_a_ratio_that_is_small_enough_but_may_be_chance_is_a_miss() -> None:
    report = make_report()
    report["unseen_family"]["ratio_curves"]["memory/frozen"][4]["ci95"] = [0.1, 1.1]
    assert [target.key for target in judge(report) if not target.met] == ["unseen-20"]


def test_what_was_not_measured_is_a_miss() -> None:
    report = make_report()
    del report["prediction"]["methods"]["memory"]["coverage"]
    (target,) = [target for target in judge(report) if not target.met]
    assert (target.key, target.measured) == ("coverage-80", "not measured")


@pytest.mark.parametrize(("coverage", "met"), [(0.74, False), (0.75, True), (0.85, True), (0.86, False)])
def test_an_80_per_cent_interval_may_hold_neither_too_little_nor_too_much(coverage: float, met: bool) -> None:
    report = make_report()
    report["prediction"]["methods"]["memory"]["coverage"]["80"] = figure(coverage)
    (target,) = [target for target in judge(report) if target.key == "coverage-80"]
    assert target.met is met


def test_the_headline_is_about_who_was_chosen_and_not_about_who_was_best_on_test() -> None:
    report = make_report()
    for part in ("prediction", "unseen_family"):
        report[part]["chosen"]["best_learner"] = "fomaml"
    assert "first-order MAML predicts players it never saw" in summary(report)[0]
    assert any(target.what.startswith("first-order MAML's error on new players") for target in judge(report))
    assert "(first-order MAML)" in render(report)


def test_without_fit_players_the_headline_is_about_the_brain_that_played() -> None:
    report = make_report()
    report["prediction"]["chosen"] = None
    report["play"]["brain"] = "fomaml.brain"
    assert "first-order MAML predicts players it never saw" in summary(report)[0]


def test_a_report_without_look_ups_and_fit_players_says_what_is_missing() -> None:
    """A run by hand with some brains only: a page all the same, and every target that needs more is
    missed."""
    report = make_report()
    for part in ("prediction", "unseen_family"):
        figures = report[part]
        figures["chosen"] = None
        for name in ("kernel", "frozen_kernel", "fomaml"):
            for table in ("methods", "curves", "per_player"):
                del figures[table][name]
    for name in ("ratio_curves", "ratios", "differences", "difference_curves"):
        kept = {pair: each for pair, each in report["prediction"][name].items() if "kernel" not in pair}
        report["prediction"][name] = {pair: each for pair, each in kept.items() if "fomaml" not in pair}
    missed = {target.key: target.measured for target in judge(report) if not target.met}
    assert missed == {"below/kernel": "not measured", "below/fomaml": "not measured"}
    assert "</html>" in render(report)
    assert summary(report)[-1] == "2 of 11 targets were missed."


def test_fewer_players_than_promised_are_a_miss() -> None:
    report = make_report()
    report["play"]["players"] = 63
    assert {target.key for target in judge(report) if not target.met} == {"hits/non-learner", "hits/frozen"}


def test_a_tick_that_is_often_too_slow_is_a_miss() -> None:
    (target,) = [target for target in judge(make_report(tick_usec=900.0)) if not target.met]
    assert target.key == "engine"


def test_a_learner_that_gains_nothing_over_the_best_baseline_is_said_to() -> None:
    report = make_report()
    report["prediction"]["ratios"]["memory/pooled"] = {"mean": 0.97, "ci95": [0.92, 1.02]}
    assert "gained nothing over that" in " ".join(summary(report))


def test_how_many_players_adaptation_harms_at_first_is_said() -> None:
    report = make_report()
    frozen = report["prediction"]["per_player"]["frozen"]
    for player, errors in enumerate(report["prediction"]["per_player"]["memory"]):
        errors[1] = frozen[player][1] + (1 if player % 4 == 0 else -1)
    assert "After 2 seconds 25% of the players are predicted worse than by the frozen one." in summary(report)


def test_every_player_is_a_dot_in_the_row_of_each_method() -> None:
    page = render(make_report())
    players = make_report()["prediction"]["players"]
    assert page.count('class="player" style="--c:var(--memory)"') == players


def test_a_value_beyond_the_drawing_is_drawn_at_its_edge() -> None:
    drawn = strip_chart([Strip("maml", "MAML", [0.5, 1.0, 50.0])], 1.0, 2.0, "part")
    at = [float(x) for x in re.findall(r'class="player" [^>]*cx="([\d.]+)"', drawn)]
    assert at == sorted(at)
    assert at[2] <= WIDTH


def test_lines_that_are_not_paired_have_no_band() -> None:
    points = [Estimate(1.0, 0.9, 1.1)] * 2
    assert "polygon" in line_chart([Line("maml", "MAML", [0, 1], points)], "x", "y")
    assert "polygon" not in line_chart([Line("maml", "MAML", [0, 1], points, band=False)], "x", "y")


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
