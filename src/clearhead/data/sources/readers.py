"""Files -> records: the columns that are asked for, one row at a time, whatever the file's form.

The suffix names the form, a further `.gz` or `.xz` how it is packed:

    .tsv .txt         TAB between columns, no quoting unless said       .po        messages and their translations
    .csv              quoted fields, even over lines                    .tmx       translation memories
    .jsonl .ndjson    one JSON object a line                            .parquet   columns of a schema
    hub:NAME          a data set of the hub, or a folder of data files

Nothing is held but the row at hand (PO: the file). Whatever is wrong with a file is a `DataError` that names the file
and the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import IO

from clearhead.data.sources.delimited import Row, csv_rows, quoted_rows, tab_rows, table_records
from clearhead.data.sources.dialects import Dialect
from clearhead.data.sources.files import form_of, is_packed, open_file, read_lines
from clearhead.data.sources.hub import hub_records
from clearhead.data.sources.json_lines import json_records
from clearhead.data.sources.parquet import parquet_records
from clearhead.data.sources.po import po_records
from clearhead.data.sources.records import Column, Record
from clearhead.data.sources.tmx import tmx_records
from clearhead.errors import DataError

__all__ = ["FORMS", "Column", "Record", "has_form", "read_records"]

FORMS = (".tsv", ".txt", ".csv", ".jsonl", ".ndjson", ".parquet", ".po", ".tmx")


def has_form(file: str | PathLike[str]) -> bool:
    """Whether the name alone tells what the file is."""
    name = fspath(file)
    return name.startswith(("sample:", "hub:")) or form_of(Path(name)) in FORMS


def read_records(
    file: str | PathLike[str],
    columns: Sequence[Column | None],
    *,
    header: bool | None = None,
    wanted: Sequence[str] = (),
    quoted: bool = False,
    comment: str | None = None,
) -> Iterator[Record]:
    """Read `columns` of every row of `file`.

    Args:
        columns: positions (from 1) or names. None, as the k-th, is position k of a table; elsewhere it is the key
            `wanted[k]` or what `choose_keys` takes for it, in TMX a language that nobody asked for.
        header: whether the first line of a table names the columns; None: yes, if a name is asked for or, with
            `wanted`, if it reads like names.
        wanted: what the columns are to be used as, for keys and for error messages.
        quoted: `.tsv` and `.txt` are quoted like CSV, as spreadsheet programs write them.
        comment: lines of a table that begin so are left out.

    Raises:
        DataError: while iterating, also when the file turns out to hold no record.
    """
    if (name := fspath(file)).startswith("hub:"):
        yield from _some(hub_records(name, columns, wanted), name)
        return
    path = Path(file)
    with open_file(path) as stream:  # before the suffix is judged: a missing file or a folder is the better message
        form = _form(path, wanted)
        match form:
            case ".parquet":
                records = parquet_records(stream, path, columns, wanted)
            case ".tmx":
                records = tmx_records(stream, path, columns)
            case ".po":
                records = po_records(read_lines(stream, path), path, columns)
            case ".jsonl" | ".ndjson":
                records = json_records(read_lines(stream, path), path, columns, wanted)
            case _:
                rows = _table_rows(stream, path, form == ".csv", len(columns), quoted, comment)
                fix = f"put {'a comma' if form == '.csv' else 'one TAB'} between columns, or ask for other columns"
                records = table_records(rows, path, columns, header, wanted=wanted, fix=fix)
        yield from _some(records, path)


def _table_rows(
    stream: IO[bytes], path: Path, is_csv: bool, columns: int, quoted: bool, comment: str | None
) -> Iterator[Row]:
    lines = read_lines(stream, path)
    if is_csv:
        return csv_rows(lines, path, comment, columns)
    return quoted_rows(lines, path, Dialect("\t"), comment) if quoted else tab_rows(lines, path, comment)


def _some(records: Iterator[Record], file: str | Path) -> Iterator[Record]:
    first = next(records, None)
    if first is None:
        raise DataError("the file holds no record", "check that it is the right file, written fully", file=file)
    yield first
    yield from records


def _form(path: Path, wanted: Sequence[str]) -> str:
    form = form_of(path)
    if form not in FORMS:
        known = f"give it one of {' '.join(FORMS)}, followed by .gz or .xz if it is packed"
        if "target" in wanted:
            known += "; two parallel text files are given one after the other: train.en train.de"
        raise DataError(f"the suffix {form!r} names no known form", known, file=path)
    if form == ".parquet" and is_packed(path):
        fix = f"unpack it: {'xz' if path.suffix.lower() == '.xz' else 'gzip'} -dk {path.name}"
        raise DataError("a Parquet file is packed inside already, and is not read from a packed one", fix, file=path)
    return form
