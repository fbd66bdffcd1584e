"""Muon: matrices move with all singular values near 1, and an interrupted training goes on to the bit."""

from __future__ import annotations

import pytest
import torch

from pytrain.learners.muon import Muon, orthogonal
from pytrain.training.checkpoint import OuterState


@pytest.mark.parametrize("shape", [(5, 5), (3, 20), (20, 3)])
def test_what_is_made_orthogonal_has_singular_values_near_1_and_the_same_directions(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6
    assert values.max() < 1.3
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.allclose(left.mT @ found @ right.mT, torch.diag(values), atol=0.6)
    assert (torch.diagonal(left.mT @ found @ right.mT) > 0.6).all()


def params():
    random = torch.Generator().manual_seed(1)
    return {"weight": torch.randn(4, 6, generator=random), "bias": torch.randn(6, generator=random)}


def optimiser(of, decay=0.0):
    return Muon([of["weight"]], [of["bias"]], lr=0.05, adam_lr=0.05, decay=decay)


def descend(of, steps, by):
    for _ in range(steps):
        of["weight"].grad, of["bias"].grad = 2 * of["weight"], 2 * of["bias"]
        by.step()


def test_it_goes_down_a_parabola():
    of = params()
    before = sum(float(value.square().sum()) for value in of.values())
    descend(of, 60, optimiser(of))
    assert sum(float(value.square().sum()) for value in of.values()) < 0.05 * before


def test_a_state_that_was_put_back_goes_on_to_the_same_bits():
    whole, broken = params(), params()
    descend(whole, 10, optimiser(whole))
    first = optimiser(broken)
    descend(broken, 4, first)
    kept = OuterState.of(4, broken, first)
    again = {name: torch.zeros_like(value) for name, value in broken.items()}
    second = optimiser(again)
    kept.put_back(again, second)
    descend(again, 6, second)
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_decay_pulls_towards_0_where_there_is_no_gradient():
    of = params()
    by = optimiser(of, decay=0.1)
    start = {name: value.clone() for name, value in of.items()}
    of["weight"].grad, of["bias"].grad = torch.zeros(4, 6), torch.zeros(6)
    by.step()
    assert torch.allclose(of["bias"], (1 - 0.05 * 0.1) * start["bias"])
    assert torch.allclose(of["weight"], (1 - 0.05 * 0.1) * start["weight"])
