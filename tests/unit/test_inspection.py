"""`pytrain inspect` shows what is in a file, and says plainly when there is nothing to show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from adaptive_agents.errors import AdaptiveAgentsError
from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.profile import Profile
from pytrain.evaluation.inspection import inspect
from tests.tiny_brain import VECTOR_SPEC, make_tiny_brain


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "player.session"
    header = SessionHeader(VECTOR_SPEC, "meta-test-0007", seed=3, game_build="0.1.0")
    with SessionWriter(path, header, chunk_rows=10) as writer:
        for tick in range(25):
            writer.add(tick * 6, tick % 2, tick // 20, [1.0, -2.0, 0.5 * tick], [10.0, float(tick)])
    return path


def shown(path: Path) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(inspect(path))
    return captured.get()


def test_a_session_shows_its_player_its_rows_and_the_range_of_every_field(session: Path) -> None:
    text = shown(session)
    for part in ("meta-test-0007", "25 in 3 chunks", "player_velocity[1]", "2.4 s at 60", "whole"):
        assert part in text
    (distance,) = [line for line in text.splitlines() if "distance" in line and "observed" in line]
    assert [value.strip() for value in distance.strip("│ ").split("│")[2:]] == ["0", "6", "12"]


def test_a_session_that_was_cut_off_says_so_and_shows_the_rest(session: Path) -> None:
    session.write_bytes(session.read_bytes()[:-20])
    text = shown(session)
    assert "cut off" in text
    assert "20 in 2 chunks" in text


def test_a_session_without_a_row_is_still_shown(tmp_path: Path) -> None:
    path = tmp_path / "empty.session"
    SessionWriter(path, SessionHeader(VECTOR_SPEC, "nobody")).close()
    assert "0 in 0 chunks" in shown(path)


def test_a_brain_shows_how_it_adapts_and_what_its_graphs_take(tmp_path: Path) -> None:
    make_tiny_brain(tmp_path / "tiny.brain")
    text = shown(tmp_path / "tiny.brain")
    for part in (
        "reptile",
        "policy_batched.onnx",
        "support_observations",
        "adapted.weight",
        "inner_lr",
        "0.1",
    ):
        assert part in text


def test_a_profile_shows_what_it_remembers_of_each_brain(tmp_path: Path) -> None:
    brain = make_tiny_brain(tmp_path / "tiny.brain")
    profile = Profile("ann")
    profile.memory_for(brain).support.append(np.ones((5, 3)), np.ones((5, 2)), np.ones(5))
    profile.save(tmp_path / "ann.profile")
    text = shown(tmp_path / "ann.profile")
    for part in ("ann", brain.sha256, "examples kept  5", "8 in weight, bias", "player_velocity[2]"):
        assert part in text


@pytest.mark.parametrize("name", ["a.session", "a.brain", "a.profile"])
def test_a_file_of_noise_is_named_and_not_shown(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(np.random.default_rng(0).bytes(500))
    with pytest.raises(AdaptiveAgentsError, match=name):
        inspect(path)


def test_what_is_no_such_file_is_answered_with_what_can_be_shown(tmp_path: Path, session: Path) -> None:
    with pytest.raises(AdaptiveAgentsError, match=r"not there"):
        inspect(tmp_path / "gone.session")
    with pytest.raises(AdaptiveAgentsError, match=r"is a folder; .*player\.session"):
        inspect(tmp_path)
    with pytest.raises(AdaptiveAgentsError, match=r"'\.wav'; a \.session, \.brain or \.profile"):
        inspect(tmp_path / "noise.wav")
