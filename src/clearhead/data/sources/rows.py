"""Files -> rows with all that stands in them, for tasks whose values are more than texts.

.jsonl .ndjson    one JSON object a line        .parquet    rows of any schema
.json             a list of objects             .csv .tsv   a header line, then texts
hub:NAME          a data set of the hub
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from clearhead.data.sources.delimited import csv_rows, tab_rows
from clearhead.data.sources.files import form_of, open_file, read_lines
from clearhead.data.sources.hub import hub_rows
from clearhead.data.sources.json_lines import json_objects
from clearhead.data.sources.keys import kind_of
from clearhead.data.sources.parquet import parquet_rows
from clearhead.data.sources.records import Row
from clearhead.errors import DataError
from clearhead.parsing import parse_json

__all__ = ["read_rows"]

_FORMS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv", ".tsv")


def read_rows(file: str) -> Iterator[Row]:
    """Every row of a file.

    Raises:
        DataError: while iterating: it cannot be read, is damaged, or holds no row.
    """
    some = False
    for line, values in _rows(file):
        some = True
        yield Row(file, line, values)
    if not some:
        raise DataError("the file holds no row", "check that it is the right file, written fully", file=file)


def _rows(file: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    if file.startswith("hub:"):
        yield from enumerate(hub_rows(file), 1)
        return
    path = Path(file)
    with open_file(path) as stream:
        form = form_of(path)
        match form:
            case ".jsonl" | ".ndjson":
                yield from json_objects(read_lines(stream, path), path)
            case ".json":
                yield from enumerate(_list(stream, path), 1)
            case ".parquet":
                yield from enumerate(parquet_rows(stream, path), 1)
            case ".csv" | ".tsv":
                yield from _table(stream, path, form)
            case _:
                fix = f"give it one of {' '.join(_FORMS)}, followed by .gz or .xz if it is packed"
                raise DataError(f"the suffix {form!r} names no known form of rows", fix, file=path)


def _list(stream: IO[bytes], path: Path) -> list[dict[str, object]]:
    text = "\n".join(line for _, line in read_lines(stream, path))
    lines = text.lstrip().startswith("{")
    fix = "objects one a line are a .jsonl file" if lines else "write a list of objects"
    given = parse_json(text, file=path, fix=fix, halves=True)
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise DataError(f"a list of objects was wanted, this is {kind_of(given)}", "write [{...}, ...]", file=path)
    return given


def _table(stream: IO[bytes], path: Path, form: str) -> Iterator[tuple[int, dict[str, object]]]:
    lines = read_lines(stream, path)
    rows = csv_rows(lines, path) if form == ".csv" else tab_rows(lines, path)
    _, names = next(rows, (0, []))
    for line, row in rows:
        if len(row) != len(names):
            problem = f"{len(row)} columns where the header line has {len(names)}"
            raise DataError(problem, "quote fields that hold separators or line ends", file=path, line=line)
        yield line, dict(zip(names, row, strict=True))
