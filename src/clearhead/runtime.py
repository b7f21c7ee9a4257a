"""The process while somebody watches: compiled code runs its original, and memory that is freed is kept."""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import AbstractContextManager, suppress
from functools import cache

import torch

__all__ = ["EAGER", "Eager", "keep_pages"]


class Eager:
    """Compiled code runs its original while anybody watches: counted, because the stance is one for all threads."""

    def __init__(self) -> None:
        self._lock, self._watching = threading.Lock(), 0
        self._stance: AbstractContextManager[None] | None = None

    def enter(self) -> None:
        """One more watches."""
        with self._lock:
            self._watching += 1
            # Nothing is compiled where the compiler was never imported, and importing it takes a second.
            if self._watching == 1 and "torch._dynamo" in sys.modules:
                self._stance = torch.compiler.set_stance("force_eager")

    def leave(self) -> None:
        """One less watches; after the last, the stance is what it was."""
        with self._lock:
            self._watching -= 1
            if not self._watching and self._stance is not None:
                self._stance.__exit__(None, None, None)
                self._stance = None


EAGER = Eager()


@cache
def keep_pages() -> None:
    """Let the C library keep up to half a gigabyte of freed memory instead of giving it back at once.

    What a trace keeps is allocated afresh at every pass; faulting new pages in for it costs more than all the rest of
    looking (1.12x the time at 2,048 tokens, 1.01x with the pages kept: the benchmark `looking`).
    """
    mmap_threshold, trim_threshold = -3, -1  # of malloc.h
    with suppress(AttributeError, OSError, TypeError):  # only glibc has it
        library = ctypes.CDLL(None)
        library.mallopt(mmap_threshold, 64 * 2**20)
        library.mallopt(trim_threshold, 512 * 2**20)
