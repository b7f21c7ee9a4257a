"""Tables of numbers that come from one another, as on paper: each knows its formula and how any cell came about.

    NumberTable("q", rows, columns, Product(x, w_q))  values, "x · W_q", "1.16 × 0.54 + 0.23 × -0.14", a live formula

Everything is computed in float64. Axes: rows, columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from clearhead.errors import ConfigError
from clearhead.figures.percents import whole_percents

__all__ = ["CLOSED_BELOW", "Given", "NumberTable", "Op", "Places", "literal", "number", "symbol"]

_CLOSED = "-1E+300"  # a spreadsheet has no infinity; e to this power is 0
CLOSED_BELOW = "-1E+299"


class Places(Protocol):
    """Where a spreadsheet has the numbers: addresses of a cell, a row, a column of a table."""

    def cell(self, table: NumberTable, row: int, column: int) -> str: ...

    def row(self, table: NumberTable, row: int) -> str: ...

    def column(self, table: NumberTable, column: int) -> str: ...


class Op:
    """How a table came about.

    To add one: a frozen dataclass whose fields are the tables it works on, and these five answers.
    """

    @property
    def text(self) -> str:
        """The formula as a person writes it in a line of text."""
        raise NotImplementedError

    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
        raise NotImplementedError

    def values(self) -> np.ndarray:
        """All numbers, [rows, columns]."""
        raise NotImplementedError

    def written(self, row: int, column: int) -> str:
        """The arithmetic of one cell, in numbers."""
        raise NotImplementedError

    def live(self, row: int, column: int, at: Places) -> str:
        """The arithmetic of one cell as a spreadsheet's formula, without its "="."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class NumberTable:
    """Numbers with a name, labels and an origin.

    Args:
        name: how formulas call it: "q", "W_q".
        rows, columns: labels.
        op: how it came about.
        title: what it is, in words.
        percent: whether people read it as percentages.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    op: Op
    title: str = ""
    percent: bool = False
    values: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        with np.errstate(all="ignore"):
            values = self.op.values()
        assert values.shape == (len(self.rows), len(self.columns)), (self.name, values.shape)
        object.__setattr__(self, "values", values)
        self._check_size()

    def _check_size(self) -> None:
        """-inf is a closed place where it was put in; what only overflows is not a number."""
        inputs = [value for value in vars(self.op).values() if isinstance(value, NumberTable)]
        closed = isinstance(self.op, Given) or any(np.isneginf(table.values).any() for table in inputs)
        wrong = ~np.isfinite(self.values) & ~(np.isneginf(self.values) & closed)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ConfigError(
                f"{self.name}[{self.rows[row]}, {self.columns[column]}] is too large a number to be computed with",
                "give smaller numbers",
            )

    @cached_property
    def percents(self) -> list[list[int | None]]:
        """Each row of shares as whole percentages, which sum to 100 where the shares sum to 1."""
        return [whole_percents(row) for row in self.values.tolist()]

    @property
    def given(self) -> bool:
        """Whether the numbers were put in and not computed."""
        return isinstance(self.op, Given)


@dataclass(frozen=True, eq=False)
class Given(Op):
    """Numbers that were put in."""

    numbers: np.ndarray

    @property
    def text(self) -> str:
        return "given"

    @property
    def latex(self) -> str:
        return r"\text{given}"

    def values(self) -> np.ndarray:
        return np.asarray(self.numbers, dtype=np.float64)

    def written(self, row: int, column: int) -> str:
        return "given"

    def live(self, row: int, column: int, at: Places) -> str:
        return literal(float(self.numbers[row][column]))


def number(x: float) -> str:
    """As a person writes it: four digits after the point, none that say nothing."""
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    text = f"{x:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def symbol(table: NumberTable) -> str:
    """A table's name in LaTeX: W_q -> W_q, similarities -> \\text{similarities}."""
    base, _, below = table.name.partition("_")
    base = base if len(base) == 1 else f"\\text{{{base}}}"
    return f"{base}_{{{below}}}" if below else base


def literal(x: float) -> str:
    """A number as a spreadsheet's formula has it."""
    return _CLOSED if math.isinf(x) else repr(x)
