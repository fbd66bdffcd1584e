"""Measuring along a curve of seconds: what is known at each, what is asked after all, and the choice."""

from __future__ import annotations

from itertools import repeat

import pytest
import torch

from pytrain.data.tasks import newest_known
from pytrain.learners import gradient
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from pytrain.training import choosing
from pytrain.training.choosing import choose_adaptation, is_better
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation
from tests.synthetic_players import HORIZON_TICKS, make_players

CURVE = (2.0, 5.0, 20.0)


def model_for(players) -> tuple[Model, dict[str, torch.Tensor]]:
    model = Model(MLP(3, (16,), 1), players.spec.target, Normalisation.of(players))
    return model, model.network.init_params(torch.Generator().manual_seed(0))


def test_a_support_holds_what_was_known_at_its_second():
    players = make_players(4)
    validation = Validation(players, CURVE)
    model, _ = model_for(players)
    shown = [int((validation.support(model, point, 999).weights > 0).sum(1)[0]) for point in range(3)]
    # Ten observations a second, whose labels take 0.6 s.
    assert shown == [int((60 * sec - HORIZON_TICKS) // 6) + 1 for sec in CURVE]


def test_the_query_is_after_all_supports_and_the_same_for_all_points():
    players = make_players(4)
    validation, model, params = Validation(players, CURVE), *model_for(players)
    errors = validation.measure(model, params, NO_ADAPTATION).errors
    assert errors.shape == (3, 4)
    assert torch.equal(errors[0], errors[2])
    first, end = (players.first_at(torch.arange(4), torch.tensor([tick])) for tick in (20 * 60, 60 * 60))
    asked = torch.stack([players.history.targets[a:b].mean() for a, b in zip(first, end, strict=True)])
    assert validation._query.targets.mean((1, 2)) == pytest.approx(asked, abs=0.3)


def test_who_played_for_less_than_the_curve_has_the_seconds_that_there_are():
    players = make_players(3, seconds=15.0)
    validation, (model, _) = Validation(players, CURVE), model_for(players)
    shown = [int((validation.support(model, point, 999).weights > 0).sum(1)[0]) for point in range(3)]
    whole = int((newest_known(players, torch.tensor([0]), torch.tensor([600]), 999).weights > 0).sum())
    assert shown[0] < shown[1] < shown[2] <= whole
    assert (validation._query.weights > 0).all()


def test_steps_that_grow_are_those_of_each_player():
    setting = Setting(0.1, 10, 256, moments_per_step=20.0)
    assert setting.steps_for(torch.tensor([0, 1, 29, 60, 199, 999])).tolist() == [0, 1, 1, 3, 10, 10]
    players = make_players(4)
    validation, model, params = Validation(players, CURVE), *model_for(players)
    grown = validation.adapted(model, params, setting, point=1)
    support = validation.support(model, 1, 256)
    by_hand = adapt(model, for_each_task(params, 4), repeat(support, 2), 0.1)  # 45 moments
    assert all(torch.equal(grown[name], value) for name, value in by_hand.items())


def test_players_with_more_and_with_fewer_moments_take_their_own_steps():
    players = make_players(2)
    validation, model, params = Validation(players, CURVE), *model_for(players)
    whole = validation.support(model, 2, 256)
    weights = whole.weights.clone()
    weights[0, :-20] = 0
    support = type(whole)(whole.observations, whole.targets, weights)
    validation.support = lambda *_: support
    grown = validation.adapted(model, params, Setting(0.1, 8, 256, moments_per_step=20.0), point=2)
    start = for_each_task(params, 2)
    for player, steps in ((0, 1), (1, 8)):
        by_hand = adapt(model, start, repeat(support, steps), 0.1)
        assert all(torch.allclose(grown[name][player], by_hand[name][player], atol=1e-6) for name in grown)


@pytest.fixture
def small_grid(monkeypatch):
    """A few of the settings that are tried for adaptation."""
    monkeypatch.setattr(gradient, "INNER_LRS", (0.2, 0.05))
    monkeypatch.setattr(choosing, "STEP_COUNTS", (1, 5, 20))
    monkeypatch.setattr(gradient, "SUPPORT_SIZES", (128, 256))


def test_permuted_targets_are_not_worth_a_step(small_grid):
    """Nothing of a player is in their own examples: then not to adapt is what is chosen."""
    players = make_players(16)
    order = torch.randperm(len(players.history.targets), generator=torch.Generator().manual_seed(0))
    players.history.targets.copy_(players.history.targets[order])
    model, params = model_for(players)
    # The best that there is without adapting: the mean of all, which is 0 in normalised units.
    params = {name: torch.zeros_like(value) for name, value in params.items()}
    chosen = choose_adaptation(Validation(players, CURVE), model, params)
    assert chosen.setting.num_inner_steps == 0
    assert chosen.trust_radius == 0


def test_better_means_by_more_than_chance(small_grid):
    players = make_players(12)
    validation, model, params = Validation(players, CURVE), *model_for(players)
    chosen = choose_adaptation(validation, model, params)
    without = validation.measure(model, params, NO_ADAPTATION)
    assert is_better(chosen.measured, without)
    assert not is_better(without, without)
    assert not is_better(without, chosen.measured)


def test_play_may_move_the_weights_as_far_as_nearly_all_players_did_and_a_half_more(small_grid):
    players = make_players(12)
    validation, model, params = Validation(players, CURVE), *model_for(players)
    chosen = choose_adaptation(validation, model, params)
    distances = validation.measure(model, params, chosen.setting).distances
    assert chosen.trust_radius == pytest.approx(1.5 * float(torch.quantile(distances, 0.99)))
