"""Stop signals while a network trains: the first is kept for the end of the step, the second stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tlzoo.io.stops import NUMBERS, forget, stop_code
from tlzoo.training.early_stopping import StopSignal, catch_stop_signals


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What these tests notice is nobody else's."""
    inherited = {number: signal.getsignal(number) for number in NUMBERS}  # ignored where this runs under nohup
    for number in NUMBERS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    forget()
    after = {number: signal.getsignal(number) for number in NUMBERS}
    for number, handler in inherited.items():
        signal.signal(number, handler)
    assert after == before


def test_the_first_signal_is_kept_and_the_second_stops():
    with catch_stop_signals() as stop:
        assert stop.signal is None
        stop.exit()  # without a signal it goes on
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == signal.SIGTERM
        assert stop_code(ValueError()) == 128 + signal.SIGTERM
        with pytest.raises(SystemExit) as caught:
            signal.raise_signal(signal.SIGINT)
        assert caught.value.code == 128 + signal.SIGTERM
        with pytest.raises(SystemExit):
            stop.exit()


def test_ctrl_c_twice_is_a_keyboard_interrupt():
    stop = StopSignal()
    stop.handle(signal.SIGINT, None)
    assert stop.signal == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        stop.handle(signal.SIGINT, None)


@pytest.mark.parametrize("number", NUMBERS)
def test_handlers_are_put_back_even_after_an_error_and_ignored_signals_stay_ignored(number: int):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with suppress(KeyError), catch_stop_signals() as stop:
            assert signal.getsignal(number) is signal.SIG_IGN
            assert all(signal.getsignal(other) == stop.handle for other in NUMBERS if other != number)
            raise KeyError
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_in_another_thread_nothing_is_caught():
    found: list[object] = []

    def work() -> None:
        with catch_stop_signals() as stop:
            found.extend([stop.signal, signal.getsignal(signal.SIGINT)])

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None, before]
