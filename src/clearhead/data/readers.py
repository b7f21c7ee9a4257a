"""Files -> records: the columns that are asked for, one row at a time, whatever the file's form.

The suffix names the form: `.tsv` `.txt` (TAB between columns, no quoting), `.csv` (quoted fields, even over lines),
`.jsonl` `.ndjson` (one JSON object a line); a further `.gz` or `.xz` says how it is packed. Text is UTF-8, and only
"\\n" ends a line: U+0085 and U+2028 stand inside real sentences, so `str.splitlines` would tear those apart.
Nothing is held but the row at hand. Whatever is wrong with a file is a `DataError` that names the file and the line.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, TypeAlias, cast

from clearhead.errors import DataError, nearest

__all__ = ["Column", "Record", "read_records"]

Column: TypeAlias = int | str  # a position, counted from 1, or a name: a header's or a JSON key
Line: TypeAlias = tuple[int, str]
Row: TypeAlias = tuple[int, list[str]]

_PACKINGS = (".gz", ".xz")
_SYNONYMS = {
    "source": ("src", "input"),
    "target": ("tgt", "output"),
    "text": ("sentence", "content"),
    "label": ("class",),
}
_JSON_MEND = "write one JSON object a line (`jq -c .` makes lines of objects, `jq -c '.[]'` those of a list)"
_LONGEST_FIELD = 2**31 - 1  # csv stops at 131,072 characters otherwise; a C long is this small on some systems


@dataclass(frozen=True, slots=True)
class Record:
    """One row: the values in the order of the columns asked for, and where it begins (lines count from 1)."""

    file: str
    line: int
    values: tuple[str, ...]


def read_records(
    file: str | PathLike[str],
    columns: Sequence[Column | None],
    *,
    header: bool | None = None,
    wanted: Sequence[str] = (),
) -> Iterator[Record]:
    """Read `columns` of every row of `file`.

    Args:
        columns: positions (from 1) or names. None, as the k-th, is position k; in JSONL it is the key `wanted[k]`, or a
            synonym of it, or, where the first object holds just as many strings as are asked for, the next string.
        header: whether the first line names the columns; None: yes, if a name is asked for. JSONL has none.
        wanted: what the columns are to be used as, for JSONL's keys and for error messages.

    Raises:
        DataError: while iterating, also when the file turns out to hold no record.
    """
    path = Path(file)
    with _open(path) as stream:  # before the suffix is judged: a missing file or a folder is the better message
        form = _form(path)
        lines = _lines(stream, path)
        if form in (".jsonl", ".ndjson"):
            records = _json_records(lines, path, columns, wanted)
        else:
            rows = _csv_rows(lines, path) if form == ".csv" else _tab_rows(lines)
            records = _table_records(rows, path, columns, header)
        first = next(records, None)
        if first is None:
            raise DataError("the file holds no record", "check that it is the right file, written fully", file=path)
        yield first
        yield from records


# Bytes -> lines


def _open(path: Path) -> IO[bytes]:
    try:
        match path.suffix.lower():
            case ".gz":
                return cast("IO[bytes]", gzip.open(path, "rb"))
            case ".xz":
                return lzma.open(path, "rb")
            case _:
                return path.open("rb")
    except FileNotFoundError:
        raise DataError("there is no such file", _near(path), file=path) from None
    except IsADirectoryError:
        raise DataError("a file was wanted, this is a folder", "name the files in it", file=path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(path, error) from None


def _near(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"the folder {str(path.parent)!r} cannot be read either: check the path"
    return nearest(path.name, names) or "check the name and the folder"


def _unreadable(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or error
    return DataError(f"the file cannot be read ({reason})", "check its name and your permissions", file=path)


def _form(path: Path) -> str:
    inner = Path(path.stem) if path.suffix.lower() in _PACKINGS else path
    form = inner.suffix.lower()
    if form not in (".tsv", ".txt", ".csv", ".jsonl", ".ndjson"):
        known = "give it one of .tsv .txt .csv .jsonl .ndjson, followed by .gz or .xz if it is packed"
        raise DataError(f"the suffix {form!r} names no known form", known, file=path)
    return form


def _lines(stream: IO[bytes], path: Path) -> Iterator[Line]:
    number = 0
    try:
        for number, raw in enumerate(stream, 1):
            yield number, _text(raw, path, number)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        mend = f"fetch or pack it anew; `{'xz' if path.suffix.lower() == '.xz' else 'gzip'} -t` tests it"
        raise DataError(f"the packed data are damaged or cut off ({error})", mend, file=path, line=number + 1) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _text(raw: bytes, path: Path, line: int) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        problem = f"byte {error.start + 1} of the line (0x{raw[error.start]:02x}) is not UTF-8"
        raise DataError(problem, _encoding_mend(raw, path), file=path, line=line) from None
    text = text.removesuffix("\n").removesuffix("\r")
    return text.removeprefix("\ufeff") if line == 1 else text


def _encoding_mend(raw: bytes, path: Path) -> str:
    if raw.startswith((b"\x1f\x8b", b"\xfd7zXZ")):
        return f"it is packed: let its name end in {'.gz' if raw[0] == 0x1F else '.xz'}"
    was = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin1"
    return f"save the file as UTF-8, e.g. `iconv -f {was} -t utf-8 {path.name} > utf8-{path.name}`"


# Tables: lines -> rows -> records


def _tab_rows(lines: Iterator[Line]) -> Iterator[Row]:
    for line, text in lines:
        if text and not text.isspace():
            yield line, text.split("\t")


def _csv_rows(lines: Iterator[Line], path: Path) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    # strict: else a quote that is never closed swallows the rest of the file without a word
    rows = csv.reader((text + "\n" for _, text in lines), strict=True)
    while True:
        start = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            mend = 'close every quote; inside a quoted field a quote is written twice ("")'
            raise DataError(
                f"the record that starts here is not valid CSV ({error})", mend, file=path, line=start
            ) from None
        if row and not (len(row) == 1 and row[0].isspace()):
            yield start, row


def _table_records(
    rows: Iterator[Row], path: Path, columns: Sequence[Column | None], header: bool | None
) -> Iterator[Record]:
    if header is None:
        header = any(isinstance(column, str) for column in columns)
    line, names = next(rows, (1, [])) if header else (None, None)
    if names == []:  # a header was wanted of an empty file, which the caller reports
        return
    places = _places(columns, names, path, line)
    width, name = max(places, default=-1) + 1, str(path)
    for line, row in rows:
        if len(row) < width:
            raise _too_narrow(len(row), width, path, line)
        yield Record(name, line, tuple([row[place] for place in places]))


def _places(columns: Sequence[Column | None], names: list[str] | None, path: Path, line: int | None) -> list[int]:
    asked = {_place(column, names, path, line) for column in columns if column is not None}
    for k, column in enumerate(columns):
        if column is None and k in asked:  # reading one column as both source and target is never meant
            problem = f"column {k + 1} is asked for, and is also the default of the {_ordinal(k)} value"
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
    problem = f"the header has no column {column!r}; it names {_listed(names)}"
    raise DataError(problem, nearest(column, names) or "ask for one of these, or by position", file=path, line=line)


def _too_narrow(given: int, wanted: int, path: Path, line: int) -> DataError:
    separator = "a comma" if _form(path) == ".csv" else "one TAB"
    problem = f"the line has {given} column{'s' * (given != 1)}, at least {wanted} are wanted"
    return DataError(problem, f"put {separator} between columns, or ask for other columns", file=path, line=line)


# JSON lines: lines -> objects -> records


class _Number(str):
    """A JSON number as it is written: taken where it is asked for, but never for a text by itself."""


_decoder = json.JSONDecoder(parse_float=_Number, parse_int=_Number, parse_constant=_Number)


def _json_records(
    lines: Iterator[Line], path: Path, columns: Sequence[Column | None], wanted: Sequence[str]
) -> Iterator[Record]:
    keys: list[str] | None = None
    name = str(path)
    for line, text in lines:
        if not text or text.isspace():
            continue
        given = _object(text, path, line)
        if keys is None:
            keys = _keys(given, columns, wanted, path, line)
        yield Record(name, line, tuple([_value(given, key, path, line) for key in keys]))


def _object(text: str, path: Path, line: int) -> dict[str, object]:
    try:
        given = _decoder.decode(text)
    except json.JSONDecodeError as error:
        problem = f"not valid JSON ({error.msg} at character {error.colno})"
        raise DataError(problem, _JSON_MEND, file=path, line=line) from None
    except RecursionError:
        raise DataError("the JSON is nested too deeply", _JSON_MEND, file=path, line=line) from None
    if not isinstance(given, dict):
        raise DataError(f"a JSON object was wanted, this is {_kind(given)}", _JSON_MEND, file=path, line=line)
    return given


def _keys(
    given: Mapping[str, object], columns: Sequence[Column | None], wanted: Sequence[str], path: Path, line: int
) -> list[str]:
    keys = [None if column is None else _key(column, given, path, line) for column in columns]
    for k, use in enumerate(wanted[: len(keys)]):
        if keys[k] is None:
            known = (use, *_SYNONYMS.get(use, ()))
            keys[k] = next((key for key in known if key in given and key not in keys), None)
    texts = [key for key, value in given.items() if type(value) is str and key not in keys]
    if None in keys and len(texts) != keys.count(None):
        uses = " and ".join(wanted[: len(keys)]) or f"the {len(keys)} values"
        problem = f"no telling which keys hold {uses}; this object has {_listed(given)}"
        raise DataError(problem, f"name the columns: say which keys hold {uses}", file=path, line=line)
    return [texts.pop(0) if key is None else key for key in keys]


def _key(column: Column, given: Mapping[str, object], path: Path, line: int) -> str:
    if isinstance(column, str):
        return column
    if not 1 <= column <= len(given):
        problem = f"there is no column {column}; this object has {_listed(given)}"
        raise DataError(problem, "ask for one of these keys by name", file=path, line=line)
    return list(given)[column - 1]


def _value(given: Mapping[str, object], key: str, path: Path, line: int) -> str:
    if key not in given:
        problem = f"there is no key {key!r}; this object has {_listed(given)}"
        mend = nearest(key, given) or "ask for one of these, and give every object the same keys"
        raise DataError(problem, mend, file=path, line=line)
    value = given[key]
    if not isinstance(value, str):
        problem = f"the value of {key!r} is {_kind(value)}, a string was wanted"
        raise DataError(problem, "write it as a string, or ask for another key", file=path, line=line)
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        problem = f"the value of {key!r} holds half a character (a \\ud800..\\udfff escape without its partner)"
        raise DataError(problem, "write characters as UTF-8, or escape both halves", file=path, line=line)
    return str(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", bool: "true or false", str: "a string", _Number: "a number"}
    return names.get(type(value), "null")


def _listed(names: Sequence[str] | Mapping[str, object]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _ordinal(k: int) -> str:
    return ("first", "second", "third")[k] if k < 3 else f"{k + 1}th"
