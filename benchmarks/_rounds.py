"""Measuring on a noisy machine: in a round every contender works once, in an order that turns.

A figure means something only beside another of the same minute: medians, ratios of medians and the spread of the
rounds' own ratios are printed, and the machine's limits are contenders of the same rounds. A contender that keeps
threads of its own has a process of its own: waiting, they would slow the others down.
"""

from __future__ import annotations

import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

_PAUSE = 0.3  # seconds; OpenMP threads spin for up to 0.2


def machine() -> str:
    """One line: processor, threads, versions of torch and of the peers that are here."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    names = [name for name in ("torch", "transformers", "ctranslate2") if find_spec(name)]
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{models[0] if models else platform.processor()}, {torch.get_num_threads()} threads; {versions}"


def graphs() -> int:
    """How many graphs torch.compile has made so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


# The machine's limits, as contenders of the same rounds


def product(rows: int, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """(a way, its TFLOP): a few products [rows, 512] x [512, 2048]."""
    a, b = torch.randn(rows, 512, dtype=dtype), torch.randn(512, 2048, dtype=dtype)
    times = max(1, 8192 // rows)

    def way() -> None:
        for _ in range(times):
            a @ b

    return way, times * 2 * rows * 512 * 2048 / 1e12


def reading() -> tuple[Callable[[], object], float]:
    """(a way, its GB): a float32 matrix far larger than any cache, times a vector."""
    a, b = torch.randn(8192, 8192), torch.randn(8192)
    return lambda: a @ b, a.numel() * 4 / 1e9


# Contenders with a process of their own


class Contender:
    """The near end of a process in which `make(*given)` makes a way that works; `make` is a function of a module.

    Its seconds are those of `clock`, a function of the module `time`.
    """

    def __init__(
        self, name: str, make: Callable[..., Callable[..., Any]], *given: Any, clock: str = "perf_counter"
    ) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, far = context.Pipe()
        args = (make, given, torch.get_num_threads(), clock, far)
        self._process = context.Process(target=_work, args=args, daemon=True)
        self._process.start()
        far.close()  # so that the process's own end is the last one, and its death is noticed here

    def __call__(self, *task: Any) -> tuple[float, Any]:
        """(seconds that the way took there, what it returned).

        Raises:
            EOFError: the process has ended; it said why.
        """
        try:
            self._pipe.send(task)
            return self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            raise EOFError(f"the process of {self.name} has ended") from error

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


def _work(make: Callable[..., Callable[..., Any]], given: Sequence[Any], threads: int, clock: str, pipe: Any) -> None:
    torch.set_num_threads(threads)
    now = getattr(time, clock)
    way = make(*given)
    with suppress(EOFError):  # the other end has gone
        while True:
            task = pipe.recv()
            start = now()
            done = way(*task)
            pipe.send((now() - start, done))


# Rounds and tables


@dataclass
class Row:
    """A contender: `way` works once on round r and returns how much it did; `rates` is that a second, by round."""

    name: str
    way: Callable[[int], float]
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.rates)


def constant(way: Callable[[], object], amount: float) -> Callable[[int], float]:
    """A way that does the same in every round."""

    def work(_: int) -> float:
        way()
        return amount

    return work


def in_turns(rows: Sequence[Row], rounds: int) -> None:
    """Let every row work in every round, beginning with another one each time.

    A row works once unmeasured before: its memory is then where it is in steady work, and the threads of the row before
    no longer spin in wait of more.
    """
    for round_ in range(rounds):
        for i in range(len(rows)):
            row = rows[(i + round_) % len(rows)]
            time.sleep(_PAUSE)
            row.way(round_)
            start = time.perf_counter()
            amount = row.way(round_)
            row.rates.append(amount / (time.perf_counter() - start))


def ratio(one: Row, other: Row) -> str:
    """The ratio of two rows' medians, and the least and the largest of the rounds' own ratios."""
    each = [a / b for a, b in zip(one.rates, other.rates, strict=True)]
    return f"{one.rate / other.rate:.2f} ({min(each):.2f} to {max(each):.2f})"


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print columns, the first to the left, the others to the right."""
    widths = [max(len(str(cell)) for cell in column) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        first, *others = (f"{cell:>{width}}" for cell, width in zip(line, widths, strict=True))
        print("  ".join([f"{line[0]:<{len(first)}}", *others]))
