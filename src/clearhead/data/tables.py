"""Tables as text: lines -> rows -> records.

TSV has one TAB between columns and no quoting, unless it is said to be quoted as spreadsheet programs write it; CSV
(RFC 4180) has commas, and a field in quotes may hold commas, line ends and, written twice, quotes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from clearhead.data.files import Line
from clearhead.data.records import Column, Record, listed, ordinal
from clearhead.errors import DataError, nearest

__all__ = ["Row", "quoted_rows", "tab_rows", "table_records"]

Row: TypeAlias = tuple[int, list[str]]

_LONGEST_FIELD = 2**31 - 1  # csv stops at 131,072 characters otherwise; a C long is this small on some systems


def tab_rows(lines: Iterator[Line], comment: str | None = None) -> Iterator[Row]:
    """Rows without quoting; blank lines and those that begin with `comment` are none."""
    if comment is not None:
        lines = ((line, text) for line, text in lines if not text.startswith(comment))
    for line, text in lines:
        if text and not text.isspace():
            yield line, text.split("\t")


def quoted_rows(lines: Iterator[Line], path: Path, separator: str, comment: str | None = None) -> Iterator[Row]:
    """Rows whose fields may be quoted, each with the line where it starts; `comment` begins no line within quotes."""
    csv.field_size_limit(_LONGEST_FIELD)
    start: int | None = None

    def fed() -> Iterator[str]:
        nonlocal start
        for line, text in lines:
            if start is None:
                if comment is not None and text.startswith(comment):
                    continue
                start = line
            yield text + "\n"

    # strict: else a quote that is never closed swallows the rest of the file without a word
    rows = csv.reader(fed(), delimiter=separator, strict=True)
    try:
        for row in rows:
            if row and not (len(row) == 1 and row[0].isspace()):
                yield start or 1, row
            start = None
    except csv.Error as error:
        raise _not_quoted_right(error, separator, path, start) from None


def _not_quoted_right(error: csv.Error, separator: str, path: Path, start: int | None) -> DataError:
    mend = 'close every quote; inside a quoted field a quote is written twice ("")'
    if separator == "\t":
        mend += ", or read the file without quoting (no --data.quoted)"
    form = "CSV" if separator == "," else "quoted TSV"
    return DataError(f"the record that starts here is not valid {form} ({error})", mend, file=path, line=start)


def table_records(
    rows: Iterator[Row],
    path: Path,
    columns: Sequence[Column | None],
    header: bool | None,
    *,
    mend: str = "put one TAB between columns, or ask for other columns",
) -> Iterator[Record]:
    """The records of rows; None, as the k-th column, is position k.

    Args:
        header: whether the first row names the columns; None: yes, if a name is asked for.
        mend: what to do about a row with too few columns.
    """
    if header is None:
        header = any(isinstance(column, str) for column in columns)
    line, names = next(rows, (1, [])) if header else (None, None)
    if names == []:  # a header was wanted of an empty file, which the caller reports
        return
    places = _places(columns, names, path, line)
    width, name = max(places, default=-1) + 1, str(path)
    for line, row in rows:
        if len(row) < width:
            problem = f"the line has {len(row)} column{'s' * (len(row) != 1)}, at least {width} are wanted"
            raise DataError(problem, mend, file=path, line=line)
        yield Record(name, line, tuple([row[place] for place in places]))


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
        mend = "ask by position, or say that the file has a header"
        raise DataError(f"column {column!r} is asked for by name, but there is no header line", mend, file=path)
    names = [name.strip() for name in names]
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise DataError(f"the header names {column!r} more than once", "ask by position", file=path, line=line)
    problem = f"there is no column {column!r}; the columns are {listed(names)}"
    raise DataError(problem, nearest(column, names) or "ask for one of these, or by position", file=path, line=line)
