"""JSON lines: one object a line, keys named anew in each -> records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from clearhead.data.sources.files import Line
from clearhead.data.sources.keys import Number, choose_keys, kind_of, text_under
from clearhead.data.sources.records import Column, Record
from clearhead.errors import DataError
from clearhead.parsing import parse_json

__all__ = ["json_objects", "json_records"]

_FIX = "write one JSON object a line (`jq -c .` makes lines of objects, `jq -c '.[]'` those of a list)"


def json_records(
    lines: Iterator[Line], path: Path, columns: Sequence[Column | None], wanted: Sequence[str]
) -> Iterator[Record]:
    """The records of the objects; the first of them tells which keys are meant (see `choose_keys`)."""
    keys: list[str] | None = None
    asked = [column is not None for column in columns]  # nobody means a number by "text" alone
    name = str(path)
    for line, given in json_objects(lines, path):
        if keys is None:
            keys = choose_keys(given, columns, wanted, path, line)
        found = zip(keys, asked, strict=True)
        yield Record(name, line, tuple([text_under(given, key, path, line, numbers=n) for key, n in found]))


def json_objects(lines: Iterator[Line], path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """(line, object); blank lines are none. Numbers are text, as they are written."""
    for line, text in lines:
        if text and not text.isspace():
            yield line, _object(text, path, line)


def _object(text: str, path: Path, line: int) -> dict[str, object]:
    given = parse_json(text, file=path, line=line, fix=_FIX, number=Number, halves=True)
    if not isinstance(given, dict):
        raise DataError(f"a JSON object was wanted, this is {kind_of(given)}", _FIX, file=path, line=line)
    return given
