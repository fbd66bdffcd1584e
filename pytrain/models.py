"""The model: a functional MLP over named parameters, what it is trained on, and the units it speaks.

Parameters are a plain dict of tensors, so a learner can differentiate through their update and the export
can make them inputs of a graph. With one leading axis more on every parameter the same code runs many tasks
(or players) at once, each with its own weights, as one batched product per layer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from adaptive_agents.spec import Target
from pytrain.dataset import Players
from pytrain.settings import Activation
from pytrain.tasks import Batch

Params = dict[str, Tensor]

SMALL_ERROR = 0.3  # standard deviations; below it an error's square counts, above it its length

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": functional.elu,
}


class Network(Protocol):
    """A function of named parameters; what a model needs of an architecture."""

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        ...

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters."""
        ...

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """Shared weights: inputs `(rows, features)`; one set per task: inputs `(tasks, rows, features)`."""
        ...


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron."""

    inputs: int
    hidden_sizes: tuple[int, ...]
    outputs: int
    activation: Activation = "tanh"

    @property
    def _sizes(self) -> tuple[int, ...]:
        return (self.inputs, *self.hidden_sizes, self.outputs)

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        return {"name": "mlp", **asdict(self), "hidden_sizes": list(self.hidden_sizes)}

    def init_params(self, random: torch.Generator) -> Params:
        """Weights `(in, out)` of variance 1 / in, biases `(out,)` of zero."""
        params: Params = {}
        for layer, (inputs, outputs) in enumerate(pairwise(self._sizes), start=1):
            params[f"layer{layer}.weight"] = torch.randn(inputs, outputs, generator=random) / inputs**0.5
            params[f"layer{layer}.bias"] = torch.zeros(outputs)
        return params

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`; with a leading task axis if the parameters have one."""
        activation = ACTIVATIONS[self.activation]
        layers = len(self._sizes) - 1
        values = inputs
        for layer in range(1, layers + 1):
            weight, bias = params[f"layer{layer}.weight"], params[f"layer{layer}.bias"]
            if weight.dim() == 3:
                values = torch.baddbmm(bias.unsqueeze(-2), values, weight)
            else:
                values = torch.addmm(bias, values, weight)
            if layer < layers:
                values = activation(values)
        return values


def network_from(description: dict[str, Any]) -> Network:
    """The network that `describe` describes."""
    return MLP(
        inputs=description["inputs"],
        hidden_sizes=tuple(description["hidden_sizes"]),
        outputs=description["outputs"],
        activation=description["activation"],
    )


@dataclass(frozen=True)
class Normalisation:
    """Constants taken from the meta-train players; part of every exported graph."""

    observation_mean: Tensor  # (obs_dim,)
    observation_scale: Tensor  # (obs_dim,)
    target_mean: Tensor  # (target_columns,); 0 and 1 for a category
    target_scale: Tensor

    @classmethod
    def of(cls, players: Players) -> Normalisation:
        """Mean and standard deviation; a field that never changes is left at its size."""
        observation_mean, observation_scale = _mean_and_scale(players.observations)
        if players.spec.target.kind == "vector":
            return cls(observation_mean, observation_scale, *_mean_and_scale(players.targets))
        return cls(observation_mean, observation_scale, torch.zeros(1), torch.ones(1))


@dataclass(frozen=True)
class Model:
    """A network between normalised observations and normalised targets, with the loss all learners share."""

    network: Network
    target: Target
    normalisation: Normalisation
    step_sizes: Params | None = None  # each weight's own factor of inner_lr, where a learner learned them

    def normalised(self, observations: Tensor) -> Tensor:
        """Observations as the network takes them."""
        return (observations - self.normalisation.observation_mean) / self.normalisation.observation_scale

    def encoded(self, targets: Tensor) -> Tensor:
        """Targets as the loss takes them: normalised vectors, or one-hot rows for class indices."""
        if self.target.kind == "category":
            return (targets == torch.arange(self.target.size)).to(targets.dtype)
        return (targets - self.normalisation.target_mean) / self.normalisation.target_scale

    def prepared(self, batch: Batch) -> Batch:
        """A batch of recorded examples as `losses` and the inner loop take it."""
        return Batch(self.normalised(batch.observations), self.encoded(batch.targets), batch.weights)

    def predict(self, params: Params, observations: Tensor) -> Tensor:
        """Predictions in target units (a vector) or logits (a category) for observations as recorded."""
        outputs = self.network(params, self.normalised(observations))
        if self.target.kind == "category":
            return outputs
        return outputs * self.normalisation.target_scale + self.normalisation.target_mean

    def losses(self, params: Params, batch: Batch) -> Tensor:
        """Weighted mean loss of each task `(tasks,)` on a prepared batch; 0 for a task without examples.

        A vector: the length of the normalised error, rounded to a parabola at zero (pseudo-Huber: smooth, so
        that MAML may differentiate it twice). A category: cross-entropy.
        """
        outputs = self.network(params, batch.observations)
        if self.target.kind == "category":
            each = -(batch.targets * torch.log_softmax(outputs, dim=-1)).sum(-1)
        else:
            squared = (outputs - batch.targets).square().sum(-1)
            each = (squared + SMALL_ERROR**2).sqrt() - SMALL_ERROR
        return (each * batch.weights).sum(-1) / batch.weights.sum(-1).clamp(min=1e-6)


def save_model(path: Path, model: Model, params: Params) -> None:
    """Write model and parameters as .npz, for `load_model` in another process."""
    description = {"network": model.network.describe(), "target": asdict(model.target)}
    arrays = {f"normalisation.{name}": value.numpy() for name, value in vars(model.normalisation).items()}
    arrays |= {f"params.{name}": value.numpy() for name, value in params.items()}
    arrays |= {f"step_sizes.{name}": value.numpy() for name, value in (model.step_sizes or {}).items()}
    np.savez(path, allow_pickle=False, description=np.array(json.dumps(description)), **arrays)


def load_model(path: Path) -> tuple[Model, Params]:
    """What `save_model` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        description = json.loads(str(stored["description"]))
        arrays = {name: torch.from_numpy(stored[name]) for name in stored.files if name != "description"}
    normalisation = Normalisation(**_of_prefix(arrays, "normalisation."))
    model = Model(
        network=network_from(description["network"]),
        target=Target(**description["target"]),
        normalisation=normalisation,
        step_sizes=_of_prefix(arrays, "step_sizes.") or None,
    )
    return model, _of_prefix(arrays, "params.")


def _of_prefix(arrays: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _mean_and_scale(columns: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = columns.double().mean(0), columns.double().std(0, correction=0)
    constant = deviation < 1e-6 * (1 + mean.abs())
    return mean.float(), torch.where(constant, 1.0, deviation).float()
