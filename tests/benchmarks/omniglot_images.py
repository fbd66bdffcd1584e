"""Omniglot (Lake et al. 2015) as few-shot tasks: handwritten characters, a few drawers each.

The background characters are for meta-training and meta-validation, the evaluation characters for nothing but
the final test. Images are averaged down to 28 x 28 with ink as 1, and meta-training also takes each character
turned by 90, 180 and 270 degrees as one of its own (as Santoro et al. 2016 and MAML do), and their mirror
images. Beyond that it sees every drawing a little turned, stretched and shifted: a network without
convolutions has no other way to learn that a stroke may move.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pytrain.data.tasks import Batch, Tasks
from tests.benchmarks.report import CannotRun

SIDE = 28
PIXELS = SIDE * SIDE
TURN, STRETCH, SHEAR, SHIFT = 0.2, 0.12, 0.15, 0.12
"""The most that a drawing is changed: radians, parts of its size (logarithms), parts of half its width."""
AT_ONCE = 64  # characters


def images_of(path: Path) -> Tensor:
    """The drawings of a file `(characters, drawers, 56, 56)`, from 0 to 1: twice as fine as in the end."""
    if not path.exists():
        raise CannotRun(f"there is no file {path}: Omniglot's images as .npz with the keys images and labels")
    with np.load(path, allow_pickle=False) as stored:
        drawings = torch.from_numpy(stored["images"])
    squeeze = _averages(drawings.shape[-1], 2 * SIDE)
    return torch.cat([squeeze @ (~part).float() @ squeeze.mT for part in torch.split(drawings, AT_ONCE)])


def as_they_are(images: Tensor) -> Tensor:
    """Each drawing once `(characters, drawers, 1, 28, 28)`, bytes."""
    return torch.stack([_final(part) for part in images]).unsqueeze(2)


def varied(images: Tensor, count: int, random: torch.Generator) -> Tensor:
    """Each drawing changed a little in `count` ways `(characters, drawers, count, 28, 28)`, bytes."""
    changed = []
    for drawings in images:
        each = drawings.repeat_interleave(count, 0).unsqueeze(1)
        frames = _frames(len(each), random)
        moved = functional.grid_sample(each, frames, align_corners=False).squeeze(1)
        changed.append(_final(moved).view(len(drawings), count, SIDE, SIDE))
    return torch.stack(changed)


class Episodes:
    """Draws tasks of `way` characters; one seed gives one sequence of them.

    images: `(characters, drawers, variants, 28, 28)`, bytes; every variant of a drawing may stand for it.
    turned: whether a character turned or mirrored is another one.
    """

    def __init__(self, images: Tensor, way: int, seed: int, *, turned: bool, device: torch.device) -> None:
        self.way = way
        self._characters, self._drawers, self._variants = images.shape[:3]
        self._pixels = images.flatten()
        places = torch.arange(PIXELS).view(SIDE, SIDE)
        turns = [each.rot90(quarters).flatten() for each in (places, places.mT) for quarters in range(4)]
        self._turns = torch.stack(turns if turned else turns[:1])
        self._random = torch.Generator().manual_seed(seed)
        self._device = device

    def draw(self, tasks: int, counts: Sequence[int]) -> tuple[Batch, ...]:
        """For each count so many drawings of each character of the same tasks, all by different drawers."""
        random, total, turns = self._random, sum(counts), len(self._turns)
        classes = torch.rand(tasks, self._characters * turns, generator=random).topk(self.way).indices
        who = torch.rand(tasks, self.way, self._drawers, generator=random).argsort(-1)[..., :total]
        variant = torch.randint(self._variants, who.shape, generator=random)
        drawing = (classes // turns).unsqueeze(-1) * self._drawers + who
        first = (drawing * self._variants + variant) * PIXELS
        places = first.unsqueeze(-1) + self._turns[classes % turns].unsqueeze(-2)
        pixels = self._pixels.take(places).to(self._device).float() / 255
        return tuple(self._batch(part) for part in torch.split(pixels, list(counts), dim=2))

    def tasks(self, tasks: int, shots: int, query_shots: int, num_inner_steps: int) -> Tasks:
        """A meta-batch for MAML and its kin: every inner step on the whole support set."""
        support, query = self.draw(tasks, (shots, query_shots))
        return Tasks((support,) * num_inner_steps, query)

    def minibatches(self, tasks: int, shots: int, size: int, count: int) -> Tasks:
        """A meta-batch for Reptile: every inner step on other ones of `shots` drawings per character."""
        (batch,) = self.draw(tasks, (shots,))
        order = torch.rand(batch.weights.shape, generator=self._random).argsort(-1)[:, : size * count]
        rows, task = order.to(self._device), torch.arange(tasks, device=self._device).unsqueeze(-1)
        columns = [value[task, rows].split(size, dim=1) for value in vars(batch).values()]
        supports = tuple(Batch(*parts) for parts in zip(*columns, strict=True))
        return Tasks(supports, supports[-1])

    def _batch(self, pixels: Tensor) -> Batch:
        tasks, way, count = pixels.shape[:3]
        targets = torch.eye(way, device=self._device).repeat_interleave(count, 0)
        return Batch(
            pixels.flatten(1, 2),
            targets.expand(tasks, -1, -1).contiguous(),
            torch.ones(tasks, way * count, device=self._device),
        )


def _averages(size: int, smaller: int) -> Tensor:
    """A matrix `(smaller, size)` that averages neighbours, each by the part of it that is covered."""
    edges = torch.arange(smaller + 1) * size / smaller
    places = torch.arange(size)
    first, last = edges[:-1, None], edges[1:, None]
    covered = torch.minimum(last, places + 1) - torch.maximum(first, places)
    return covered.clamp(min=0) * smaller / size


def _final(fine: Tensor) -> Tensor:
    """Bytes `(count, 28, 28)` of drawings twice as fine."""
    return (functional.avg_pool2d(fine, 2) * 255).round().byte()


def _frames(count: int, random: torch.Generator) -> Tensor:
    """Where each pixel of a changed drawing is taken from `(count, 56, 56, 2)`."""

    def within(most: float) -> Tensor:
        return (2 * torch.rand(count, generator=random) - 1) * most

    angle, shear = within(TURN), within(SHEAR)
    wide, high = within(STRETCH).exp(), within(STRETCH).exp()
    cos, sin = angle.cos(), angle.sin()
    rows = (
        torch.stack([cos * wide, (shear - sin) * high, within(SHIFT)], -1),
        torch.stack([sin * wide, cos * high, within(SHIFT)], -1),
    )
    return functional.affine_grid(torch.stack(rows, 1), [count, 1, 2 * SIDE, 2 * SIDE], align_corners=False)
