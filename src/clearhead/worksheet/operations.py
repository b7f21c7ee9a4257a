"""Operations that compute a table from others.

Product x · W      Like q · kᵀ      Times c x      Plus x + y      Softmax      Unit x / |x|
TanhSum v · tanh(q + k)      Waves sin, cos of positions      Normed layer norm
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clearhead.worksheet.tables import CLOSED_BELOW, NumberTable, Op, Places, literal, number, symbol

__all__ = ["Like", "Normed", "Plus", "Product", "Softmax", "TanhSum", "Times", "Unit", "Waves"]

_WRITTEN_OUT = 32  # terms of a sum that a spreadsheet's formula still spells out


@dataclass(frozen=True, eq=False)
class Product(Op):
    """x · W: rows times columns."""

    x: NumberTable
    w: NumberTable

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

    q: NumberTable
    k: NumberTable

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

    x: NumberTable
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
        factor = f"SQRT({literal(round(self.factor**2, 12))})" if self.root else literal(self.factor)
        return f"{at.cell(self.x, row, column)}{'/' if self.under else '*'}{factor}"


@dataclass(frozen=True, eq=False)
class Plus(Op):
    """x + y, cell by cell; a y of one row is added to every row (a bias)."""

    x: NumberTable
    y: NumberTable

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

    x: NumberTable

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
        return f"IF(MAX({whole})<{CLOSED_BELOW},0,{share})"


@dataclass(frozen=True, eq=False)
class Unit(Op):
    """Each row over its length; a row of zeros stays one."""

    x: NumberTable

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
class TanhSum(Op):
    """The sum over h of v_h tanh(q_ih + k_jh)."""

    q: NumberTable
    k: NumberTable
    v: NumberTable  # one row

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

    x: NumberTable
    scale: NumberTable  # one row
    shift: NumberTable  # one row
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
        normed = f"({at.cell(self.x, row, column)}-AVERAGE({whole}))/SQRT({variance}+{literal(self.eps)})"
        return f"{normed}*{at.cell(self.scale, 0, column)}+{at.cell(self.shift, 0, column)}"


def _sum_of_products(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    return " + ".join(f"{number(a)} × {number(b)}" for a, b in zip(x, y, strict=True))
