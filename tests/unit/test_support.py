"""The ring of newest examples holds what a plain list would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ObservationError
from adaptive_agents.model.support import ExampleRing, SupportSet, padded


@given(capacity=st.integers(1, 9), appended=st.lists(st.integers(0, 25), max_size=8))
def test_the_ring_keeps_the_newest_examples_in_order(capacity: int, appended: list[int]) -> None:
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


def numbered(examples: int) -> SupportSet:
    made = SupportSet.zeros(1, examples, 3, 2)
    made.observations[0, :, 0] = made.targets[0, :, 1] = np.arange(1, examples + 1)
    made.weights[0] = 0.5
    return made


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_players_with_different_numbers_of_examples_are_padded_at_the_end(sizes: list[int]) -> None:
    batch = padded([numbered(size) for size in sizes], 64)
    for index, size in enumerate(sizes):
        assert batch.observations[index, :size, 0].tolist() == list(range(1, size + 1))
        assert batch.targets[index, :size, 1].tolist() == list(range(1, size + 1))
        assert batch.weights[index].tolist() == [0.5] * size + [0] * (batch.weights.shape[1] - size)
        assert not batch.observations[index, size:].any()


def test_padded_sizes_are_few() -> None:
    shapes = {padded([numbered(size)], 128).weights.shape[1] for size in range(1, 129)}
    assert shapes == {8, 16, 32, 64, 128}
    assert padded([numbered(40)], 50).weights.shape[1] == 50, "no more than a brain's support"
    assert padded([numbered(60)], 50).weights.shape[1] == 60, "but nothing is left out"


def test_the_newest_examples_are_given_alone() -> None:
    ring = ExampleRing(5, 1, 1)
    for number in range(8):
        ring.append(np.full((1, 1), number, np.float32), np.zeros((1, 1), np.float32))
    assert ring.newest(2).observations.ravel().tolist() == [6, 7]
    assert ring.newest(9).observations.ravel().tolist() == [3, 4, 5, 6, 7]
    assert ring.newest(0).observations.shape == (1, 0, 1)
