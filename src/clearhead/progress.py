"""A bar for long work: how much is done, how much a second, how long it will take. On standard error.

And a pulse for work of unknown length: while nothing else is said, a line every few seconds says what goes on.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TextIO

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Bar", "Pulse", "doing"]

_SILENCE = 3.5  # seconds after which a person begins to wonder


class Bar:
    """Shows work where a person looks on; elsewhere, and where the total is not known, nothing.

    Args:
        verb: what is done ("translating").
        total: how much there is of it.
        unit: of what ("lines").
        done: how much is done already.
        console: where other lines are written meanwhile, which stay above the bar.
        quiet: show nothing.
    """

    def __init__(
        self,
        verb: str,
        total: int | None,
        unit: str,
        *,
        done: int = 0,
        console: Console | None = None,
        quiet: bool = False,
    ):
        self._total, self._unit = total, unit
        self._done, self._here, self._start = done, 0, time.monotonic()
        self._bar = None
        if total is None or not sys.stderr.isatty() or quiet:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn(verb),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            console=console or Console(stderr=True),
        )
        self._task = self._bar.add_task(verb, total=total, completed=done, now="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def shown(self) -> bool:
        """Whether a person sees it."""
        return self._bar is not None

    def advance(self, count: int, *, skipped: bool = False, now: str = "") -> None:
        """So much more is done; what was skipped has no say in the rate. `now` is what is said in the rate's place."""
        self._done += count
        if skipped:
            self._start = time.monotonic()
        else:
            self._here += count
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, now=self.pace(now))

    def pace(self, now: str = "") -> str:
        """The rate (or `now`) and the time left, as far as they are known."""
        if not self._here or self._total is None:
            return now
        rate = self._here / max(1e-9, time.monotonic() - self._start)
        return f"{now or f'{rate:,.1f} {self._unit}/s'}  left {_clock((self._total - self._done) / rate)}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Pulse:
    """While it is open and nothing else is written to standard error, it says every few seconds what goes on.

    Args:
        what: is being done at first; `doing` names what comes next.
        quiet: say nothing.
    """

    _open: ClassVar[Pulse | None] = None

    def __init__(self, what: str, *, quiet: bool = False):
        self._quiet, self._ended = quiet, threading.Event()
        self._begin(what)

    def __enter__(self) -> Self:
        if not self._quiet:
            Pulse._open, self._errors = self, sys.stderr
            sys.stderr = self._heard = _Heard(sys.stderr)
            threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        """For good; what others wrote to in the meantime stays."""
        self._ended.set()
        if Pulse._open is self:
            Pulse._open = None
            if sys.stderr is self._heard:
                sys.stderr = self._errors

    def _begin(self, what: str) -> None:
        self._what, self._since = what, time.monotonic()

    def _beat(self) -> None:
        while not self._ended.wait(max(0.1, self._heard.last + _SILENCE - time.monotonic())):
            if time.monotonic() - self._heard.last >= _SILENCE:
                print(f"  {self._what}: {time.monotonic() - self._since:.0f} s", file=sys.stderr, flush=True)


class _Heard:
    """A stream that knows when it was last written to."""

    def __init__(self, stream: TextIO):
        self._stream, self.last = stream, time.monotonic()

    def write(self, text: str) -> int:
        self.last = time.monotonic()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def doing(what: str | None) -> None:
    """Name what is done from now on to the pulse that is open, if one is; None ends it: from now on others speak."""
    if (pulse := Pulse._open) is None:
        return
    if what is None:
        pulse._end()
    else:
        pulse._begin(what)
