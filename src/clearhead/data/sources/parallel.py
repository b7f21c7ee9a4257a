"""Two parallel text files: line k of the one belongs to line k of the other (Europarl, WMT, OPUS in Moses form)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from os import PathLike
from pathlib import Path

from clearhead.data.sources.delimited import Row, table_records
from clearhead.data.sources.files import Line, mixed_ends, open_file, read_lines
from clearhead.data.sources.records import Column, Record
from clearhead.errors import DataError

__all__ = ["read_parallel"]


def read_parallel(
    first: str | PathLike[str],
    second: str | PathLike[str],
    columns: Sequence[Column | None] = (None, None),
    *,
    header: bool | None = None,
    comment: str | None = None,
) -> Iterator[Record]:
    """The lines of two files side by side, blank ones too; a record names the first file.

    Args:
        columns: 1 is the first file, 2 the second; None, as the k-th, is position k.
        header: whether the first lines name the columns; None: no.
        comment: a line is left out where both files begin it so.

    Raises:
        DataError: while iterating, also when one file has more lines than the other, or neither has any.
    """
    one, other = Path(first), Path(second)
    with open_file(one) as left, open_file(other) as right:
        rows = _side_by_side(read_lines(left, one), read_lines(right, other), one, other)
        if comment is not None:
            rows = ((line, row) for line, row in rows if not all(text.startswith(comment) for text in row))
        found = False
        for record in table_records(rows, one, columns, bool(header), fix=f"{one} is column 1, {other} column 2"):
            found = True
            yield record
    if not found:
        raise DataError("the file holds no record", "check that it is the right file, written fully", file=one)


def _side_by_side(left: Iterator[Line], right: Iterator[Line], one: Path, other: Path) -> Iterator[Row]:
    for a, b in zip_longest(left, right):
        if a is None or b is None:
            raise _longer(*((other, one, b[0]) if a is None else (one, other, a[0])))
        if a[1].count("\r") == b[1].count("\r") != 0:
            raise mixed_ends(one, a[0])
        yield a[0], [a[1], b[1]]


def _longer(longer: Path, shorter: Path, line: int) -> DataError:
    end = f"{shorter} ends after line {line - 1}" if line > 1 else f"{shorter} is empty"
    fix = "both files must have as many lines, line k of one belonging to line k of the other; `wc -l` counts them"
    return DataError(f"this file is the longer one: from this line on nothing belongs to it, {end}", fix, file=longer,
                     line=line)  # fmt: skip
