"""Vector files as the world writes them, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clearhead.errors import ConfigError, DataError
from clearhead.tasks.word_model import Words

PLAIN = "the 1 0 0\ncat 0 1 0\ndog 0 0.9 0.1\n"


def opened(tmp_path: Path, text: str, name: str = "v.txt") -> Words:
    (tmp_path / name).write_bytes(text.encode())
    return Words.of_file(tmp_path / name)


def nearest(model: Words, query: str) -> str:
    return model.nearest([query], n=1)[0][0].word


@pytest.mark.parametrize("header", ["", "6 3\n"])
@pytest.mark.parametrize("form", [str, lambda text: text.replace("\n", " \n"), lambda text: text.replace(" 0", "\t0")])
def test_every_row_of_a_file_is_a_word(tmp_path: Path, header: str, form: Callable[[str], str]) -> None:
    """GloVe and fastText write <unk> and </s> themselves, and words with blanks."""
    text = header + form(PLAIN + "<unk> 0 0 1\n. . . 0 0.1 1\nat \u00a0 1 0.1 0\n")
    model = opened(tmp_path, text, "v.vec")
    assert model.words == ["the", "cat", "dog", "<unk>", ". . .", "at \u00a0"]
    assert nearest(model, "cat") == "dog"
    assert nearest(model, "<unk>") == ". . ." and nearest(model, ". . .") == "<unk>"
    assert model.stacked(["<unk>"]).tolist() == [[0, 0, 1]]


def test_words_are_found_however_their_accents_are_written(tmp_path: Path) -> None:
    model = opened(tmp_path, "the 1 0\ncafe\u0301 0.1 1\nna\u00efve 1 0.1\n")
    for query in ("cafe\u0301", "caf\u00e9"):
        assert nearest(model, query) == "na\u00efve"
    assert nearest(model, "nai\u0308ve") == "the"
    both = opened(tmp_path, "cafe\u0301 1 0\ncaf\u00e9 0 1\n")
    assert both.stacked(["cafe\u0301", "caf\u00e9"]).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("query", ["", "+", "-", " + - ", "cat - cat", "no-such"])
def test_what_cannot_be_asked_is_said(tmp_path: Path, query: str) -> None:
    with pytest.raises(ConfigError, match=r"asks for no word|comes to nothing|there is no vector"):
        opened(tmp_path, PLAIN).nearest([query])


def test_signs_may_be_words(tmp_path: Path) -> None:
    assert nearest(opened(tmp_path, PLAIN + "+ 0 1 0.01\n"), "+") == "cat"
    assert [found.word for found in opened(tmp_path, PLAIN).nearest(["cat cat"], n=9)[0]] == ["dog", "the"]


def test_the_size_of_numbers_does_not_matter(tmp_path: Path) -> None:
    model = opened(tmp_path, "a 1e38 1e38\nb 1e-38 1e-38\nc 1e38 -1e38\n0 0 0\n")
    assert [round(found.cosine, 3) for found in model.nearest(["a"])[0]] == [1, 0, 0]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (PLAIN + "x nan 0 1\n", 4, "nan is not a finite number"),
        (PLAIN + "x 0 1e39 1\n", 4, "1e39 is not a finite number"),
        (PLAIN + "x 0 -inf 1\n", 4, "-inf is not a finite number"),
        (PLAIN + "x 0 1\n", 4, "2 numbers after 'x', not 3"),
        (PLAIN + "x 0 1 2 3\n", 4, "4 numbers after 'x', not 3"),
        ("the 1 0\ncat 0\n", 1, "2 numbers after 'the', not 1"),
        (PLAIN + " 0 1 2\n", 4, "there is no word before the numbers"),
        (PLAIN + "x 0 1 b\n", 4, "not a number"),
        (PLAIN + "\ncat 1 1 1\n", 5, "the word 'cat' stands in the file twice, first in line 2"),
        ("\u00b2 \u00b2\n", 1, "not a number"),
        ("word\n", 1, "0 numbers after 'word'"),
        ("5 3\n" + PLAIN, None, "3 vectors stand in the file, 5 were announced"),
        ("", None, "0 vectors stand in the file"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, line: int | None, said: str) -> None:
    with pytest.raises(DataError) as caught:
        opened(tmp_path, text)
    assert said in caught.value.problem and caught.value.line == line


def test_the_binary_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="in binary form, which is not read\n  fix: write it as text"):
        opened(tmp_path, "1 1\nx ", "v.bin")
