"""Sentinels: an evaluation that cheats, or that measures something else than it says, fails here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from adaptive_agents.formats.session import SessionHeader, SessionWriter
from adaptive_agents.model.brain import Brain
from pytrain.evaluation.evaluate import EvaluateSettings, Evaluation, evaluate
from pytrain.evaluation.intervals import Estimate
from tests.synthetic_players import play, sinusoid_spec, write_sessions
from tests.tiny_brain import make_tiny_brain

PLAYERS = range(100, 108)
SECONDS = 60.0
Change = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def write(folder: Path, change: Change, players: range = PLAYERS) -> Path:
    """Sessions whose observations and targets are changed: of ticks, observations and targets, all
    players'."""
    folder.mkdir()
    played = [play(player, SECONDS) for player in players]
    columns = [np.stack(column) for column in zip(*played, strict=True)]
    for player, ticks, observations, targets in zip(players, columns[0], *change(*columns), strict=True):
        header = SessionHeader(sinusoid_spec(), f"player-{player}")
        with SessionWriter(folder / f"{player}.session", header) as writer:
            for row in zip(ticks.tolist(), observations, targets, strict=True):
                writer.add(row[0], 0, 0, row[1], row[2])
    return folder


@pytest.fixture(scope="module")
def brain(tmp_path_factory) -> Brain:
    """Linear, and with so many steps that it is as good as least squares."""
    loop = {"inner_lr": 0.05, "num_inner_steps": 400, "support_size": 1024}
    return make_tiny_brain(tmp_path_factory.mktemp("brain") / "a.brain", sinusoid_spec(), inner_loop=loop)


def measured(brain: Brain, sessions: Path, **settings: object) -> Evaluation:
    return evaluate({"maml": brain}, [sessions], EvaluateSettings(baselines=True, **settings))  # type: ignore[arg-type]


def permuted(
    ticks: np.ndarray, observations: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """At every tick each player gets the target of another one, drawn anew."""
    del ticks
    return observations, np.random.default_rng(0).permuted(targets, axis=0)


def test_from_targets_that_are_permuted_across_players_nobody_gains(brain, tmp_path):
    """Nobody who looks ahead, or at who is measured, can help doing better than the best constant."""
    folder = write(tmp_path / "permuted", permuted)
    _, targets = permuted(
        *(np.stack(column) for column in zip(*[play(p, SECONDS) for p in PLAYERS], strict=True))
    )
    asked = targets[:, 400:, 0]
    constant = np.abs(asked - np.median(asked, axis=1, keepdims=True)).mean()
    result = measured(brain, folder)
    errors = {name: min(point.mean for point in curve.error) for name, curve in result.methods.items()}
    assert all(error > 0.99 * constant for error in errors.values()), errors


def test_from_their_own_targets_those_who_can_do_gain(tmp_path, brain):
    """The same players as they are: what the test above forbids is possible."""
    result = measured(
        brain, write(tmp_path / "own", lambda ticks, observations, targets: (observations, targets))
    )
    assert result.ratios["kernel/frozen"].high < 0.9


def test_who_observes_the_label_errs_by_nothing(brain, tmp_path):
    def told(ticks, observations, targets):
        return np.concatenate([targets, observations[..., 1:]], axis=-1), targets

    result = measured(brain, write(tmp_path / "told", told))
    at = result.curve_sec.index(40.0)
    frozen = result.methods["frozen"].error[at].mean
    assert result.methods["maml"].error[at].mean < 0.001 * frozen
    assert result.methods["kernel"].error[at].mean < 0.3 * frozen


@pytest.mark.parametrize("seconds", [5.0, 10.0, 20.0])
def test_no_more_seconds_are_learned_from_than_are_said(brain, tmp_path, seconds):
    """Targets change from 1 to 5 when the last label before `seconds` was known: who sees no more expects
    1."""
    change_at = seconds * 60 - 36 + 1

    def changed(ticks, observations, targets):
        return np.zeros_like(observations), np.where(ticks < change_at, 1.0, 5.0)[..., None].astype(
            np.float32
        )

    folder = write(tmp_path / "changed", changed, range(100, 103))
    result = measured(brain, folder, curve_sec=(seconds, 40.0), headline_sec=40.0)
    for name in ("maml", "kernel", "knn", "frozen_kernel"):
        expects = 5.0 - result.methods[name].error[0].mean
        assert expects == pytest.approx(1.0, abs=0.1), name
    assert all(result.methods[name].error[1].mean < 3.0 for name in ("maml", "kernel", "knn"))


def test_all_the_seconds_that_are_said_are_learned_from(brain, tmp_path):
    """The other way round: targets change just early enough to be known."""

    def changed(ticks, observations, targets):
        return np.zeros_like(observations), np.where(ticks < 564, 1.0, 5.0)[..., None].astype(np.float32)

    folder = write(tmp_path / "changed", changed, range(100, 103))
    result = measured(brain, folder, curve_sec=(10.0,), headline_sec=10.0)
    # The newest one of 95 examples is of after the change.
    assert 5.0 - result.methods["maml"].error[0].mean > 1.02


def test_the_same_brain_twice_differs_by_exactly_nothing(brain, tmp_path):
    folder = write_sessions(tmp_path / "test", PLAYERS)
    result = evaluate({"one": brain, "other": brain}, [folder])
    assert set(result.difference_curves["one-other"]) == {Estimate(0.0, 0.0, 0.0)}
    assert set(result.ratio_curves["one/other"]) == {Estimate(1.0, 1.0, 1.0)}
