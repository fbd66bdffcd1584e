"""The ring of newest examples holds what a plain list would hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptive_agents.errors import ObservationError
from adaptive_agents.model.support import (
    ExampleRing,
    SupportSet,
    held_back_rows,
    ring_capacity,
    split_examples,
)


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


@given(st.integers(1, 500))
def test_a_full_ring_leaves_the_whole_support_size_to_learn_from(support_size: int) -> None:
    capacity = ring_capacity(support_size)
    assert capacity - held_back_rows(capacity) >= support_size


@given(st.integers(2, 1000))
def test_some_examples_are_held_back_and_most_are_learned_from(examples: int) -> None:
    assert 1 <= held_back_rows(examples) <= max(1, examples // 4)


def numbered(examples: int) -> SupportSet:
    made = SupportSet.zeros(1, examples, 3, 2)
    made.observations[0, :, 0] = made.targets[0, :, 1] = np.arange(1, examples + 1)
    made.weights[0] = 0.5
    return made


@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.integers(1, 40))
def test_a_split_learns_from_what_came_before_the_newest(sizes: list[int], support_size: int) -> None:
    learned, held_back = split_examples([numbered(size) for size in sizes], support_size)
    for index, size in enumerate(sizes):
        kept = {}
        for name, part in (("learned", learned), ("held back", held_back)):
            rows = part.weights[index] > 0
            kept[name] = part.observations[index, rows, 0].tolist()
            assert part.targets[index, rows, 1].tolist() == kept[name]
            assert not part.observations[index, ~rows].any()
        assert kept["held back"] == list(range(size - held_back_rows(size) + 1, size + 1))
        assert kept["learned"] == list(range(1, size - held_back_rows(size) + 1))[-support_size:]


def test_padded_sizes_are_few() -> None:
    shapes = {split_examples([numbered(size)], 128)[0].weights.shape[1] for size in range(2, 162)}
    assert shapes == {8, 16, 32, 64, 128}
