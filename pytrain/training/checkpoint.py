"""Checkpoints: what a training needs to go on to the very result that it would have had without a break.

The file is a magic with a version, a SHA-256, and an .npz of tensors and one JSON entry: no pickle, so
reading one runs no code. It appears whole or not at all. When one is written and read, `resuming` knows.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from adaptive_agents.formats.atomic import write_atomically
from pytrain.errors import PytrainError
from pytrain.models.networks import Params

VERSION = 2

_MAGIC = b"\x89AAckpt\n"
_HEADER_BYTES = len(_MAGIC) + 2 + hashlib.sha256().digest_size
_ABOUT = "about"  # the JSON entry; tensors go by their numbers, so that any name of a parameter will do


@dataclass(frozen=True, eq=False)
class OuterState:
    """What meta steps change: the meta-parameters and the outer optimiser's memory of them.

    Its learning rates are not part of it: they follow from the step.
    """

    step: int  # meta steps done
    meta_params: Params
    optimiser: Params  # `parameter/what it is`, for example `layer1.weight/exp_avg`

    @classmethod
    def of(cls, step: int, meta_params: Params, optimiser: torch.optim.Optimizer) -> Self:
        """A copy that further steps leave alone."""
        return cls(step, copied(meta_params), optimiser_state(optimiser, meta_params))

    def put_back(self, meta_params: Params, optimiser: torch.optim.Optimizer) -> None:
        """Make `meta_params`, in place, and `optimiser` what they were when this was taken."""
        with torch.no_grad():
            for name, value in self.meta_params.items():
                meta_params[name].copy_(value)
        restore_optimiser(optimiser, meta_params, self.optimiser)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """An interrupted training."""

    fingerprint: Mapping[str, Any]  # JSON: what must be equal for the same result, see `resuming`
    stage: str  # of the training, by its name
    earlier: Params  # what the stages before it made
    now: OuterState
    good: OuterState  # where a training that diverges steps back to
    times_diverged: int
    random_state: Tensor  # (bytes,) uint8: of the generator that draws the tasks
    best_score: float
    best_step: int
    best_params: Params
    scores: tuple[Mapping[str, float], ...]  # of each validation so far

    def save(self, path: Path) -> None:
        """Write the file; one that was there before stays whole until this one is.

        Raises OSError when the disk is full, or the folder cannot be written.
        """
        write_atomically(path, self.to_bytes())

    @classmethod
    def load(cls, path: Path, fingerprint: Mapping[str, Any]) -> Self:
        """The checkpoint at `path`, if it is of a training with this fingerprint.

        Raises PytrainError when there is none, it is damaged, or a setting or the sessions have changed.
        """
        return cls.from_bytes(read_bytes(path), path, fingerprint)

    def to_bytes(self) -> bytes:
        """The content of the file."""
        tensors = {"random_state": self.random_state}
        for part, params in self._params().items():
            tensors |= {f"{part}/{name}": value for name, value in params.items()}
        about = {
            "fingerprint": dict(self.fingerprint),
            "stage": self.stage,
            "steps": [self.now.step, self.good.step, self.best_step],
            "times_diverged": self.times_diverged,
            "best_score": self.best_score,
            "scores": [dict(each) for each in self.scores],
            "tensors": list(tensors),
        }
        arrays = {str(i): value.detach().cpu().numpy() for i, value in enumerate(tensors.values())}
        stored = io.BytesIO()
        np.savez(stored, allow_pickle=False, **{_ABOUT: np.array(json.dumps(about))}, **arrays)
        payload = stored.getvalue()
        return _MAGIC + VERSION.to_bytes(2, "little") + hashlib.sha256(payload).digest() + payload

    @classmethod
    def from_bytes(cls, data: bytes, path: Path, fingerprint: Mapping[str, Any]) -> Self:
        """What `to_bytes` gave; `path` is only for messages. Raises PytrainError like `load`."""
        _check_whole(data, path)
        with np.load(io.BytesIO(data[_HEADER_BYTES:]), allow_pickle=False) as stored:
            about = json.loads(str(stored[_ABOUT]))
            tensors = {name: torch.from_numpy(stored[str(i)]) for i, name in enumerate(about["tensors"])}
        _check_same(about["fingerprint"], fingerprint, path)
        now, good, best = about["steps"]
        return cls(
            fingerprint=about["fingerprint"],
            stage=about["stage"],
            earlier=_part(tensors, "earlier"),
            now=OuterState(now, _part(tensors, "now"), _part(tensors, "now optimiser")),
            good=OuterState(good, _part(tensors, "good"), _part(tensors, "good optimiser")),
            times_diverged=about["times_diverged"],
            random_state=tensors["random_state"],
            best_score=about["best_score"],
            best_step=best,
            best_params=_part(tensors, "best"),
            scores=tuple(about["scores"]),
        )

    def _params(self) -> dict[str, Params]:
        return {
            "now": self.now.meta_params,
            "now optimiser": self.now.optimiser,
            "good": self.good.meta_params,
            "good optimiser": self.good.optimiser,
            "best": self.best_params,
            "earlier": self.earlier,
        }


def read_bytes(path: Path) -> bytes:
    """The content of a checkpoint. Raises PytrainError when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise PytrainError(
            f"there is no checkpoint '{path}' to go on from: leave out --resume to train from the start"
        ) from error


def optimiser_state(optimiser: torch.optim.Optimizer, params: Params) -> Params:
    """A copy of the optimiser's memory of each parameter, as `parameter/what it is`."""
    names = {id(param): name for name, param in params.items()}
    return {
        f"{names[id(param)]}/{key}": torch.as_tensor(value).detach().clone()
        for param, memory in optimiser.state.items()
        for key, value in memory.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, params: Params, state: Params) -> None:
    """Give an optimiser of `params` the memory that `optimiser_state` copied."""
    ordered = [param for group in optimiser.param_groups for param in group["params"]]
    index = {id(param): i for i, param in enumerate(ordered)}
    memory: dict[int, dict[str, Tensor]] = {}
    for name, value in state.items():
        param, _, key = name.rpartition("/")
        memory.setdefault(index[id(params[param])], {})[key] = value.clone()
    optimiser.load_state_dict(optimiser.state_dict() | {"state": memory})


def copied(params: Params) -> Params:
    """The same values in memory of their own."""
    return {name: value.detach().clone() for name, value in params.items()}


def _check_whole(data: bytes, path: Path) -> None:
    if not data.startswith(_MAGIC):
        raise PytrainError(
            f"'{path}' is not a checkpoint of a training ({len(data):,} bytes that start with "
            f"{data[: len(_MAGIC)]!r}): leave out --resume to train from the start"
        )
    version = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    expected, payload = data[len(_MAGIC) + 2 : _HEADER_BYTES], data[_HEADER_BYTES:]
    found = hashlib.sha256(payload).digest()
    if version != VERSION:
        raise PytrainError(
            f"checkpoint '{path}' has version {version}, this pytrain reads version {VERSION}: go on with "
            "the pytrain that wrote it, or leave out --resume to train from the start"
        )
    if found != expected:
        raise PytrainError(
            f"checkpoint '{path}' is damaged: its SHA-256 is {found.hex()[:16]}…, but {expected.hex()[:16]}… "
            "was written; bring it back from a backup, or leave out --resume to train from the start"
        )


def _check_same(of_checkpoint: Mapping[str, Any], of_this: Mapping[str, Any], path: Path) -> None:
    for name in {**of_this, **of_checkpoint}:
        was, is_now = of_checkpoint.get(name), of_this.get(name)
        if was != is_now:
            asked = f"repeat with {name} {was}" if name.startswith("--") else "train on the same sessions"
            raise PytrainError(
                f"checkpoint '{path}' is of another training: {name} was {was}, now it is {is_now}: "
                f"{asked} to go on from it, or leave out --resume to train from the start"
            )


def _part(tensors: Params, part: str) -> Params:
    """The tensors named `part/name`, by their names."""
    start = f"{part}/"
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
