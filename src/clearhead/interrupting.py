"""Work that ends before its time: compiling, given up after some seconds wherever it stands; a run asked to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["TookTooLong", "can_interrupt", "caught_signals", "interrupted_after"]


class TookTooLong(BaseException):
    """Raised in the midst of the work; no `Exception`, so that nothing on the way takes it for a failure of its own."""


def can_interrupt() -> bool:
    """Whether work of this thread can be interrupted: Python tells signals to the main thread only."""
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Raise `TookTooLong` where the work stands after so many seconds; not where nothing can be interrupted."""
    if not can_interrupt():
        yield
        return

    def over(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def caught_signals() -> Iterator[list[int]]:
    """While open, Ctrl-C and SIGTERM only append to the list, so that the step can end and be saved."""
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, _: object) -> None:
        if caught:  # asked twice: do not wait any longer
            raise KeyboardInterrupt
        caught.append(number)

    before: dict[int, Callable[..., object] | int | None] = {
        n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
