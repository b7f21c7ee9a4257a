"""A bar for long work: how much is done, how much a second, how long it will take. On standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

__all__ = ["Bar"]


class Bar:
    """Shows work where a person looks on; elsewhere, and where the total is not known, nothing.

    Args:
        verb: what is done ("translating").
        total: how much there is of it.
        unit: of what ("lines").
        quiet: show nothing.
    """

    def __init__(self, verb: str, total: int | None, unit: str, *, quiet: bool = False):
        self._total, self._unit = total, unit
        self._done, self._here, self._start = 0, 0, time.monotonic()
        self._bar = None
        if total is None or not sys.stderr.isatty() or quiet:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn(verb),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + unit),
            TextColumn("{task.fields[now]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(verb, total=total, now="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int, *, skipped: bool = False) -> None:
        """So much more is done; what was skipped has no say in the rate."""
        self._done += count
        if skipped:
            self._start = time.monotonic()
        else:
            self._here += count
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, now=self._now())

    def _now(self) -> str:
        if not self._here or self._total is None:
            return ""
        rate = self._here / max(1e-9, time.monotonic() - self._start)
        minutes, seconds = divmod(round((self._total - self._done) / rate), 60)
        return f"{rate:,.1f} {self._unit}/s  left {minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
