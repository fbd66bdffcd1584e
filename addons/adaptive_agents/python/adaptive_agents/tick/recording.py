"""Writes sessions without holding up the game.

One thread takes the rows that ticks hand over, writes them every second, and finishes files.

A game that is killed loses what came in since the last write; a disk that fills up loses nothing, since the
rows wait in memory and are tried again.
"""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from adaptive_agents.errors import AdaptiveAgentsError, SessionError
from adaptive_agents.examples import Examples
from adaptive_agents.formats.session import SessionHeader, SessionWriter

WRITE_INTERVAL_SEC = 1.0


class SessionFile:
    """One `.session` file and the rows that wait for it. Only `close` waits for the disk."""

    def __init__(self, writer: SessionWriter) -> None:
        self.path = writer.path
        self.problem = ""
        """What the last write ran into, until `take_problem`; reported once, until a write succeeds again."""
        self.is_complete = False
        """Whether the file is finished and on the disk."""
        self._is_finishing = False
        self._writer = writer
        self._waiting: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._in_trouble = False
        _thread.add(self)

    @classmethod
    def create(cls, folder: Path, stem: str, header: SessionHeader) -> Self:
        """Creates `folder/stem.session`, or `stem-2.session` and so on where that exists.

        Raises:
            SessionError: the folder cannot be made or written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SessionError(
                f"session directory '{folder}' cannot be made ({error.strerror}): "
                "choose one that can be written"
            ) from error
        number = 1
        while (path := folder / f"{stem}{f'-{number}' if number > 1 else ''}.session").exists():
            number += 1
        return cls(SessionWriter(path, header))

    @property
    def bytes_written(self) -> int:
        return self._writer.bytes_written

    def put(
        self,
        tick: int,
        agents: Any,
        episodes: NDArray[np.int32],
        observations: NDArray[np.float32],
        targets: NDArray[np.float32],
    ) -> None:
        """Hands over the rows of one tick; the arrays must not change afterwards."""
        self._waiting.put((tick, agents, episodes, observations, targets))

    def take_problem(self) -> str:
        problem, self.problem = self.problem, ""
        return problem

    def write(self) -> None:
        """Writes everything that waits. Called on the thread."""
        with self._lock:
            try:
                self._drain()
                if self._is_finishing:
                    self._complete()
                else:
                    self._writer.flush()
                self._in_trouble = False
            except AdaptiveAgentsError as error:
                if not self._in_trouble:
                    self.problem = str(error)
                self._in_trouble = True

    def finish(self) -> None:
        """Lets the thread write everything and finish the file; it tries again while the disk is full."""
        self._is_finishing = True

    def close(self) -> None:
        """Writes everything and finishes the file.

        Raises:
            SessionError: the disk is full or gone; the thread tries again.
        """
        self._is_finishing = True
        with self._lock:
            self._in_trouble = True  # unless it works: the caller hears of it, nobody else need
            self._drain()
            self._complete()

    def _complete(self) -> None:
        self._writer.close()
        self.is_complete = True
        _thread.remove(self)

    def _drain(self) -> None:
        rows = []
        while not self._waiting.empty():
            rows.append(self._waiting.get())
        if not rows:
            return
        ticks, agents, episodes, observations, targets = zip(*rows, strict=True)
        counts = [len(part) for part in agents]
        self._writer.extend(
            Examples(
                np.repeat(np.asarray(ticks, np.int64), counts),
                np.concatenate(agents).astype(np.int32),
                np.concatenate(episodes).astype(np.int32),
                np.concatenate(observations),
                np.concatenate(targets),
                np.ones(sum(counts), np.float32),
            )
        )


class _WritingThread:
    """Writes all open files every second. Runs while there are any."""

    def __init__(self) -> None:
        self._files: list[SessionFile] = []
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, file: SessionFile) -> None:
        with self._wake:
            self._files.append(file)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="adaptive-agents-recording", daemon=True
                )
                self._thread.start()

    def remove(self, file: SessionFile) -> None:
        with self._wake:
            if file in self._files:
                self._files.remove(file)

    def close(self) -> None:
        """Ends the thread. A file that a full disk kept open gets its last chance."""
        with self._wake:
            thread, self._thread = self._thread, None
            self._wake.notify_all()
        if thread is not None:
            thread.join()
        for file in list(self._files):
            file.write()

    def _work(self) -> None:
        me = threading.current_thread()
        while True:
            with self._wake:
                deadline = time.monotonic() + WRITE_INTERVAL_SEC
                while self._thread is me and (left := deadline - time.monotonic()) > 0:
                    self._wake.wait(left)
                if self._thread is not me:
                    return
                files = list(self._files)
            for file in files:
                file.write()


_thread = _WritingThread()


def end_recording() -> None:
    """Ends the writing thread; called when the engine exits."""
    _thread.close()
