"""What `bayes` and `memory` have in common: a residual on the pooled network, fitted in closed form.

The pooled network is trained first, and stays as it is. An encoder sees the input, what the pooled network
made of it, and its answer; from the encoder's features follows what to add for this player. Who has shown
nothing gets exactly the pooled network's answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from pytrain.models import regression
from pytrain.models.networks import GRU, MLP, Params

BASE, ENCODER = "base.", "encoder."


class Seen(NamedTuple):
    """What is known of each row before anything is known of the player."""

    features: Tensor  # (…, rows, features)
    answer: Tensor  # (…, rows, outputs): the pooled network's


@dataclass(frozen=True)
class OnPooled(ABC):
    """The pooled network and the encoder; `bayes` and `memory` add what they add."""

    base: MLP | GRU
    """The pooled network; its parameters are those of the pooled model, under the prefix `base.`."""
    encoder: MLP
    """From input, the pooled network's last hidden layer and its answer to the features."""
    outputs: int
    of_classes: bool = False
    """The targets are one-hot rows, and the outputs logits."""
    every: int = 1
    """Every so manyth moment is learned from: neighbours are nearly the same."""

    own: ClassVar[tuple[str, ...]]
    """Names of the parameters that are a player's own."""
    gently: ClassVar[tuple[str, ...]]
    """Names of matrices that are compared or inverted: the outer optimiser takes no bold steps with them."""

    @property
    def inputs(self) -> int:
        """Numbers in one input: a window of observations."""
        return self.base.inputs

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters that are a player's own."""
        return self.own

    def describe(self) -> dict[str, Any]:
        """Name and sizes, JSON-ready; `network_from` gives the network back."""
        parts = {"base": self.base.describe(), "encoder": self.encoder.describe()}
        sizes = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in parts}
        return {"name": type(self).__name__.lower(), **parts, **sizes}

    @abstractmethod
    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters of all that is learned; what is a player's own follows from them."""

    @abstractmethod
    def start(self, params: Params) -> Params:
        """What a player has who has shown nothing."""

    @abstractmethod
    def seen(self, params: Params, inputs: Tensor) -> Seen:
        """What of each row does not depend on the player."""

    @abstractmethod
    def told(self, params: Params, seen: Seen, targets: Tensor) -> tuple[Tensor, ...]:
        """What there is to learn from rows that turned out as `targets`; it does not depend on the player."""

    @abstractmethod
    def absorbed(self, params: Params, told: tuple[Tensor, ...], weights: Tensor) -> Params:
        """What of a player's own changes with what `told` gave, oldest example first."""

    @abstractmethod
    def predicted(self, params: Params, seen: Seen) -> tuple[Tensor, Tensor]:
        """Outputs and their deviations, both `(…, rows, outputs)`."""

    def solved(self, params: Params) -> Params:
        """What follows from a player's own sums."""
        return regression.solved(params)

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What is compared or regressed on `(…, rows, features)`."""
        return self.seen(params, inputs).features

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        return self.predicted(params, self.seen(params, inputs))[0]

    def deviations(self, params: Params, inputs: Tensor) -> Tensor:
        """The standard deviation of each output, like the outputs."""
        return self.predicted(params, self.seen(params, inputs))[1]

    def encoded(self, params: Params, inputs: Tensor) -> Seen:
        """The encoder's features and the pooled network's answer, for parameters that all tasks share."""
        base = below(params, BASE)
        hidden = self.base.features(base, inputs)
        answer = self.base.answer(base, hidden)
        return Seen(self.encoder(below(params, ENCODER), torch.cat([inputs, hidden, answer], dim=-1)), answer)

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
