"""`bayes`: its posterior is the textbook's, its gradient a plain loop's, and bad examples are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from adaptive_agents.errors import PosteriorError
from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE, with_posterior
from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Tasks
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.registry import Learner
from pytrain.models.bayesian import LOG_NOISE, PRIOR_MEAN, Bayesian
from pytrain.models.model import Model
from pytrain.models.networks import MLP, Params
from pytrain.models.normalisation import Normalisation
from pytrain.settings import DEFAULTS

TASKS, SUPPORT, QUERY, INPUTS, OUTPUTS, FEATURES = 3, 9, 5, 4, 2, 6
FORGETTING = 0.8


def make_learner(kind="vector"):
    network = Bayesian(MLP(INPUTS, (8,), FEATURES - 1), OUTPUTS, of_classes=kind == "category")
    unit = torch.zeros(INPUTS, dtype=torch.float64), torch.ones(INPUTS, dtype=torch.float64)
    of_target = torch.zeros(OUTPUTS, dtype=torch.float64), torch.ones(OUTPUTS, dtype=torch.float64)
    target = Target(kind, "what", OUTPUTS)
    return Learner.of("bayes", Model(network, target, Normalisation(*unit, *of_target)), DEFAULTS["bayes"])


def make_meta_params(learner: Learner) -> Params:
    random = torch.Generator().manual_seed(3)
    fresh = learner.init_meta_params(0)
    moved = {name: value.double() for name, value in fresh.items()}
    for value in moved.values():
        value += 0.2 * torch.randn(value.shape, generator=random, dtype=torch.float64)
    moved["logit.forgetting"] = torch.tensor(FORGETTING, dtype=torch.float64).logit()
    return moved


def make_batch(examples: int, seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    of = {"generator": random, "dtype": torch.float64}
    weights = torch.rand(TASKS, examples, **of).round(decimals=1)
    return Batch(
        torch.randn(TASKS, examples, INPUTS, **of), torch.randn(TASKS, examples, OUTPUTS, **of), weights
    )


def plain_posterior(learner: Learner, meta_params: Params, batch: Batch, task: int):
    """Mean and covariance, from example to example, each time forgetting a part of what was before."""
    model, start = learner.split(meta_params)
    network: Bayesian = model.network
    prior = torch.linalg.inv(start[COVARIANCE])
    precision, response = prior.clone(), prior @ meta_params[PRIOR_MEAN]
    for row in range(batch.weights.shape[1]):
        weight = batch.weights[task, row]
        phi = network.features(model.shared, batch.observations[task, row][None])[0]
        kept = model.shared["forgetting"] ** weight
        precision = prior + kept * (precision - prior) + weight * torch.outer(phi, phi)
        first = prior @ meta_params[PRIOR_MEAN]
        response = first + kept * (response - first) + weight * torch.outer(phi, batch.targets[task, row])
    covariance = torch.linalg.inv(precision)
    return covariance @ response, covariance


def test_the_posterior_is_that_of_one_example_after_the_other():
    learner = make_learner()
    meta_params, batch = make_meta_params(learner), make_batch(SUPPORT, 1)
    model, start = learner.split(meta_params)
    adapted = adapt(model, for_each_task(start, TASKS), [batch], 1.0)
    for task in range(TASKS):
        mean, covariance = plain_posterior(learner, meta_params, batch, task)
        assert torch.allclose(adapted[MEAN][task], mean, atol=1e-9)
        assert torch.allclose(adapted[COVARIANCE][task], covariance, atol=1e-9)


def test_what_came_in_two_parts_is_known_as_if_it_had_come_at_once():
    learner = make_learner()
    batch = make_batch(SUPPORT, 1)
    model, start = learner.split(make_meta_params(learner))
    params = for_each_task(start, TASKS)
    halves = [
        Batch(batch.observations[:, a:b], batch.targets[:, a:b], batch.weights[:, a:b])
        for a, b in pairwise((0, 4, SUPPORT))
    ]
    at_once, in_parts = adapt(model, params, [batch], 1.0), adapt(model, params, halves, 1.0)
    for name, value in at_once.items():
        assert torch.allclose(in_parts[name], value, atol=1e-9), name


def test_who_has_shown_nothing_has_the_prior():
    learner = make_learner()
    batch = make_batch(SUPPORT, 1)
    nothing = replace(batch, weights=torch.zeros_like(batch.weights))
    model, start = learner.split(make_meta_params(learner))
    adapted = adapt(model, for_each_task(start, TASKS), [nothing], 1.0)
    for name, value in start.items():
        assert torch.allclose(adapted[name][1], value, atol=1e-9), name


def test_the_deviation_is_that_of_noise_and_weights_together():
    learner = make_learner()
    meta_params, batch = make_meta_params(learner), make_batch(SUPPORT, 1)
    model, start = learner.split(meta_params)
    adapted = adapt(model, for_each_task(start, TASKS), [batch], 1.0)
    asked = make_batch(QUERY, 2).observations
    found = model.deviations(adapted, asked)
    phi = model.network.features(model.shared, asked[1, 2][None])[0]
    noise = meta_params[LOG_NOISE].exp()
    variance = noise**2 * (1 + phi @ adapted[COVARIANCE][1] @ phi)
    assert torch.allclose(found[1, 2] ** 2, variance, atol=1e-9)
    assert (found < model.deviations(for_each_task(start, TASKS), asked)).all()


@pytest.mark.parametrize("kind", ["vector", "category"])
def test_the_meta_gradient_is_that_of_a_plain_loop_over_tasks(kind):
    learner = make_learner(kind)
    support, query = make_batch(SUPPORT, 1), make_batch(QUERY, 2)
    if kind == "category":
        support, query = (
            replace(each, targets=torch.eye(2, dtype=torch.float64)[each.targets.argmax(-1)])
            for each in (support, query)
        )
    meta_params = {name: value.requires_grad_() for name, value in make_meta_params(learner).items()}
    found, loss = learner.meta_gradient(meta_params, Tasks((support,), query))
    losses = []
    for task in range(TASKS):
        model, start = learner.split(meta_params)
        centred = replace(support, targets=support.targets - (0.5 if kind == "category" else 0.0))
        mean, covariance = plain_posterior(learner, meta_params, centred, task)
        own = {**start, MEAN: mean[None], COVARIANCE: covariance[None]}
        one = Batch(
            query.observations[task : task + 1],
            query.targets[task : task + 1],
            query.weights[task : task + 1],
        )
        losses.append(torch.stack([model.losses(own, one)[0], model.surprises(own, one)[0]]))
    plain_loss, surprise = torch.stack(losses).mean(0)
    assert torch.allclose(loss, plain_loss.detach(), atol=1e-9)
    plain = torch.autograd.grad(plain_loss + surprise, tuple(meta_params.values()), allow_unused=True)
    for (name, gradient), expected in zip(found.items(), plain, strict=True):
        expected = torch.zeros_like(gradient) if expected is None else expected
        assert torch.allclose(gradient, expected, atol=1e-8), name
        assert name.startswith("layer") or gradient.abs().max() > 0 or name == LOG_NOISE, name


def statistics(scale: float = 1.0) -> dict[str, np.ndarray]:
    return {
        PRECISION: (scale * np.eye(3)).astype(np.float32),
        RESPONSE: np.ones((3, 2), np.float32),
        MEAN: np.zeros((3, 2), np.float32),
        COVARIANCE: np.zeros((3, 3), np.float32),
    }


def test_statistics_give_their_mean_and_covariance():
    found = with_posterior(statistics(4.0))
    assert found[COVARIANCE] == pytest.approx(np.eye(3) / 4)
    assert found[MEAN] == pytest.approx(np.full((3, 2), 0.25))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (PRECISION, np.inf, "not finite"),
        (RESPONSE, np.nan, "not finite"),
        (PRECISION, -1.0, "not positive definite"),
    ],
)
def test_statistics_without_a_posterior_are_refused(name, value, said):
    broken = statistics()
    broken[name][0, 0] = value
    with pytest.raises(PosteriorError, match=said):
        with_posterior(broken)
