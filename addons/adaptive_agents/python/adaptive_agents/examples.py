"""Labelled observations as columns: what sessions store, tasks are drawn from, and adaptation learns from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import SessionError
from adaptive_agents.spec import Spec

COLUMNS: dict[str, np.dtype[Any]] = {
    "ticks": np.dtype("<i8"),
    "agents": np.dtype("<i4"),
    "episodes": np.dtype("<i4"),
    "observations": np.dtype("<f4"),
    "targets": np.dtype("<f4"),
    "weights": np.dtype("<f4"),
}
"""The columns of `Examples` in their order, with the types they have in memory and on disk."""


@dataclass(frozen=True)
class Examples:
    """n labelled observations as columns, oldest first.

    The label of a row became known at its tick + the spec's `horizon_ticks`. A row of weight 0 is padding.

    Raises:
        SessionError: the columns differ in length, have the wrong type, or hold a value that is not finite.
    """

    ticks: NDArray[np.int64]
    """(n,): the tick of the observation, counted from the start of the session."""
    agents: NDArray[np.int32]
    """(n,): which agent observed it, numbered within the session."""
    episodes: NDArray[np.int32]
    """(n,): the round it belongs to, numbered within the session."""
    observations: NDArray[np.float32]
    """(n, obs_dim)"""
    targets: NDArray[np.float32]
    """(n, target_columns): the change over the horizon (vector) or the class index (category)."""
    weights: NDArray[np.float32]
    """(n,): how much the row counts, 0 or more."""

    def __post_init__(self) -> None:
        rows = len(self.ticks)
        for name, dtype in COLUMNS.items():
            column = getattr(self, name)
            axes = 2 if name in ("observations", "targets") else 1
            if column.ndim != axes or len(column) != rows:
                raise SessionError(
                    f"examples: {name} has shape {column.shape}, expected {axes} axes and {rows} rows, "
                    "like ticks"
                )
            if column.dtype != dtype:
                raise SessionError(f"examples: {name} holds {column.dtype}, expected {dtype.name}")
        for name in ("observations", "targets", "weights"):
            column = getattr(self, name)
            if not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column.reshape(rows, -1)).all(axis=1))[0])
                raise SessionError(
                    f"examples: {name} of row {row} of {rows} must be finite, they are {column[row]}"
                )
        if rows and self.weights.min() < 0:
            raise SessionError(f"examples: the smallest weight is {self.weights.min()}, it must be 0 or more")

    def __len__(self) -> int:
        return len(self.ticks)

    def select(self, rows: slice | NDArray[Any]) -> Examples:
        """The given rows, in the given order; a slice gives views, not copies."""
        return Examples(*(getattr(self, name)[rows] for name in COLUMNS))

    @classmethod
    def concatenate(cls, parts: Sequence[Examples]) -> Examples:
        """All rows of the (one or more) parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS))

    @classmethod
    def zeros(cls, spec: Spec, rows: int = 0) -> Examples:
        """`rows` rows of zeros with the widths of the spec."""
        return cls(*(np.zeros(column_shape(name, rows, spec), dtype) for name, dtype in COLUMNS.items()))

    def to_dict(self) -> dict[str, Any]:
        """The form stored in files: the number of rows, and each column as little-endian bytes."""
        columns = {name: getattr(self, name).astype(dtype).tobytes() for name, dtype in COLUMNS.items()}
        return {"rows": len(self), **columns}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], spec: Spec, source: str) -> Examples:
        """Reads what `to_dict` gave, without copying; `source` is named in errors.

        Raises:
            SessionError: a column is missing or has another size than the spec needs.
        """
        rows = stored.get("rows")
        columns = []
        for name, dtype in COLUMNS.items():
            data = stored.get(name)
            if not isinstance(rows, int) or not isinstance(data, bytes):
                raise SessionError(f"{source} has a chunk without {name}: it was written by another program")
            shape = column_shape(name, rows, spec)
            needed = math.prod(shape) * dtype.itemsize
            if len(data) != needed:
                raise SessionError(
                    f"{source} has a chunk with {len(data)} bytes of {name}, {rows} rows need {needed}: "
                    "it was written by another program"
                )
            columns.append(np.frombuffer(data, dtype).reshape(shape))
        return cls(*columns)


def column_shape(name: str, rows: int, spec: Spec) -> tuple[int, ...]:
    """The shape that a column of `Examples` has for this many rows."""
    if name == "observations":
        return (rows, spec.observation_size)
    if name == "targets":
        return (rows, spec.target_columns)
    return (rows,)
