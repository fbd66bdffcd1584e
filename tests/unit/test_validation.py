"""Meta-validation, which chooses every model and setting: learns from the past only, and asks about the
future."""

from __future__ import annotations

import math

import pytest
import torch

from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.dataset import Players
from pytrain.models.model import Model, Normalisation
from pytrain.models.networks import MLP
from pytrain.training.choosing import choose_adaptation
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation
from tests.synthetic_players import TICKS_APART, make_players, players_of

AT_SEC = 20.0
HORIZON_TICKS = 36
RATE = 60


def players_who_change(before: float, after: float, change_sec: float, seconds: float = 40.0) -> Players:
    """Four players who observe the second of play, and whose target is one number, then from a moment
    another."""
    ticks = torch.arange(0, round(seconds * RATE), TICKS_APART)
    targets = torch.where(ticks < change_sec * RATE, before, after)
    spec = Spec((Field("second"),), Target("vector", "y", 1), HORIZON_TICKS)
    return players_of(
        spec,
        ticks.repeat(4),
        [len(ticks)] * 4,
        (ticks / RATE).float()[:, None].repeat(4, 1),
        targets.float()[:, None].repeat(4, 1),
    )


def a_model_that_says(number: float, players: Players) -> tuple[Model, dict[str, torch.Tensor]]:
    """The same whatever it sees: all weights are 0, and the last layer's bias is the number."""
    model = Model(MLP(1, (4,), 1), players.spec.target, Normalisation.of(players))
    params = {name: torch.zeros_like(value) for name, value in model.network.init_params(_random()).items()}
    mean, scale = players.mean_and_scale("targets")
    last = list(params)[-1]
    params[last] = ((number - mean) / scale).expand_as(params[last]).clone()
    assert float(
        model.predict({name: value[None] for name, value in params.items()}, torch.zeros(1, 1, 1))
    ) == (pytest.approx(number, abs=1e-4))
    return model, params


def _random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_query_lies_after_the_second_that_is_asked_about() -> None:
    """Who says what is true from 20 s on errs by 0: nothing of before is asked."""
    players = players_who_change(1.0, 5.0, AT_SEC)
    model, params = a_model_that_says(5.0, players)
    assert Validation(players, (AT_SEC,)).error(model, params, NO_ADAPTATION) == pytest.approx(0.0, abs=1e-3)


def test_the_support_lies_before_it_and_its_labels_were_known_by_then() -> None:
    """A player who changes once the last label was known: what is learned is of before, and wrong after."""
    players = players_who_change(1.0, 5.0, AT_SEC - HORIZON_TICKS / RATE + 0.1)
    model, params = a_model_that_says(1.0, players)
    measure = Validation(players, (AT_SEC,))
    before = measure.error(model, params, NO_ADAPTATION)
    assert before == pytest.approx(4.0, abs=1e-3)
    # At a large step size a single example of after the change would move the prediction.
    assert measure.error(model, params, Setting(0.5, 20, 128)) == pytest.approx(before, abs=0.02)


def test_a_player_learned_by_heart_is_no_better_at_what_comes_after() -> None:
    """Targets that are noise: no number of steps on the past may help with the future."""
    random = _random()
    ticks = torch.arange(0, 40 * RATE, TICKS_APART).repeat(16)
    noise = torch.randn(len(ticks), 1, generator=random)
    spec = Spec((Field("x", 8),), Target("vector", "y", 1), HORIZON_TICKS)
    players = players_of(
        spec, ticks, [len(ticks) // 16] * 16, torch.randn(len(ticks), 8, generator=random), noise
    )
    model = Model(MLP(8, (64, 64), 1), spec.target, Normalisation.of(players))
    params = model.network.init_params(_random())
    measure = Validation(players, (AT_SEC,))
    started, learned = (measure.error(model, params, Setting(0.1, steps, 64)) for steps in (0, 300))
    assert learned > 1.02 * started


@pytest.mark.parametrize("kind", ["vector", "category"])
def test_models_are_chosen_by_error_or_by_likelihood(kind: str) -> None:
    players = make_players(6, kind)
    target = players.spec.target
    model = Model(MLP(3, (8,), target.size), target, Normalisation.of(players))
    params = model.network.init_params(_random())
    measure = Validation(players, (AT_SEC,))
    score, error = (ask(model, params, Setting(0.1, 3, 64)) for ask in (measure.score, measure.error))
    if kind == "vector":
        assert score == error
    else:
        assert 0 <= error <= 1
        assert 0.2 < score < 2 * math.log(3)


def test_adaptation_that_only_harms_is_not_chosen() -> None:
    """Who is right after the change, and would learn what was before it, stays as it is."""
    players = players_who_change(1.0, 5.0, AT_SEC - HORIZON_TICKS / RATE + 0.1)
    model, params = a_model_that_says(5.0, players)
    chosen = choose_adaptation(Validation(players, (AT_SEC,)), model, params)
    assert chosen.setting.num_inner_steps == 0
    assert float(chosen.measured.errors.mean()) == pytest.approx(0.0, abs=1e-3)
