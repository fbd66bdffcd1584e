"""`.session` files: what was recorded in play, and what training reads.

The file is only ever appended to:

    magic, 8 bytes
    frame: header   {format, version, spec, player_id, seed, game_build, started_at}
    frame: chunk    {rows, ticks, agents, episodes, observations, targets, weights}: little-endian columns
    frame: chunk    ...

Frames (length, CRC-32, payload) are those of `framing`, payloads are msgpack. A file that was cut anywhere
reads up to its last whole chunk.
"""

from __future__ import annotations

import contextlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgpack
import numpy as np
from numpy.typing import ArrayLike

from adaptive_agents.errors import ObservationError, SessionError, SpecError
from adaptive_agents.examples import COLUMNS, Examples, column_shape
from adaptive_agents.formats.framing import pack_frame, read_frame
from adaptive_agents.spec import Spec

__all__ = [
    "Examples",
    "Session",
    "SessionHeader",
    "SessionReader",
    "SessionWriter",
    "iter_chunks",
    "read_header",
    "read_session",
]

FORMAT = "adaptive_agents.session"
VERSION = 1

_MAGIC = b"\x89AAses\r\n"


@dataclass(frozen=True)
class SessionHeader:
    """Who played what, and when. The tick rate is in the spec."""

    spec: Spec
    player_id: str
    seed: int = 0
    game_build: str = ""
    started_at: str = ""
    """UTC, ISO 8601."""


@dataclass(frozen=True)
class Session:
    """One whole recording in memory."""

    header: SessionHeader
    examples: Examples
    truncated: bool
    """Whether the file ends in a cut or damaged chunk; `examples` holds everything before it."""


class _Closing(ABC):
    """What is closed at the end of its `with` block."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Closes it."""


class SessionWriter(_Closing):
    """Appends examples to a new `.session` file, a chunk at a time.

    A disk that fills up loses nothing: the file is cut back to its last whole chunk, the rows stay in memory,
    and the next `flush` tries them again. Not for use from several threads at once.
    """

    def __init__(self, path: str | os.PathLike[str], header: SessionHeader, chunk_rows: int = 256) -> None:
        """Creates the file and writes its header.

        Raises:
            SessionError: the file exists already, or its folder cannot be written.
        """
        self.path = Path(path)
        self.header = header
        self._chunk_rows = chunk_rows
        self._rows = Examples.zeros(header.spec, chunk_rows)
        self._pending = 0
        self._flush_at = chunk_rows
        self._whole_bytes = 0
        try:
            # Unbuffered: what write() took is the operating system's, and outlives a crash of the game.
            self._file = self.path.open("xb", buffering=0)
        except FileExistsError:
            raise SessionError(f"session '{self.path}' exists already: record to a new file name") from None
        except OSError as error:
            raise SessionError(
                f"session '{self.path}' cannot be created ({error.strerror}): "
                "choose a folder that exists and can be written"
            ) from error
        try:
            self._append(_MAGIC + _frame(_header_to_dict(header)))
        except OSError as error:
            self._file.close()
            self.path.unlink(missing_ok=True)
            raise self._write_failed(error) from error

    @property
    def bytes_written(self) -> int:
        """Size of the valid file on disk, in bytes."""
        return self._whole_bytes

    @property
    def pending_rows(self) -> int:
        """Rows that are only in memory so far."""
        return self._pending

    def add(
        self,
        tick: int,
        agent: int,
        episode: int,
        observation: ArrayLike,
        target: ArrayLike,
        weight: float = 1.0,
    ) -> None:
        """Adds one example: observation `(obs_dim,)`, target `(target_columns,)`.

        Raises:
            ObservationError: a size is wrong or a value is not finite; the row is not taken.
            SessionError: the chunk was full and could not be written; this row and all before it are kept and
                tried again a chunk later, or at the next `flush`.
        """
        spec = self.header.spec
        observed = np.asarray(observation, np.float32)
        labelled = np.asarray(target, np.float32).reshape(-1)
        spec.check_observation(observed, f"session '{self.path.name}'", f"agent {agent}")
        spec.check_target(labelled, f"agent {agent}")
        if not 0 <= weight < float("inf"):
            raise ObservationError(f"agent {agent} gave the weight {weight}: it must be finite and 0 or more")
        self._make_room(1)
        rows, row = self._rows, self._pending
        rows.ticks[row] = tick
        rows.agents[row] = agent
        rows.episodes[row] = episode
        rows.observations[row] = observed
        rows.targets[row] = labelled
        rows.weights[row] = weight
        self._taken(1)

    def extend(self, examples: Examples) -> None:
        """Adds many rows at once: what became known in one tick.

        Raises:
            ObservationError: a column has another width than the spec's, or a class does not exist; no row is
                taken.
            SessionError: as `add`.
        """
        spec = self.header.spec
        for name in COLUMNS:
            needed = column_shape(name, len(examples), spec)
            if getattr(examples, name).shape != needed:
                raise ObservationError(
                    f"session '{self.path.name}' needs {name} of shape {needed}, "
                    f"they have {getattr(examples, name).shape}: record with the spec it was created with"
                )
        spec.check_classes(examples.targets, f"session '{self.path.name}'")
        self._make_room(len(examples))
        for name in COLUMNS:
            getattr(self._rows, name)[self._pending : self._pending + len(examples)] = getattr(examples, name)
        self._taken(len(examples))

    def flush(self) -> None:
        """Writes all pending rows to the file.

        Raises:
            SessionError: the disk is full or gone; the rows are kept and tried again at the next `flush`.
        """
        written = 0
        try:
            while written < self._pending:
                chunk = self._rows.select(slice(written, min(self._pending, written + self._chunk_rows)))
                self._append(_frame(chunk.to_dict()))
                written += len(chunk)
        except OSError as error:
            self._forget(written)
            raise self._write_failed(error) from error
        self._forget(written)

    def close(self) -> None:
        """Writes what is pending, waits until it is on the disk, and closes the file.

        Raises:
            SessionError: the disk is full or gone; the file stays open and `close` may be called again.
        """
        if self._file.closed:
            return
        self.flush()
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._write_failed(error) from error
        self._file.close()

    def _make_room(self, rows: int) -> None:
        while self._pending + rows > len(self._rows):
            self._rows = Examples.concatenate([self._rows, Examples.zeros(self.header.spec, len(self._rows))])

    def _taken(self, rows: int) -> None:
        self._pending += rows
        if self._pending >= self._flush_at:
            self.flush()

    def _forget(self, written: int) -> None:
        """Drops the first rows, which are on disk, and says when the next chunk is due."""
        left = self._pending - written
        for name in COLUMNS:
            column = getattr(self._rows, name)
            column[:left] = column[written : self._pending].copy()
        self._pending = left
        self._flush_at = left + self._chunk_rows

    def _append(self, data: bytes) -> None:
        self._file.seek(self._whole_bytes)
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            with contextlib.suppress(OSError):  # else the partial frame stays until it is written over
                self._file.truncate(self._whole_bytes)
            raise
        self._whole_bytes += len(data)

    def _write_failed(self, error: OSError) -> SessionError:
        return SessionError(
            f"session '{self.path}' cannot be written ({error.strerror}): "
            f"{self._whole_bytes} bytes are safe on disk, {self._pending} examples are kept in memory: "
            "free some space; the next flush tries again"
        )


class SessionReader(_Closing):
    """Reads a `.session` chunk by chunk, so that a file larger than memory can be streamed."""

    def __init__(self, source: str | os.PathLike[str] | bytes) -> None:
        """Opens a path, or the bytes of a file, and reads the header.

        Raises:
            SessionError: it cannot be opened, is no session, or its header is damaged or of another version.
        """
        self.truncated = False
        """Known after the last chunk: whether the file ends in a cut or damaged one."""
        self._name = "session" if isinstance(source, bytes) else f"session '{os.fspath(source)}'"
        try:
            self._file = _open(source)
        except OSError as error:
            raise SessionError(f"{self._name} cannot be opened ({error.strerror}): check the path") from error
        try:
            self._size = self._file.seek(0, io.SEEK_END)
            self._file.seek(0)
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def iter_chunks(self) -> Iterator[Examples]:
        """Yields the chunks in order; stops before the first that is cut or damaged, and sets `truncated`.

        Raises:
            SessionError: a chunk is whole but does not hold what the header's spec says.
        """
        while (payload := self._read_frame()) is not None:
            yield Examples.from_dict(payload, self.header.spec, self._name)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _read_header(self) -> SessionHeader:
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise SessionError(
                f"{self._name} is not a session: its first bytes are not those of a .session file"
            )
        payload = self._read_frame()
        if payload is None:
            raise SessionError(
                f"{self._name} ends inside its header or the header is damaged: nothing can be read"
            )
        return _header_from_dict(payload, self._name)

    def _read_frame(self) -> dict[str, Any] | None:
        if self._file.tell() == self._size:
            return None
        payload = read_frame(self._file, self._size)
        self.truncated = payload is None
        if payload is None:
            return None
        stored = msgpack.unpackb(payload)
        if not isinstance(stored, dict):
            raise SessionError(
                f"{self._name} holds a {type(stored).__name__} where a table belongs: it is damaged"
            )
        return stored


def read_session(source: str | os.PathLike[str] | bytes) -> Session:
    """Reads a whole session into memory, up to its last whole chunk.

    Raises:
        SessionError: it cannot be opened, is no session, or its header is damaged or of another version.
    """
    with SessionReader(source) as reader:
        chunks = list(reader.iter_chunks()) or [Examples.zeros(reader.header.spec)]
        return Session(reader.header, Examples.concatenate(chunks), reader.truncated)


def iter_chunks(source: str | os.PathLike[str] | bytes) -> Iterator[Examples]:
    """Yields a session's chunks one at a time, up to the last whole one.

    Raises:
        SessionError: as `read_session`.
    """
    with SessionReader(source) as reader:
        yield from reader.iter_chunks()


def read_header(source: str | os.PathLike[str] | bytes) -> SessionHeader:
    """Reads only the header.

    Raises:
        SessionError: as `read_session`.
    """
    with SessionReader(source) as reader:
        return reader.header


def _open(source: str | os.PathLike[str] | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def _frame(stored: dict[str, Any]) -> bytes:
    return pack_frame(msgpack.packb(stored))


def _header_to_dict(header: SessionHeader) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "spec": header.spec.to_dict(),
        "player_id": header.player_id,
        "seed": header.seed,
        "game_build": header.game_build,
        "started_at": header.started_at,
    }


def _header_from_dict(stored: dict[str, Any], source: str) -> SessionHeader:
    found = (stored.get("format"), stored.get("version"))
    if found != (FORMAT, VERSION):
        raise SessionError(
            f"{source} has format {found[0]!r} version {found[1]!r}, "
            f"this addon reads {FORMAT!r} version {VERSION}: use the addon version that recorded it"
        )
    try:
        return SessionHeader(
            spec=Spec.from_dict(stored.get("spec"), source),
            player_id=str(stored["player_id"]),
            seed=int(stored["seed"]),
            game_build=str(stored["game_build"]),
            started_at=str(stored["started_at"]),
        )
    except (SpecError, KeyError, TypeError, ValueError) as error:
        raise SessionError(f"{source} has a header that cannot be used ({error}): record it again") from error
