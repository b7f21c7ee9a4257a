"""What a person sees while a model trains: a bar with rate and time left, and one line for each evaluation.

Everything goes to standard error. Where that is no terminal (a log file), a plain line now and then replaces the bar.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["Reporter"]

_LINE_SECONDS = 20.0


class Reporter:
    """Shows a run of `total` steps that begins at `step`.

    Args:
        quiet: show nothing (from Python, in tests).
    """

    def __init__(self, total: int, step: int = 0, *, quiet: bool = False):
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._total = total
        self._last_line = time.monotonic()
        self._after_first: tuple[int, float] | None = None  # the first step and its end: it may have compiled the model
        self._bar: Progress | None = None
        if sys.stderr.isatty() and not quiet:
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                TextColumn("{task.completed:.0f}/{task.total:.0f} steps"),
                TextColumn("{task.fields[now]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=self.console,
            )
            self._task = self._bar.add_task("train", total=total, completed=step, now="")

    def __enter__(self) -> Reporter:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        """One line that stays."""
        self.console.print(line, markup=False, soft_wrap=True)  # in a log file a line stays a line

    def step(self, step: int, loss: float, rate: float) -> None:
        """After a step: its loss in nats per token and the rate in target tokens a second."""
        now = f"loss {loss:.3f}  {rate:,.0f} tokens/s"
        if self._bar is not None:
            self._bar.update(self._task, completed=step, now=now)
        elif time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(f"step {step}/{self._total}  {now}{self._left(step)}")
        self._after_first = self._after_first or (step, time.monotonic())

    def _left(self, step: int) -> str:
        if self._after_first is None:
            return ""
        first, end = self._after_first
        return f"  left {_clock((time.monotonic() - end) / (step - first) * (self._total - step))}"

    def evaluation(self, step: int, numbers: Mapping[str, float], best: bool, note: str = "") -> None:
        """The numbers of an evaluation, marked if it is the best so far; a note after them."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        mark = "  (best so far)" if best else ""
        self.say(f"step {step}/{self._total}  validation: {text}{mark}{note and f'  {note}'}")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
