"""`.profile` files: what the game remembers of one player.

For each brain that met the player a profile keeps what lasts of the player's weights (consolidation.py), how
far they are trusted, and the newest examples, so that a retrained brain re-adapts to a known player at once.
The file is a magic, a
SHA-256 and msgpack, written to a temporary file, synced and renamed.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgpack
import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import DamagedProfileError, ObservationError, ProfileError, SpecError
from adaptive_agents.formats.atomic import write_atomically
from adaptive_agents.model.brain import Brain, Params
from adaptive_agents.model.guard import Guard
from adaptive_agents.model.memory import BrainMemory
from adaptive_agents.model.support import SupportSet
from adaptive_agents.model.window import Window
from adaptive_agents.spec import Spec

FORMAT = "adaptive_agents.profile"
VERSION = 1

_MAGIC = b"\x89AAprof\n"
_HASH_BYTES = 32


@dataclass(frozen=True)
class StoredMemory:
    """One brain's part of a profile as it was read, until its brain is loaded."""

    brain_sha256: str
    spec: Spec
    params: Params
    support: SupportSet
    window: Window
    """What its examples hold of the agents' past."""
    guard: tuple[float, ...] | None = None
    """The weights of the guard's experts; None: nothing was earned as yet."""
    unabsorbed: int = 0
    """How many of the newest examples are not in `params`, where those hold all there ever were."""

    def restore(self, brain: Brain) -> BrainMemory:
        memory = BrainMemory(brain)
        if self.support.weights.size:
            memory.support.append(*(column[0] for column in self.support.columns()))
        if self.brain_sha256 == brain.sha256:
            memory.weights.restore(self.params, memory.support, self.unabsorbed)
            if self.guard is not None:
                memory.guard.restore(self.guard)
        return memory


class Profile:
    """One player's memories, by brain."""

    def __init__(self, player_id: str = "") -> None:
        self.player_id = player_id
        self._memories: dict[str, BrainMemory] = {}
        self._stored: dict[str, StoredMemory] = {}

    @property
    def memories(self) -> tuple[BrainMemory, ...]:
        """The memories of all brains that were used with this profile since it was loaded."""
        return tuple(self._memories.values())

    @property
    def stored(self) -> Mapping[str, StoredMemory]:
        """What was read from the file, by the source of its brain, until that brain is loaded."""
        return self._stored

    @property
    def examples(self) -> int:
        """How many examples are kept, over all brains."""
        stored = sum(entry.support.weights.size for entry in self._stored.values())
        return stored + sum(len(memory.support) for memory in self._memories.values())

    def memory_for(self, brain: Brain) -> BrainMemory:
        """The memory for a brain, restored from the file or new; the same object each time.

        A brain that was retrained since (another hash at the same place, the spec fits) gets the old
        examples and starts from its own weights: adapt it at once.

        Raises:
            ProfileError: the profile knows this brain with another spec or window. Move the file aside
                (`set_aside`), call `forget`, and go on with a fresh memory.
        """
        memory = self._memories.get(brain.source)
        if memory is not None and memory.brain.sha256 == brain.sha256:
            return memory
        if memory is not None:  # the brain was replaced while the game runs
            self._stored[brain.source] = _snapshot(self._memories.pop(brain.source))
        stored = self._stored.get(brain.source) or self._stored_by_hash(brain.sha256)
        if stored is None:
            memory = BrainMemory(brain)
        else:
            try:
                brain.spec.check_fits(stored.spec, brain.label, f"the profile of player '{self.player_id}'")
            except SpecError as error:
                raise ProfileError(f"{error}; the player starts afresh") from error
            if stored.window != brain.window and stored.support.weights.size:
                raise ProfileError(
                    f"{brain.label} predicts from {brain.window}, the examples in the profile of player "
                    f"'{self.player_id}' hold {stored.window}: the player starts afresh"
                )
            memory = stored.restore(brain)
        self._stored = {source: entry for source, entry in self._stored.items() if entry is not stored}
        self._memories[brain.source] = memory
        return memory

    def forget(self, brain: Brain) -> None:
        """Drops what is known for this brain; other brains' memories stay."""
        self._memories.pop(brain.source, None)
        self._stored.pop(brain.source, None)

    def reset(self) -> None:
        """Forgets the player: every brain starts from its own weights again."""
        self._stored.clear()
        for memory in self._memories.values():
            memory.reset()

    def end_episode(self, meta_step_size: float) -> None:
        """Moves every brain's slow weights towards its fast ones, as at the end of a round."""
        for memory in self._memories.values():
            memory.end_episode(meta_step_size)

    def to_bytes(self) -> bytes:
        """The content of a `.profile` file; what it knew of brains that were not loaded since stays in it."""
        entries = {**self._stored, **{source: _snapshot(memory) for source, memory in self._memories.items()}}
        payload: bytes = msgpack.packb(
            {
                "format": FORMAT,
                "version": VERSION,
                "player_id": self.player_id,
                "brains": [_to_dict(source, entry) for source, entry in entries.items()],
            }
        )
        return _MAGIC + hashlib.sha256(payload).digest() + payload

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Self:
        """Reads the bytes of a file; `source` is its path, for messages.

        Raises:
            ProfileError: it is no profile.
            DamagedProfileError: it is one, but damaged or of another version.
        """
        name = f"profile '{source}'"
        if data[: len(_MAGIC)] != _MAGIC:
            raise ProfileError(f"{name} is no profile: its first bytes are not those of a .profile file")
        checksum, payload = data[len(_MAGIC) :][:_HASH_BYTES], data[len(_MAGIC) + _HASH_BYTES :]
        if hashlib.sha256(payload).digest() != checksum:
            raise DamagedProfileError(f"{name} is damaged (its checksum differs): the player starts afresh")
        try:
            stored = msgpack.unpackb(payload)
        except (ValueError, msgpack.UnpackException) as error:
            raise DamagedProfileError(f"{name} is damaged ({error}): the player starts afresh") from error
        found = (stored.get("format"), stored.get("version")) if isinstance(stored, dict) else (None, None)
        if found != (FORMAT, VERSION):
            raise DamagedProfileError(
                f"{name} has format {found[0]!r} version {found[1]!r}, "
                f"this addon reads {FORMAT!r} version {VERSION}: the player starts afresh"
            )
        profile = cls()
        try:
            profile.player_id = str(stored["player_id"])
            profile._stored = {str(entry["source"]): _from_dict(entry, name) for entry in stored["brains"]}
        except (
            KeyError, TypeError, ValueError, AttributeError, OverflowError, SpecError, ObservationError
        ) as error:  # fmt: skip
            raise DamagedProfileError(f"{name} cannot be used ({error}): the player starts afresh") from error
        return profile

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the profile; the old file stays whole until the new one is on the disk.

        Raises:
            ProfileError: the folder cannot be written, or the disk is full; the old file is as it was.
        """
        try:
            write_atomically(path, self.to_bytes())
        except OSError as error:
            raise ProfileError(
                f"profile '{os.fspath(path)}' cannot be written ({error.strerror}), an older one is kept: "
                "choose a folder that exists and has room"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a profile file.

        Raises:
            ProfileError: it cannot be opened (which may pass), or is no profile.
            DamagedProfileError: it is one, but damaged or of another version.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise ProfileError(
                f"profile '{os.fspath(path)}' cannot be opened ({error.strerror}): check the path"
            ) from error
        return cls.from_bytes(data, os.fspath(path))

    def _stored_by_hash(self, sha256: str) -> StoredMemory | None:
        # The brain file was moved or renamed: its hash still says which it is.
        return next((entry for entry in self._stored.values() if entry.brain_sha256 == sha256), None)


def is_profile(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one of ours, by its first bytes: a folder or somebody else's file is not.

    Raises:
        ProfileError: it cannot be opened.
    """
    file = Path(path)
    if not file.is_file():
        return False
    try:
        with file.open("rb") as opened:
            return opened.read(len(_MAGIC)) == _MAGIC
    except OSError as error:
        raise ProfileError(
            f"profile '{file}' cannot be opened ({error.strerror}) and is not replaced: check its permissions"
        ) from error


def set_aside(path: str | os.PathLike[str]) -> Path:
    """Renames a profile that cannot be used, so that the next save does not overwrite it.

    Returns:
        The new path: `ann.profile` becomes `ann.profile.old`, `ann.profile.old2`, ...

    Raises:
        ProfileError: it cannot be renamed.
    """
    old = Path(path)
    number = 1
    while (aside := old.with_name(f"{old.name}.old{number if number > 1 else ''}")).exists():
        number += 1
    try:
        old.rename(aside)
    except OSError as error:
        raise ProfileError(
            f"profile '{old}' cannot be moved aside ({error.strerror}): check its folder"
        ) from error
    return aside


def _snapshot(memory: BrainMemory) -> StoredMemory:
    brain = memory.brain
    return StoredMemory(
        brain.sha256,
        brain.spec,
        memory.weights.kept,
        memory.support.in_order(),
        brain.window,
        tuple(memory.guard.weights.tolist()),
        memory.weights.unabsorbed(memory.support),
    )


def _to_dict(source: str, entry: StoredMemory) -> dict[str, Any]:
    return {
        "source": source,
        "brain_sha256": entry.brain_sha256,
        "spec": entry.spec.to_dict(),
        "window_stride_ticks": entry.window.stride_ticks,
        "slow_params": {name: _pack(array) for name, array in entry.params.items()},
        "observations": _pack(entry.support.observations[0]),
        "targets": _pack(entry.support.targets[0]),
        "weights": _pack(entry.support.weights[0]),
        # Not in the files of before there was a guard.
        "unabsorbed": entry.unabsorbed,
        **({} if entry.guard is None else {"guard": list(entry.guard)}),
    }


def _from_dict(stored: Mapping[str, Any], name: str) -> StoredMemory:
    spec = Spec.from_dict(stored["spec"], name)
    support = SupportSet(*(_unpack(stored[key])[None] for key in ("observations", "targets", "weights")))
    widths = (support.observations.shape[2], support.targets.shape[2])
    stride_ticks = int(stored.get("window_stride_ticks", 0))  # profiles of before sparse windows have none
    slot_size = Window(2, stride_ticks).slot_size(spec.observation_size)
    if widths[0] == 0 or widths[0] % slot_size or widths[1] != spec.target_columns:
        raise ValueError(
            f"its examples have {widths[0]} and {widths[1]} columns, its spec needs {slot_size} "
            f"(or a multiple of it, in a window) and {spec.target_columns}"
        )
    guard = stored.get("guard")
    if guard is not None:
        Guard(spec.tick_rate_hz).restore(guard)
    unabsorbed = int(stored.get("unabsorbed", 0))
    if not 0 <= unabsorbed <= support.weights.size:
        raise ValueError(f"{unabsorbed} of its {support.weights.size} examples are said to be new")
    return StoredMemory(
        guard=None if guard is None else tuple(float(weight) for weight in guard),
        unabsorbed=unabsorbed,
        brain_sha256=str(stored["brain_sha256"]),
        spec=spec,
        params={str(key): _unpack(array) for key, array in stored["slow_params"].items()},
        support=support,
        window=Window(widths[0] // slot_size, stride_ticks),
    )


def _pack(array: NDArray[np.float32]) -> dict[str, Any]:
    return {"shape": list(array.shape), "data": array.astype("<f4").tobytes()}


def _unpack(stored: Mapping[str, Any]) -> NDArray[np.float32]:
    shape = tuple(int(size) for size in stored["shape"])
    values = np.frombuffer(stored["data"], "<f4").astype(np.float32)
    if values.size != math.prod(shape):
        raise ValueError(f"an array of shape {shape} has {values.size} values")
    if not np.isfinite(values).all():
        raise ValueError("an array holds values that are not finite")
    return values.reshape(shape)
