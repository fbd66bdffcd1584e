"""What `bayes` and `memory` have in common: a residual on the pooled network.

The pooled network is trained first, and stays as it is. An encoder sees the input, what the pooled network
made of it, and its answer; from the encoder's features follows what to add for this player. Who has shown
nothing gets exactly the pooled network's answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pytrain.models.networks import GRU, MLP, Params

BASE, ENCODER = "base.", "encoder."


class Encoded(NamedTuple):
    """What is known of each row before anything is known of the player."""

    features: Tensor  # (…, rows, features)
    answer: Tensor  # (…, rows, outputs): the pooled network's


@dataclass(frozen=True)
class OnPooled:
    """The pooled network and the encoder; `bayes` and `memory` add what they add."""

    base: MLP | GRU
    """The pooled network; its parameters are those of the pooled model, under the prefix `base.`."""
    encoder: MLP
    """From input, the pooled network's last hidden layer and its answer to the features."""
    outputs: int
    of_classes: bool = False
    """The targets are one-hot rows, and the outputs logits."""

    @property
    def inputs(self) -> int:
        """Numbers in one input: a window of observations."""
        return self.base.inputs

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        parts = {"base": self.base.describe(), "encoder": self.encoder.describe()}
        return {"name": type(self).__name__.lower(), **parts, **self._describe()}

    def _describe(self) -> dict[str, Any]:
        return {"outputs": self.outputs, "of_classes": self.of_classes}

    def encoded(self, params: Params, inputs: Tensor) -> Encoded:
        """Features and the pooled network's answer, for parameters that all tasks share."""
        base = below(params, BASE)
        hidden = self.base.features(base, inputs)
        answer = self.base.answer(base, hidden)
        seen = torch.cat([inputs, hidden, answer], dim=-1)
        return Encoded(self.encoder(below(params, ENCODER), seen), answer)

    def residual(self, targets: Tensor, answer: Tensor) -> Tensor:
        """What the pooled network's answer leaves to be explained of prepared targets."""
        return targets - (answer.softmax(-1) if self.of_classes else answer)

    def init_encoder(self, random: torch.Generator) -> Params:
        """Fresh parameters of the encoder, by their names here."""
        return {ENCODER + name: value for name, value in self.encoder.init_params(random).items()}


def encoder_for(base: MLP | GRU, hidden_sizes: tuple[int, ...], features: int) -> MLP:
    """An encoder that fits on a pooled network."""
    top = base.top if isinstance(base, GRU) else base
    inputs = base.inputs + top.hidden_sizes[-1] + top.outputs
    return MLP(inputs, hidden_sizes, features, activation="relu", norm=top.norm)


def as_base(pooled: Params) -> Params:
    """The pooled model's parameters by the names that they have here."""
    return {BASE + name: value for name, value in pooled.items()}


def below(params: Params, prefix: str) -> Params:
    """The parameters whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
