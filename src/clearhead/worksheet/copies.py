"""Operations that compute nothing: the cells of other tables, taken over as they are.

Same x      Columns {x}[i..j]      Joined [x ; y]      Picked rows of x
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clearhead.worksheet.tables import NumberTable, Op, Places, number, symbol

__all__ = ["Columns", "Joined", "Picked", "Same"]


@dataclass(frozen=True, eq=False)
class Same(Op):
    """Another table as it is."""

    x: NumberTable

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
class Columns(Op):
    """Some columns of a table: what a head has of it."""

    x: NumberTable
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
class Joined(Op):
    """Tables side by side."""

    parts: tuple[NumberTable, ...]

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

    def _of(self, column: int) -> tuple[NumberTable, int]:
        for part in self.parts:
            if column < len(part.columns):
                return part, column
            column -= len(part.columns)
        raise IndexError(column)


@dataclass(frozen=True, eq=False)
class Picked(Op):
    """Some rows of a table, in some order: an embedding."""

    x: NumberTable
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
