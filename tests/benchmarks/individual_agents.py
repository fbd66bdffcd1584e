"""What it costs that every agent adapts for itself: a prediction of each, from what is its own.

MLP 32-64-64-8. Ours: the weights are shared, and an agent's own is a context of 5 numbers (CAVIA). Beside it,
in turns in one process: weights of its own for each agent, in onnxruntime and in NumPy, and NumPy's time to
read so many weights from memory once, below which no such implementation comes. And what agents cost that
share a context too. Processor time, since a game, or another benchmark, may run beside it.

    python -m tests.benchmarks.individual_agents [--agents 100 1000 4000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch
from numpy.typing import NDArray

from adaptive_agents.model.brain import Brain
from adaptive_agents.spec import Field, Spec, Target
from pytrain.export.brain import export_brain
from pytrain.models.model import Model
from pytrain.models.networks import CONTEXT, MLP
from pytrain.models.normalisation import Normalisation
from tests.benchmarks.report import BenchSettings, Progress, Result

NAME = "individual"
TIMED = True

AGENTS = 1000
INPUTS, HIDDEN, OUTPUTS, CONTEXT_SIZE = 32, (64, 64), 8, 5
BLOCK_SEC = 0.02
FULL, FULL_NUMPY = "own weights, onnxruntime", "own weights, numpy"
READING = "reading own weights once"
SAME = "one context for all"

Arrays = dict[str, NDArray[np.float32]]


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """µs for the predictions of all agents."""
    name = f"{NAME}/context-{AGENTS}"
    if not settings.wants(name):
        return
    progress("exporting two brains")
    with tempfile.TemporaryDirectory() as folder:
        usec = measure(*_brains(Path(folder)), AGENTS, 21 if settings.quick else 61)
    ours = usec.pop("ours")
    for peer, theirs in usec.items():
        ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
        low, _, high = quantiles(ratios, n=4)
        yield Result(
            name=name if peer == FULL else f"{name}/{peer.replace(',', '').replace(' ', '-')}",
            ours=median(ours),
            unit=f"µs for {AGENTS} agents",
            peer=peer,
            peer_value=median(theirs),
            ratio=median(ratios),
            spread=(low, high),
            spread_of="ratio",
            note=f"a context of {CONTEXT_SIZE} numbers for each agent" if peer == FULL else "",
        )


def measure(contexts: Brain, networks: Brain, agents: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds of each way, in turns: one number for each round."""
    random = np.random.default_rng(0)
    observations = random.standard_normal((agents, 1, INPUTS)).astype(np.float32)
    context, own = _own(contexts, agents, random), _own(networks, agents, random)
    flat = np.concatenate([array.ravel() for array in own.values()])
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: contexts.predict_batched(observations, context),
        FULL: lambda: networks.predict_batched(observations, own),
        FULL_NUMPY: lambda: _predict(observations, own),
        READING: flat.max,
        SAME: lambda: contexts.predict(observations[:, 0]),
    }
    difference = np.abs(networks.predict_batched(observations, own) - _predict(observations, own)).max()
    if not difference < 1e-4:
        raise AssertionError(f"NumPy predicts otherwise than the graph: they differ by {difference:.1e}")
    usec: dict[str, list[float]] = {way: [] for way in ways}
    repetitions = {way: _repetitions(work) for way, work in ways.items()}
    for _ in range(rounds):
        for way, work in ways.items():
            began = time.process_time()
            for _ in range(repetitions[way]):
                work()
            usec[way].append((time.process_time() - began) * 1e6 / repetitions[way])
    return usec


def _brains(folder: Path) -> tuple[Brain, Brain]:
    """One whose context alone is an agent's own, and one that is it as a whole; else the same network."""
    own_context = MLP(INPUTS, HIDDEN, OUTPUTS, "relu", context_size=CONTEXT_SIZE)
    params = own_context.init_params(torch.Generator().manual_seed(0))
    shared = {name: value for name, value in params.items() if name != CONTEXT}
    return (
        _export(folder / "contexts.brain", own_context, {CONTEXT: params[CONTEXT]}, shared),
        _export(folder / "networks.brain", network := MLP(INPUTS, HIDDEN, OUTPUTS, "relu"),
                network.init_params(torch.Generator().manual_seed(0)), {}),
    )  # fmt: skip


def _export(path: Path, network: MLP, own: dict[str, torch.Tensor], shared: dict[str, torch.Tensor]) -> Brain:
    spec = Spec((Field("seen", INPUTS),), Target("category", "next_move", OUTPUTS), horizon_ticks=6)
    nothing = Normalisation(torch.zeros(INPUTS), torch.ones(INPUTS), torch.zeros(1), torch.ones(1))
    model = Model(network, spec.target, nothing, adapts=tuple(own), shared=shared)
    inner_loop = {
        "inner_lr": 0.1,
        "num_inner_steps": 5,
        "support_size": 32,
        "first_order": False,
        "trust_radius": 100.0,
    }
    about = {"algorithm": "cavia", "inner_loop": inner_loop, "training": {}, "scores": {}}
    return export_brain(path, model, own, spec, about)


def _own(brain: Brain, agents: int, random: np.random.Generator) -> Arrays:
    """Something of its own for each agent."""
    return {
        name: array + 0.1 * random.standard_normal((agents, *array.shape)).astype(np.float32)
        for name, array in brain.init_params.items()
    }


def _predict(observations: NDArray[np.float32], params: Arrays) -> NDArray[np.float32]:
    """The network in NumPy, with own weights for each agent."""
    values, layers = observations, len(HIDDEN) + 1
    for layer in range(1, layers + 1):
        values = values @ params[f"layer{layer}.weight"] + params[f"layer{layer}.bias"][:, None]
        if layer < layers:
            values = np.maximum(values, 0)
    return values


def _repetitions(work: Callable[[], object]) -> int:
    """How often to repeat it in a round, so that a round lasts about a block."""
    work()
    began = time.process_time()
    work()
    return max(1, round(BLOCK_SEC / (time.process_time() - began)))


def main() -> None:
    """Prints a table: a row for each way, a column for each number of agents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--agents", type=int, nargs="+", default=[100, AGENTS, 4000])
    parser.add_argument("--rounds", type=int, default=41)
    settings = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        brains = _brains(Path(folder))
    found = [measure(*brains, agents, settings.rounds) for agents in settings.agents]
    weights = sum(first * second + second for first, second in pairwise((INPUTS, *HIDDEN, OUTPUTS)))
    print(f"one prediction of every agent, µs; own: {CONTEXT_SIZE} numbers (ours) or {weights:,} weights")
    print(f"{'agents':28}" + "".join(f"{agents:>16,}" for agents in settings.agents))
    for way in found[0]:
        usec = [median(each[way]) for each in found]
        ratios = [
            median(their / our for their, our in zip(each[way], each["ours"], strict=True)) for each in found
        ]
        cells = [
            f"{us:9.0f} {f'{ratio:.1f} ×' if way != 'ours' else '':>6}"
            for us, ratio in zip(usec, ratios, strict=True)
        ]
        print(f"{'a context, onnxruntime' if way == 'ours' else way:28}" + "".join(cells))


if __name__ == "__main__":
    main()
