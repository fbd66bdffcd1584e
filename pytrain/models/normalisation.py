"""Normalisation: what is observed and predicted, at mean 0 and deviation 1; part of every exported graph.

A sparse window shows its past as differences from now, each in units of its own spread: half a second ago a
player was a few steps away, which in units of the whole arena is next to nothing. On the demo's
meta-validation players the pooled model then predicts with an error of 49.8 px instead of 51.0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytrain.data.dataset import Players

EXAMPLES = 20_000  # from which the spread of differences is taken
SMALLEST_PART = (
    0.05  # of a number's own spread: what hardly ever changes would count for too much when it does
)


@dataclass(frozen=True)
class Normalisation:
    """Constants taken from the meta-train players."""

    observation_mean: Tensor  # (input_size,)
    observation_scale: Tensor  # (input_size,)
    target_mean: Tensor  # (target_columns,); 0 and 1 for a category
    target_scale: Tensor
    slot_size: int = 0
    """Numbers in a slot of a sparse window, whose past is seen as differences; 0: inputs are as they are."""

    @classmethod
    def of(cls, players: Players) -> Normalisation:
        """Mean and standard deviation, for windows like the players'; constants and marks keep their size."""
        window = players.window
        mean, scale = players.mean_and_scale("observations")
        slot_size = 0
        if window.is_sparse:
            slot_size = window.slot_size(players.spec.observation_size)
            past, spread = _differences(players, slot_size, SMALLEST_PART * scale)
            mean = torch.cat([past, mean, torch.zeros(1)])
            scale = torch.cat([spread, scale, torch.ones(1)])
        else:
            mean, scale = mean.repeat(window.size), scale.repeat(window.size)
        targets = torch.zeros(1), torch.ones(1)
        if players.spec.target.kind == "vector":
            targets = players.mean_and_scale("targets")
        return cls(mean, scale, *targets, slot_size)

    def tensors(self) -> dict[str, Tensor]:
        """All that is no plain number, by its name."""
        return {name: value for name, value in vars(self).items() if name != "slot_size"}

    def to(self, place: torch.device | torch.dtype) -> Normalisation:
        """The same on a device, or of a precision."""
        tensors = {name: value.to(place) for name, value in self.tensors().items()}
        return Normalisation(**tensors, slot_size=self.slot_size)

    def normalised(self, observations: Tensor) -> Tensor:
        """Observations `(…, input_size)` as a network takes them."""
        return (observations - self._now(observations) - self.observation_mean) / self.observation_scale

    def recorded(self, normalised: Tensor) -> Tensor:
        """The observations that `normalised` makes these of."""
        observations = normalised * self.observation_scale + self.observation_mean
        return observations + self._now(observations)

    def _now(self, observations: Tensor) -> Tensor | float:
        """What the past is seen relative to: the newest slot before each earlier one, zeros for itself."""
        if not self.slot_size:
            return 0.0
        newest = observations[..., -self.slot_size : -1]
        nothing = torch.zeros_like(newest[..., :1])
        earlier = len(self.observation_mean) // self.slot_size - 1
        before = torch.cat([newest, nothing] * earlier, dim=-1)
        return torch.cat([before, torch.zeros_like(newest), nothing], dim=-1)


def _differences(players: Players, slot_size: int, smallest: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and spread of the past relative to now `((size - 1) * slot_size,)`; marks keep their size."""
    every = max(1, players.examples // EXAMPLES)
    examples = torch.cat(
        [
            torch.arange(int(first), int(end), every)
            for first, end in zip(players.first, players.end, strict=True)
        ]
    )
    slots = players.history.observed(examples, players.window).view(len(examples), -1, slot_size)
    away = (slots[:, :-1, :-1] - slots[:, -1:, :-1]).double()
    mean, spread = away.mean(0).float(), away.std(0, correction=0).float()
    spread = torch.where(spread < smallest, torch.where(smallest > 0, smallest, 1.0), spread)
    marks = torch.zeros(len(mean), 1)
    return torch.cat([mean, marks], dim=1).flatten(), torch.cat([spread, marks + 1], dim=1).flatten()
