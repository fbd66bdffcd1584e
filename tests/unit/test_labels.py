"""Labels pair each observation with what was measured exactly one horizon later, as a plain loop would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ObservationError
from adaptive_agents.tick.labels import PendingLabels
from tests.tiny_brain import CATEGORY_SPEC, VECTOR_SPEC

HORIZON = VECTOR_SPEC.horizon_ticks


def observation(tick: int, slots: Any) -> Any:
    return np.stack([np.full(len(slots), tick), slots, np.ones(len(slots))], axis=1).astype(np.float32)


def position(tick: int, slots: Any) -> Any:
    return np.stack([np.full(len(slots), tick) ** 2, slots], axis=1).astype(np.float32)


slots_of = st.lists(st.integers(0, 40), unique=True, max_size=5)


@given(ticks=st.lists(st.tuples(slots_of, slots_of), min_size=1, max_size=40), step=st.integers(1, 3))
def test_pairs_equal_those_of_a_plain_loop(ticks: list[tuple[list[int], list[int]]], step: int) -> None:
    labels, pending, expected, found = PendingLabels(VECTOR_SPEC, slots=2), {}, [], []
    for number, (observers, ended) in enumerate(ticks):
        tick = number * step
        due = labels.due(tick)
        wanted = sorted(slot for then, slot in pending if then == tick - HORIZON)
        assert due.tolist() == wanted
        matured = labels.mature(tick, due, position(tick, due))
        for index, slot in enumerate(matured.slots.tolist()):
            found.append((matured.tick, slot, matured.targets[index].tolist()))
            assert matured.windows[index].tolist() == [tick - HORIZON, slot, 1]
        expected += [(tick - HORIZON, slot, [tick**2 - (tick - HORIZON) ** 2, 0]) for slot in wanted]
        labels.end_episode(np.array(ended, np.intp))
        pending = {
            (then, slot): True for then, slot in pending if slot not in ended and then > tick - HORIZON
        }
        slots = np.array(observers, np.intp)
        labels.observe(tick, slots, observation(tick, slots), position(tick, slots))
        pending |= {(tick, slot): True for slot in observers}
    assert found == expected


def test_a_pair_is_given_once() -> None:
    labels, slots = PendingLabels(VECTOR_SPEC), np.arange(3)
    labels.observe(0, slots, observation(0, slots), position(0, slots))
    assert len(labels.mature(HORIZON, slots, position(HORIZON, slots)).slots) == 3
    assert len(labels.mature(HORIZON, slots, position(HORIZON, slots)).slots) == 0
    assert labels.due(HORIZON).tolist() == []


def test_a_measurement_at_another_tick_pairs_nothing() -> None:
    labels, slots = PendingLabels(VECTOR_SPEC), np.arange(3)
    labels.observe(0, slots, observation(0, slots), position(0, slots))
    for tick in (HORIZON - 1, HORIZON + 1, HORIZON + 700):
        assert labels.due(tick).tolist() == []
        assert len(labels.mature(tick, slots, position(tick, slots)).slots) == 0


def test_an_ended_episode_drops_only_that_agents_pairs() -> None:
    labels, slots = PendingLabels(VECTOR_SPEC), np.arange(3)
    labels.observe(0, slots, observation(0, slots), position(0, slots))
    labels.end_episode(1)
    assert labels.due(HORIZON).tolist() == [0, 2]


def test_a_category_is_what_is_measured_at_the_horizon() -> None:
    labels, slots = PendingLabels(CATEGORY_SPEC), np.arange(3)
    labels.observe(0, slots, observation(0, slots))
    matured = labels.mature(HORIZON, slots, np.array([[0], [2], [1]], np.float32))
    assert matured.targets.tolist() == [[0], [2], [1]]


def test_predictions_come_back_with_their_targets_and_are_nan_where_there_were_none() -> None:
    labels, slots = PendingLabels(VECTOR_SPEC), np.arange(2)
    predictions = np.array([[1, 2], [3, 4]], np.float32)
    labels.observe(0, slots, observation(0, slots), position(0, slots), predictions)
    labels.observe(1, slots, observation(1, slots), position(1, slots))
    given_back = [
        labels.mature(tick, slots, position(tick, slots)).predictions for tick in (HORIZON, HORIZON + 1)
    ]
    np.testing.assert_array_equal(given_back[0], predictions)
    assert np.isnan(given_back[1]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_measurement_that_is_not_finite_is_refused_and_its_agent_named(bad: float) -> None:
    labels, slots = PendingLabels(VECTOR_SPEC), np.array([4, 7])
    measured = np.array([[0, 0], [1, bad]], np.float32)
    with pytest.raises(ObservationError, match=r"agent number 7 measured .*player_displacement\[2\]"):
        labels.observe(0, slots, observation(0, slots), measured)
    assert labels.due(HORIZON).tolist() == []
    labels.observe(0, slots, observation(0, slots), position(0, slots))
    with pytest.raises(ObservationError, match="agent number 7"):
        labels.mature(HORIZON, slots, measured)
    assert labels.due(HORIZON).tolist() == [4, 7]


def test_a_measurement_of_the_wrong_size_or_an_unknown_class_is_refused() -> None:
    slots = np.arange(2)
    with pytest.raises(ObservationError, match=r"shape \(2, 2\), they have \(2, 3\)"):
        PendingLabels(VECTOR_SPEC).observe(0, slots, observation(0, slots), np.zeros((2, 3), np.float32))
    with pytest.raises(ObservationError, match="class 3"):
        PendingLabels(CATEGORY_SPEC).mature(HORIZON, slots, np.full((2, 1), 3, np.float32))


def test_a_vector_needs_its_measurement_at_the_observation_too() -> None:
    with pytest.raises(ObservationError, match="needed at the observation too"):
        PendingLabels(VECTOR_SPEC).observe(0, np.arange(1), observation(0, np.arange(1)))


def test_a_long_pause_leaves_nothing_behind() -> None:
    labels, slots = PendingLabels(replace(VECTOR_SPEC, horizon_ticks=36)), np.arange(2)
    labels.observe(0, slots, observation(0, slots), position(0, slots))
    later = 37 * 1000
    labels.observe(later, slots[:1], observation(later, slots[:1]), position(later, slots[:1]))
    assert labels.due(later + 36).tolist() == [0]
