"""Work that is given up after some seconds, wherever it is: compiling, which asks nobody how long it may take."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["TookTooLong", "can_interrupt", "interrupted_after"]


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
