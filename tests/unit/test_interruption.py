"""A request to stop waits for the step that is under way; a second one does not."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytrain.training.interruption import between_steps


def test_a_step_is_finished_and_then_ctrl_c_is_what_it_always_is():
    done = []

    def work() -> None:
        with between_steps() as interruption:
            assert not interruption.asked
            signal.raise_signal(signal.SIGINT)
            done.append("the rest of the step")
            assert interruption.asked
            done.append("saved")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest of the step", "saved"]


def test_asking_twice_interrupts_at_once():
    def work() -> None:
        with between_steps():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            pytest.fail("went on")

    with pytest.raises(KeyboardInterrupt):
        work()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_go_to_whom_they_went_before(number):
    asked = []
    before = signal.signal(number, lambda *_: asked.append("asked"))
    try:
        with between_steps() as interruption:
            signal.raise_signal(number)
            assert interruption.asked
            assert not asked
        assert asked == ["asked"]
        with between_steps():
            pass
        assert asked == ["asked"]
    finally:
        signal.signal(number, before)


def test_what_was_ignored_before_is_still_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with between_steps() as interruption:
            signal.raise_signal(signal.SIGHUP)
            assert not interruption.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_error_of_the_work_is_not_hidden_by_the_request():
    def work() -> None:
        with between_steps():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        work()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_another_thread_the_main_thread_keeps_its_handlers():
    def work() -> bool:
        with between_steps() as interruption:
            return interruption.asked or threading.current_thread() is threading.main_thread()

    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(work).result()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
