"""Columns on disk: recordings larger than memory, read like tensors.

Below the first station offline. While sessions are read, their rows are appended to unlinked temporary
files, one for each column. The files are then mapped into memory, so that a tensor over one costs no more
memory than what was lately read from it, and nothing of them outlives the process.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pytrain.errors import PytrainError

MOST_RESIDENT_BYTES = 3 << 29  # of files that are mapped; smaller recordings stay in memory as a whole
ROWS_AT_ONCE = 512  # read at random; the kernel maps 64 KiB to 2 MiB around each

_PROCESS_PAGES = Path("/proc/self/statm")  # Linux; elsewhere the system alone decides what stays in memory


class ColumnFiles:
    """Columns that grow by appending, each in a temporary file of its own, until they are mapped."""

    def __init__(self, columns: Mapping[str, tuple[type[np.generic], int | None]], needed_bytes: int) -> None:
        """`columns` gives each name's type and width (None: one number a row).

        Raises:
            PytrainError: the temporary folder has no room for `needed_bytes`, or cannot be written.
        """
        self._columns = columns
        self._folder = temporary_folder()
        self._needed_bytes = needed_bytes
        self._rows = dict.fromkeys(columns, 0)
        self._files: dict[str, IO[bytes]] = {}
        if shutil.disk_usage(self._folder).free < needed_bytes:
            raise self._no_room("its disk is too full")
        with self._disk():
            for name in columns:
                self._files[name] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 (see `close`)

    def close(self) -> None:
        """Close the files; what was mapped stays."""
        for file in self._files.values():
            with contextlib.suppress(OSError):  # a full disk was told where it was met
                file.close()

    def row_counts(self) -> dict[str, int]:
        """How many rows each column has so far."""
        return dict(self._rows)

    def rows(self, name: str) -> int:
        """How many rows a column has so far."""
        return self._rows[name]

    def append(self, name: str, values: NDArray[Any]) -> None:
        """Add rows to one column. Raises PytrainError when the disk is full, as all below do."""
        dtype, _ = self._columns[name]
        with self._disk():
            self._files[name].write(np.ascontiguousarray(values, dtype).data)
        self._rows[name] += len(values)

    def cut(self, rows: Mapping[str, int]) -> None:
        """Forget what comes after so many rows of each of these columns."""
        for name, count in rows.items():
            with self._disk():
                self._files[name].seek(count * self._row_bytes(name))
                self._files[name].truncate()
            self._rows[name] = count

    def mapped(self) -> tuple[dict[str, Tensor], ResidentPages]:
        """Every column `(rows,)` or `(rows, width)`, none empty, and what keeps them out of memory."""
        maps, tensors = [], {}
        for name, (dtype, width) in self._columns.items():
            with self._disk():
                self._files[name].flush()
                mapped = mmap.mmap(self._files[name].fileno(), self._rows[name] * self._row_bytes(name))
            values: NDArray[Any] = np.frombuffer(mapped, dtype)
            tensors[name] = torch.from_numpy(values if width is None else values.reshape(-1, width))
            maps.append(mapped)
        return tensors, ResidentPages(maps)

    def _row_bytes(self, name: str) -> int:
        dtype, width = self._columns[name]
        return np.dtype(dtype).itemsize * (1 if width is None else width)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """Within it, a disk that is full or fails is told, and the files are closed."""
        try:
            yield
        except OSError as error:
            self.close()
            raise self._no_room(error.strerror) from error

    def _no_room(self, reason: str | None) -> PytrainError:
        free = shutil.disk_usage(self._folder).free
        return PytrainError(
            f"the recorded sessions cannot be laid out in '{self._folder}' ({reason}): "
            f"{self._needed_bytes:,} bytes are needed, {free:,} are free: free some space, or set TMPDIR to "
            "a folder with more"
        )


class ResidentPages:
    """The pages of mapped files that count as this process's memory; given back when they become many.

    What is given back stays in the system's file cache for as long as nobody else needs that memory: reading
    it again is cheap.
    """

    def __init__(self, maps: Sequence[mmap.mmap] = ()) -> None:
        self._maps = maps
        self._can_be_many = sum(map(len, maps)) > MOST_RESIDENT_BYTES and _PROCESS_PAGES.exists()

    def limit(self) -> None:
        """Give the pages back if they are many; to be called now and then while columns are read."""
        if self._can_be_many and _resident_file_bytes() > MOST_RESIDENT_BYTES:
            for mapped in self._maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    def parts(self, rows: Tensor) -> Iterator[Tensor]:
        """Rows `(n,)` in parts that can be read at random without holding many pages; at least one."""
        if not self._can_be_many:
            yield rows
            return
        for part in torch.split(rows, ROWS_AT_ONCE):
            yield part
            self.limit()

    def take(self, column: Tensor, rows: Tensor) -> Tensor:
        """`column[rows]` for rows `(n,)`, without ever holding many pages."""
        taken = [column.index_select(0, part) for part in self.parts(rows)]
        return taken[0] if len(taken) == 1 else torch.cat(taken)


def temporary_folder() -> Path:
    """TMPDIR where it is set; else /var/tmp, which is on a disk where /tmp may be memory."""
    var_tmp = Path("/var/tmp")  # noqa: S108 (files in it are unlinked at once and have no names)
    if "TMPDIR" not in os.environ and os.access(var_tmp, os.W_OK | os.X_OK):
        return var_tmp
    return Path(tempfile.gettempdir())


def _resident_file_bytes() -> int:
    """How much of the process's memory is pages of files."""
    return int(_PROCESS_PAGES.read_text().split()[2]) * mmap.PAGESIZE
