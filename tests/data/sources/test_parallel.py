"""Two parallel text files: line k of one with line k of the other, and what it takes for files to be taken so."""

from __future__ import annotations

import gzip
import lzma
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead.data.config import DataConfig
from clearhead.data.pairs import Pair, read_pairs
from clearhead.data.sources.parallel import read_parallel
from clearhead.data.sources.records import Record
from clearhead.errors import DataError

DEFAULT = DataConfig()


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def error(files: list[Path], config: DataConfig = DEFAULT) -> DataError:
    with pytest.raises(DataError) as caught:
        read_pairs(files, config)
    assert caught.value.fix
    return caught.value


line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\ufeff"))


@given(st.lists(st.tuples(line, line), min_size=1))
def test_what_is_written_is_read_back(pairs: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = write(Path(folder) / "train.en.gz", gzip.compress("".join(f"{a}\n" for a, _ in pairs).encode(), mtime=0))
        other = write(Path(folder) / "train.de", "".join(f"{b}\r\n" for _, b in pairs))
        assert list(read_parallel(one, other)) == [Record(str(one), k, pair) for k, pair in enumerate(pairs, 1)]


def test_blank_lines_keep_the_others_together(tmp_path: Path) -> None:
    one = write(tmp_path / "a.en", "\ufeffone\n\nthree\n\nfive")
    other = write(tmp_path / "a.de", "\ufeffeins\nzwei\ndrei\n\nfünf\n")
    pairs, report = read_pairs([one, other], DEFAULT)
    assert pairs == [Pair("one", "eins"), Pair("three", "drei"), Pair("five", "fünf")]
    assert (report.read, report.empty.count, report.empty.first) == (5, 2, f"{one}, line 2")


def test_old_line_ends(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.en", "one\rtwo\rthree\r"), write(tmp_path / "a.de", "eins\nzwei\ndrei\n")]
    assert read_pairs(files, DEFAULT)[0] == [Pair("one", "eins"), Pair("two", "zwei"), Pair("three", "drei")]
    mixed = [write(tmp_path / f"b{i}.en", "one\ntwo\rthree\n") for i in range(2)]
    assert "carriage returns (CR) within the line" in str(error(mixed))
    stray = [write(tmp_path / "c.en", "one\ntwo\rthree\n"), files[1]]
    assert "ends after line 2" in str(error(stray))


def test_many_files_are_taken_two_by_two(tmp_path: Path) -> None:
    names = ("a.en", "a.de", "b.en.xz", "b.de")
    files = [write(tmp_path / n, lzma.compress(f"{n}\n".encode()) if "xz" in n else f"{n}\n") for n in names]
    assert read_pairs(files, DEFAULT)[0] == [Pair("a.en", "a.de"), Pair("b.en.xz", "b.de")]


def test_columns_are_the_two_files(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.en", "one\n"), write(tmp_path / "a.de", "eins\n")]
    assert read_pairs(files, DataConfig(source=2, target=1))[0] == [Pair("eins", "one")]
    caught = error(files, DataConfig(links=3))
    assert "2 columns, at least 3 are wanted" in str(caught)
    assert caught.fix == f"{files[0]} is column 1, {files[1]} column 2"
    assert "no header line" in str(error(files, DataConfig(source="en", target="de")))


def test_txt_files_are_tables_unless_said(tmp_path: Path) -> None:
    files = [write(tmp_path / "en.txt", "one\ttwo\n"), write(tmp_path / "de.txt", "eins\tzwei\n")]
    assert read_pairs(files, DEFAULT)[0] == [Pair("one", "two"), Pair("eins", "zwei")]
    assert read_pairs(files, DataConfig(parallel=True))[0] == [Pair("one two", "eins zwei")]
    unknown = [write(tmp_path / name, "a\n") for name in ("a.en", "a.de")]
    assert "'.en' names no known form" in str(error(unknown, DataConfig(parallel=False)))
    assert "'.en' names no known form" in str(error([files[0], unknown[0]]))


def test_a_comment_is_left_out_only_where_both_have_it(tmp_path: Path) -> None:
    one = write(tmp_path / "a.en", "# by hand\n#1 hit\n#\n")
    other = write(tmp_path / "a.de", "# von Hand\nNummer eins\n# x\n")
    pairs, report = read_pairs([one, other], DataConfig(comment="#"))
    assert (pairs, report.read) == ([Pair("#1 hit", "Nummer eins")], 1)
    assert read_pairs([one, other], DEFAULT)[1].read == 3


@pytest.mark.parametrize("turned", [False, True])
def test_the_longer_file_is_named_with_its_line(tmp_path: Path, turned: bool) -> None:
    long, short = write(tmp_path / "a.en", "1\n2\n3\n4\n"), write(tmp_path / "a.de", "1\n2\n")
    caught = error([short, long] if turned else [long, short])
    assert (caught.file, caught.line) == (long, 3)
    assert f"{short} ends after line 2" in caught.problem
    assert "as many lines" in caught.fix
    empty = write(tmp_path / "a.fr", "")
    assert f"{empty} is empty" in error([long, empty]).problem


def test_an_odd_number_of_files(tmp_path: Path) -> None:
    files = [write(tmp_path / name, "a\n") for name in ("a.en", "a.de", "b.en")]
    for given_files, config in ((files, DEFAULT), (files[2:], DataConfig(parallel=True))):
        caught = error(given_files, config)
        assert caught.file == files[2]
        assert f"two by two, the source first; {len(given_files)} given" in caught.problem
        assert "train.en train.de" in caught.fix


def test_bad_files(tmp_path: Path) -> None:
    good, bad = write(tmp_path / "a.en", "a\nb\n"), write(tmp_path / "a.de", b"a\n\xff\n")
    caught = error([good, bad])
    assert (caught.file, caught.line) == (bad, 2)
    assert "not UTF-8" in caught.problem
    assert "no such file\n  fix: did you mean 'a.de'" in str(error([good, tmp_path / "a.dee"]))
    assert "no record" in str(error([write(tmp_path / "b.en", ""), write(tmp_path / "b.de", "")]))
    with pytest.raises(DataError, match="not a file of lines"):
        read_pairs([str(good), "sample:english-spanish"], DataConfig(parallel=True))
