"""The windows that agents predict from are what a plain list of their observations would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.model.window import Window
from adaptive_agents.tick.history import ObservationHistory

OBS_DIM = 2


def window_of(seen: list[np.ndarray], window: int) -> np.ndarray:
    """As DESIGN has it: the last `window` observations, oldest first, the first one before the first."""
    padded = [seen[0]] * window + seen
    return np.concatenate(padded[-window:])


Ticks = st.lists(
    st.tuples(
        st.lists(st.integers(0, 40), unique=True, max_size=6),  # who observes
        st.lists(st.integers(0, 40), unique=True, max_size=2),  # who starts anew afterwards
        st.booleans(),  # whether time passes before the next
    ),
    max_size=12,
)


@given(window=st.integers(1, 5), ticks=Ticks)
def test_each_agent_has_its_own_last_observations(window: int, ticks: list) -> None:
    history, seen, at = ObservationHistory(Window(window), OBS_DIM, slots=4), {}, {}
    tick, value = 0, 0.0
    for observing, restarting, passes in ticks:
        rows = np.zeros((len(observing), OBS_DIM), np.float32)
        for row, slot in zip(rows, observing, strict=True):
            value += 1
            row[:] = value, -value
            if at.get(slot) == tick:
                seen[slot].pop()  # decided twice in one tick: a session has the later one
            seen.setdefault(slot, []).append(row)
            at[slot] = tick
        windows = history.push(tick, np.array(observing, np.intp), rows)
        assert windows.shape == (len(observing), window * OBS_DIM)
        for given_window, slot in zip(windows, observing, strict=True):
            np.testing.assert_array_equal(given_window, window_of(seen[slot], window))
        history.restart(np.array(restarting, np.intp))
        for slot in restarting:
            seen.pop(slot, None)
            at.pop(slot, None)
        everyone = np.arange(41)
        np.testing.assert_array_equal(history.has_begun(everyone), [slot in seen for slot in everyone])
        tick += passes


def test_an_observation_that_the_game_told_replaces_none_and_is_replaced_by_none() -> None:
    history, slots = ObservationHistory(Window(3), 1), np.zeros(1, np.intp)
    for is_told, value in ((True, 1), (True, 2), (False, 3), (True, 4), (False, 5)):
        window = history.push(7, slots, np.full((1, 1), value, np.float32), is_told=is_told)
    assert window.tolist() == [[3, 4, 5]]


@pytest.mark.parametrize("window", [Window(), Window(3), Window(3, 1)], ids=str)
def test_what_was_handed_out_does_not_change_later(window: Window) -> None:
    history, slots = ObservationHistory(window, 1), np.arange(2)
    first = history.push(0, slots, np.full((2, 1), 1, np.float32))
    handed_out = first.copy()
    history.push(1, slots, np.full((2, 1), 2, np.float32))
    np.testing.assert_array_equal(first, handed_out)
