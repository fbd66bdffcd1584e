"""What is said of a brain: one sentence, from players who were used for nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from pytrain.evaluation.intervals import Estimate
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from pytrain.training.judging import Judgement, judge
from pytrain.training.validation import NO_ADAPTATION, Setting, Validation
from tests.synthetic_players import make_players

CURVE = (2.0, 5.0, 10.0, 20.0, 40.0)


def judgement(*ratios: tuple[float, float, float], takes_steps: bool = True) -> Judgement:
    """Of a model whose error without adapting is 10."""
    estimates = tuple(Estimate(*each) for each in ratios)
    adapted = tuple(10 * each.mean for each in estimates)
    return Judgement(24, CURVE, (10.0,) * 5, adapted, estimates, takes_steps)


BETTER, EQUAL, WORSE = (0.74, 0.69, 0.79), (1.0, 0.97, 1.02), (1.08, 1.03, 1.12)


def test_a_gain_is_told_with_its_interval_and_what_the_first_seconds_are_like():
    assert judgement(EQUAL, EQUAL, BETTER, BETTER, BETTER).verdict == (
        "after 20 s of play this brain predicts new players 26 % better than one that does not adapt "
        "(21 to 31 %); in the first 5 s about equally well"
    )


def test_harm_in_the_first_seconds_is_told():
    assert judgement(WORSE, EQUAL, BETTER, BETTER, BETTER).verdict.endswith("; in the first 2 s 8 % worse")


def test_a_gain_from_the_first_second_on_needs_no_more_words():
    assert judgement(BETTER, BETTER, BETTER, BETTER, BETTER).verdict.endswith("(21 to 31 %)")


@pytest.mark.parametrize(
    ("at_20", "found"),
    [
        (EQUAL, "about as well as one that does not adapt (2 % worse to 3 % better)"),
        (WORSE, "8 % worse than one that does not adapt (3 to 12 %)"),
    ],
)
def test_adapting_that_is_not_worth_it_is_called_that(at_20, found):
    verdict = judgement(EQUAL, EQUAL, EQUAL, at_20, BETTER).verdict
    assert verdict.startswith("adapting is not worth it on these recordings: after 20 s of play this brain ")
    assert found in verdict
    assert verdict.endswith("use adaptation = off, or record more players")


def test_a_brain_that_takes_no_step_says_so():
    assert "none predicted better than not to adapt" in judgement(*[EQUAL] * 5, takes_steps=False).verdict


def test_without_an_interval_nothing_is_claimed():
    unknown = replace(judgement(*[BETTER] * 5), ratios=(None,) * 5)
    assert unknown.verdict.startswith("too few players")
    assert "ratio" not in {name for name in unknown.to_dict() if name != "curve"}


def test_both_models_are_measured_on_the_same_players():
    players = make_players(10)
    model = Model(MLP(3, (16,), 1), players.spec.target, Normalisation.of(players))
    params = model.network.init_params(torch.Generator().manual_seed(0))
    judges, setting = Validation(players, CURVE), Setting(0.1, 5, 256)
    adapted = judges.measure(model, params, setting)
    found = judge(CURVE, judges.measure(model, params, NO_ADAPTATION), adapted, takes_steps=True)
    assert found.frozen == (pytest.approx(judges.error(model, params, NO_ADAPTATION)),) * 5
    assert found.adapted == tuple(pytest.approx(float(each)) for each in adapted.errors.mean(1))
    assert found.ratios[3].mean == pytest.approx(found.adapted[3] / found.frozen[3])
    entries = json.loads(json.dumps(found.to_dict()))
    assert (entries["players"], entries["at_sec"]) == (10, 20.0)
    assert (entries["error_before"], entries["error_after"]) == (found.frozen[3], found.adapted[3])


def test_a_model_that_is_judged_against_itself_neither_gains_nor_loses():
    players = make_players(6)
    model = Model(MLP(3, (16,), 1), players.spec.target, Normalisation.of(players))
    params = model.network.init_params(torch.Generator().manual_seed(0))
    measured = Validation(players, CURVE).measure(model, params, NO_ADAPTATION)
    found = judge(CURVE, measured, measured, takes_steps=False)
    assert {(each.mean, each.low, each.high) for each in found.ratios} == {(1.0, 1.0, 1.0)}
