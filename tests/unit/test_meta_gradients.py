"""Every learner's meta-gradient equals a plain loop over tasks, written with autograd alone, in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import repeat

import pytest
import torch

from adaptive_agents.spec import Target, TargetKind
from pytrain.data.tasks import Batch, Tasks
from pytrain.learners.inner_loop import adapt, for_each_task
from pytrain.learners.registry import KINDS, Learner
from pytrain.models.meta_params import RATE
from pytrain.models.model import Model
from pytrain.models.networks import GRU, MLP, Params
from pytrain.models.normalisation import Normalisation
from pytrain.settings import Algorithm, InnerOptimiser, InnerRates, MetaTraining, VectorLoss
from pytrain.training.compiled import Compiled
from tests.unit import plain

TASKS, SUPPORT, QUERY, FEATURES, WINDOW, OUTPUTS = 3, 7, 5, 3, 2, 2
INPUTS = WINDOW * FEATURES
INNER_LR, STEPS = 0.3, 3


@dataclass(frozen=True)
class Case:
    """A network and its loss."""

    network: MLP | GRU
    kind: TargetKind = "vector"
    loss: VectorLoss = "huber"


CASES = {
    "tanh": Case(MLP(INPUTS, (8, 6), OUTPUTS, "tanh")),
    "relu": Case(MLP(INPUTS, (8, 6), OUTPUTS, "relu")),
    "elu": Case(MLP(INPUTS, (8, 6), OUTPUTS, "elu")),
    "squared": Case(MLP(INPUTS, (8, 6), OUTPUTS, "tanh"), loss="squared"),
    "category": Case(MLP(INPUTS, (8, 6), OUTPUTS, "tanh"), "category"),
    "layer norm": Case(MLP(INPUTS, (8, 6), OUTPUTS, "elu", norm="layer")),
    "batch norm": Case(MLP(INPUTS, (8, 6), OUTPUTS, "tanh", norm="batch"), "category"),
    "gru": Case(GRU(FEATURES, WINDOW, 5, MLP(5, (6,), OUTPUTS, "tanh"))),
    "gru, category": Case(GRU(FEATURES, WINDOW, 5, MLP(5, (6,), OUTPUTS, "tanh")), "category"),
}
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

LEARNERS: dict[str, tuple[Algorithm, InnerRates, float]] = {
    "maml": ("maml", "fixed", 0.0),
    "maml with a rate for each step": ("maml", "per-step", 0.0),
    "maml with the loss of every step": ("maml", "fixed", 0.7),
    "fomaml": ("fomaml", "fixed", 0.0),
    "fomaml with a rate for each weight": ("fomaml", "per-weight", 0.0),
    "fomaml with rates and losses of every step": ("fomaml", "per-step", 0.7),
    "anil": ("anil", "fixed", 0.0),
    "anil with a rate for each weight": ("anil", "per-weight", 0.0),
    "metasgd": ("metasgd", "per-weight", 0.0),
    "cavia": ("cavia", "fixed", 0.0),
    "protonet": ("protonet", "fixed", 0.0),
}
WITHOUT_MEANING = {("protonet", case) for case, of in CASES.items() if of.kind == "vector"} | {
    ("cavia", "batch norm")  # a shift right before a normalisation over the rows changes nothing
}
learners_and_cases = pytest.mark.parametrize(
    ("learner", "case"),
    [
        pytest.param(LEARNERS[learner], CASES[case], id=f"{learner}, {case}")
        for learner in LEARNERS
        for case in CASES
        if (learner, case) not in WITHOUT_MEANING
    ],
)


def make_learner(
    algorithm: Algorithm,
    case: Case,
    rates: InnerRates = "fixed",
    multi_step: float = 0.0,
    optimiser: InnerOptimiser = "sgd",
) -> Learner:
    nothing = Normalisation(torch.zeros(INPUTS), torch.ones(INPUTS), torch.zeros(1), torch.ones(1))
    mlp = case.network.top if isinstance(case.network, GRU) else case.network
    if algorithm == "cavia":
        mlp = replace(mlp, context_size=4)
    if algorithm == "protonet":
        mlp, optimiser = replace(mlp, head_kind="prototypes"), "prototypes"
    network = replace(case.network, top=mlp) if isinstance(case.network, GRU) else mlp
    settings = MetaTraining(
        inner_lr=INNER_LR,
        num_inner_steps=STEPS,
        inner_rates=rates,
        inner_optimiser=optimiser,
        multi_step_loss=multi_step,
        context_size=4 if algorithm == "cavia" else 0,
    )
    return Learner.of(
        algorithm, Model(network, Target(case.kind, "y", OUTPUTS), nothing, case.loss), settings
    )


def make_meta_params(learner: Learner) -> Params:
    """Away from what they start with, where zeros and ones could hide a mistake."""
    random = torch.Generator().manual_seed(3)
    return {
        name: value.double() + 0.3 * torch.randn(value.shape, generator=random, dtype=torch.float64)
        for name, value in learner.init_meta_params(0).items()
    }


def make_batch(kind: TargetKind, examples: int, seed: int) -> Batch:
    """A prepared batch with padding, and with weights other than 1."""
    random = torch.Generator().manual_seed(seed)
    targets = torch.randn(TASKS, examples, OUTPUTS, generator=random, dtype=torch.float64)
    if kind == "category":
        targets = torch.nn.functional.one_hot(targets.argmax(-1), OUTPUTS).double()
    weights = torch.rand(TASKS, examples, generator=random, dtype=torch.float64)
    weights[:, 0] = 0
    observations = torch.randn(TASKS, examples, INPUTS, generator=random, dtype=torch.float64)
    return Batch(observations, targets, weights)


def make_tasks(kind: TargetKind) -> Tasks:
    """Different examples for each inner step."""
    supports = tuple(make_batch(kind, SUPPORT, seed) for seed in range(10, 10 + STEPS))
    return Tasks(supports, make_batch(kind, QUERY, 2))


def require_grad(params: Params) -> Params:
    return {name: param.detach().clone().requires_grad_() for name, param in params.items()}


def parts(meta_params: Params) -> tuple[Params, Params | None]:
    """The network's parameters, and the step sizes if there are any."""
    rates = {
        name.removeprefix(RATE): value.exp() for name, value in meta_params.items() if name.startswith(RATE)
    }
    return {name: value for name, value in meta_params.items() if not name.startswith(RATE)}, rates or None


def assert_equal(found: Params, expected: Params, may_be_zero: tuple[str, ...] = ()) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name] - value).abs().max() < 1e-10, name
        if name not in may_be_zero:
            assert value.abs().max() > 1e-7, f"{name}: a gradient of zero would prove nothing"


def without_effect(learner: Learner) -> tuple[str, ...]:
    """A bias right before a normalisation over the rows changes nothing."""
    if isinstance(learner.model.network, MLP) and learner.model.network.norm == "batch":
        names = tuple(f"layer{layer}.bias" for layer in (1, 2))
        return (*names, *(RATE + name for name in names))
    return ()


@learners_and_cases
def test_the_meta_gradient_is_that_of_a_plain_loop_over_tasks(learner, case):
    algorithm, rates, multi_step = learner
    learner = make_learner(algorithm, case, rates, multi_step)
    tasks = make_tasks(case.kind)
    meta_params = make_meta_params(learner)
    step_weights = learner.step_weights()
    gradient, loss = learner.meta_gradient(meta_params, tasks, step_weights)

    start = require_grad(meta_params)
    params, factors = parts(start)
    second_order = not KINDS[algorithm].first_order
    weighted, last = [], []
    for task in range(TASKS):
        steps = plain.adapted(
            learner.model, params, tasks.supports, task, INNER_LR, rates=factors, second_order=second_order
        )
        losses = [plain.loss(learner.model, step, tasks.query, task) for step in steps]
        last.append(losses[-1])
        importance = [0.0] * (STEPS - 1) + [1.0] if step_weights is None else step_weights.tolist()
        weighted.append(sum(share * each for share, each in zip(importance, losses, strict=True)))
    expected = torch.autograd.grad(
        torch.stack(weighted).mean(), list(start.values()), allow_unused=True, materialize_grads=True
    )
    assert abs(loss - torch.stack(last).mean()) < 1e-10
    expected = dict(zip(start, expected, strict=True))
    not_learned = ("context",) if algorithm == "cavia" else ()
    expected |= {name: torch.zeros_like(expected[name]) for name in not_learned}
    assert_equal(gradient, expected, (*without_effect(learner), *not_learned))


@cases
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_reptile_points_from_the_initialisation_to_the_mean_of_the_adapted_parameters(optimiser, case):
    learner = make_learner("reptile", case, optimiser=optimiser)
    tasks = make_tasks(case.kind)
    meta_params = make_meta_params(learner)
    gradient, _ = learner.meta_gradient(meta_params, tasks)
    expected = {name: param.clone() for name, param in meta_params.items()}
    for task in range(TASKS):
        *_, adapted = plain.adapted(learner.model, require_grad(meta_params), tasks.supports, task, INNER_LR)
        for name, value in adapted.items():
            expected[name] -= value.detach() / TASKS
    if optimiser == "adam" and without_effect(learner):
        # Adam makes a step of rounding errors where a gradient is zero.
        for name in without_effect(learner):
            gradient.pop(name, None)
            expected.pop(name, None)
    assert_equal(gradient, expected, without_effect(learner))


@cases
def test_pooled_training_has_one_set_of_parameters_for_all_players(case):
    learner = make_learner("pooled", case)
    tasks = make_tasks(case.kind)
    meta_params = make_meta_params(learner)
    gradient, loss = learner.meta_gradient(meta_params, tasks)
    start = require_grad(meta_params)
    expected_loss = sum(plain.loss(learner.model, start, tasks.query, task) for task in range(TASKS)) / TASKS
    expected = torch.autograd.grad(expected_loss, list(start.values()))
    assert abs(loss - expected_loss) < 1e-10
    assert_equal(gradient, dict(zip(start, expected, strict=True)), without_effect(learner))


@cases
@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_the_inner_loop_takes_the_steps_of_a_plain_loop(optimiser, case):
    learner = make_learner("reptile", case, optimiser=optimiser)
    support = make_batch(case.kind, SUPPORT, 1)
    model, init_params = learner.split(make_meta_params(learner))
    adapted = adapt(model, for_each_task(init_params, TASKS), repeat(support, STEPS), INNER_LR)
    for task in range(TASKS):
        *_, expected = plain.adapted(model, require_grad(init_params), [support] * STEPS, task, INNER_LR)
        for name, value in expected.items():
            if not (optimiser == "adam" and name in without_effect(learner)):
                assert (adapted[name][task] - value).abs().max() < 1e-10, name


def test_steps_beyond_those_that_were_trained_have_the_geometric_mean_of_their_rates():
    learner = make_learner("maml", CASES["tanh"], "per-step")
    support = make_batch("vector", SUPPORT, 1)
    meta_params = make_meta_params(learner)
    model, init_params = learner.split(meta_params)
    more = STEPS + 2
    adapted = adapt(model, for_each_task(init_params, TASKS), repeat(support, more), INNER_LR)
    params, rates = parts(meta_params)
    rates = {name: torch.cat([rate, rate.log().mean().exp().reshape(1)]) for name, rate in rates.items()}
    *_, expected = plain.adapted(model, require_grad(params), [support] * more, 0, INNER_LR, rates=rates)
    for name, value in expected.items():
        assert (adapted[name][0] - value).abs().max() < 1e-10, name


def test_first_and_second_order_differ():
    tasks = make_tasks("vector")
    gradients = []
    for algorithm in ("maml", "fomaml"):
        learner = make_learner(algorithm, CASES["tanh"])
        gradients.append(learner.meta_gradient(make_meta_params(learner), tasks)[0]["layer1.weight"])
    assert (gradients[0] - gradients[1]).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch uses it itself
@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
def test_a_compiled_meta_gradient_is_the_same(algorithm):
    learner = make_learner(algorithm, CASES["tanh"])
    tasks = make_tasks("vector")
    meta_params = make_meta_params(learner)
    compiled = Compiled(learner.meta_gradient)
    expected, expected_loss = learner.meta_gradient(meta_params, tasks)
    for _ in range(2):
        found, loss = compiled(meta_params, tasks, None)
        assert abs(loss - expected_loss) < 1e-10
        assert_equal(found, expected)


def test_a_task_without_examples_stays_at_the_initialisation():
    learner = make_learner("maml", CASES["tanh"])
    model, init_params = learner.split(make_meta_params(learner))
    support = make_batch("vector", SUPPORT, 1)
    support.weights[2] = 0
    adapted = adapt(model, for_each_task(init_params, TASKS), repeat(support, STEPS), INNER_LR)
    assert torch.equal(adapted["layer1.weight"][2], init_params["layer1.weight"])
    assert not torch.equal(adapted["layer1.weight"][1], init_params["layer1.weight"])


def test_a_class_that_a_player_has_not_shown_keeps_the_prototype_of_all_players():
    learner = make_learner("protonet", CASES["category"])
    model, init_params = learner.split(make_meta_params(learner))
    support = make_batch("category", SUPPORT, 1)
    support.weights[1] *= support.targets[1, :, 0]
    adapted = adapt(model, for_each_task(init_params, TASKS), [support], INNER_LR)
    assert torch.allclose(adapted["prototypes"][1, 1], init_params["prototypes"][1])
    assert not torch.allclose(adapted["prototypes"][1, 0], init_params["prototypes"][0])


def test_padding_changes_nothing():
    learner = make_learner("maml", CASES["tanh"])
    model, init_params = learner.split(make_meta_params(learner))
    support = make_batch("vector", SUPPORT, 1)  # its first row has weight 0
    without = Batch(support.observations[:, 1:], support.targets[:, 1:], support.weights[:, 1:])
    start = for_each_task(init_params, TASKS)
    padded, bare = (adapt(model, start, [batch], INNER_LR) for batch in (support, without))
    for name, value in bare.items():
        assert (padded[name] - value).abs().max() < 1e-12
