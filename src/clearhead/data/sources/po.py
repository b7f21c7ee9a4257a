"""PO files of gettext: what a program says (msgid) and its translation (msgstr).

Left out is what is no translation: the header, obsolete entries (`#~`), fuzzy ones, those not yet translated. Where a
language has two plural forms, the second goes with the plural message; of other numbers of forms only the first is
taken. The whole file is held while it is read: a program's messages are few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clearhead.data.sources.delimited import Row, table_records
from clearhead.data.sources.files import Line, extra
from clearhead.data.sources.records import Column, Record
from clearhead.errors import DataError

__all__ = ["po_records"]

_QUOTED = re.compile(r'\s*(msg(ctxt|id|id_plural|str)(\[\d+\])?\s*)?"([^"\\]|\\.)*"\s*')
_FIX = "`msgfmt --check FILE` says more"


class _Content(str):
    """The text of a file; polib would cut it at U+2028 and its like, which stand inside messages."""

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self.split("\n")


def po_records(lines: Iterator[Line], path: Path, columns: Sequence[Column | None]) -> Iterator[Record]:
    """The translated messages; column 1 is "msgid", column 2 "msgstr"; the line is where the entry begins.

    Raises:
        DataError: not the form of PO files, nothing is translated, or polib is not installed.
    """
    polib = extra("polib", "PO files", path)
    content = _Content("\n".join(_checked(text, path, line) for line, text in lines) + "\n")
    try:
        entries = polib.pofile(content, encoding="utf-8")
    except OSError as error:  # polib's for a wrong order of lines; it tells the line within its message
        line = re.search(r"line (\d+)", str(error))
        problem = "the line does not fit where it stands in a PO file"
        fix = f"write msgid, then msgstr; {_FIX}"
        raise DataError(problem, fix, file=path, line=int(line[1]) if line else None) from error
    rows = [row for entry in entries for row in _rows(entry)]
    if entries and not rows:
        problem = f"none of the {len(entries)} entries is translated (obsolete and fuzzy ones do not count)"
        raise DataError(problem, "translate them first, or take another file", file=path)
    named = iter([(1, ["msgid", "msgstr"]), *rows])
    yield from table_records(named, path, columns, header=True, fix="msgid is column 1, msgstr column 2, no more")


def _checked(text: str, path: Path, line: int) -> str:
    """The line if it is one of a PO file: polib takes the last character of an open quote for a quote, and goes on."""
    bare = text.strip()
    if bare and not bare.startswith("#") and not _QUOTED.fullmatch(text):
        problem = "a PO line was wanted: a comment, or msgid, msgstr and the like with one text in quotes"
        raise DataError(problem, f'close every quote, write \\" within quotes; {_FIX}', file=path, line=line)
    return text


def _rows(entry: Any) -> Iterator[Row]:
    if entry.obsolete or entry.fuzzy or not entry.msgid:
        return
    forms = entry.msgstr_plural
    texts = [(entry.msgid, forms.get(0, "") if forms else entry.msgstr)]
    if len(forms) == 2:
        texts.append((entry.msgid_plural, forms.get(1, "")))
    for source, target in texts:
        if target:
            yield max(1, entry.linenum), [source, target]  # polib's first line is 0
