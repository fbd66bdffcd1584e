"""Other libraries doing the same meta step, as their own documentation does it, to be timed beside ours.

learn2learn 0.2.0 cannot be built on this Python: its data loader is compiled, from code that no longer does.
What it meta-learns with is plain Python, though. So its published source is unpacked under `build/`, and its
own `learn2learn.algorithms.maml` is imported from there, with placeholders for the two packages above it:
their `__init__` would import the data loader. higher is installed as published, into a folder of its own.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from pytrain.data.tasks import Tasks
from tests.benchmarks.report import CannotRun

LEARN2LEARN = "learn2learn 0.2.0"
HIGHER = "higher 0.2.1"
PLAIN = "deepcopy and SGD"

MetaStep = Callable[[Tasks], Tensor]
"""One meta step on these tasks; gives the loss."""


def sine_model() -> nn.Sequential:
    """1-40-40-1, ReLU."""
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def import_learn2learn(folder: Path) -> Any:
    """`learn2learn.algorithms.maml` as published; CannotRun where it cannot be had."""
    package = folder / "learn2learn-0.2.0" / "learn2learn"
    if not package.is_dir():
        archive = folder / "learn2learn-0.2.0.tar.gz"
        if not archive.exists():
            where = ["--no-binary", "learn2learn", "--dest", str(folder)]
            _pip("download", "--no-deps", *where, "learn2learn==0.2.0")
        with tarfile.open(archive) as source:
            inside = [member for member in source.getmembers() if "/learn2learn/" in member.name]
            source.extractall(folder, members=inside, filter="data")
    for name, path in (("learn2learn", package), ("learn2learn.algorithms", package / "algorithms")):
        placeholder = ModuleType(name)
        placeholder.__path__ = [str(path)]
        sys.modules[name] = placeholder
    from learn2learn.algorithms import maml  # type: ignore[import-not-found]

    return maml


def import_higher(folder: Path) -> Any:
    """higher as published; CannotRun where it cannot be had."""
    target = folder / "higher-0.2.1"
    if not target.is_dir():
        _pip("install", "--no-deps", "--target", str(target), "higher==0.2.1")
    sys.path.append(str(target))
    import higher  # type: ignore[import-not-found]

    return higher


def learn2learn_maml(
    maml: Any, model: nn.Module, inner_lr: float, meta_lr: float, first_order: bool
) -> MetaStep:
    """As in its `examples/maml_sine.py`: clone, adapt, add up the query losses, one step of Adam."""
    learners = maml.MAML(model, lr=inner_lr, first_order=first_order)
    optimiser = torch.optim.Adam(learners.parameters(), meta_lr)
    loss_of = nn.MSELoss()

    def step(tasks: Tasks) -> Tensor:
        total = torch.zeros(())
        count = len(tasks.query.weights)
        for task in range(count):
            learner = learners.clone()
            for support in tasks.supports:
                learner.adapt(loss_of(learner(support.observations[task]), support.targets[task]))
            total = total + loss_of(learner(tasks.query.observations[task]), tasks.query.targets[task])
        total = total / count
        optimiser.zero_grad()
        torch.autograd.backward(total)
        optimiser.step()
        return total.detach()

    return step


def learn2learn_reptile(maml: Any, model: nn.Module, inner_lr: float, meta_step_size: float) -> MetaStep:
    """Its `clone` and `adapt` (first order) in a task, then a step towards the mean of where that led."""
    learners = maml.MAML(model, lr=inner_lr, first_order=True)
    optimiser = torch.optim.SGD(model.parameters(), meta_step_size)
    loss_of = nn.MSELoss()

    def step(tasks: Tasks) -> Tensor:
        optimiser.zero_grad(set_to_none=False)
        count = len(tasks.query.weights)
        loss = torch.zeros(())
        for task in range(count):
            learner = learners.clone()
            for support in tasks.supports:
                loss = loss_of(learner(support.observations[task]), support.targets[task])
                learner.adapt(loss)
            _add_towards(model, learner.module, count)
        optimiser.step()
        return loss.detach()

    return step


def plain_reptile(model: nn.Module, inner_lr: float, meta_step_size: float) -> MetaStep:
    """As learn2learn's `examples/vision/reptile_miniimagenet.py`: a deep copy and an optimiser a task."""
    optimiser = torch.optim.SGD(model.parameters(), meta_step_size)
    loss_of = nn.MSELoss()

    def step(tasks: Tasks) -> Tensor:
        optimiser.zero_grad(set_to_none=False)
        count = len(tasks.query.weights)
        loss = torch.zeros(())
        for task in range(count):
            learner = copy.deepcopy(model)
            inner = torch.optim.SGD(learner.parameters(), inner_lr)
            for support in tasks.supports:
                inner.zero_grad()
                loss = loss_of(learner(support.observations[task]), support.targets[task])
                loss.backward()
                inner.step()
            _add_towards(model, learner, count)
        optimiser.step()
        return loss.detach()

    return step


def higher_maml(
    higher: Any, model: nn.Module, inner_lr: float, meta_lr: float, first_order: bool
) -> MetaStep:
    """As in its `examples/maml-omniglot.py`: one `innerloop_ctx` for each task, one step of Adam.

    Without `track_higher_grads` nothing leads back to the model: first order, the gradients of the adapted
    parameters are added to the model's.
    """
    optimiser = torch.optim.Adam(model.parameters(), meta_lr)
    inner = torch.optim.SGD(model.parameters(), inner_lr)
    loss_of = nn.MSELoss()

    def step(tasks: Tasks) -> Tensor:
        optimiser.zero_grad(set_to_none=False)
        count = len(tasks.query.weights)
        total = torch.zeros(())
        for task in range(count):
            context = higher.innerloop_ctx(
                model, inner, copy_initial_weights=False, track_higher_grads=not first_order
            )
            with context as (learner, inner_optimiser):
                for support in tasks.supports:
                    inner_optimiser.step(loss_of(learner(support.observations[task]), support.targets[task]))
                loss = loss_of(learner(tasks.query.observations[task]), tasks.query.targets[task]) / count
                if first_order:
                    _add(model, torch.autograd.grad(loss, list(learner.parameters())))
                else:
                    torch.autograd.backward(loss)
                total += loss.detach()
        optimiser.step()
        return total

    return step


def _add_towards(model: nn.Module, adapted: nn.Module, count: int) -> None:
    with torch.no_grad():
        moved = zip(model.parameters(), adapted.parameters(), strict=True)
        _add(model, [(param - to) / count for param, to in moved])


def _add(model: nn.Module, gradients: Sequence[Tensor]) -> None:
    for param, gradient in zip(model.parameters(), gradients, strict=True):
        param.grad = gradient.clone() if param.grad is None else param.grad.add_(gradient)


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise CannotRun(
            f"pip {arguments[0]} {arguments[-1]} failed ({last}): a peer is fetched once, from PyPI"
        )
