"""What every reader gives and takes: a record is one row, a column says where one of its values stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Column", "Dropped", "Record", "Row", "listed", "ordinal"]

Column: TypeAlias = int | str  # a position, counted from 1, or a name: a header's, a key, a language


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the values in the order of the columns asked for, and where it begins.

    `line` counts from 1; in forms without lines (Parquet, data sets) it is the number of the row.
    """

    file: str
    line: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One row with all that stands in it, by name; `line` as of a record."""

    file: str
    line: int
    values: Mapping[str, object]


@dataclass
class Dropped:
    """How many rows one rule left out, and the first of them."""

    count: int = 0
    first: str = ""

    def add(self, row: Record | Row) -> None:
        self.count += 1
        self.first = self.first or f"{row.file}, line {row.line}"


def listed(names: Iterable[str]) -> str:
    """Names for an error message: "'a', 'b'"."""
    return ", ".join(repr(name) for name in names) or "none"


def ordinal(k: int) -> str:
    """In words, the place of what is the k-th, counted from 0."""
    return ("first", "second", "third")[k] if k < 3 else f"{k + 1}th"
