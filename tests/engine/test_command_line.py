"""The command line against a real engine: a whole small demo, and one part of it alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adaptive_agents.formats.session import read_session

Pytrain = Callable[..., str]


@pytest.fixture
def pytrain(root: Path) -> Pytrain:
    """Runs a command as a person without a display would; returns what it printed."""

    def run(*words: str | Path) -> str:
        environment = {**os.environ, "HEADLESS": "1"}
        command = [sys.executable, "-m", "pytrain", *map(str, words)]
        ended = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=500, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return run


def test_recording_again_gives_the_same_examples(pytrain: Pytrain, tmp_path: Path) -> None:
    recordings = []
    for name in ("once", "again"):
        out = tmp_path / name
        pytrain("record", "--population", "meta-test", "--players", "0:3", "--seconds", "8", "--out", out)
        recordings.append([read_session(path) for path in sorted(out.glob("*.session"))])
    once, again = recordings
    assert [session.header.player_id for session in once] == [f"meta-test-{n:04d}" for n in range(3)]
    for one, other in zip(once, again, strict=True):
        assert len(one.examples) > 100
        assert (one.examples.observations == other.examples.observations).all()
        assert (one.examples.targets == other.examples.targets).all()


@pytest.mark.slow
def test_a_small_demo_goes_all_the_way_to_a_report(pytrain: Pytrain, tmp_path: Path) -> None:
    out = tmp_path / "a demo"
    shown = pytrain(
        *("demo", "--out", out, "--train-players", "4", "--validation-players", "2", "--test-players", "4"),
        *("--unseen-players", "3", "--play-players", "2", "--seconds", "42", "--meta-steps", "2"),
    )
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["prediction"]["players"] == 4
    assert report["unseen_family"]["players"] == 3
    assert report["play"]["players"] == 2
    assert report["engine"]["agents"] == 100
    assert report["engine"]["adaptations"] > 0
    assert list(report["seconds"]) == ["record", "train", "evaluate", "play", "engine"]
    assert "</html>" in (out / "report.html").read_text(encoding="utf-8")
    for heading in (
        "Prediction after 20 s of play, 4 new players",
        "In play, 2 players: hits per shot",
        "What it had to show",
    ):
        assert heading in shown
