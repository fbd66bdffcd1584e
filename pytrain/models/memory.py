"""A look-up in the player's own examples (attentive neural processes, Kim, Mnih, Schwarz et al. 2019).

What the `memory` learner trains, and what a player has of it for their own. A moment is kept as a key (where
it is found) and a value (what it tells: above all what the pooled network got wrong there). To predict, every
head compares the moment at hand with all that are kept, by distance, and takes the mean of their values; a
null moment of value 0 competes with them, so that where nothing kept is near, nothing is added. How much each
direction counts for a distance depends on what is seen, and on a summary of the whole memory. In the second
round the keys also hold what became of a moment, and the query what the first round found. A player's own are
the keys, the values, and which of them are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pytrain.models.networks import MLP, Params, linear
from pytrain.models.on_pooled import Encoded, OnPooled, below

KEYS, VALUES, WEIGHTS = "memory.keys", "memory.values", "memory.weights"
OWN = (KEYS, VALUES, WEIGHTS)
VALUE, SUMMARY, QUERY, HEAD = "value.", "summary.", "query{}.", "head."
ROUNDS = 2
SMALLEST_WEIGHT = 1e-30
SLOW_TO_SUM_UP = 2.0  # moments that a summary of nothing counts for
MANY = 6.0  # about the logarithm of the number of moments that fit


class Kept(NamedTuple):
    """What is kept of moments, and how much each counts."""

    keys: Tensor  # (…, moments, rounds * heads * key_size)
    values: Tensor  # (…, moments, heads * value_size)
    weights: Tensor  # (…, moments), or for each row of a query (…, rows, moments); 0: not there


@dataclass(frozen=True)
class Memory(OnPooled):
    """The look-up on top of the encoder's features."""

    size: int = 256
    """Moments that are kept."""
    every: int = 2
    """Every so manyth of a player's moments is kept: neighbours are nearly the same."""
    heads: int = 2
    key_size: int = 16
    extra_size: int = 14
    """Numbers of a value beside what the pooled network got wrong."""
    summary_size: int = 32
    hidden_size: int = 48

    @property
    def head(self) -> tuple[str, ...]:
        """Names of the parameters that are a player's own."""
        return OWN

    @property
    def value_size(self) -> int:
        """Numbers of a value."""
        return self.outputs + self.extra_size

    @property
    def _parts(self) -> dict[str, MLP]:
        """The small networks between features, memory and outputs, by the prefix of their parameters."""
        features, hidden = self.encoder.outputs, (self.hidden_size,)
        found = self.heads * (self.value_size + 1)
        keys = self.heads * self.key_size
        seen = features + self.summary_size
        return {
            VALUE: MLP(features + 2 * self.outputs, hidden, self.heads * self.value_size, "relu"),
            SUMMARY: MLP(self.heads * self.value_size, (), self.summary_size),
            **{
                QUERY.format(number): MLP(seen + number * found, hidden, 2 * keys, "relu")
                for number in range(ROUNDS)
            },
            HEAD: MLP(seen + self.outputs + ROUNDS * found + 1, hidden * 2, 2 * self.outputs, "relu"),
        }

    def _describe(self) -> dict[str, Any]:
        sizes = ("size", "every", "heads", "key_size", "extra_size", "summary_size", "hidden_size")
        return super()._describe() | {name: getattr(self, name) for name in sizes}

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters; a memory of nothing is all that a player has of their own."""
        params = self.init_encoder(random)
        for prefix, part in self._parts.items():
            params |= {prefix + name: value for name, value in part.init_params(random).items()}
        features, keys = self.encoder.outputs, self.heads * self.key_size
        for number in range(ROUNDS):
            params[f"key{number}.weight"] = torch.randn(features, keys, generator=random) / features**0.5
            params[f"key{number}.bias"] = torch.zeros(keys)
            params[f"null{number}"] = torch.zeros(self.heads)
            last = QUERY.format(number) + "layer2.weight"
            params[last] = 0.1 * params[last]  # at first, distances are those of the keys as they are
        told = self.heads * self.value_size
        params["key1.told"] = 0.3 * torch.randn(told, keys, generator=random) / told**0.5
        params["skip"] = torch.full((ROUNDS * self.heads,), 1 / (ROUNDS * self.heads))
        params[HEAD + "layer3.weight"] = torch.zeros_like(params[HEAD + "layer3.weight"])
        params[HEAD + "layer3.bias"] = torch.cat([torch.zeros(self.outputs), -torch.ones(self.outputs)])
        return params

    def start(self, dtype: torch.dtype) -> Params:
        """A memory of nothing."""
        keys = ROUNDS * self.heads * self.key_size
        shapes = {KEYS: (self.size, keys), VALUES: (self.size, self.heads * self.value_size)}
        return {name: torch.zeros(shape, dtype=dtype) for name, shape in shapes.items()} | {
            WEIGHTS: torch.zeros(self.size, dtype=dtype)
        }

    def features(self, params: Params, inputs: Tensor) -> Tensor:
        """What the look-up sees `(…, rows, features)`."""
        return self.seen(params, inputs).features

    def seen(self, params: Params, inputs: Tensor) -> Encoded:
        """Features and the pooled network's answer."""
        features, answer = self.encoded(params, inputs)
        return Encoded(torch.relu(features), answer)

    def kept(self, params: Params, seen: Encoded, targets: Tensor, weights: Tensor) -> Kept:
        """What is kept of moments that turned out as `targets`."""
        wrong = self.residual(targets, seen.answer)
        told = torch.cat([seen.features, targets, wrong], dim=-1)
        values = self._run(params, VALUE, told)
        of_heads = values.reshape(*values.shape[:-1], self.heads, self.value_size)
        plain = wrong.unsqueeze(-2) + torch.zeros_like(of_heads[..., : self.outputs])
        values = torch.cat([plain, of_heads[..., self.outputs :]], dim=-1).reshape(values.shape)
        first, second = (self._key(params, number, seen.features) for number in range(ROUNDS))
        return Kept(torch.cat([first, second + values @ params["key1.told"]], dim=-1), values, weights)

    def outputs_of(self, params: Params, seen: Encoded, kept: Kept) -> tuple[Tensor, Tensor]:
        """Outputs and their deviations, both `(…, rows, outputs)`."""
        weights = kept.weights if kept.weights.dim() == seen.features.dim() else kept.weights.unsqueeze(-2)
        weights = weights.clamp(min=0)
        count = weights.sum(-1, keepdim=True)
        summed_up = weights @ torch.tanh(self._run(params, SUMMARY, kept.values))
        summed_up = summed_up / (count + SLOW_TO_SUM_UP)
        summary = summed_up + torch.zeros_like(seen.features[..., :1])
        known = torch.cat([seen.features, summary], dim=-1)
        near, added = [], []
        for number, keys in enumerate(kept.keys.chunk(ROUNDS, dim=-1)):
            moved, widths = self._run(params, QUERY.format(number), known).chunk(2, dim=-1)
            query = self._key(params, number, seen.features) + (moved if number else 0)
            found, mass = self._look_up(params[f"null{number}"], query, widths, keys, kept.values, weights)
            known = torch.cat([known, found.flatten(-2), mass], dim=-1)
            near.append(mass)
            added.append(found[..., : self.outputs])
        much = torch.log1p(self.every * count) / MANY + torch.zeros_like(seen.answer[..., :1])
        told = self._run(params, HEAD, torch.cat([known, seen.answer, much], dim=-1))
        gate = torch.cat(near, dim=-1).mean(-1, keepdim=True)
        plain = (torch.cat(added, dim=-2) * params["skip"].unsqueeze(-1)).sum(-2)
        learned, log_deviations = told.chunk(2, dim=-1)
        return seen.answer + plain + gate * learned, log_deviations.exp()

    def __call__(self, params: Params, inputs: Tensor) -> Tensor:
        """`(rows, inputs) -> (rows, outputs)`, or with a leading task axis on inputs and outputs."""
        return self._predicted(params, inputs)[0]

    def deviations(self, params: Params, inputs: Tensor) -> Tensor:
        """The standard deviation of each output, like the outputs."""
        return self._predicted(params, inputs)[1]

    def _predicted(self, params: Params, inputs: Tensor) -> tuple[Tensor, Tensor]:
        kept = Kept(*(params[name] for name in OWN))
        return self.outputs_of(params, self.seen(params, inputs), kept)

    def _look_up(
        self, null: Tensor, query: Tensor, widths: Tensor, keys: Tensor, values: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What each head finds `(…, rows, heads, value_size)`, and how much was near `(…, rows, heads)`."""
        query, widths, keys, values = (self._by_head(each) for each in (query, widths, keys, values))
        scales = torch.exp(2 * widths)
        # Half the squared distance, of every row from every moment, as one product.
        rows = torch.cat([scales * query, -0.5 * scales], dim=-1)
        moments = torch.cat([keys, keys.square()], dim=-1)
        nearness = rows @ moments.mT - 0.5 * (scales * query.square()).sum(-1, keepdim=True)
        nearness = nearness + weights.clamp(min=SMALLEST_WEIGHT).log().unsqueeze(-3)
        nothing = torch.zeros_like(nearness[..., :1]) - null.exp()[:, None, None]
        shares = torch.cat([nearness, nothing], dim=-1).softmax(-1)[..., :-1]
        return (shares @ values).transpose(-3, -2), shares.sum(-1).transpose(-2, -1)

    def _by_head(self, values: Tensor) -> Tensor:
        """`(…, rows, heads * size) -> (…, heads, rows, size)`."""
        return values.reshape(*values.shape[:-1], self.heads, -1).transpose(-3, -2)

    def _key(self, params: Params, number: int, features: Tensor) -> Tensor:
        return linear(features, params[f"key{number}.weight"], params[f"key{number}.bias"])

    def _run(self, params: Params, prefix: str, values: Tensor) -> Tensor:
        return self._parts[prefix](below(params, prefix), values)
