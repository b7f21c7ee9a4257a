"""PO files: only what is translated, plural forms, lines, and every broken line named."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest

from clearhead.data.sources.readers import Column, read_records
from clearhead.errors import DataError

PAIR: list[Column | None] = [None, None]
HEADER = '# made by hand\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n'
ENTRIES = """\
msgid "One"
msgstr "Eins"

#: file.c:7
#, c-format
msgctxt "menu"
msgid ""
"a \\"quoted\\"\\n"
"line\u2028here"
msgstr "eine \u0085Zeile"

#, fuzzy
msgid "fuzzy"
msgstr "ungenau"

msgid "nothing yet"
msgstr ""

#~ msgid "old"
#~ msgstr "alt"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

msgid "%d day"
msgid_plural "%d days"
msgstr[0] "%d dzień"
msgstr[1] "%d dni"
msgstr[2] "%d dni"

msgid "%d half"
msgid_plural "%d halves"
msgstr[0] "%d Hälfte"
msgstr[1] ""
"""


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def read(path: Path, columns: list[Column | None] = PAIR) -> list[tuple[int, tuple[str, ...]]]:
    return [(record.line, record.values) for record in read_records(path, columns)]


def error(path: Path, columns: list[Column | None] = PAIR) -> DataError:
    with pytest.raises(DataError) as caught:
        read(path, columns)
    assert caught.value.fix and str(path) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_translated_is_read(tmp_path: Path, end: str) -> None:
    path = write(
        tmp_path / "de.po.gz", gzip.compress(("\ufeff" + HEADER + ENTRIES).replace("\n", end).encode(), mtime=0)
    )
    assert read(path) == [
        (6, ("One", "Eins")),
        (9, ('a "quoted"\nline\u2028here', "eine \u0085Zeile")),
        (27, ("%d file", "%d Datei")),
        (27, ("%d files", "%d Dateien")),
        (32, ("%d day", "%d dzień")),
        (38, ("%d half", "%d Hälfte")),
    ]


def test_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "de.po", ENTRIES[:28])
    assert read(path, ["msgstr", "msgid"]) == read(path, [2, 1]) == [(1, ("Eins", "One"))]
    assert "there is no column 'en'; the columns are 'msgid', 'msgstr'" in str(error(path, ["en", "msgstr"]))
    assert "msgid is column 1, msgstr column 2, no more" in str(error(path, [1, 2, 3]))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('msgid "a\nmsgstr "b"\n', 1, "a PO line was wanted"),
        ('msgid "a"\nmsgstr "b\\"\n', 2, "close every quote"),
        ('msgid "a"\n\nmsgstr b\n', 3, "a PO line was wanted"),
        ('msgid "a" "b"\nmsgstr "c"\n', 1, "a PO line was wanted"),
        ("one\teins\n", 1, "a PO line was wanted"),
        ('msgstr "x"\nmsgid "a"\n', 1, "does not fit where it stands"),
        ('msgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgid "d"\n', 5, "write msgid, then msgstr"),
        (
            HEADER + 'msgid "a"\nmsgstr ""\n\n#, fuzzy\nmsgid "b"\nmsgstr "c"\n',
            None,
            "none of the 2 entries is translated",
        ),
        (HEADER, None, "no record"),
        ("", None, "no record"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    caught = error(write(tmp_path / "de.po", text))
    assert caught.line == line
    assert said in str(caught)


def test_text_of_another_encoding(tmp_path: Path) -> None:
    caught = error(write(tmp_path / "de.po", b'msgid "a"\nmsgstr "\xe4"\n'))
    assert caught.line == 2 and "iconv -f latin1" in caught.fix


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polib", None)
    caught = error(write(tmp_path / "de.po", ENTRIES))
    assert caught.fix == 'pip install "clearhead[data]"'
