"""Parquet files: columns of a schema, some thousand rows at a time -> records. Only the columns asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from clearhead.data.sources.files import extra
from clearhead.data.sources.keys import choose_keys, dotted, look_up, text_under
from clearhead.data.sources.records import Column, Record, listed
from clearhead.errors import DataError, nearest

__all__ = ["parquet_records", "parquet_rows"]

_ROWS = 1024
_FIX = "fetch or write it again; a complete Parquet file begins and ends with PAR1"


def parquet_records(
    stream: IO[bytes], path: Path, columns: Sequence[Column | None], wanted: Sequence[str]
) -> Iterator[Record]:
    """The rows; which columns are meant is told from the schema as from a JSON object (see `choose_keys`).

    Raises:
        DataError: damaged, no such column, a column of something else than strings, a null, or no pyarrow.
    """
    arrow, file = _opened(stream, path)
    schema = {field.name: _tree(field.type, arrow) for field in file.schema_arrow}
    keys = choose_keys(schema, columns, wanted, path, 1) if file.metadata.num_rows else []
    for key in keys:
        _check(schema, key, path)
    name = str(path)
    for line, row in enumerate(_rows(arrow, file, list(dict.fromkeys(keys)), path), 1):
        yield Record(name, line, tuple([text_under(row, key, path, line) for key in keys]))


def parquet_rows(stream: IO[bytes], path: Path) -> Iterator[dict[str, object]]:
    """The rows with all that stands in them.

    Raises:
        DataError: damaged, or no pyarrow.
    """
    arrow, file = _opened(stream, path)
    yield from _rows(arrow, file, None, path)


def _opened(stream: IO[bytes], path: Path) -> tuple[ModuleType, Any]:
    """(the library, the file)."""
    arrow, parquet = extra("pyarrow", "Parquet", path), extra("pyarrow.parquet", "Parquet", path)
    try:
        return arrow, parquet.ParquetFile(stream)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"not a Parquet file, or a damaged one ({_said(error)})", _FIX, file=path) from None


def _rows(arrow: ModuleType, file: Any, keys: list[str] | None, path: Path) -> Iterator[dict[str, object]]:
    batches, done = file.iter_batches(_ROWS, columns=keys, use_threads=False), 0
    while True:
        try:
            rows = next(batches, arrow.RecordBatch.from_pylist([], arrow.schema([]))).to_pylist()
        except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
            problem = f"the data are damaged from this row on ({_said(error)})"
            raise DataError(problem, _FIX, file=path, line=done + 1) from None
        if not rows:
            return
        yield from rows
        done += len(rows)


def _tree(kind: Any, arrow: ModuleType) -> object:
    """The type of a column as a value of its kind: "" for strings, a dict for a struct, else the type itself."""
    types = arrow.types
    if types.is_struct(kind):
        return {field.name: _tree(field.type, arrow) for field in kind}
    text = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(text) or types.is_large_string(text) or types.is_string_view(text)
    return "" if is_text else kind


def _check(schema: dict[str, object], key: str, path: Path) -> None:
    names = dotted(schema)
    kind = look_up(schema, key, None)
    if kind is None:
        fix = nearest(key, names) or "ask for one of these, or by position"
        raise DataError(f"there is no column {key!r}; the file has {listed(names)}", fix, file=path)
    if kind != "":
        what = "a struct" if isinstance(kind, dict) else f"of type {kind}"
        within = [name for name in names if name.startswith(f"{key}.")]
        fix = f"ask for {' or '.join(map(repr, within))}" if within else "ask for another column, or write it as text"
        raise DataError(f"the column {key!r} is {what}, strings are wanted", fix, file=path)


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0]
