"""The networks: functions of named parameters, from (normalised) observations to the outputs.

Parameters are a plain dict of tensors, so a learner can differentiate through their update and the export
can make them inputs of a graph. A parameter may have one leading axis more, for tasks (or players) that have
their own: then the same code runs all of them at once, one batched product per layer. Parameters without it
are shared by all tasks, and their products are those of one large matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from pytrain.errors import PytrainError
from pytrain.settings import Activation, Norm

Params = dict[str, Tensor]

CONTEXT, CONTEXT_WEIGHT = "context", "context.weight"
PROTOTYPES, PRIOR_STRENGTH = "prototypes", "prior_strength"
LOGIT = "logit."
"""Before the name of a parameter that lies between 0 and 1."""
SMALLEST_VARIANCE = 1e-5

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "elu": functional.elu,
}


class Network(Protocol):
    """What a model needs of an architecture."""

    @property
    def inputs(self) -> int:
        """Numbers in one input: a window of observations."""
        ...

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        ...

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        ...

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters."""
        ...

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the last layer sees `(…, rows, features)`."""
        ...

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        ...


@runtime_checkable
class Uncertain(Protocol):
    """A network that knows how far off it may be."""

    def deviations(self, params: Params, inputs: Tensor) -> Tensor:
        """The standard deviation of each output, like the outputs."""
        ...


@dataclass(frozen=True)
class MLP:
    """A multi-layer perceptron.

    norm: "layer" normalises each example's hidden values; "batch" over the rows that are there together,
    with their own statistics (as MAML's image models do), so it is nothing for a game, which predicts one
    row. context_size: numbers that shift the first layer's input (Zintgraf et al. 2019); 0 for none. head:
    "prototypes" compares the last hidden layer with one point for each class (Snell et al. 2017).
    """

    inputs: int
    hidden_sizes: tuple[int, ...]
    outputs: int
    activation: Activation = "tanh"
    norm: Norm = "none"
    context_size: int = 0
    head_kind: Literal["linear", "prototypes"] = "linear"

    @property
    def _sizes(self) -> tuple[int, ...]:
        ends = () if self.head_kind == "prototypes" else (self.outputs,)
        return (self.inputs, *self.hidden_sizes, *ends)

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        if self.head_kind == "prototypes":
            return (PROTOTYPES,)
        last = len(self._sizes) - 1
        return (f"layer{last}.weight", f"layer{last}.bias")

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        return {"name": "mlp", **asdict(self), "hidden_sizes": list(self.hidden_sizes)}

    def init_params(self, random: torch.Generator) -> Params:
        """Weights `(in, out)` of variance 1 / in, biases `(out,)` of zero, gains of one, context of zero."""
        params: Params = {}
        if self.context_size:
            params[CONTEXT] = torch.zeros(self.context_size)
            first = self._sizes[1]
            params[CONTEXT_WEIGHT] = (
                torch.randn(self.context_size, first, generator=random) / self.inputs**0.5
            )
        for layer, (inputs, outputs) in enumerate(pairwise(self._sizes), start=1):
            params[f"layer{layer}.weight"] = torch.randn(inputs, outputs, generator=random) / inputs**0.5
            params[f"layer{layer}.bias"] = torch.zeros(outputs)
            if self.norm != "none" and layer <= len(self.hidden_sizes):
                params[f"norm{layer}.gain"] = torch.ones(outputs)
                params[f"norm{layer}.bias"] = torch.zeros(outputs)
        if self.head_kind == "prototypes":
            params[PROTOTYPES] = torch.randn(self.outputs, self._sizes[-1], generator=random) * 0.1
            params[PRIOR_STRENGTH] = torch.zeros(())
        return params

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """The last hidden layer `(…, rows, features)`; for prototypes without an activation."""
        activation = ACTIVATIONS[self.activation]
        values = inputs
        for layer in range(1, len(self.hidden_sizes) + 1):
            bias = params[f"layer{layer}.bias"]
            if layer == 1 and self.context_size:
                bias = bias + linear(params[CONTEXT].unsqueeze(-2), params[CONTEXT_WEIGHT], None).squeeze(-2)
            values = linear(values, params[f"layer{layer}.weight"], bias)
            if self.norm != "none":
                gain, shift = params[f"norm{layer}.gain"], params[f"norm{layer}.bias"]
                values = standardised(values, -1 if self.norm == "layer" else -2)
                values = values * per_row(gain) + per_row(shift)
            if layer < len(self.hidden_sizes) or self.head_kind == "linear":
                values = activation(values)
        return values

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        return self.answer(params, self.features(params, inputs))

    def answer(self, params: Params, values: Tensor) -> Tensor:
        """The outputs `(…, rows, outputs)`, of what `features` gave."""
        if self.head_kind == "linear":
            weight, bias = (params[name] for name in self.head)
            return linear(values, weight, bias)
        # The squared distance without |values|^2, which is the same for all classes.
        prototypes = params[PROTOTYPES]
        return linear(values, 2 * prototypes.mT, -prototypes.square().sum(-1))


@dataclass(frozen=True)
class GRU:
    """A gated recurrent unit (Cho et al. 2014) that reads a window, oldest observation first; an MLP follows.

    It starts anew at every window, so that a player's weights can change between two predictions.
    """

    slot_size: int
    """Numbers that it reads at once: an observation and, in a sparse window, its mark."""
    window: int
    """Slots that it reads."""
    recurrent_size: int
    top: MLP
    """What reads the last state; its `inputs` are `recurrent_size`."""

    @property
    def inputs(self) -> int:
        """Numbers in a window."""
        return self.window * self.slot_size

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        return self.top.head

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        return {"name": "gru", **asdict(self), "top": self.top.describe()}

    def init_params(self, random: torch.Generator) -> Params:
        """Weights `(in, 3 * recurrent_size)` of variance 1 / in for update, reset and candidate, zero
        biases."""
        params: Params = {}
        gates = 3 * self.recurrent_size
        for name, inputs in (("input", self.slot_size), ("recurrent", self.recurrent_size)):
            params[f"gru.{name}.weight"] = torch.randn(inputs, gates, generator=random) / inputs**0.5
            params[f"gru.{name}.bias"] = torch.zeros(gates)
        return params | self.top.init_params(random)

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the last layer sees `(…, rows, features)`."""
        return self.top.features(params, self._last_state(params, inputs))

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        return self.top(params, self._last_state(params, inputs))

    def answer(self, params: Params, values: Tensor) -> Tensor:
        """The outputs `(…, rows, outputs)`, of what `features` gave."""
        return self.top.answer(params, values)

    def _last_state(self, params: Params, inputs: Tensor) -> Tensor:
        size = self.recurrent_size
        state: Tensor | None = None
        for observation in torch.split(inputs, self.slot_size, dim=-1):
            given = linear(observation, params["gru.input.weight"], params["gru.input.bias"])
            if state is None:
                state = torch.zeros_like(given[..., :size])
            recalled = linear(state, params["gru.recurrent.weight"], params["gru.recurrent.bias"])
            update, reset = torch.sigmoid(given[..., : 2 * size] + recalled[..., : 2 * size]).chunk(2, dim=-1)
            candidate = torch.tanh(given[..., 2 * size :] + reset * recalled[..., 2 * size :])
            state = update * state + (1 - update) * candidate
        if state is None:
            raise PytrainError("a GRU needs a window of at least 1 observation, it has 0")
        return state


def linear(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`values @ weight + bias`, each of weight and bias shared by all tasks or with a leading task axis."""
    if bias is None:
        return values @ weight
    if weight.dim() == 3:
        return torch.baddbmm(per_row(bias) if bias.dim() == 2 else bias, values, weight)
    if values.dim() == 2 and bias.dim() == 1:
        return torch.addmm(bias, values, weight)
    return values @ weight + per_row(bias)


def per_row(vector: Tensor) -> Tensor:
    """A vector `(size,)` or one per task `(tasks, size)`, to be combined with `(…, rows, size)`."""
    return vector if vector.dim() == 1 else vector.unsqueeze(-2)


def standardised(values: Tensor, axis: int) -> Tensor:
    """Mean 0 and variance 1 along an axis.

    Written out, because autograd of the built-in batch normalisation under vmap gives wrong second
    derivatives (REFERENCES.md), and because every step of this exports to ONNX.
    """
    centred = values - values.mean(axis, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(axis, keepdim=True) + SMALLEST_VARIANCE)
