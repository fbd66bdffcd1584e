"""Sine waves as tasks (Finn et al. 2017, section 5.1), for the benchmarks of speed and of error.

Amplitude U[0.1, 5], phase U[0, pi], inputs U[-5, 5], no noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adaptive_agents.spec import Target
from pytrain.data.tasks import Batch, Spans, Tasks
from pytrain.learners.registry import Learner
from pytrain.models.bayesian import Bayesian
from pytrain.models.model import Model
from pytrain.models.networks import MLP
from pytrain.models.normalisation import Normalisation
from pytrain.settings import Activation, Algorithm, MetaTraining


class Waves:
    """Draws meta-batches of sine waves; one seed gives one sequence of them."""

    def __init__(self, seed: int) -> None:
        self.random = torch.Generator().manual_seed(seed)

    def examples(self, tasks: int, counts: tuple[int, ...]) -> tuple[Batch, ...]:
        """For each count so many examples of each of the same waves."""
        uniform = torch.rand(tasks, sum(counts) + 2, generator=self.random)
        amplitude, phase = 0.1 + 4.9 * uniform[:, :1], math.pi * uniform[:, 1:2]
        inputs = 10 * uniform[:, 2:] - 5
        outputs = amplitude * torch.sin(inputs - phase)
        parts = zip(torch.split(inputs, list(counts), 1), torch.split(outputs, list(counts), 1), strict=True)
        return tuple(_batch(some_inputs, some_outputs) for some_inputs, some_outputs in parts)

    def tasks(self, settings: MetaTraining) -> Tasks:
        """A meta-batch for MAML and its kin: every inner step on the whole support set."""
        support, query = self.examples(settings.meta_batch_size, (settings.support_size, settings.query_size))
        return Tasks((support,) * settings.num_inner_steps, query)

    def tracks(self, settings: MetaTraining) -> Tasks:
        """A meta-batch for bayes: any number of the support set's examples counts for a part of the query."""
        sizes = (settings.support_size, settings.cuts * settings.query_size)
        support, query = self.examples(settings.meta_batch_size, sizes)
        of_cuts = (settings.meta_batch_size, settings.cuts)
        counted = torch.randint(settings.support_size + 1, of_cuts, generator=self.random)
        return Tasks((support,), query, Spans(torch.zeros_like(counted), counted))

    def minibatches(self, settings: MetaTraining) -> Tasks:
        """A meta-batch for Reptile: every inner step on examples of its own."""
        sizes = (settings.inner_batch_size,) * settings.num_inner_steps
        supports = self.examples(settings.meta_batch_size, sizes)
        return Tasks(supports, supports[-1])


def held_out_waves(count: int, shots: int, seed: int, points: int = 100) -> tuple[Batch, Batch]:
    """Support sets of so many examples, and queries evenly spread over the whole range."""
    waves = Waves(seed)
    uniform = torch.rand(count, 2, generator=waves.random)
    amplitude, phase = 0.1 + 4.9 * uniform[:, :1], math.pi * uniform[:, 1:]
    support = 10 * torch.rand(count, shots, generator=waves.random) - 5
    query = torch.linspace(-5, 5, points).expand(count, -1)
    first, second = (_batch(inputs, amplitude * torch.sin(inputs - phase)) for inputs in (support, query))
    return first, second


def wave_learner(
    algorithm: Algorithm, hidden_sizes: tuple[int, ...], activation: Activation, settings: MetaTraining
) -> Learner:
    """A learner of sine waves: squared error, nothing normalised.

    Of all waves together nothing can be known, so what bayes builds on answers 0.
    """
    nothing = Normalisation(torch.zeros(1), torch.ones(1), torch.zeros(1), torch.ones(1))
    network: MLP | Bayesian = MLP(1, hidden_sizes, 1, activation, context_size=settings.context_size)
    pooled = None
    if algorithm == "bayes":
        base = MLP(1, (1,), 1)
        pooled = {name: 0 * value for name, value in base.init_params(torch.Generator()).items()}
        network = Bayesian(base, MLP(3, hidden_sizes, settings.feature_size, activation), 1)
    model = Model(network, Target("vector", "height", 1), nothing, loss="squared")
    return Learner.of(algorithm, model, settings, pooled)


def _batch(inputs: Tensor, outputs: Tensor) -> Batch:
    return Batch(
        inputs.unsqueeze(-1).contiguous(), outputs.unsqueeze(-1).contiguous(), torch.ones(inputs.shape)
    )
