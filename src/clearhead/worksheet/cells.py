"""How a paper's tables read as text, whatever the form: which columns fit, how a number looks, one cell in full."""

from __future__ import annotations

import math

from clearhead.errors import ConfigError
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable, number

__all__ = ["MISSING", "TERMS", "cell", "digits_of", "grid", "in_full", "place", "proof"]

MISSING = "…"
TERMS = 8  # of an example's sum that are written


def cell(table: NumberTable, row: int, column: int, *, digits: int | None = None) -> str:
    """One number as people read it: a share as a percentage, else with so many digits (default: as many as it has)."""
    x = float(table.values[row, column])
    if table.percent:
        return f"{table.percents[row][column]} %"
    return number(x) if digits is None or math.isinf(x) else f"{x:.{digits}f}"


def grid(table: NumberTable, *, most: int = 12) -> tuple[list[str], list[list[str]]]:
    """(headings, rows), labels first, points below one another; of a large table the middle is left out.

    Args:
        most: columns to show.
    """
    rows, columns = _shown(len(table.rows), 24), _shown(len(table.columns), most)
    digits = digits_of(table)
    headings = ["", *(MISSING if c is None else table.columns[c] for c in columns)]
    cells = [[MISSING if r is None else table.rows[r], *(_one(table, r, c, digits) for c in columns)] for r in rows]
    return headings, cells


def digits_of(table: NumberTable) -> int:
    """Digits after the point that the numbers of a table are written with, so that points stand below one another."""
    return max(len(number(float(x)).partition(".")[2]) for x in table.values.flat)


def _shown(count: int, most: int) -> list[int | None]:
    """Which of so many rows or columns: all, or some of the first, None and some of the last."""
    last = min(4, most // 3)
    return [*range(count)] if count <= most else [*range(min(6, most - last - 1)), None, *range(count - last, count)]


def _one(table: NumberTable, row: int | None, column: int | None, digits: int) -> str:
    return MISSING if row is None or column is None else cell(table, row, column, digits=digits)


def in_full(table: NumberTable, row: int = 0, column: int = 0, *, terms: int | None = None) -> str:
    """One cell with its arithmetic: "q[Write, 1] = 1.16 × 0.5406 + 0.23 × 0.5869 = 0.7621".

    Args:
        terms: of a longer sum, only so many are written (default: all).
    """
    where = f"{table.name}[{table.rows[row]}, {table.columns[column]}]"
    value = cell(table, row, column)
    if table.given:
        return f"{where} = {value}"
    written = table.op.written(row, column)
    parts = written.split(" + ")
    if terms is not None and len(parts) > terms:
        written = " + ".join([*parts[: terms - 1], MISSING, parts[-1]]) + f" ({len(parts)} terms)"
    return f"{where} = {written} = {value}"


def proof(paper: Paper) -> str:
    """The last line of a paper."""
    if paper.gap is None:
        return "the shares were given: there is no attention to compare with"
    return f"max |this paper - clearhead's own attention| = {paper.gap:.1e}"


def place(table: NumberTable, row: str, column: str) -> tuple[int, int]:
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
