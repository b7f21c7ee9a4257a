"""A bar for long work on lines: how many are done, how many a second, how long it will take. On standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

__all__ = ["Bar"]


class Bar:
    """Shows work on `total` lines where a person looks on; elsewhere, and where the total is not known, nothing.

    Standard output is a terminal too where the lines themselves go there: they show the progress.
    """

    def __init__(self, total: int | None, *, to_terminal: bool):
        self._total, self._done, self._here, self._start = total, 0, 0, time.monotonic()
        self._bar = None
        if total is None or not sys.stderr.isatty() or to_terminal:
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar = Progress(
            TextColumn("translating"),
            BarColumn(),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} lines"),
            TextColumn("{task.fields[now]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("translate", total=total, now="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, lines: int, *, skipped: bool = False) -> None:
        """So many more lines are done; skipped ones have no say in the rate."""
        self._done += lines
        if skipped:
            self._start = time.monotonic()
        else:
            self._here += lines
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, now=self._now())

    def _now(self) -> str:
        if not self._here or self._total is None:
            return ""
        rate = self._here / max(1e-9, time.monotonic() - self._start)
        minutes, seconds = divmod(round((self._total - self._done) / rate), 60)
        return f"{rate:,.1f} lines/s  left {minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
