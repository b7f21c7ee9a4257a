"""How a paper's tables read as text, whatever the form: which columns fit, how a number looks, one cell in full."""

from __future__ import annotations

import math

from clearhead.errors import ConfigError
from clearhead.views.worksheet.paper import Paper
from clearhead.views.worksheet.tables import Table, number

__all__ = ["MISSING", "cell", "grid", "in_full", "place", "proof"]

MISSING = "…"
_MOST, _FIRST, _LAST = 12, 6, 4  # columns; of more, the first and last are shown


def cell(table: Table, row: int, column: int, *, digits: int | None = None) -> str:
    """One number as people read it: a share as a percentage, else with so many digits (default: as many as it has)."""
    x = float(table.values[row, column])
    if table.percent:
        return f"{100 * x:.0f} %"
    return number(x) if digits is None or math.isinf(x) else f"{x:.{digits}f}"


def grid(table: Table) -> tuple[list[str], list[list[str]]]:
    """(headings, rows), labels first, points below one another; of too many columns the middle ones are left out."""
    n = len(table.columns)
    shown: list[int | None] = list(range(n))
    if n > _MOST:
        shown = [*range(_FIRST), None, *range(n - _LAST, n)]
    digits = max(len(number(float(x)).partition(".")[2]) for x in table.values.flat)
    headings = ["", *(MISSING if c is None else table.columns[c] for c in shown)]
    rows = [
        [label, *(MISSING if c is None else cell(table, row, c, digits=digits) for c in shown)]
        for row, label in enumerate(table.rows)
    ]
    return headings, rows


def in_full(table: Table, row: int = 0, column: int = 0) -> str:
    """One cell with its arithmetic: "q[Write, 1] = 1.16 × 0.5406 + 0.23 × 0.5869 = 0.7621"."""
    place = f"{table.name}[{table.rows[row]}, {table.columns[column]}]"
    value = cell(table, row, column)
    return f"{place} = {value}" if table.given else f"{place} = {table.op.written(row, column)} = {value}"


def proof(paper: Paper) -> str:
    """The last line of a paper."""
    return f"max |this paper - clearhead's own attention| = {paper.gap:.1e}"


def place(table: Table, row: str, column: str) -> tuple[int, int]:
    """Row and column by label or by number from 1.

    Raises:
        ConfigError: there is no such row or column.
    """
    return _index(table.rows, row, f"row of {table.name}"), _index(table.columns, column, f"column of {table.name}")


def _index(labels: tuple[str, ...], wanted: str, what: str) -> int:
    if wanted in labels:
        return labels.index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(labels):
        return int(wanted) - 1
    raise ConfigError(f"there is no {what} {wanted!r}", f"take one of {', '.join(labels)}, or a number from 1")
