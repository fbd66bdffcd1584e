"""`bayes`: its posterior is the textbook's, its gradient a plain loop's, and bad examples are refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from adaptive_agents.errors import PosteriorError
from adaptive_agents.model.posterior import COVARIANCE, MEAN, PRECISION, RESPONSE, with_posterior
from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Spans, Tasks
from pytrain.learners.closed_form import SURPRISE_COUNTS
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.registry import Learner
from pytrain.models.bayesian import Bayesian
from pytrain.models.model import Model
from pytrain.models.networks import MLP, Params
from pytrain.models.normalisation import Normalisation
from pytrain.models.on_pooled import encoder_for
from pytrain.settings import DEFAULTS
from pytrain.training.compiled import Compiled

TASKS, SUPPORT, QUERY, INPUTS, OUTPUTS, FEATURES = 3, 9, 5, 4, 2, 6
FORGETTING = 0.8


def make_learner(kind="vector"):
    base = MLP(INPUTS, (7,), OUTPUTS)
    network = Bayesian(base, encoder_for(base, (8,), FEATURES - 1), OUTPUTS, of_classes=kind == "category")
    unit = torch.zeros(INPUTS, dtype=torch.float64), torch.ones(INPUTS, dtype=torch.float64)
    of_target = torch.zeros(OUTPUTS, dtype=torch.float64), torch.ones(OUTPUTS, dtype=torch.float64)
    model = Model(network, Target(kind, "what", OUTPUTS), Normalisation(*unit, *of_target))
    pooled = {
        name: value.double() for name, value in base.init_params(torch.Generator().manual_seed(4)).items()
    }
    return Learner.of("bayes", model, DEFAULTS["bayes"], pooled)


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


def part_of(batch: Batch, task: slice, rows: slice) -> Batch:
    return Batch(*(column[task, rows] for column in vars(batch).values()))


def plain_posterior(model: Model, start: Params, batch: Batch):
    """Mean and covariance, from example to example, each time forgetting a part of what was before."""
    network: Bayesian = model.network
    prior = torch.linalg.inv(start[COVARIANCE])
    precision, response = prior.clone(), torch.zeros(FEATURES, OUTPUTS, dtype=torch.float64)
    pooled = {name.removeprefix("base."): value for name, value in model.shared.items() if "base." in name}
    for seen, target, weight in zip(*(column[0] for column in vars(batch).values()), strict=True):
        phi = network.features(model.shared, seen[None])[0]
        answer = network.base(pooled, seen[None])[0]
        kept = model.shared["forgetting"] ** weight
        precision = prior + kept * (precision - prior) + weight * torch.outer(phi, phi)
        left = target - (answer.softmax(-1) if network.of_classes else answer)
        response = kept * response + weight * torch.outer(phi, left)
    covariance = torch.linalg.inv(precision)
    return covariance @ response, covariance


def test_the_posterior_is_that_of_one_example_after_the_other():
    learner = make_learner()
    batch = make_batch(SUPPORT, 1)
    model, start = learner.split(make_meta_params(learner))
    adapted = adapt(model, for_each_task(start, TASKS), [batch], 1.0)
    for task in range(TASKS):
        one = part_of(batch, slice(task, task + 1), slice(None))
        mean, covariance = plain_posterior(model, start, one)
        assert torch.allclose(adapted[MEAN][task], mean, atol=1e-9)
        assert torch.allclose(adapted[COVARIANCE][task], covariance, atol=1e-9)


def test_what_came_in_two_parts_is_known_as_if_it_had_come_at_once():
    learner = make_learner()
    batch = make_batch(SUPPORT, 1)
    model, start = learner.split(make_meta_params(learner))
    params = for_each_task(start, TASKS)
    halves = [part_of(batch, slice(None), slice(a, b)) for a, b in pairwise((0, 4, SUPPORT))]
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
    pooled = {name.removeprefix("base."): value for name, value in model.shared.items() if "base." in name}
    asked = make_batch(QUERY, 2).observations
    assert torch.equal(model.predict(adapted, asked), model.network.base(pooled, asked))


def test_the_deviation_is_that_of_noise_and_weights_together():
    learner = make_learner()
    meta_params, batch = make_meta_params(learner), make_batch(SUPPORT, 1)
    model, start = learner.split(meta_params)
    adapted = adapt(model, for_each_task(start, TASKS), [batch], 1.0)
    asked = make_batch(QUERY, 2).observations
    found = model.deviations(adapted, asked)
    phi = model.network.features(model.shared, asked[1, 2][None])[0]
    noise = (phi @ meta_params["noise.weight"] + meta_params["noise.bias"]).exp()
    variance = noise**2 * (1 + meta_params["spread"].exp() * (phi @ adapted[COVARIANCE][1] @ phi))
    assert torch.allclose(found[1, 2] ** 2, variance, atol=1e-9)
    assert (found < model.deviations(for_each_task(start, TASKS), asked)).all()


@pytest.mark.parametrize("kind", ["vector", "category"])
def test_the_meta_gradient_is_that_of_a_plain_loop_over_the_cuts_of_each_stretch(kind):
    learner = make_learner(kind)
    support, query = make_batch(SUPPORT, 1), make_batch(2 * QUERY, 2)
    if kind == "category":
        support, query = (
            replace(each, targets=torch.eye(2, dtype=torch.float64)[each.targets.argmax(-1)])
            for each in (support, query)
        )
    spans = Spans(torch.tensor([[0, 2], [3, 0], [4, 4]]), torch.tensor([[5, 9], [7, 1], [4, 8]]))
    meta_params = {name: value.requires_grad_() for name, value in make_meta_params(learner).items()}
    found, loss = learner.meta_gradient(meta_params, Tasks((support,), query, spans))
    model, start = learner.split(meta_params)
    losses, surprises = [], []
    for task, cut in product(range(TASKS), range(2)):
        known = slice(int(spans.first[task, cut]), int(spans.end[task, cut]))
        mean, covariance = plain_posterior(model, start, part_of(support, slice(task, task + 1), known))
        own = {**start, MEAN: mean[None], COVARIANCE: covariance[None]}
        asked = part_of(query, slice(task, task + 1), slice(cut * QUERY, (cut + 1) * QUERY))
        losses.append(model.losses(own, asked)[0])
        if kind == "vector":
            outputs = model.predict(own, asked.observations)
            surprises.append(model.surprises_of(outputs, model.deviations(own, asked.observations), asked)[0])
    plain_loss = torch.stack(losses).mean()
    assert torch.allclose(loss, plain_loss.detach(), atol=1e-9)
    objective = plain_loss + (SURPRISE_COUNTS * torch.stack(surprises).mean() if surprises else 0)
    plain = torch.autograd.grad(objective, tuple(meta_params.values()), allow_unused=True)
    for (name, gradient), expected in zip(found.items(), plain, strict=True):
        expected = torch.zeros_like(gradient) if expected is None else expected
        assert torch.allclose(gradient, expected, atol=1e-8), name
        is_of_noise = name.startswith(("noise", "spread"))
        assert gradient.abs().max() > 0 or (kind == "category" and is_of_noise), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch uses it itself
@pytest.mark.filterwarnings("ignore:.*torch._prims_common:FutureWarning")
def test_a_compiled_meta_gradient_counts_what_each_cut_knows():
    learner = make_learner()
    spans = Spans(torch.tensor([[0, 2], [3, 0], [4, 4]]), torch.tensor([[5, 9], [7, 1], [4, 8]]))
    others = Spans(spans.first, (spans.end - 1).clamp(min=0))
    batches = (make_batch(SUPPORT, 1),), make_batch(2 * QUERY, 2)
    compiled, meta_params = Compiled(learner.meta_gradient), make_meta_params(learner)
    losses = []
    for known in (spans, others):
        tasks = Tasks(*batches, known)
        (found, loss), (expected, plain) = (
            of(meta_params, tasks, None) for of in (compiled, learner.meta_gradient)
        )
        losses.append(float(loss))
        assert torch.allclose(loss, plain, atol=1e-9)
        for name, gradient in found.items():
            assert torch.allclose(gradient, expected[name], atol=1e-8), name
    assert losses[0] != losses[1]


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
