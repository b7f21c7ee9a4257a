"""Running text from what people have: nothing of it is lost, and documents end where they do."""

from __future__ import annotations

import gzip
import json
import lzma
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead.data import text as module
from clearhead.data.text import SAMPLE, Piece, read_pieces
from clearhead.errors import DataError

PARQUET = pytest.importorskip("pyarrow.parquet", reason="Parquet is an extra")


def documents(files: list[Path | str], **options: object) -> list[str]:
    found, held = [], ""
    for piece in read_pieces([str(f) for f in files], **options):  # type: ignore[arg-type]
        held += piece.text
        if piece.ends:
            found.append(held)
            held = ""
    assert held == "", "the last document ends"
    return found


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def test_a_text_is_kept_to_the_character(tmp_path: Path) -> None:
    content = "\tTwo  spaces,\u2028a line separator\u0085\n\n\n    indented\nthe end\n"
    assert documents([write(tmp_path / "a.txt", content)]) == [content]
    assert documents([write(tmp_path / "a.py", content)]) == [content]
    assert documents([write(tmp_path / "b.txt", "\ufeffa\r\nb\r\n")]) == ["a\nb\n"]


def test_the_separator_stands_between_documents(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "one\n\n<|end|>\n\ntwo\n<|end|>\n<|end|>\nthree <|end|>\n")
    assert documents([file], separator="<|end|>") == ["one\n\n", "\ntwo\n", "three <|end|>\n"]
    assert len(documents([file])) == 1


def test_no_line_end_is_added_where_a_file_has_none(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1.txt", "one\r\ntwo"), write(tmp_path / "2.txt", "three")
    assert documents([one, two]) == ["one\ntwo", "three"]
    assert documents([write(tmp_path / "3.txt", "one\n<|end|>")], separator="<|end|>") == ["one\n"]
    assert documents([write(tmp_path / "4.txt", "\ufeffone")]) == ["one"]


def test_every_form_and_packing(tmp_path: Path) -> None:
    rows = ["first\nof two lines", "second", ""]
    jsonl = write(tmp_path / "a.jsonl", "".join(json.dumps({"id": "x", "text": r}) + "\n" for r in rows))
    assert documents([jsonl]) == rows[:2]
    csv = write(tmp_path / "a.csv", 'id,text\n1,"first\nof two lines"\n2,second\n')
    assert documents([csv]) == rows[:2]
    assert documents([csv], column="id") == ["1", "2"]
    import pyarrow

    PARQUET.write_table(pyarrow.table({"text": rows[:2], "n": [1, 2]}), tmp_path / "a.parquet")
    assert documents([tmp_path / "a.parquet"]) == rows[:2]
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"packed\n"))
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress(b"tighter\n"))
    assert documents([tmp_path / "b.txt.gz", tmp_path / "b.txt.xz"]) == ["packed\n", "tighter\n"]


def test_a_column_that_is_guessed_is_told(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"n": 1, "body": "one"}\n')
    with pytest.warns(UserWarning, match="^text: column 'body'$"):
        assert documents([file]) == ["one"]
    assert documents([file], column="body") == ["one"]
    assert documents([file], column="n") == ["1"]


def test_a_folder_is_its_files_in_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.md", "a/ignored.png", ".git/config.txt", "c.rst.gz"):
        write(tmp_path / name, f"{name}\n")
    (tmp_path / "c.rst.gz").write_bytes(gzip.compress(b"c\n"))
    assert documents([tmp_path]) == ["a/z.md\n", "b.txt\n", "c\n"]


LINES = ["word\n", " indented\n", "\n", "x" * 37 + "\n", "y" * 300 + "\n", "<e>\n"]


@given(lines=st.lists(st.sampled_from(LINES), max_size=40))
def test_pieces_make_the_documents(lines: list[str]) -> None:
    """Wherever pieces are cut: before a line that begins with no space, or within one that is very long."""
    before = module._PIECE, module._LONGEST
    module._PIECE, module._LONGEST = 20, 100
    try:
        pieces = list(module._pieces(iter(lines), "<e>"))
    finally:
        module._PIECE, module._LONGEST = before
    joined = "".join(p.text + ("<e>\n" if p.ends else "") for p in pieces)
    kept = "".join(lines)
    while "<e>\n<e>\n" in kept or kept.startswith("<e>\n"):
        kept = kept.replace("<e>\n<e>\n", "<e>\n").removeprefix("<e>\n")
    assert joined.removesuffix("<e>\n") == kept.removesuffix("<e>\n")
    assert all(len(p.text) <= 100 + 20 + 37 + 1 for p in pieces)
    for one, other in pairwise(pieces):
        if not one.ends and one.text.endswith("\n") and other.text:
            assert not other.text[0].isspace()


def test_the_sample_is_the_documentation_of_python() -> None:
    pieces = list(read_pieces([SAMPLE]))
    assert all(isinstance(piece, Piece) and piece.ends for piece in pieces)
    texts = [piece.text for piece in pieces]
    assert len(texts) > 100
    assert any("Return a shallow copy" in text for text in texts)


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    empty, latin = write(tmp_path / "empty.txt", " \n"), tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9\n")
    csv = write(tmp_path / "a.csv", "id,words\n1,two\n")
    (tmp_path / "folder").mkdir()
    number = write(tmp_path / "number.jsonl", '{"text": "one"}\n{"text": 5}\n')
    two = write(tmp_path / "two.jsonl", '{"a": "one", "b": "two"}\n')
    for file, said in (
        (empty, "no text"),
        (latin, "line 1: byte 4"),
        (tmp_path / "none.txt", "no such file"),
        (csv, "no column 'text'; the columns are 'id', 'words'"),
        (tmp_path / "folder", "no file in this folder"),
        (number, r"number.jsonl, line 2: the value of 'text' is a number, .*\n  fix: write it as a string"),
        (two, r"fix: name the columns: --data\.text KEY"),
        ("sample:java", "the sample of running text is sample:python"),
    ):
        with pytest.raises(DataError, match=said):
            documents([file])


@pytest.mark.parametrize("size", range(1, 9))
def test_a_long_line_is_read_in_stretches_of_whole_characters(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "aé€\U0001f600b\r\n\u00e9\rz\r\n\nq€"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8", newline="")
    monkeypatch.setattr("clearhead.data.sources.files._STRETCH", size)
    read = "".join(piece.text for piece in read_pieces([str(tmp_path / "a.txt")]))
    assert read == text.replace("\r\n", "\n").replace("\r", "\n")
