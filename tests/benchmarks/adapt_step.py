"""What fitting a player costs in play: the exported graph that adapts, run by onnxruntime on one thread.

MLP 32-64-64-8 (6,792 weights), eight classes, 5 steps on 32 examples, for one profile and for many at once;
the graph also gives the loss before and after. Beside it, in turns in one process, the same adaptation by
torch one profile after another (what one writes first), by torch for all at once (our inner loop),
by NumPy with the gradients written by hand, and the products alone at the speed of a large matrix product.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise, repeat
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from adaptive_agents.model.brain import Brain
from adaptive_agents.model.support import SupportSet
from adaptive_agents.spec import Field, Spec, Target
from pytrain.data.tasks import Batch
from pytrain.export.brain import export_brain
from pytrain.learners.inner_loop import adapt
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from tests.benchmarks.report import BenchSettings, Progress, Result

NAME = "export"
TIMED = True

PROFILES = (1, 16, 128)
INPUTS, HIDDEN, CLASSES = 32, (64, 64), 8
STEPS, EXAMPLES, INNER_LR = 5, 32, 0.1
BLOCK_SEC = 0.03
TORCH, TORCH_BATCHED, NUMPY = "torch, one by one", "torch, all at once", "numpy"

Arrays = dict[str, NDArray[np.float32]]


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """µs for each adaptation, at each number of profiles."""
    rounds = 11 if settings.quick else 41
    progress("exporting a brain")
    with tempfile.TemporaryDirectory() as folder:
        model, brain = make_brain(Path(folder))
        limit_usec = _product_usec()
        for profiles in PROFILES:
            name = "export/adapt-step" if profiles == 1 else f"export/adapt-step-{profiles}"
            if settings.wants(name):
                progress(f"{profiles} profiles, {rounds} rounds")
                usec = in_turns(ways_of(model, brain, profiles), rounds, profiles)
                yield from _results(name, profiles, usec, limit_usec)


def _results(name: str, profiles: int, usec: dict[str, list[float]], limit_usec: float) -> Iterator[Result]:
    ours = usec.pop("ours")
    products = f"{100 * limit_usec / median(ours):.0f} % of the speed of a large matrix product"
    for peer, theirs in usec.items():
        ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        main = peer == TORCH
        yield Result(
            name=name if main else f"{name}/{peer.replace(',', '').replace(' ', '-')}",
            ours=median(ours),
            unit="µs per adaptation",
            peer=peer,
            peer_value=median(theirs),
            ratio=median(ratios),
            spread=(low, high),
            spread_of="ratio",
            note=f"{profiles} at once, {STEPS} steps, {products}" if main else "",
        )


def make_brain(folder: Path) -> tuple[Model, Brain]:
    spec = Spec(
        observation=(Field("seen", INPUTS),), target=Target("category", "next_move", CLASSES), horizon_ticks=6
    )
    nothing = Normalisation(torch.zeros(INPUTS), torch.ones(INPUTS), torch.zeros(1), torch.ones(1))
    model = Model(MLP(INPUTS, HIDDEN, CLASSES, "relu"), spec.target, nothing)
    inner_loop = {
        "inner_lr": INNER_LR,
        "num_inner_steps": STEPS,
        "support_size": EXAMPLES,
        "first_order": True,
        "trust_radius": 100.0,
    }
    about = {"algorithm": "maml", "inner_loop": inner_loop, "training": {}, "scores": {}}
    params = model.network.init_params(torch.Generator().manual_seed(0))
    return model, export_brain(folder / "bench.brain", model, params, spec, about)


def ways_of(model: Model, brain: Brain, profiles: int) -> dict[str, Callable[[], object]]:
    """The same adaptation in each way, checked to give the same weights."""
    random = np.random.default_rng(0)
    support = SupportSet(
        random.standard_normal((profiles, EXAMPLES, INPUTS)).astype(np.float32),
        random.integers(CLASSES, size=(profiles, EXAMPLES, 1)).astype(np.float32),
        np.ones((profiles, EXAMPLES), np.float32),
    )
    params = {name: np.repeat(value[None], profiles, 0) for name, value in brain.init_params.items()}
    tensors = {name: torch.from_numpy(value) for name, value in params.items()}
    ready = model.prepared(Batch(*(torch.from_numpy(column) for column in vars(support).values())))
    classes = torch.from_numpy(support.targets).long().squeeze(-1)
    one_hot = ready.targets.numpy()
    ways: dict[str, Callable[[], Arrays]] = {
        "ours": lambda: brain.adapt(params, support).params,
        TORCH: lambda: _one_by_one(tensors, ready.observations, classes),
        TORCH_BATCHED: lambda: _as_arrays(adapt(model, tensors, repeat(ready, STEPS), INNER_LR)),
        NUMPY: lambda: _by_hand(params, support.observations, one_hot),
    }
    expected = ways["ours"]()
    for way, adapted in ways.items():
        error = max(float(np.abs(value - expected[name]).max()) for name, value in adapted().items())
        if not error < 1e-4:
            raise AssertionError(f"{way} adapts to other weights than the graph: they differ by {error:.1e}")
    return dict(ways)


def _one_by_one(params: dict[str, torch.Tensor], observations: torch.Tensor, classes: torch.Tensor) -> Arrays:
    adapted: dict[str, list[torch.Tensor]] = {name: [] for name in params}
    for profile in range(len(classes)):
        own = [value[profile].requires_grad_() for value in params.values()]
        for _ in range(STEPS):
            values = observations[profile]
            for weight, bias in zip(own[:-2:2], own[1:-2:2], strict=True):
                values = torch.relu(torch.addmm(bias, values, weight))
            loss = functional.cross_entropy(torch.addmm(own[-1], values, own[-2]), classes[profile])
            gradients = torch.autograd.grad(loss, own)
            with torch.no_grad():
                own = [value - INNER_LR * gradient for value, gradient in zip(own, gradients, strict=True)]
            for value in own:
                value.requires_grad_()
        for name, value in zip(params, own, strict=True):
            adapted[name].append(value.detach())
    return {name: torch.stack(values).numpy() for name, values in adapted.items()}


def _by_hand(params: Arrays, observations: NDArray[np.float32], one_hot: NDArray[np.float32]) -> Arrays:
    own = list(params.values())
    step = np.float32(INNER_LR)
    for _ in range(STEPS):
        layers = [observations]
        for weight, bias in zip(own[:-2:2], own[1:-2:2], strict=True):
            layers.append(np.maximum(layers[-1] @ weight + bias[:, None], 0))
        logits = layers[-1] @ own[-2] + own[-1][:, None]
        chances = np.exp(logits - logits.max(-1, keepdims=True))
        chances /= chances.sum(-1, keepdims=True)
        back = (chances - one_hot) / np.float32(EXAMPLES)
        moved: list[NDArray[np.float32]] = []
        for layer in range(len(layers) - 1, -1, -1):
            weight, bias = own[2 * layer], own[2 * layer + 1]
            moved = [weight - step * (layers[layer].mT @ back), bias - step * back.sum(1), *moved]
            if layer:
                back = (back @ weight.mT) * (layers[layer] > 0)
        own = moved
    return dict(zip(params, own, strict=True))


def in_turns(ways: dict[str, Callable[[], object]], rounds: int, profiles: int) -> dict[str, list[float]]:
    """Processor µs for each adaptation, in each round."""
    times: dict[str, int] = {}
    for way, work in ways.items():
        work()
        began = time.process_time()
        work()
        times[way] = max(1, round(BLOCK_SEC / (time.process_time() - began)))
    usec: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            began = time.process_time()
            for _ in range(times[way]):
                work()
            usec[way].append((time.process_time() - began) * 1e6 / times[way] / profiles)
    return usec


def _product_usec() -> float:
    """What the products of one adaptation would take at the speed of a large matrix product."""
    size = 768
    square = torch.randn(size, size)
    seconds = []
    for _ in range(15):
        began = time.process_time()
        square @ square
        seconds.append(time.process_time() - began)
    sizes = (INPUTS, *HIDDEN, CLASSES)
    each = [first * second for first, second in pairwise(sizes)]
    # Forwards, the gradients of the weights, and those of all inputs but the first; and the loss at the end.
    products = STEPS * (3 * sum(each) - each[0]) + sum(each)
    return 1e6 * (2 * EXAMPLES * products) / (2 * size**3 / median(seconds))


def _as_arrays(params: dict[str, torch.Tensor]) -> Arrays:
    return {name: value.detach().numpy() for name, value in params.items()}
