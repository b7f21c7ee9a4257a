"""Files -> records: every form and packing reads back what was written; whatever is wrong is named with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearhead.data.sources.readers import Column, Record, read_records
from clearhead.errors import DataError

PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lambda b: lzma.compress(b, preset=0),
}
PAIR: list[Column | None] = [None, None]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def values(path: Path, columns: list[Column | None] = PAIR, **options: object) -> list[tuple[str, ...]]:
    return [record.values for record in read_records(path, columns, **options)]  # type: ignore[arg-type]


def error(path: Path, columns: list[Column | None] = PAIR, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        values(path, columns, **options)
    assert caught.value.fix
    assert str(path) in str(caught.value)
    return caught.value


# Reading back what was written

no_controls = st.characters(exclude_categories=["Cs"], exclude_characters="\t\r\n")
cell = st.text(no_controls, max_size=20)
row = st.tuples(cell, cell).filter(lambda row: not "".join(row).isspace() and any(row))
any_row = st.tuples(*[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"))] * 2)


def as_tsv(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{a}\t{b}\n" for a, b in rows)


def as_csv(rows: list[tuple[str, str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def as_json(rows: list[tuple[str, str]]) -> str:
    return "".join(json.dumps({"source": a, "target": b}, ensure_ascii=len(a) % 2 == 0) + "\n" for a, b in rows)


def read_back(suffix: str, text: str, packing: str) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        return values(
            write(Path(folder) / f"a{suffix}{packing}", PACKINGS[packing](text.encode())), wanted=("source", "target")
        )


@pytest.mark.parametrize("packing", PACKINGS)
@given(st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_back(packing: str, data: st.DataObject) -> None:
    suffix, rows, form = data.draw(
        st.sampled_from(
            [(".tsv", row, as_tsv), (".txt", row, as_tsv), (".csv", any_row, as_csv), (".jsonl", any_row, as_json)]
        )
    )
    written = data.draw(st.lists(rows, min_size=1, max_size=8))
    if written[0][0].startswith("\ufeff"):  # not to be told from a byte order mark
        written[0] = ("a", "b")
    assert read_back(suffix, form(written), packing) == written


def test_records_name_their_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "\ufeffone\tuno\r\n\n \t \r\ntwo\tdos\tx\nthree\ttres")
    assert list(read_records(str(path), PAIR)) == [
        Record(str(path), 1, ("one", "uno")),
        Record(str(path), 4, ("two", "dos")),
        Record(str(path), 5, ("three", "tres")),
    ]


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "a\x85b\tc\u2028d\x0ce\rf\r\n")
    assert values(path) == [("a\x85b", "c\u2028d\x0ce\rf")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_file_is_read_with_whichever_line_ends_it_has(tmp_path: Path, end: str, packing: str) -> None:
    for suffix, rows in ((".tsv", "a\tb{0}{0}c\td{0}"), (".csv", '"a",b{0}c,d'), (".jsonl", JSONL)):
        path = write(tmp_path / f"a{suffix}{packing}", PACKINGS[packing](rows.format(end).encode()))
        assert values(path, wanted=("source", "target")) == [("a", "b"), ("c", "d")]


JSONL = '{{"source": "a", "target": "b"}}{0}{{"source": "c", "target": "d"}}{0}'


def test_lines_that_end_now_so_and_now_otherwise(tmp_path: Path) -> None:
    for text, line in (
        ("a\tb\nc\td\re\tf\n", 2),
        ("a\tb\r\n\nc\td\r\re\tf\r\n", 3),
        ("a\tb\n" * 20_000 + "c\td\re\tf", 20_001),
    ):
        caught = error(write(tmp_path / "a.tsv", text))
        assert "carriage returns (CR) within the line seem to end lines" in caught.problem and caught.line == line


def test_a_byte_order_mark_begins_any_line(tmp_path: Path) -> None:
    """Files that were put together have some inside."""
    mark = b"\xef\xbb\xbf"
    assert values(write(tmp_path / "a.tsv", mark + b"a\tb\n" + mark + b"c\td\n")) == [("a", "b"), ("c", "d")]
    assert values(write(tmp_path / "a.csv", mark + b'"a","b"\n' + mark + b'"c","d"\n')) == [("a", "b"), ("c", "d")]
    rows = write(tmp_path / "a.jsonl", (mark + b'{"source": "a", "target": "b"}\n') * 2)
    assert values(rows, wanted=("source", "target")) == [("a", "b")] * 2


def test_a_line_without_end_and_a_device_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearhead.data.sources.files._LONGEST", 1000)
    caught = error(write(tmp_path / "a.tsv", "a\tb\n" + "x" * 2000))
    assert "the line has more than 1,000 bytes" in caught.problem and caught.line == 2
    (tmp_path / "b.tsv").symlink_to("/dev/zero")
    assert "this is a device" in error(tmp_path / "b.tsv").problem
    os.mkfifo(tmp_path / "c.tsv")
    assert "the file holds no record" in error(tmp_path / "c.tsv").problem


def test_a_csv_record_has_the_line_where_it_starts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufeff"a, ""b"""," c"\r\n\r\n"d\r\n\r\ne",f\n  \ng,h\n')
    assert [(r.line, r.values) for r in read_records(path, PAIR)] == [
        (1, ('a, "b"', " c")),
        (3, ("d\n\ne", "f")),
        (7, ("g", "h")),
    ]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_long_lines_and_nul_characters_are_read(tmp_path: Path, suffix: str) -> None:
    rows = [("x\0" * 500_000, "y")]
    text = {".tsv": as_tsv, ".csv": as_csv, ".jsonl": as_json}[suffix](rows)
    assert values(write(tmp_path / f"a{suffix}", text), wanted=("source", "target")) == rows


def test_reading_streams(tmp_path: Path) -> None:
    records = read_records(write(tmp_path / "a.tsv", b"a\tb\n\xff\n"), PAIR)
    assert next(records).values == ("a", "b")
    with pytest.raises(DataError, match="line 2"):
        next(records)


def test_upper_case_suffixes_are_known(tmp_path: Path) -> None:
    assert values(write(tmp_path / "A.TSV.GZ", gzip.compress(b"a\tb\n", mtime=0))) == [("a", "b")]


# Columns of a table


def test_columns_by_position_and_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "id\ten\t es \n1\tone\tuno\n")
    assert values(path, ["es", "en"]) == [("uno", "one")]
    assert values(path, [3, "en"]) == [("uno", "one")]
    assert values(path, [None, 3]) == [("id", " es "), ("1", "uno")]
    assert values(path, [None, 3], header=True) == [("1", "uno")]


@pytest.mark.parametrize(
    ("text", "columns", "header", "line", "said"),
    [
        ("english\tspanish\na\tb\n", ["englsh", 2], None, 1, "'english', 'spanish'\n  fix: did you mean 'english'?"),
        ("a\ta\nb\tc\n", ["a", 2], None, 1, "more than once"),
        ("\n\na\tb\nc\td\n", ["x", 2], None, 3, "no column 'x'"),
        ("a\tb\n", ["a", 2], False, None, "no header line"),
        ("a\tb\n", [0, 2], None, None, "positions count from 1"),
        ("a\tb\n", [2, None], None, None, "column 2 is asked for, and is also the default of the second value"),
        ("a\tb\n\nc d\n", PAIR, None, 3, "the line has 1 column, at least 2 are wanted\n  fix: put one TAB"),
        ("a\tb\n", [1, 2, None], None, 1, "2 columns, at least 3 are wanted"),
        ("", PAIR, None, None, "no record"),
        ("\n \n\t\n", PAIR, None, None, "no record"),
        ("a\tb\n", ["a", "b"], None, None, "no record"),
        ("", ["a", "b"], None, None, "no record"),
    ],
)
def test_bad_tables(
    tmp_path: Path, text: str, columns: list[Column | None], header: bool | None, line: int | None, said: str
) -> None:
    caught = error(write(tmp_path / "a.tsv", text), columns, header=header)
    assert caught.line == line
    assert said in str(caught)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('a,b\n\n"c\nd\n",e\nf,"g\nh\n', 6, "unexpected end of data"),
        ('a,b\n"c"d,e\n', 2, "expected after"),
        ("a,b\nc\rd,e\n", 2, "new-line character"),
        ('"a\nb",c\nd;e\n', 3, "1 column, at least 2 are wanted\n  fix: put a comma"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, line: int, said: str) -> None:
    caught = error(write(tmp_path / "a.csv", text))
    assert caught.line == line
    assert said in str(caught)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"Hi, you", "Hallo, du"\n"Yes, sir", "Ja, gern"\n', [("Hi, you", "Hallo, du"), ("Yes, sir", "Ja, gern")]),
        ('Hi,  "Hallo, ""du"""\n', [("Hi", 'Hallo, "du"')]),
        ('a," ""b"" c"\n" ""d"" ",e\n', [("a", ' "b" c'), (' "d" ', "e")]),
        ("a, b\nc ,d\n", [("a", " b"), ("c ", "d")]),
    ],
)
def test_blanks_before_quotes(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert values(write(tmp_path / "a.csv", text)) == expected


def test_a_quote_behind_a_blank_further_on_is_refused(tmp_path: Path) -> None:
    caught = error(write(tmp_path / "a.csv", "a,b\n" * 60 + '"c, d", "e, f"\n'))
    assert "a quote after a blank opens nothing" in caught.problem and caught.line == 61


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a;b\nc, d;e\n", "a semicolon"),
        ("a, x;b, y\nc, d;e, z\n", "a semicolon"),
        ('"a;\nx";b\nc;"d"\n', "a semicolon"),
        ("a\tb\nc, d\te\n", "a TAB"),
        ("a|b\nc|d\n", "a bar"),
    ],
)
def test_another_separator_is_told_and_said(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "a.csv", text)
    with pytest.warns(UserWarning, match=f"{said} separates the columns"):
        read = values(path)
    separator = {"a semicolon": ";", "a TAB": "\t", "a bar": "|"}[said]
    assert read == [tuple(row) for row in csv.reader(io.StringIO(text), delimiter=separator)]


def test_a_line_that_says_the_separator(tmp_path: Path) -> None:
    assert values(write(tmp_path / "a.csv", "sep=;\r\na, b;c\r\n")) == [("a, b", "c")]


NAMED = ("source", "target", "links")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize(
    ("names", "row"),
    [
        ("english,spanish", "one,uno"),
        ("English,Spanish", "one,uno"),
        ("en,es", "one,uno"),
        ("en-US,es_ES", "one,uno"),
        ("Source,Target", "one,uno"),
        ("id,source,target", "1,one,uno"),
        ("target,score,source", "uno,1,one"),
        ("article,highlights", "one,uno"),
    ],
)
def test_a_first_line_of_names_is_a_header(tmp_path: Path, suffix: str, names: str, row: str) -> None:
    text = f"{names}\n{row}\n".replace(",", "," if suffix == ".csv" else "\t")
    path = write(tmp_path / f"a{suffix}", text)
    with pytest.warns(UserWarning, match=r"line 1 is read as the names of columns: '.*\(see --data.header\)"):
        assert values(path, wanted=NAMED) == [("one", "uno")]
    count = len(names.split(","))
    with pytest.warns(UserWarning, match="line 1 is read as"):
        assert values(path, [count - 1, count], wanted=NAMED) == [tuple(row.split(",")[-2:])]
    assert len(values(path, [count - 1, count], header=False, wanted=NAMED)) == 2


@pytest.mark.parametrize(
    "first", ["german,deutsch", "house,casa", "is,es lo", "it,is", "text,text", "German,german", "title,label", "a,b"]
)
def test_a_first_pair_that_is_no_header_is_read(tmp_path: Path, first: str) -> None:
    path = write(tmp_path / "a.csv", f"{first}\none,uno\n")
    assert values(path, wanted=NAMED) == [tuple(first.split(",")), ("one", "uno")]


def test_names_that_do_not_tell_which_columns_are_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,english,spanish\n1,one,uno\n")
    with pytest.warns(UserWarning, match="line 1 is read as"):
        assert "no telling which keys hold source and target" in error(path, wanted=NAMED).problem


# Quoting and comments


def test_a_quoted_tsv_is_what_spreadsheets_write(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '\ufeffen\tde\r\n"say ""a\tb"""\tsag\r\n\r\n"two\r\nlines"\tzwei\r\n')
    assert [(r.line, r.values) for r in read_records(path, ["en", "de"], quoted=True)] == [
        (2, ('say "a\tb"', "sag")),
        (4, ("two\nlines", "zwei")),
    ]
    assert next(read_records(path, ["de", "en"])).values == ('b"""', '"say ""a')  # quotes are characters unless said


@given(st.lists(any_row, min_size=1, max_size=8))
def test_a_quoted_tsv_is_read_back(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL).writerows(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "a.txt", text.getvalue())
        assert values(path, quoted=True) == rows


def test_a_bad_quote_names_the_line_where_its_record_starts(tmp_path: Path) -> None:
    caught = error(write(tmp_path / "a.tsv", '# x\na\tb\n"c\nd\te\n'), quoted=True, comment="#")
    assert caught.line == 3
    assert "not valid quoted TSV" in str(caught) and "no --data.quoted" in caught.fix


@pytest.mark.parametrize("name", ["a.tsv", "a.txt", "a.csv"])
def test_comments_are_left_out(tmp_path: Path, name: str) -> None:
    cut = "," if name == "a.csv" else "\t"
    rows = [
        "\ufeff# made by hand",
        cut.join(("en", "de")),
        "#" + cut,
        cut.join(("one", "#1")),
        cut.join((" #2", "zwei")),
    ]
    path = write(tmp_path / name, "\r\n".join(rows))
    assert list(read_records(path, ["en", "de"], comment="#")) == [
        Record(str(path), 4, ("one", "#1")),
        Record(str(path), 5, (" #2", "zwei")),
    ]
    assert "no column 'en'" in str(error(path, ["en", "de"]))


def test_a_comment_begins_no_line_within_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '#,\n"a\n# b",c\n# d,\ne,f\n')
    assert [(r.line, r.values) for r in read_records(path, PAIR, comment="#")] == [
        (2, ("a\n# b", "c")),
        (5, ("e", "f")),
    ]


# Keys of JSON objects

WANTED = ("source", "target")


@pytest.mark.parametrize(
    ("given_object", "columns", "read"),
    [
        ({"target": "t", "x": "-", "source": "s"}, PAIR, ("s", "t")),
        ({"tgt": "t", "x": "-", "src": "s"}, PAIR, ("s", "t")),
        ({"id": 7, "en": "s", "es": "t"}, PAIR, ("s", "t")),
        ({"target": "t", "es": "s"}, PAIR, ("s", "t")),
        ({"a": "t", "b": "s", "c": "-"}, ["b", "a"], ("s", "t")),
        ({"a": "t", "b": "s", "c": "-"}, [2, 1], ("s", "t")),
        ({"a": "t", "b": "s"}, [2, None], ("s", "t")),
        ({"a": 12345678901234567890.50, "b": -3}, ["a", "b"], ("1.2345678901234567e+19", "-3")),
        ({"id": 1, "t": {"en": "s", "de": "t"}}, ["t.en", "t.de"], ("s", "t")),
        ({"t": {"en": "-", "de": "t"}, "t.en": "s"}, ["t.en", "t.de"], ("s", "t")),
        ({"a": {"b.c": {"d": "s"}}, "a.b": {"e": "t"}}, ["a.b.c.d", "a.b.e"], ("s", "t")),
        ({"id": "7", "translation": {"en": "s", "de": "t"}}, PAIR, ("s", "t")),
        ({"id": "7", "translation": {"en": "t", "de": "s"}}, ["translation.de", None], ("s", "t")),
    ],
)
def test_json_keys(tmp_path: Path, given_object: object, columns: list[Column | None], read: tuple[str, str]) -> None:
    path = write(tmp_path / "a.ndjson", "\ufeff" + json.dumps(given_object) + "\r\n")
    assert values(path, columns, wanted=WANTED) == [read]


def test_a_json_number_keeps_its_digits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"a": 1.50, "b": 1' + "0" * 5000 + "}\n")
    ((short, long),) = values(path, ["a", "b"])
    assert (short, len(long), type(short)) == ("1.50", 5001, str)


GOOD = '{"source": "a", "target": "b"}\n'


@pytest.mark.parametrize(
    ("text", "columns", "line", "said"),
    [
        (
            GOOD + "\n{'source'\n",
            PAIR,
            3,
            "not valid JSON (Expecting property name enclosed in double quotes at character 2)",
        ),
        (GOOD + '{"source": "a\n', PAIR, 2, "not valid JSON (Unterminated string starting at character 12)"),
        (GOOD + '["a", "b"]\n', PAIR, 2, "a JSON object was wanted, this is a list"),
        (GOOD + "null\n", PAIR, 2, "this is null"),
        (GOOD + "[" * 200_000 + "\n", PAIR, 2, "JSON"),
        (GOOD + '{"source": "a", "targets": "b"}\n', PAIR, 2, "no key 'target'; this object has 'source', 'targets'"),
        (GOOD + '{"source": "a", "targets": "b"}\n', PAIR, 2, "did you mean 'targets'"),
        (GOOD + '{"source": "a", "target": null}\n', PAIR, 2, "the value of 'target' is null"),
        (GOOD + '{"source": {"a": 1}, "target": "b"}\n', PAIR, 2, "the value of 'source' is an object"),
        (GOOD + '{"source": true, "target": "b"}\n', PAIR, 2, "the value of 'source' is true or false"),
        (GOOD + '{"source": "\\ud83d", "target": "b"}\n', PAIR, 2, "half a character"),
        (
            '{"a": "x", "b": "y", "c": "z"}\n',
            PAIR,
            1,
            "which keys hold source and target; this object has 'a', 'b', 'c'",
        ),
        ('{"a": "x", "b": 5}\n', PAIR, 1, "no telling"),
        ('{"a": "x", "b": 5}\n', PAIR, 1, "fix: name the columns: --data.source KEY --data.target KEY"),
        (GOOD + '{"source": 5, "target": "b"}\n', PAIR, 2, "the value of 'source' is a number, a string was wanted"),
        (GOOD, [3, 1], 1, "there is no column 3"),
        ('{"t": {"en": "a", "de": "b"}}\n', ["t.en", "t.fr"], 1, "no key 't.fr'; this object has 't.en', 't.de'"),
        ('{"t": {"en": "a", "de": "b"}}\n', ["t", "t.de"], 1, "the value of 't' is an object"),
        ('{"t": {"en": "a", "de": "b"}}\n{"t": null}\n', ["t.en", "t.de"], 2, "the value of 't.en' is null"),
        ('{"translation": {"en": "a", "de": "b", "fr": "c"}}\n', PAIR, 1, "no telling which keys hold source"),
        ("\n", PAIR, None, "no record"),
    ],
)
def test_bad_json(tmp_path: Path, text: str, columns: list[Column | None], line: int | None, said: str) -> None:
    caught = error(write(tmp_path / "a.jsonl", text), columns, wanted=WANTED)
    assert caught.line == line
    assert said in str(caught)


# Bytes


@pytest.mark.parametrize(
    ("name", "data", "line", "said"),
    [
        (
            "a.tsv",
            b"a\tb\nni\xf1o\tc\n",
            2,
            "byte 3 of the line (0xf1) is not UTF-8\n  fix: save the file as UTF-8, e.g. `iconv -f latin1",
        ),
        ("a.tsv", b"\xef\xbb\xbfa\xf1\n", 1, "byte 5 of the line"),
        ("a.csv", b'a,"b\nc\xf1",d\n', 2, "byte 2 of the line"),
        ("a.jsonl", b'\n{"source": "\xe9"}\n', 2, "byte 13 of the line"),
        ("a.tsv", "a\tb\n".encode("utf-16"), 1, "iconv -f utf-16"),
        ("a.tsv", "a\tb\n".encode("utf-16le"), 1, "iconv -f utf-16le"),
        ("a.csv", "a,b\r\n".encode("utf-16be"), 1, "iconv -f utf-16be"),
        ("a.tsv", gzip.compress(b"a\tb\n", mtime=0), 1, "let its name end in .gz"),
        ("a.tsv", lzma.compress(b"a\tb\n"), 1, "let its name end in .xz"),
    ],
)
def test_what_is_not_utf8(tmp_path: Path, name: str, data: bytes, line: int, said: str) -> None:
    caught = error(write(tmp_path / name, data))
    assert caught.line == line
    assert said in str(caught)


TEXT = "".join(f"sentence {i * 7919 % 1000}\tfrase {i * 104729 % 1000}\n" for i in range(3000)).encode()


@pytest.mark.parametrize("packing", [".gz", ".xz"])
def test_damaged_packing(tmp_path: Path, packing: str) -> None:
    packed = PACKINGS[packing](TEXT)
    half = len(packed) // 2
    for data in (packed[:half], packed[:half] + bytes(64) + packed[half + 64 :], b"not packed\n"):
        caught = error(write(tmp_path / f"a.tsv{packing}", data))
        assert "damaged or cut off" in str(caught)
        assert caught.line is not None and 1 <= caught.line <= 3000
    assert "cut off" in str(error(write(tmp_path / f"b.tsv{packing}", packed[:-1])))


# Names


def test_bad_names(tmp_path: Path) -> None:
    write(tmp_path / "train.tsv", "a\tb\n")
    (tmp_path / "folder.tsv").mkdir()
    assert "there is no such file\n  fix: did you mean 'train.tsv'" in str(error(tmp_path / "trian.tsv"))
    assert "check the name" in str(error(tmp_path / "0123456789"))
    assert "cannot be read either" in str(error(tmp_path / "nowhere" / "train.tsv"))
    assert "this is a folder" in str(error(tmp_path / "folder.tsv"))
    assert "this is a folder" in str(error(tmp_path))
    assert "cannot be read" in str(error(tmp_path / "train.tsv" / "x.tsv"))
    assert "cannot be read" in str(error(tmp_path / "a\0.tsv"))
    assert "'.docx' names no known form\n  fix: give it one of .tsv .txt .csv .jsonl .ndjson .parquet .po .tmx" in str(
        error(write(tmp_path / "a.docx", "a\tb\n"))
    )
    alone = str(error(write(tmp_path / "train.en", "a\n"), wanted=WANTED))
    assert "two parallel text files are given one after the other: train.en train.de" in alone
    assert "parallel" not in str(error(tmp_path / "train.en", wanted=("text", "label")))
    assert "no known form" in str(error(write(tmp_path / "a.tsv.gz.gz", gzip.compress(b"a\tb\n", mtime=0))))


def test_an_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.tsv", "a\tb\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "cannot be read (Permission denied)" in str(error(path))
