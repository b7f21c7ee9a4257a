"""Names that no file or folder can have are refused by their option, before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

import clearhead
from clearhead.cli.names import check_names
from clearhead.disk import replacing
from clearhead.errors import ClearheadError, FolderError
from command import call

NAMES = ["", "a\0b", "x" * 300, "caf\udce9"]
WRONG = r"is empty\n  fix: name one|has a NUL in it|is not possible: File name too long|is not valid UTF-8"


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("option", ["--out", "--valid", "--save", "--svg", "--html", "--picture", "--config", "--from"])
def test_an_option_names_a_file(option: str, name: str) -> None:
    for words in (["train", "x", option, name], ["train", "x", f"{option}={name}", "--resume"]):
        with pytest.raises(ClearheadError, match=rf"^{option} .*({WRONG})"):
            check_names(words)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["info"],
        ["translate", "m", ""],
        ["translate", "m", "--", "--out", ""],
        ["train", "language", "x", "--data.separator", ""],
        ["chat", "m", "--system", "", "--save", "new.jsonl"],
        ["train", "translate", "x", "--out"],
        ["translate", "m", "één kat"],
    ],
)
def test_other_words_may_be_empty(words: list[str]) -> None:
    check_names(words)


def test_bytes_that_are_no_text_are_refused_wherever_they_stand() -> None:
    with pytest.raises(ClearheadError, match=r"'p\\udcff\.tsv' is not valid UTF-8"):
        check_names(["train", "translate", "p\udcff.tsv", "--out", "m"])


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_python_names_files_too(tmp_path: Path, name: str) -> None:
    for act in (
        lambda: clearhead.load(name),
        lambda: clearhead.train("words", ["t.txt"], out=name, quiet=True),
        lambda: clearhead.train("translate", [name], out=tmp_path / "m", quiet=True),
        lambda: clearhead.train("words", "t.txt", out=tmp_path / "m", config=name, quiet=True),
        lambda: clearhead.train("translate", "p.tsv", valid=[name], out=tmp_path / "m", quiet=True),
    ):
        with pytest.raises(ClearheadError, match=WRONG):
            act()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_written_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot be written: it is a folder"), replacing(tmp_path):
        pass


def test_an_unset_variable_of_the_shell_trains_nowhere(tmp_path: Path) -> None:
    done = call("train", "words", "t.txt", "--out", "", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("clearhead: --out is empty")
    assert list(tmp_path.iterdir()) == []
