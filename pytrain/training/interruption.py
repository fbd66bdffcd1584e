"""Ctrl-C, SIGTERM and SIGHUP between two steps of long work, never within one.

An exception out of the middle of a step would leave half of it behind. So the first request to stop is noted;
the work looks at `Interruption.asked` after each step, saves what it has, and lets the request take its usual
way by leaving the context. Who asks a second time does not want to wait: that takes its way at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether this process was asked to stop, and by which signal."""

    def __init__(self) -> None:
        self.number: signal.Signals | None = None

    @property
    def asked(self) -> bool:
        """Whether to stop after this step."""
        return self.number is not None


@contextmanager
def between_steps() -> Iterator[Interruption]:
    """Within it a request to stop is only noted; at its end it does what it would have done before."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption  # signals arrive in the main thread, whose business they are
        return
    before: dict[signal.Signals, Any] = {}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if interruption.asked:
            put_back()
            signal.raise_signal(number)
        interruption.number = signal.Signals(number)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            before[number] = signal.signal(number, note)
    try:
        yield interruption
    finally:
        put_back()
    if interruption.number is not None:
        signal.raise_signal(interruption.number)
