"""The convolutional network of MAML's and Reptile's experiments with images, for a GPU.

Four times a 3 x 3 convolution of stride 2 with 64 filters, batch normalisation with the statistics of the
rows that are there together, and ReLU; then a linear layer (Finn et al. 2017, section 5.2). All tasks run at
once: each one's weights are a group of one grouped convolution.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pytrain.models.networks import SMALLEST_VARIANCE, Params, linear


@dataclass(frozen=True)
class ConvNet:
    """A `pytrain.models.networks.Network` of images `side` pixels high and wide, one number each."""

    side: int
    outputs: int
    filters: int = 64
    layers: int = 4

    @property
    def inputs(self) -> int:
        """Pixels."""
        return self.side**2

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters of the last layer."""
        return ("head.weight", "head.bias")

    @property
    def _places(self) -> int:
        """Of the last convolution: every one halves the side, and rounds up."""
        side = math.ceil(self.side / 2.0**self.layers)
        return side * side

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready."""
        return {"name": "conv", **asdict(self)}

    def init_params(self, random: torch.Generator) -> Params:
        """Weights of variance 2 / in (He et al. 2015), biases of zero, gains of one, a head of zero."""
        params: Params = {}
        inputs = 1
        for layer in range(1, self.layers + 1):
            weight = torch.randn(self.filters, inputs, 3, 3, generator=random)
            params[f"conv{layer}.weight"] = weight * (2 / (9 * inputs)) ** 0.5
            params[f"norm{layer}.gain"] = torch.ones(self.filters)
            params[f"norm{layer}.bias"] = torch.zeros(self.filters)
            inputs = self.filters
        params["head.weight"] = torch.zeros(self.filters * self._places, self.outputs)
        params["head.bias"] = torch.zeros(self.outputs)
        return params

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the last layer sees `(…, rows, features)`."""
        of_tasks = inputs if inputs.dim() == 3 else inputs.unsqueeze(0)
        tasks, rows = of_tasks.shape[:2]
        # Channels of all tasks side by side (rows, tasks * channels, height, width), so that the statistics
        # of a channel are one task's own.
        values = of_tasks.transpose(0, 1).reshape(rows, tasks, self.side, self.side)
        for layer in range(1, self.layers + 1):
            weight = _of_each(params[f"conv{layer}.weight"], 4, tasks)
            values = functional.conv2d(values, weight.flatten(0, 1), stride=2, padding=1, groups=tasks)
            gain, bias = (
                _of_each(params[f"norm{layer}.{name}"], 1, tasks).reshape(-1, 1, 1)
                for name in ("gain", "bias")
            )
            values = torch.relu(_standardised(values) * gain + bias)
        features = values.reshape(rows, tasks, -1).transpose(0, 1)
        return features if inputs.dim() == 3 else features.squeeze(0)

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        weight, bias = (params[name] for name in self.head)
        return linear(self.features(params, inputs), weight, bias)


def _of_each(param: Tensor, axes: int, tasks: int) -> Tensor:
    """A parameter that has `axes` axes, with a leading one for tasks."""
    return param if param.dim() > axes else param.expand(tasks, *param.shape)


def _standardised(values: Tensor) -> Tensor:
    """Mean 0 and variance 1 of each channel, written out: autograd of the built-in normalisation is wrong in
    the second derivative where tasks are mapped over."""
    centred = values - values.mean((0, 2, 3), keepdim=True)
    variance = centred.square().mean((0, 2, 3), keepdim=True)
    return centred * torch.rsqrt(variance + SMALLEST_VARIANCE)
