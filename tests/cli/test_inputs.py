"""What the arguments of `translate` are: texts, files, standard input; and what cannot be read."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest

from clearhead.cli.inputs import count, lines, some, sources
from clearhead.errors import ConfigError, DataError


def read(*words: str) -> list[tuple[str, str]]:
    return [(line.text, line.place) for line in lines(sources(words, "translate"))]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_line_in_is_a_line(desk: Path) -> None:
    (desk / "f.txt").write_bytes("\ufeffa\r\n\n  \nb\u2028c\x0bd\x85e\x00f".encode())
    wanted = ["a", "", "  ", "b\u2028c\x0bd\x85e\x00f"]
    assert read("f.txt") == [(text, f"f.txt, line {n}") for n, text in enumerate(wanted, 1)]
    (desk / "empty.txt").touch()
    (desk / "blank.txt").write_text("\n\n\n")
    assert read("empty.txt") == []
    with pytest.raises(DataError, match=r"empty\.txt: there is no text in it\n  fix: write one a line"):
        list(some(sources(["a b", "empty.txt"], "generate")))
    assert [line.place for line in some(sources(["a b", "c d"], "generate"))] == ["text 1", "text 2"]
    assert [text for text, _ in read("a b", "blank.txt", "")] == ["a b", "", "", "", ""]
    assert count(sources(["f.txt", "empty.txt", "blank.txt", "a text"], "translate")) == 8


def test_standard_input_and_pipes_are_not_read_beforehand(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a\nb")))
    assert count(sources([], "translate")) is None
    assert read() == [("a", "standard input, line 1"), ("b", "standard input, line 2")]
    with pytest.raises(DataError, match="standard input: there is no text in it"):
        list(some(sources([], "chat")))
    os.mkfifo(desk / "pipe")
    assert count(sources(["pipe"], "translate")) is None


@pytest.mark.parametrize(
    "text",
    [
        "and/or",
        "e.g.",
        "3.14",
        "clearhead.io",
        "U.S.A",
        "the file.txt",
        "x" * 300,
        "y " * 3000,
        "~",
        "",
        "-no",
        "- No.",
        "-- No.",
        "--",
        "--no, he said",
    ],
)
def test_a_text_is_a_text(desk: Path, text: str) -> None:
    assert read(text) == [(text, "text 1")]


@pytest.mark.parametrize(
    "word", ["input.txt", "data/input.tsv", "./input", "/no/such/file", "~/x", "INPUT.TXT", "a.gz"]
)
def test_a_file_that_is_not_there_is_no_text(desk: Path, word: str) -> None:
    (desk / "inputs.txt").write_text("a\n")
    with pytest.raises(
        DataError, match=rf"{word}: there is no such file\n  fix: .*echo '{word}' \| clearhead"
    ) as caught:
        sources(["a text", word], "translate")
    assert ("did you mean 'inputs.txt'? Or, if" in str(caught.value)) == (word in ("input.txt", "./input"))


@pytest.mark.parametrize(
    ("command", "word", "said"),
    [
        ("generate", "--topk", "--topk\n  fix: did you mean '--top-k'?"),
        ("chat", "--tempature=5", "--tempature\n  fix: did you mean '--temperature'?"),
        ("translate", "--bem", "--bem\n  fix: did you mean '--beam'?"),
        ("summarize", "--zzzz", "--zzzz\n  fix: clearhead summarize --help"),
    ],
)
def test_a_mistyped_option_is_no_text(
    desk: Path, monkeypatch: pytest.MonkeyPatch, command: str, word: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"there is no option {said}")):
        sources(["a text", word, "5"], command)
    monkeypatch.setattr("sys.argv", ["clearhead", command, "m", "a text", "--", word, "5"])
    assert [line.text for line in lines(sources(["a text", word, "5"], command))] == ["a text", word, "5"]


def test_folders_and_files_that_cannot_be_read(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk / "house").mkdir()
    with pytest.raises(DataError, match=r"house: this is a folder\n  fix: name a file; or, if it is the text, pipe it"):
        sources(["house"], "translate")
    (desk / "latin.txt").write_bytes("a house\ncaf\xe9\n".encode("latin1"))
    with pytest.raises(DataError, match=r"latin\.txt, line 2: not valid UTF-8 at byte 4\n  fix: save"):
        count(sources(["latin.txt"], "translate"))
    with pytest.raises(DataError, match=r"the text 'caf\\udce9' is not valid UTF-8"):
        sources(["caf\udce9"], "translate")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(DataError, match=r"latin\.txt: cannot be read: Permission denied\n  fix: check the file"):
        read("latin.txt")
