"""Meta steps per second beside learn2learn's, and higher's, measured in turns in one process.

The setting of MAML's sinusoid: MLP 1-40-40-1 with ReLU, 5 inner steps, 10 support and 10 query examples,
100 tasks a meta step, squared error, float32, one thread on both sides. Both draw their tasks with the same
function, inside the measured time. Ours is `meta_train`, the outer loop of every training, as it is, with
gradient, clipping, optimiser and annealing. First of all each peer's meta-gradient is compared with ours.

Times are processor seconds of this process: on an idle machine they are the wall clock's, and on a busy one
other programs weigh on them less. A ratio is that of neighbours in time; the table has median and quartiles.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median, quantiles

import torch
from torch import nn

from pytrain.data.tasks import Tasks
from pytrain.learners.registry import Learner
from pytrain.models.networks import Params
from pytrain.settings import Algorithm, MetaTraining
from pytrain.training.outer_loop import Watching, meta_train
from tests.benchmarks import peers
from tests.benchmarks.report import BenchSettings, CannotRun, Progress, Result
from tests.benchmarks.waves import Waves, wave_learner

NAME = "train"
TIMED = True

SETTINGS = MetaTraining(
    inner_lr=0.01,
    num_inner_steps=5,
    support_size=10,
    inner_batch_size=10,
    query_size=10,
    meta_batch_size=100,
    meta_lr=1e-4,  # small: what is timed should not diverge on the way
    meta_step_size=1.0,
)
WARM_UP = 20  # meta steps of ours before the first round
OUR_BLOCK_SEC = 0.5  # processor seconds a round; the peers take one meta step at least


@dataclass(frozen=True)
class Case:
    """One figure: a learner of ours, compiled or not, and what the ratio has to be."""

    name: str
    algorithm: Algorithm
    compiled: bool
    goal: float


CASES = (
    Case("train/maml", "maml", True, 50.0),
    Case("train/fomaml", "fomaml", True, 60.0),
    Case("train/reptile", "reptile", True, 80.0),
    Case("train/maml-eager", "maml", False, 15.0),
)


@dataclass
class Rates:
    """Meta steps per processor second, round by round."""

    ours: list[float] = field(default_factory=list)
    peers: dict[str, list[float]] = field(default_factory=dict)
    first_step_sec: float = 0.0
    """Wall clock of the first meta step, in which the gradient is compiled."""

    def against(self, peer: str) -> list[float]:
        """Our rate over the peer's of the same round."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.peers[peer], strict=True)]


def run(settings: BenchSettings, progress: Progress) -> Iterator[Result]:
    """Each learner beside its peers; `compile-seconds` is apart, since it is paid once."""
    rounds = 5 if settings.quick else 21
    folder = settings.out / "peers"
    folder.mkdir(parents=True, exist_ok=True)
    learn2learn = peers.import_learn2learn(folder)
    try:
        higher = peers.import_higher(folder)
    except CannotRun as reason:
        progress(f"without higher: {reason}")
        higher = None
    compile_sec: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache  # what an earlier run compiled does not count
        for case in CASES:
            if not settings.wants(case.name) and not (
                case.compiled and settings.wants("train/compile-seconds")
            ):
                continue
            rates = _measure(case, rounds, _peers_of(case, learn2learn, higher), progress)
            yield from _results(case, rates, rounds)
            if case.compiled:
                compile_sec[case.algorithm] = rates.first_step_sec
    if len(compile_sec) == sum(case.compiled for case in CASES):
        each = ", ".join(f"{name} {seconds:.0f}" for name, seconds in compile_sec.items())
        yield Result(
            "train/compile-seconds", max(compile_sec.values()), "s", note=f"the first meta step: {each}"
        )


def _results(case: Case, rates: Rates, rounds: int) -> Iterator[Result]:
    ratios = {peer: rates.against(peer) for peer in rates.peers}
    # learn2learn's own way or its example's, whichever is faster, is the peer; all others are rows beside it.
    first = min((peer for peer in ratios if "learn2learn" in peer), key=lambda peer: median(ratios[peer]))
    for peer, values in ratios.items():
        low, _, high = quantiles(values, n=4)
        main = peer == first
        yield Result(
            name=case.name if main else f"{case.name}/{peer.split()[0].rstrip(',')}",
            ours=median(rates.ours),
            unit="meta steps/s",
            peer=peer,
            peer_value=median(rates.peers[peer]),
            ratio=median(values),
            spread=(low, high),
            spread_of="ratio",
            goal=case.goal if main else None,
            note=f"{rounds} rounds, quartiles; {'compiled' if case.compiled else 'not compiled'}; "
            f"{SETTINGS.meta_batch_size} tasks, one thread",
        )


def _peers_of(
    case: Case, learn2learn: object, higher: object
) -> dict[str, Callable[[nn.Module], peers.MetaStep]]:
    lr, meta_lr, first_order = SETTINGS.inner_lr, SETTINGS.meta_lr, case.algorithm != "maml"
    if case.algorithm == "reptile":
        step_size = SETTINGS.meta_step_size
        return {
            peers.LEARN2LEARN: lambda model: peers.learn2learn_reptile(learn2learn, model, lr, step_size),
            peers.PLAIN: lambda model: peers.plain_reptile(model, lr, step_size),
        }
    steps: dict[str, Callable[[nn.Module], peers.MetaStep]] = {
        peers.LEARN2LEARN: lambda model: peers.learn2learn_maml(learn2learn, model, lr, meta_lr, first_order)
    }
    if higher is not None:
        steps[peers.HIGHER] = lambda model: peers.higher_maml(higher, model, lr, meta_lr, first_order)
    return steps


def _measure(
    case: Case, rounds: int, builders: dict[str, Callable[[nn.Module], peers.MetaStep]], progress: Progress
) -> Rates:
    """One training of ours, which is halted between two meta steps for the peers' turns."""
    draw_from = Waves(seed=1)
    draw = draw_from.minibatches if case.algorithm == "reptile" else draw_from.tasks
    learner = wave_learner(case.algorithm, (40, 40), "relu", SETTINGS)
    meta_params = learner.init_meta_params(seed=0)
    steps: dict[str, peers.MetaStep] = {}
    for peer, build in builders.items():
        model = peers.sine_model()
        _copy(meta_params, model)
        steps[peer] = build(model)
        _compare(learner, meta_params, steps[peer], model, draw(SETTINGS), f"{case.name} and {peer}")
    turns = _Turns(case, rounds, steps, lambda: draw(SETTINGS), progress)
    endless = replace(learner, settings=replace(SETTINGS, meta_steps=10_000_000))
    try:
        meta_train(endless, meta_params, turns.draw, Watching(compile="always" if case.compiled else "never"))
    except _Measured:
        return turns.rates
    raise AssertionError("ten million meta steps were over before the rounds")


class _Measured(Exception):  # noqa: N818 - how `meta_train` is left
    """All rounds are done."""


class _Turns:
    """What `meta_train` draws its tasks from: it calls once at the beginning of each meta step."""

    def __init__(
        self,
        case: Case,
        rounds: int,
        steps: dict[str, peers.MetaStep],
        draw: Callable[[], Tasks],
        progress: Progress,
    ) -> None:
        self.rates = Rates(peers={peer: [] for peer in steps})
        self._case, self._rounds, self._progress = case, rounds, progress
        self._steps, self._draw = steps, draw
        self._calls = 0
        self._block = 0
        self._began = 0.0
        self._wall = 0.0

    def draw(self) -> Tasks:
        """Tasks for the next meta step of ours; between two blocks the peers take their turns first."""
        done, self._calls = self._calls, self._calls + 1
        if done == 0:
            self._progress(
                f"{self._case.name}: first meta step ({'compiling' if self._case.compiled else 'eager'})"
            )
            self._wall = time.perf_counter()
        elif done == 1:
            self.rates.first_step_sec = time.perf_counter() - self._wall
            self._began = time.process_time()
        elif done == WARM_UP:
            each = (time.process_time() - self._began) / (WARM_UP - 1)
            self._block = max(5, round(OUR_BLOCK_SEC / each))
            self._let_peers_warm_up()
            self._began = time.process_time()
        elif self._block and (done - WARM_UP) % self._block == 0:
            self.rates.ours.append(self._block / (time.process_time() - self._began))
            for peer, step in self._steps.items():
                began = time.process_time()
                step(self._draw())
                self.rates.peers[peer].append(1 / (time.process_time() - began))
            if len(self.rates.ours) == self._rounds:
                raise _Measured
            self._began = time.process_time()
        return self._draw()

    def _let_peers_warm_up(self) -> None:
        for step in self._steps.values():
            step(self._draw())
        self._progress(f"{self._case.name}: {self._rounds} rounds of {self._block} meta steps")


def _copy(params: Params, model: nn.Module) -> None:
    """Our parameters into a torch module, whose weights are transposed."""
    with torch.no_grad():
        for ours, theirs in zip(params.values(), model.parameters(), strict=True):
            theirs.copy_(ours.T if ours.dim() == 2 else ours)


def _compare(
    learner: Learner, params: Params, step: peers.MetaStep, model: nn.Module, tasks: Tasks, names: str
) -> None:
    """Both do the same: their meta-gradients on the same tasks agree to float32's rounding."""
    ours, _ = learner.meta_gradient(params, tasks)
    step(tasks)
    for (name, gradient), theirs in zip(ours.items(), model.parameters(), strict=True):
        expected = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        error = float(
            (gradient.mT if gradient.dim() == 2 else gradient).sub(expected).norm() / expected.norm()
        )
        if not error < 1e-3:
            raise AssertionError(
                f"{names}: the meta-gradients of {name} differ by {error:.1e} of their length"
            )
