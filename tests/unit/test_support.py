"""The ring of newest examples holds what a plain list would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ObservationError
from adaptive_agents.support import ExampleRing, SupportSet, held_back_rows, ring_capacity


@given(capacity=st.integers(1, 9), appended=st.lists(st.integers(0, 25), max_size=8), data=st.data())
def test_the_ring_keeps_the_newest_examples_in_order(
    capacity: int, appended: list[int], data: st.DataObject
) -> None:
    ring, number, kept = ExampleRing(capacity, 2, 1), 0, []
    for rows in appended:
        values = np.arange(number, number + rows, dtype=np.float32)
        ring.append(np.stack([values, -values], axis=1), values[:, None] * 10, values * 0.5)
        number += rows
        kept = [*kept, *values.tolist()][-capacity:]
    assert (len(ring), ring.total) == (len(kept), number)
    everything = ring.in_order()
    assert everything.observations[0, :, 0].tolist() == kept
    assert everything.observations[0, :, 1].tolist() == [-value for value in kept]
    assert everything.targets[0, :, 0].tolist() == [value * 10 for value in kept]
    assert everything.weights[0].tolist() == [value * 0.5 for value in kept]
    first = data.draw(st.integers(0, len(kept)))
    count = data.draw(st.integers(0, len(kept) - first))
    part = SupportSet.zeros(2, capacity + 1, 2, 1)
    ring.copy_into(part, 1, first, count)
    assert part.observations[1, :count, 0].tolist() == kept[first : first + count]
    assert not part.weights[0].any()
    assert not part.weights[1, count:].any()


def test_examples_weigh_1_if_nothing_else_is_said() -> None:
    ring = ExampleRing(4, 3, 2)
    ring.append(np.zeros((2, 3), np.float32), np.zeros((2, 2), np.float32))
    assert ring.in_order().weights.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("observations", "targets"), [((1, 2), (1, 2)), ((2, 3), (1, 2)), ((1, 3), (1, 1))])
def test_rows_of_another_shape_are_refused(observations: tuple[int, ...], targets: tuple[int, ...]) -> None:
    ring = ExampleRing(4, 3, 2)
    with pytest.raises(ObservationError, match=r"\(n, 3\) and \(n, 2\) are needed"):
        ring.append(np.zeros(observations, np.float32), np.zeros(targets, np.float32))


def test_rows_that_are_not_finite_are_refused() -> None:
    ring = ExampleRing(4, 3, 2)
    with pytest.raises(ObservationError, match="not finite"):
        ring.append(np.full((1, 3), np.nan, np.float32), np.zeros((1, 2), np.float32))
    assert len(ring) == 0


@given(st.integers(1, 500))
def test_a_full_ring_leaves_the_whole_support_size_to_learn_from(support_size: int) -> None:
    capacity = ring_capacity(support_size)
    assert capacity - held_back_rows(capacity) >= support_size


@given(st.integers(2, 1000))
def test_some_examples_are_held_back_and_most_are_learned_from(examples: int) -> None:
    assert 1 <= held_back_rows(examples) <= max(1, examples // 4 + 1)
