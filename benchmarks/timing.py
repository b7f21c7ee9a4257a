"""Measuring on a noisy machine: in a round every contender works once, in an order that turns.

A figure means something only beside another of the same minute: medians, ratios of medians and the spread of the
rounds' own ratios are given, and the machine's limits are contenders of the same rounds. A contender that keeps
threads of its own has a process of its own: waiting, they would slow the others down.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from benchmarks.results import Cell, Table, ends, shown

_PAUSE = 0.3  # seconds; OpenMP threads spin for up to 0.2


@dataclass
class Row:
    """A contender: `way` works once on round r and returns how much it did."""

    name: str
    way: Callable[[int], float]
    amounts: list[float] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """How much it did a second, by round."""
        return [amount / seconds for amount, seconds in zip(self.amounts, self.times, strict=True)]

    @property
    def rate(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.rates)

    @property
    def seconds(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.times)


def constant(way: Callable[[], object], amount: float = 1.0) -> Callable[[int], float]:
    """A way that does the same in every round."""

    def work(_: int) -> float:
        way()
        return amount

    return work


def in_turns(rows: Sequence[Row], rounds: int, *, steady: bool = True, own_clock: bool = False) -> None:
    """Let every row work in every round, beginning with another one each time.

    Steady: a row works once unmeasured before each round. Its memory is then where it is in steady work, and the
    threads of the row before no longer spin in wait of more. Otherwise there is one unmeasured round for all, -1.
    With a clock of its own a way returns the seconds it took, for the amount 1.
    """
    for round_ in range(0 if steady else -1, rounds):
        for i in range(len(rows)):
            row = rows[(i + round_) % len(rows)]
            if steady:
                time.sleep(_PAUSE)
                row.way(round_)
            start = time.perf_counter()
            given = row.way(round_)
            if round_ >= 0:
                row.times.append(given if own_clock else time.perf_counter() - start)
                row.amounts.append(1.0 if own_clock else given)


def ratio(one: Row, other: Row) -> dict[str, float]:
    """The ratio of two rows' medians, and the least and the largest of the rounds' own ratios."""
    return {"median": one.rate / other.rate, **ends([a / b for a, b in zip(one.rates, other.rates, strict=True)])}


def compare(rows: Sequence[Row], base: Row, more: Mapping[str, Callable[[Row], Cell]]) -> Table:
    """Tokens a second of each row, the fastest first, its ratio to the base, and more columns (shares, in percent)."""
    columns = {"": "", "tokens/s": "{:,.0f}", "rounds": "{:,.0f}", f"to {base.name}": "{:.2f}"}
    lines: list[list[Cell]] = [
        [row.name, row.rate, ends(row.rates), ratio(row, base), *(cell(row) for cell in more.values())]
        for row in sorted(rows, key=lambda row: -row.rate)
    ]
    return Table(columns | dict.fromkeys(more, "{:.0%}"), lines)


def contest(rows: Sequence[Row], rounds: int, base: str, reached: Callable[[Row], float]) -> Table:
    """All rows in turns, compared with `base`, and with what products of the row's precision reach in the same rounds.

    Args:
        base: how the name of the row begins that the others are compared with (where there is none: the first).
        reached: TFLOP/s of a row.
    """
    most = limits()
    in_turns([*rows, *most.values()], rounds)

    def share(row: Row) -> float:
        return reached(row) / most["float32" if "float32" in row.name else "bfloat16"].rate

    first = next((row for row in rows if row.name.startswith(base)), rows[0])
    table = compare(rows, first, {"of limit": share})
    table.remarks = [told(list(most.values())), *_over(rows)]
    return table


def _over(rows: Sequence[Row]) -> list[str]:
    """How much faster clearhead is than the best of each peer, with the same optimizer."""
    best: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.rate):
        if "muon" not in row.name:
            best[row.name.split()[0]] = row
    ours = best.pop("clearhead", None)
    return [f"{ours.name} over {row.name}: {shown(ratio(ours, row), '{:.2f}')}" for row in best.values() if ours]


def graphs() -> int:
    """How many graphs torch.compile has made so far."""
    from torch._dynamo.utils import counters

    return int(counters["stats"]["unique_graphs"])


# The machine's limits, as contenders of the same rounds


def limits(rows: int = 4096) -> dict[str, Row]:
    """Precision -> TFLOP/s of a few products [rows, 512] x [512, 2048]."""
    return {str(dtype).removeprefix("torch."): _product(rows, dtype) for dtype in (torch.float32, torch.bfloat16)}


def _product(rows: int, dtype: torch.dtype) -> Row:
    a, b = torch.randn(rows, 512, dtype=dtype), torch.randn(512, 2048, dtype=dtype)
    times = max(1, 8192 // rows)

    def way() -> None:
        for _ in range(times):
            a @ b

    name = f"products of {rows} rows in {str(dtype).removeprefix('torch.')}, TFLOP/s"
    return Row(name, constant(way, times * 2 * rows * 512 * 2048 / 1e12))


def reading() -> Row:
    """GB/s: a float32 matrix far larger than any cache, times a vector."""
    a, b = torch.randn(8192, 8192), torch.randn(8192)
    return Row("reading, GB/s", constant(lambda: a @ b, a.numel() * 4 / 1e9))


def told(rows: Sequence[Row]) -> str:
    """The machine's limits as a remark."""
    return "limits: " + "; ".join(f"{row.name} {row.rate:.2f}" for row in rows)


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
