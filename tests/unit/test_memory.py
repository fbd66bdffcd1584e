"""`memory`: what is kept decides, nothing kept is the pooled model, the gradient is a plain loop's."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
import torch

from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Spans, Tasks
from pytrain.learners.closed_form import SURPRISE_COUNTS
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.registry import Learner
from pytrain.models.memory import KEYS, WEIGHTS, Memory
from pytrain.models.model import Model
from pytrain.models.networks import MLP, Params
from pytrain.models.normalisation import Normalisation
from pytrain.models.on_pooled import below, encoder_for
from pytrain.settings import DEFAULTS

TASKS, SUPPORT, QUERY, INPUTS, OUTPUTS, SIZE = 3, 8, 5, 4, 2, 8


def make_learner(kind="vector", every=1):
    base = MLP(INPUTS, (7,), OUTPUTS)
    network = Memory(
        base,
        encoder_for(base, (9,), 8),
        OUTPUTS,
        kind == "category",
        every,
        SIZE,
        key_size=3,
        extra_size=4,
        regressed_size=5,
    )
    unit = torch.zeros(INPUTS, dtype=torch.float64), torch.ones(INPUTS, dtype=torch.float64)
    of_target = torch.zeros(OUTPUTS, dtype=torch.float64), torch.ones(OUTPUTS, dtype=torch.float64)
    model = Model(network, Target(kind, "what", OUTPUTS), Normalisation(*unit, *of_target))
    pooled = base.init_params(torch.Generator().manual_seed(4))
    return Learner.of("memory", model, DEFAULTS["memory"], {k: v.double() for k, v in pooled.items()})


def make_meta_params(learner: Learner) -> Params:
    random = torch.Generator().manual_seed(3)
    fresh = {name: value.double() for name, value in learner.init_meta_params(0).items()}
    return {
        name: value + 0.2 * torch.randn(value.shape, generator=random, dtype=torch.float64)
        for name, value in fresh.items()
    }


def make_batch(examples: int, seed: int) -> Batch:
    of = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    observations = torch.randn(TASKS, examples, INPUTS, **of)
    return Batch(
        observations, torch.randn(TASKS, examples, OUTPUTS, **of), torch.ones(TASKS, examples).double()
    )


def part_of(batch: Batch, task: slice, rows: slice) -> Batch:
    return Batch(*(column[task, rows] for column in vars(batch).values()))


def of_classes(batch: Batch) -> Batch:
    return replace(batch, targets=torch.eye(2, dtype=torch.float64)[batch.targets.argmax(-1)])


@pytest.mark.parametrize("kind", ["vector", "category"])
def test_who_has_shown_nothing_gets_the_pooled_answer(kind):
    learner = make_learner(kind)
    model, start = learner.split(make_meta_params(learner))
    asked = make_batch(QUERY, 2).observations
    pooled = model.network.base(below(model.shared, "base."), asked)
    params = for_each_task(start, TASKS)
    assert torch.allclose(model.predict(params, asked), pooled, atol=1e-9)
    padding = replace(make_batch(SUPPORT, 1), weights=torch.zeros(TASKS, SUPPORT).double())
    adapted = adapt(model, params, [padding], 1.0)
    assert torch.allclose(model.predict(adapted, asked), pooled, atol=1e-9)


def test_what_is_shown_changes_the_answer():
    learner = make_learner()
    model, start = learner.split(make_meta_params(learner))
    asked, params = make_batch(QUERY, 2).observations, for_each_task(start, TASKS)
    adapted = adapt(model, params, [make_batch(SUPPORT, 1)], 1.0)
    assert (model.predict(adapted, asked) - model.predict(params, asked)).abs().min() > 1e-4


def test_the_newest_moments_are_kept_and_those_kept_before_make_room():
    learner = make_learner()
    model, start = learner.split(make_meta_params(learner))
    first, second = make_batch(4, 1), make_batch(6, 2)
    params = for_each_task(start, TASKS)
    once = adapt(model, params, [first], 1.0)
    assert once[WEIGHTS].sum(1).tolist() == [4, 4, 4]
    twice = adapt(model, once, [second], 1.0)
    assert twice[WEIGHTS].sum(1).tolist() == [SIZE] * 3
    assert torch.equal(twice[KEYS][:, :2], once[KEYS][:, -2:])
    assert torch.equal(twice[KEYS][:, 2:], adapt(model, params, [second], 1.0)[KEYS][:, 2:])


def test_the_order_of_what_is_kept_does_not_matter():
    learner = make_learner()
    model, start = learner.split(make_meta_params(learner))
    asked, params = make_batch(QUERY, 2).observations, for_each_task(start, TASKS)
    support = make_batch(SIZE, 1)
    back = Batch(*(column.flip(1) for column in vars(support).values()))
    there, back_again = (model.predict(adapt(model, params, [each], 1.0), asked) for each in (support, back))
    assert torch.allclose(there, back_again, atol=1e-9)


@pytest.mark.parametrize(("kind", "every"), [("vector", 1), ("vector", 2), ("category", 1)])
def test_the_meta_gradient_is_that_of_a_plain_loop_over_the_cuts_of_each_stretch(kind, every):
    learner = make_learner(kind, every)
    support, query = make_batch(SUPPORT, 1), make_batch(2 * QUERY, 2)
    if kind == "category":
        support, query = of_classes(support), of_classes(query)
    spans = Spans(torch.tensor([[0, 2], [4, 0], [4, 2]]), torch.tensor([[4, 8], [8, 2], [4, 8]]))
    meta_params = {name: value.requires_grad_() for name, value in make_meta_params(learner).items()}
    found, loss = learner.meta_gradient(meta_params, Tasks((support,), query, spans))
    model, start = learner.split(meta_params)
    losses, surprises = [], []
    for task, cut in product(range(TASKS), range(2)):
        known = slice(int(spans.first[task, cut]), int(spans.end[task, cut]))
        shown = part_of(support, slice(task, task + 1), known)
        own = adapt(model, for_each_task(start, 1), [shown] if shown.weights.numel() else [], 1.0)
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
