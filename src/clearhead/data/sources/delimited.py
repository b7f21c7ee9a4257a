"""Tables as text: lines -> rows -> records.

TSV has one TAB between columns and no quoting, unless it is said to be quoted as spreadsheet programs write it; CSV
(RFC 4180) has commas, and a field in quotes may hold commas, line ends and, written twice, quotes.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from clearhead.data.sources.dialects import LONGEST_FIELD, Dialect, are_names, dialect_of, opens_after_blank
from clearhead.data.sources.files import Line, mixed_ends
from clearhead.data.sources.keys import choose_keys
from clearhead.data.sources.records import Column, Record, listed, ordinal
from clearhead.errors import DataError, nearest

__all__ = ["Row", "csv_rows", "quoted_rows", "tab_rows", "table_records"]

Row: TypeAlias = tuple[int, list[str]]


def tab_rows(lines: Iterator[Line], path: Path, comment: str | None = None) -> Iterator[Row]:
    """Rows without quoting; blank lines and those that begin with `comment` are none.

    Raises:
        DataError: while iterating: a line is several, with "\\r" between them.
    """
    if comment is not None:
        lines = ((line, text) for line, text in lines if not text.startswith(comment))
    for line, text in lines:
        if text and not text.isspace():
            if "\r" in text and _are_rows(text.split("\r")):
                raise mixed_ends(path, line)
            yield line, text.split("\t")


def _are_rows(parts: list[str]) -> bool:
    """Whether parts of a line have as many columns each, several, as if they were lines themselves."""
    columns = {part.count("\t") for part in parts if part and not part.isspace()}
    return len(columns) == 1 and columns != {0}


def csv_rows(lines: Iterator[Line], path: Path, comment: str | None = None, wanted: int | None = None) -> Iterator[Row]:
    """Rows of a CSV, whatever separates its columns (see `dialect_of`); `wanted`: how many are asked for."""
    dialect, lines = dialect_of(lines, path, comment, wanted)
    yield from quoted_rows(lines, path, dialect, comment)


def quoted_rows(lines: Iterator[Line], path: Path, dialect: Dialect, comment: str | None = None) -> Iterator[Row]:
    """Rows whose fields may be quoted, each with the line where it starts; `comment` begins no line within quotes.

    Raises:
        DataError: while iterating: a quote that is not closed, or that opens nothing.
    """
    csv.field_size_limit(LONGEST_FIELD)
    start: int | None = None
    held: list[str] = []  # the lines of the row at hand

    def fed() -> Iterator[str]:
        nonlocal start
        for line, text in lines:
            if start is None:
                if comment is not None and text.startswith(comment):
                    continue
                start = line
            held.append(text + "\n")
            yield held[-1]

    # strict: else a quote that is never closed swallows the rest of the file without a word
    rows = csv.reader(fed(), delimiter=dialect.separator, skipinitialspace=dialect.blanks, strict=True)
    try:
        for row in rows:
            if row and not (len(row) == 1 and row[0].isspace()):
                _check_quotes(row, "".join(held), dialect.separator, path, start)
                yield start or 1, row
            start = None
            held.clear()
    except csv.Error as error:
        raise _not_quoted_right(str(error), dialect.separator, path, start) from None


def _check_quotes(row: list[str], text: str, separator: str, path: Path, start: int | None) -> None:
    if any(opens_after_blank(field) and f"{separator}{field}" in text for field in row):
        raise _not_quoted_right("a quote after a blank opens nothing", separator, path, start)


def _not_quoted_right(problem: str, separator: str, path: Path, start: int | None) -> DataError:
    fix = 'close every quote; inside a quoted field a quote is written twice ("")'
    if separator == "\t":
        fix += ", or read the file without quoting (no --data.quoted)"
    form = "quoted TSV" if separator == "\t" else "CSV"
    return DataError(f"the record that starts here is not valid {form} ({problem})", fix, file=path, line=start)


def table_records(
    rows: Iterator[Row],
    path: Path,
    columns: Sequence[Column | None],
    header: bool | None,
    *,
    wanted: Sequence[str] = (),
    fix: str = "put one TAB between columns, or ask for other columns",
) -> Iterator[Record]:
    """The records of rows; None, as the k-th column, is position k.

    Args:
        header: whether the first row names the columns; None: yes, if a name is asked for or, with `wanted`, if it
            reads like names.
        wanted: what the columns are to be used as, by which they are found among names if nobody asked for any.
        fix: what to do about a row with too few columns.
    """
    if header is None:
        header = any(isinstance(column, str) for column in columns)
        if wanted and not header:
            rows, columns, header = _told(rows, path, columns, wanted)
    line, names = next(rows, (1, [])) if header else (None, None)
    if names == []:  # a header was wanted of an empty file, which the caller reports
        return
    places = _places(columns, names, path, line)
    width, name = max(places, default=-1) + 1, str(path)
    for line, row in rows:
        if len(row) < width:
            problem = f"the line has {len(row)} column{'s' * (len(row) != 1)}, at least {width} are wanted"
            raise DataError(problem, fix, file=path, line=line)
        yield Record(name, line, tuple([row[place] for place in places]))


def _told(
    rows: Iterator[Row], path: Path, columns: Sequence[Column | None], wanted: Sequence[str]
) -> tuple[Iterator[Row], Sequence[Column | None], bool]:
    """(the rows, the columns, whether the first row names them), told from the first row."""
    first = next(rows, None)
    if first is None:
        return rows, columns, False
    line, row = first
    if header := are_names(row):
        names = [name.strip() for name in row]
        warnings.warn(
            f"{path}: line {line} is read as the names of columns: {listed(names)} (see --data.header)", stacklevel=2
        )
        if not any(columns):
            columns = choose_keys(dict.fromkeys(names, ""), columns, wanted, path, line)
    return chain([first], rows), columns, header


def _places(columns: Sequence[Column | None], names: list[str] | None, path: Path, line: int | None) -> list[int]:
    asked = {_place(column, names, path, line) for column in columns if column is not None}
    for k, column in enumerate(columns):
        if column is None and k in asked:  # reading one column as both source and target is never meant
            problem = f"column {k + 1} is asked for, and is also the default of the {ordinal(k)} value"
            raise DataError(problem, "say for each value which column it is", file=path)
    return [k if column is None else _place(column, names, path, line) for k, column in enumerate(columns)]


def _place(column: Column, names: list[str] | None, path: Path, line: int | None) -> int:
    if isinstance(column, int):
        if column < 1:
            raise DataError(f"there is no column {column}", "positions count from 1", file=path)
        return column - 1
    if names is None:
        fix = "ask by position, or say that the file has a header"
        raise DataError(f"column {column!r} is asked for by name, but there is no header line", fix, file=path)
    names = [name.strip() for name in names]
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise DataError(f"the header names {column!r} more than once", "ask by position", file=path, line=line)
    problem = f"there is no column {column!r}; the columns are {listed(names)}"
    raise DataError(problem, nearest(column, names) or "ask for one of these, or by position", file=path, line=line)
