"""How fast a run goes, and with how many threads: looked at when the pace falls, and again while fewer than all run."""

from __future__ import annotations

import time

import torch

from clearhead.processor import quick_threads

__all__ = ["Pace"]

_WINDOW = 2.0  # seconds of steps that make a pace
_FALLEN = 0.7  # of the best pace: something has changed
_AGAIN = 15.0  # seconds between two looks
_PATIENCE = 240.0  # seconds at most, where looks have been wrong


class Pace:
    """Chooses the number of threads of a run as the machine gets busy or quiet.

    A quiet run keeps all of them for as long as it lasts, whatever its pace: only `quick_threads` changes anything.
    What that finds by a few products in a still moment, the steps may not bear out: a number that made the pace fall is
    taken back at once, and the next look waits twice as long.

    Args:
        most: threads to choose among; below 2 there is no choice.
    """

    def __init__(self, most: int):
        self._most, self._best = most, 0.0
        self._tokens, self._seconds, self._looked = 0, 0.0, time.monotonic()
        self._wait = _AGAIN
        self._before: tuple[int, float] | None = None  # the threads before the last change, and their pace

    def threads(self, tokens: int, seconds: float) -> int:
        """After a step of so many tokens and seconds: with how many threads to go on."""
        now = torch.get_num_threads()
        self._tokens, self._seconds = self._tokens + tokens, self._seconds + seconds
        if self._most < 2 or self._seconds < _WINDOW:
            return now
        rate, self._tokens, self._seconds = self._tokens / self._seconds, 0, 0.0
        if self._before is not None:
            (threads, pace), self._before = self._before, None
            if rate < pace:
                self._best, self._looked, self._wait = pace, time.monotonic(), min(2 * self._wait, _PATIENCE)
                return threads
            self._wait = _AGAIN
        self._best, fallen = max(self._best, rate), rate < _FALLEN * self._best
        if not (fallen or now < self._most) or time.monotonic() - self._looked < self._wait:
            return now
        chosen = quick_threads(self._most)
        self._looked = time.monotonic()
        if chosen != now:
            self._best, self._before = 0.0, (now, rate)
        return chosen
