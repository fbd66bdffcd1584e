"""A look-up in the player's own examples (attentive neural processes, Kim, Mnih, Schwarz et al. 2019), beside
a Bayesian regression on the same features: what the `memory` learner trains, and what a player has of it.

A moment is kept as a key (where it is found) and a value (what it tells: above all what the pooled network
got wrong there). To predict, every head compares the moment at hand with all that are kept, by distance, and
takes the mean of their values; a null moment of value 0 competes with them, so that where nothing kept is
near, nothing is added. How much each direction counts for a distance depends on what is seen, and on what the
regression of the same moments says. A player's own are the keys, the values, which of them are there, and the
regression's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from adaptive_agents.model.posterior import MEAN
from pytrain.models import regression
from pytrain.models.networks import MLP, Params, linear
from pytrain.models.on_pooled import OnPooled, Seen, below
from pytrain.models.regression import with_constant

KEYS, VALUES, WEIGHTS = "memory.keys", "memory.values", "memory.weights"
VALUE, QUERY, HEAD, REGRESSED, KEY = "value.", "query.", "head.", "regressed.", "key."
SMALLEST_WEIGHT = 1e-30
FIRST_PRECISION = 15.0
FEW = 10.0  # moments after which half of what the head says counts
MANY = 6.0  # about the logarithm of the number of moments that fit


@dataclass(frozen=True)
class Memory(OnPooled):
    """The look-up and the regression on top of the encoder's features."""

    every: int = 2
    size: int = 256
    """Moments that are kept."""
    heads: int = 2
    key_size: int = 16
    extra_size: int = 10
    """Numbers of a value beside what the pooled network got wrong."""
    regressed_size: int = 47
    """Features of the regression, without the constant one."""
    hidden_size: int = 48

    gently: ClassVar[tuple[str, ...]] = (
        KEY + "layer1.weight",
        QUERY + "layer2.weight",
        regression.PRIOR_ROOT,
    )
    own: ClassVar[tuple[str, ...]] = (KEYS, VALUES, WEIGHTS, *regression.OWN)

    @property
    def value_size(self) -> int:
        """Numbers of a value."""
        return self.outputs + self.extra_size

    @property
    def _parts(self) -> dict[str, MLP]:
        """The small networks between features, memory and outputs, by the prefix of their parameters."""
        features, hidden, keys = self.encoder.outputs, (self.hidden_size,), self.heads * self.key_size
        known = features + self.outputs + 1
        found = self.heads * (self.value_size + 1)
        return {
            REGRESSED: MLP(features, (), self.regressed_size),
            KEY: MLP(features, (), keys),
            VALUE: MLP(features + 2 * self.outputs, hidden, self.heads * self.value_size, "relu"),
            QUERY: MLP(known, hidden, keys, "relu"),
            HEAD: MLP(known + found + self.outputs + 1, hidden * 2, 2 * self.outputs, "relu"),
        }

    def init_params(self, random: torch.Generator) -> Params:
        """Fresh parameters; what is a player's own follows from them."""
        params = self.init_encoder(random) | regression.init_prior(self.regressed_size + 1, FIRST_PRECISION)
        for prefix, part in self._parts.items():
            params |= {prefix + name: value for name, value in part.init_params(random).items()}
        # At first, distances are those of the keys as they are, and the head adds nothing.
        params[QUERY + "layer2.weight"] = 0.1 * params[QUERY + "layer2.weight"]
        params[HEAD + "layer3.weight"] = torch.zeros_like(params[HEAD + "layer3.weight"])
        params[HEAD + "layer3.bias"] = torch.cat([torch.zeros(self.outputs), -torch.ones(self.outputs)])
        params["null"] = torch.zeros(self.heads)
        params["spread"] = torch.zeros(())
        params["found_counts"] = torch.full((self.heads,), 0.5 / self.heads)
        params["regressed_counts"] = torch.full((self.outputs,), 0.7)
        return params

    def start(self, params: Params) -> Params:
        """A memory of nothing, and the prior."""
        like = params["null"]
        shapes = {
            KEYS: (self.size, self.heads * self.key_size),
            VALUES: (self.size, self.heads * self.value_size),
            WEIGHTS: (self.size,),
        }
        nothing = {name: torch.zeros(shape, dtype=like.dtype) for name, shape in shapes.items()}
        return nothing | regression.nothing_known(params, self.outputs)

    def seen(self, params: Params, inputs: Tensor) -> Seen:
        """Features and the pooled network's answer."""
        features, answer = self.encoded(params, inputs)
        return Seen(torch.relu(features), answer)

    def told(self, params: Params, seen: Seen, targets: Tensor) -> tuple[Tensor, ...]:
        """Keys and values; for the regression features and what the pooled network leaves of `targets`."""
        wrong = self.residual(targets, seen.answer)
        values = self._run(params, VALUE, torch.cat([seen.features, targets, wrong], dim=-1))
        of_heads = values.reshape(*values.shape[:-1], self.heads, self.value_size)
        plain = wrong.unsqueeze(-2) + torch.zeros_like(of_heads[..., : self.outputs])
        values = torch.cat([plain, of_heads[..., self.outputs :]], dim=-1).reshape(values.shape)
        return self._run(params, KEY, seen.features), values, self._regressed(params, seen), wrong

    def absorbed(self, params: Params, told: tuple[Tensor, ...], weights: Tensor) -> Params:
        """Moments are put behind those that are kept, the oldest of which make room; and regressed on."""
        keys, values, regressed, wrong = told
        new = {KEYS: keys, VALUES: values, WEIGHTS: weights}
        kept = {name: torch.cat([params[name], value], dim=1)[:, -self.size :] for name, value in new.items()}
        return kept | regression.absorbed(params, regressed, wrong, weights)

    def predicted(self, params: Params, seen: Seen) -> tuple[Tensor, Tensor]:
        """Outputs and their deviations, both `(…, rows, outputs)`."""
        regressed = self._regressed(params, seen)
        expected = regressed @ params[MEAN]
        spread = torch.log1p(params["spread"].exp() * regression.spread(params, regressed))
        known = torch.cat([seen.features, expected, spread], dim=-1)
        found, near = self._look_up(
            params, self._run(params, KEY, seen.features), self._run(params, QUERY, known)
        )
        count = self.every * params[WEIGHTS].clamp(min=0).sum(-1)[..., None, None]
        much = torch.log1p(count) / MANY + torch.zeros_like(spread)
        told = torch.cat([known, found.flatten(-2), near, seen.answer, much], dim=-1)
        learned, log_deviations = self._run(params, HEAD, told).chunk(2, dim=-1)
        plain = (found[..., : self.outputs] * params["found_counts"].unsqueeze(-1)).sum(-2)
        added = plain + params["regressed_counts"] * expected + count / (count + FEW) * learned
        return seen.answer + added, log_deviations.exp()

    def _look_up(self, params: Params, query: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """What each head finds `(…, rows, heads, value_size)`, and how much was near `(…, rows, heads)`."""
        query, widths, keys, values = (
            self._by_head(each) for each in (query, widths, params[KEYS], params[VALUES])
        )
        scales = torch.exp(4 * torch.tanh(0.5 * widths))
        # Half the squared distance, of every row from every moment, as one product.
        rows = torch.cat([scales * query, -0.5 * scales], dim=-1)
        moments = torch.cat([keys, keys.square()], dim=-1)
        nearness = rows @ moments.mT - 0.5 * (scales * query.square()).sum(-1, keepdim=True)
        weights = params[WEIGHTS].clamp(min=SMALLEST_WEIGHT).log()
        nearness = nearness + weights[..., None, None, :]
        null = -torch.exp(3 * torch.tanh(params["null"] / 3))
        nothing = torch.zeros_like(nearness[..., :1]) + null[:, None, None]
        shares = torch.cat([nearness, nothing], dim=-1).softmax(-1)[..., :-1]
        return (shares @ values).transpose(-3, -2), shares.sum(-1).transpose(-2, -1)

    def _by_head(self, values: Tensor) -> Tensor:
        """`(…, rows, heads * size) -> (…, heads, rows, size)`."""
        return values.reshape(*values.shape[:-1], self.heads, -1).transpose(-3, -2)

    def _regressed(self, params: Params, seen: Seen) -> Tensor:
        return with_constant(torch.tanh(self._run(params, REGRESSED, seen.features)))

    def _run(self, params: Params, prefix: str, values: Tensor) -> Tensor:
        part, given = self._parts[prefix], below(params, prefix)
        if part.hidden_sizes:
            return part(given, values)
        return linear(values, given["layer1.weight"], given["layer1.bias"])
