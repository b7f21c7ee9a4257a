"""Tables of numbers that come from one another, as on paper: each knows its formula and how any cell came about.

    Table("q", rows, columns, Product(x, w_q))       values, "x · W_q", "1.16 × 0.54 + 0.23 × -0.14", a live formula

Everything is computed in float64. Axes: rows, columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from clearhead.errors import ConfigError
from clearhead.figures.percents import whole_percents

__all__ = [
    "Additive",
    "Columns",
    "Given",
    "Joined",
    "Like",
    "Normed",
    "Op",
    "Picked",
    "Places",
    "Plus",
    "Product",
    "Same",
    "Softmax",
    "Table",
    "Times",
    "Unit",
    "Waves",
    "number",
]


class Places(Protocol):
    """Where a spreadsheet has the numbers: addresses of a cell, a row, a column of a table."""

    def cell(self, table: Table, row: int, column: int) -> str: ...

    def row(self, table: Table, row: int) -> str: ...

    def column(self, table: Table, column: int) -> str: ...


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
class Table:
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
        """-inf is a closed place where it was put in; what only overflows is no number."""
        inputs = [value for value in vars(self.op).values() if isinstance(value, Table)]
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
        return _literal(float(self.numbers[row][column]))


@dataclass(frozen=True, eq=False)
class Product(Op):
    """x · W: rows times columns."""

    x: Table
    w: Table

    @property
    def text(self) -> str:
        return f"{self.x.name} · {self.w.name}"

    @property
    def latex(self) -> str:
        return f"{symbol(self.x)} \\, {symbol(self.w)}"

    def values(self) -> np.ndarray:
        return self.x.values @ self.w.values

    def written(self, row: int, column: int) -> str:
        return _sum_of_products(self.x.values[row], self.w.values[:, column])

    def live(self, row: int, column: int, at: Places) -> str:
        if len(self.w.rows) > _WRITTEN_OUT:
            return f"MMULT({at.row(self.x, row)},{at.column(self.w, column)})"
        terms = (f"{at.cell(self.x, row, k)}*{at.cell(self.w, k, column)}" for k in range(len(self.w.rows)))
        return "+".join(terms)


@dataclass(frozen=True, eq=False)
class Like(Op):
    """q · kᵀ: each row of one with each row of the other."""

    q: Table
    k: Table

    @property
    def text(self) -> str:
        return f"{self.q.name} · {self.k.name}ᵀ"

    @property
    def latex(self) -> str:
        return f"{symbol(self.q)} \\, {symbol(self.k)}^\\top"

    def values(self) -> np.ndarray:
        return self.q.values @ self.k.values.T

    def written(self, row: int, column: int) -> str:
        return _sum_of_products(self.q.values[row], self.k.values[column])

    def live(self, row: int, column: int, at: Places) -> str:
        return f"SUMPRODUCT({at.row(self.q, row)},{at.row(self.k, column)})"


@dataclass(frozen=True, eq=False)
class Times(Op):
    """x times (or, `under`, divided by) one number.

    Args:
        factor: the number.
        root: whether people know it as the square root of its square: √2.
    """

    x: Table
    factor: float
    under: bool = False
    root: bool = False

    @property
    def text(self) -> str:
        square = number(self.factor**2)
        return f"{self.x.name} {'/' if self.under else '×'} {f'√{square}' if self.root else number(self.factor)}"

    @property
    def latex(self) -> str:
        told = f"\\sqrt{{{number(self.factor**2)}}}" if self.root else number(self.factor)
        return f"{symbol(self.x)} / {told}" if self.under else f"{told} \\, {symbol(self.x)}"

    def values(self) -> np.ndarray:
        return self.x.values / self.factor if self.under else self.x.values * self.factor

    def written(self, row: int, column: int) -> str:
        return f"{number(self.x.values[row, column])} {'/' if self.under else '×'} {number(self.factor)}"

    def live(self, row: int, column: int, at: Places) -> str:
        factor = f"SQRT({_literal(round(self.factor**2, 12))})" if self.root else _literal(self.factor)
        return f"{at.cell(self.x, row, column)}{'/' if self.under else '*'}{factor}"


@dataclass(frozen=True, eq=False)
class Plus(Op):
    """x + y, cell by cell; a y of one row is added to every row (a bias)."""

    x: Table
    y: Table

    @property
    def text(self) -> str:
        return f"{self.x.name} + {self.y.name}"

    @property
    def latex(self) -> str:
        return f"{symbol(self.x)} + {symbol(self.y)}"

    def values(self) -> np.ndarray:
        return self.x.values + self.y.values

    def written(self, row: int, column: int) -> str:
        return f"{number(self.x.values[row, column])} + {number(self.y.values[self._row(row), column])}"

    def live(self, row: int, column: int, at: Places) -> str:
        return f"{at.cell(self.x, row, column)}+{at.cell(self.y, self._row(row), column)}"

    def _row(self, row: int) -> int:
        return row if len(self.y.rows) > 1 else 0


@dataclass(frozen=True, eq=False)
class Softmax(Op):
    """e^x over the sum of its row; a row that may look nowhere is all 0."""

    x: Table

    @property
    def text(self) -> str:
        return f"softmax of each row of {self.x.name}"

    @property
    def latex(self) -> str:
        return f"\\mathrm{{softmax}}({symbol(self.x)})"

    def values(self) -> np.ndarray:
        most = self.x.values.max(1, keepdims=True)
        powers = np.exp(self.x.values - np.where(np.isinf(most), 0.0, most))
        total = powers.sum(1, keepdims=True)
        return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)

    def written(self, row: int, column: int) -> str:
        powers = [f"e^{number(x)}" for x in self.x.values[row]]
        return f"{powers[column]} / ({' + '.join(powers)})"

    def live(self, row: int, column: int, at: Places) -> str:
        whole = at.row(self.x, row)
        one = at.cell(self.x, row, column)
        share = f"EXP({one}-MAX({whole}))/SUMPRODUCT(EXP({whole}-MAX({whole})))"
        return f"IF(MAX({whole})<{_CLOSED_BELOW},0,{share})"


@dataclass(frozen=True, eq=False)
class Unit(Op):
    """Each row over its length; a row of zeros stays one."""

    x: Table

    @property
    def text(self) -> str:
        return f"each row of {self.x.name} / its length"

    @property
    def latex(self) -> str:
        return f"{symbol(self.x)} / \\lVert {symbol(self.x)} \\rVert"

    def values(self) -> np.ndarray:
        lengths = np.linalg.norm(self.x.values, axis=1, keepdims=True)
        lengths[np.isinf(lengths)] = np.nan  # else what overflows would seem to be no number at all
        return np.divide(self.x.values, lengths, out=np.zeros_like(self.x.values), where=lengths != 0)

    def written(self, row: int, column: int) -> str:
        if not self.x.values[row].any():
            return "0, a row of zeros has no direction"
        squares = " + ".join(f"{number(x)}²" for x in self.x.values[row])
        return f"{number(self.x.values[row, column])} / √({squares})"

    def live(self, row: int, column: int, at: Places) -> str:
        whole = at.row(self.x, row)
        length = f"SQRT(SUMPRODUCT({whole},{whole}))"
        return f"IF({length}=0,0,{at.cell(self.x, row, column)}/{length})"


@dataclass(frozen=True, eq=False)
class Additive(Op):
    """The sum over h of v_h tanh(q_ih + k_jh)."""

    q: Table
    k: Table
    v: Table  # one row

    @property
    def text(self) -> str:
        return f"Σ {self.v.name} × tanh({self.q.name} + {self.k.name})"

    @property
    def latex(self) -> str:
        return f"{symbol(self.v)} \\cdot \\tanh({symbol(self.q)} + {symbol(self.k)})"

    def values(self) -> np.ndarray:
        return np.tanh(self.q.values[:, None] + self.k.values[None]) @ self.v.values[0]

    def written(self, row: int, column: int) -> str:
        terms = zip(self.v.values[0], self.q.values[row], self.k.values[column], strict=True)
        return " + ".join(f"{number(v)} × tanh({number(q)} + {number(k)})" for v, q, k in terms)

    def live(self, row: int, column: int, at: Places) -> str:
        return f"SUMPRODUCT(TANH({at.row(self.q, row)}+{at.row(self.k, column)}),{at.row(self.v, 0)})"


@dataclass(frozen=True, eq=False)
class Joined(Op):
    """Tables side by side."""

    parts: tuple[Table, ...]

    @property
    def text(self) -> str:
        return "side by side: " + ", ".join(part.name for part in self.parts)

    @property
    def latex(self) -> str:
        return "[" + r" \;;\; ".join(symbol(part) for part in self.parts) + "]"

    def values(self) -> np.ndarray:
        return np.hstack([part.values for part in self.parts])

    def written(self, row: int, column: int) -> str:
        part, inside = self._of(column)
        return f"{part.name}, column {inside + 1}"

    def live(self, row: int, column: int, at: Places) -> str:
        part, inside = self._of(column)
        return at.cell(part, row, inside)

    def _of(self, column: int) -> tuple[Table, int]:
        for part in self.parts:
            if column < len(part.columns):
                return part, column
            column -= len(part.columns)
        raise IndexError(column)


@dataclass(frozen=True, eq=False)
class Columns(Op):
    """Some columns of a table: what a head has of it."""

    x: Table
    start: int
    stop: int

    @property
    def text(self) -> str:
        return f"columns {self.start + 1} to {self.stop} of {self.x.name}"

    @property
    def latex(self) -> str:
        return f"{{{symbol(self.x)}}}_{{[{self.start + 1}..{self.stop}]}}"

    def values(self) -> np.ndarray:
        return self.x.values[:, self.start : self.stop]

    def written(self, row: int, column: int) -> str:
        return f"{self.x.name}, column {self.start + column + 1}"

    def live(self, row: int, column: int, at: Places) -> str:
        return at.cell(self.x, row, self.start + column)


@dataclass(frozen=True, eq=False)
class Same(Op):
    """Another table as it is."""

    x: Table

    @property
    def text(self) -> str:
        return self.x.name

    @property
    def latex(self) -> str:
        return symbol(self.x)

    def values(self) -> np.ndarray:
        return self.x.values

    def written(self, row: int, column: int) -> str:
        return f"{self.x.name}: {number(self.x.values[row, column])}"

    def live(self, row: int, column: int, at: Places) -> str:
        return at.cell(self.x, row, column)


@dataclass(frozen=True, eq=False)
class Picked(Op):
    """Some rows of a table, in some order: an embedding."""

    x: Table
    places: tuple[int, ...]

    @property
    def text(self) -> str:
        return f"the tokens' rows of {self.x.name}"

    @property
    def latex(self) -> str:
        return f"{{{symbol(self.x)}}}_{{\\text{{tokens}}}}"

    def values(self) -> np.ndarray:
        return self.x.values[list(self.places)]

    def written(self, row: int, column: int) -> str:
        return f"{self.x.name}, row {self.x.rows[self.places[row]]}"

    def live(self, row: int, column: int, at: Places) -> str:
        return at.cell(self.x, self.places[row], column)


@dataclass(frozen=True, eq=False)
class Waves(Op):
    """Sinusoidal positions: sin(p / 10000^(2i/d)), cos of the same, in turns (Vaswani et al., 2017)."""

    length: int
    width: int

    @property
    def text(self) -> str:
        return f"sin and cos of position / 10000^(2i/{self.width}), in turns"

    @property
    def latex(self) -> str:
        return f"\\sin, \\cos\\, (p / 10000^{{2i/{self.width}}})"

    def values(self) -> np.ndarray:
        cells = [[self._wave(c)(self._angle(p, c)) for c in range(self.width)] for p in range(self.length)]
        return np.array(cells)

    def written(self, row: int, column: int) -> str:
        return f"{self._wave(column).__name__}({row} / 10000^({column - column % 2}/{self.width}))"

    def live(self, row: int, column: int, at: Places) -> str:
        name = self._wave(column).__name__.upper()
        return f"{name}({row}/10000^({column - column % 2}/{self.width}))"

    def _angle(self, row: int, column: int) -> float:
        return row / 10000.0 ** ((column - column % 2) / self.width)

    @staticmethod
    def _wave(column: int) -> Callable[[float], float]:
        return math.cos if column % 2 else math.sin


@dataclass(frozen=True, eq=False)
class Normed(Op):
    """Layer norm (Ba et al., 2016): each row less its mean, over its spread, times a scale, plus a shift."""

    x: Table
    scale: Table  # one row
    shift: Table  # one row
    eps: float = 1e-5

    @property
    def text(self) -> str:
        x = self.x.name
        return f"({x} - mean) / √(variance + {self.eps:g}) × {self.scale.name} + {self.shift.name}"

    @property
    def latex(self) -> str:
        return f"\\mathrm{{norm}}({symbol(self.x)})"

    def values(self) -> np.ndarray:
        x = self.x.values
        spread = np.sqrt(x.var(1, keepdims=True) + self.eps)
        return (x - x.mean(1, keepdims=True)) / spread * self.scale.values + self.shift.values

    def written(self, row: int, column: int) -> str:
        x = self.x.values[row]
        scale, shift = number(self.scale.values[0, column]), number(self.shift.values[0, column])
        mean, variance = number(x.mean()), number(x.var())
        return f"({number(x[column])} - {mean}) / √({variance} + {self.eps:g}) × {scale} + {shift}"

    def live(self, row: int, column: int, at: Places) -> str:
        whole, n = at.row(self.x, row), len(self.x.columns)
        variance = f"SUMPRODUCT(({whole}-AVERAGE({whole}))^2)/{n}"
        normed = f"({at.cell(self.x, row, column)}-AVERAGE({whole}))/SQRT({variance}+{_literal(self.eps)})"
        return f"{normed}*{at.cell(self.scale, 0, column)}+{at.cell(self.shift, 0, column)}"


# ----------------------------------------------------------------------------------------------------------------------

_WRITTEN_OUT = 32  # terms of a sum that a spreadsheet's formula still spells out
_CLOSED = "-1E+300"  # a spreadsheet has no infinity; e to this power is 0
_CLOSED_BELOW = "-1E+299"


def number(x: float) -> str:
    """As a person writes it: four digits after the point, none that say nothing."""
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    text = f"{x:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def symbol(table: Table) -> str:
    """A table's name in LaTeX: W_q -> W_q, similarities -> \\text{similarities}."""
    base, _, below = table.name.partition("_")
    base = base if len(base) == 1 else f"\\text{{{base}}}"
    return f"{base}_{{{below}}}" if below else base


def _sum_of_products(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    return " + ".join(f"{number(a)} × {number(b)}" for a, b in zip(x, y, strict=True))


def _literal(x: float) -> str:
    if math.isinf(x):
        return _CLOSED
    return repr(x)
