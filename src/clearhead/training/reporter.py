"""What a person sees while a model trains: a bar with rate and time left, and one line for each evaluation.

Everything goes to standard error. Where that is no terminal (a log file), a plain line now and then replaces the bar.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console

from clearhead.progress import Bar

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
        self._bar = Bar("training", total, "steps", done=step, console=self.console, quiet=quiet)
        self._first = True  # the first step may have compiled the model: it says nothing of the others

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bar.__exit__(*error)

    def say(self, line: str) -> None:
        """One line that stays."""
        self.console.print(line, markup=False, soft_wrap=True)  # in a log file a line stays a line

    def step(self, step: int, loss: float, rate: float) -> None:
        """After a step: its loss in nats per token and the rate in target tokens a second."""
        now = f"loss {loss:.3f}  {rate:,.0f} tokens/s"
        self._bar.advance(1, skipped=self._first, now=now)
        self._first = False
        if not self._bar.shown and time.monotonic() - self._last_line > _LINE_SECONDS:
            self._last_line = time.monotonic()
            self.say(f"step {step}/{self._total}  {self._bar.pace(now)}")

    def evaluation(self, step: int, numbers: Mapping[str, float], best: bool, note: str = "") -> None:
        """The numbers of an evaluation, marked if it is the best so far; a note after them."""
        text = "  ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        mark = "  (best so far)" if best else ""
        self.say(f"step {step}/{self._total}  validation: {text}{mark}{note and f'  {note}'}")
