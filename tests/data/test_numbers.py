"""Files of a person's own numbers: what is read, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearhead.data.numbers import read_numbers
from clearhead.errors import ClearheadError, ConfigError, DataError
from clearhead.worksheet import attention_paper, save

GOOD = "tokens: [a, b]\nencodings: [[1, 2], [3, 4]]\n"


def written(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    return tmp_path / name


@pytest.mark.parametrize(
    ("text", "tokens", "first"),
    [
        ("a,1,2\nb,3,4\n", ["a", "b"], [1, 2]),
        ('"a, b",1,2\r\n\r\nc,3,4\r\n', ["a, b", "c"], [1, 2]),
        ("a\u2028b,1,2\nc,3,4\n", ["a\u2028b", "c"], [1, 2]),
        ('"a", 1, 2\n"b", 3, 4\n', ["a", "b"], [1, 2]),
        ("a,1,2\rb,3,4\r", ["a", "b"], [1, 2]),
        (f"{'x' * 200_000},1,2\nb,3,4\n", ["x" * 200_000, "b"], [1, 2]),
    ],
)
def test_a_csv(tmp_path: Path, text: str, tokens: list[str], first: list[float]) -> None:
    numbers = read_numbers(written(tmp_path, "a.csv", text))
    assert numbers.tokens == tokens and numbers.encodings is not None and numbers.encodings[0] == first


def test_a_csv_with_semicolons(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="a semicolon separates the columns"):
        assert read_numbers(written(tmp_path, "a.csv", "a;1;2\nb;3;4\n")).encodings == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("name", "text", "line", "said"),
    [
        ("a.csv", 'a,1,2\n"b,3,4\n', 2, "not valid CSV (unexpected end of data)"),
        ("a.csv", "a,1,2\nb\n", 2, "there are no numbers after 'b'"),
        ("a.csv", "a,1,2\nb,x,4\n", 2, "could not convert string to float: 'x'"),
        ("a.csv", "a,1,2\nb,nan,4\n", None, "finite"),
        ("a.csv", "a,1,2\nb,4\n", None, "row 1 has 2 numbers, row 2 has 1"),
        ("a.yaml", GOOD + "title: \x07\n", 3, "control character"),
        ("a.yaml", GOOD + "heads: !!int x\n", 3, "the tag !!int"),
        ("a.yaml", GOOD + "heads: " + "9" * 5000, 3, "5,000 characters"),
        ("a.yaml", GOOD + "mask: " + "[" * 300 + "]" * 300, 3, "more than 100 lists"),
        ("a.yaml", GOOD + "tokens: [c, d]\n", 3, "the key 'tokens' stands twice"),
        ("a.yaml", GOOD + "mask: [[1, 0], [1]]\n", None, "the rows of mask have 2, 1 numbers"),
        ("a.yaml", GOOD + "bias: [[1, 0, 3], [1, 0, 3]]\n", None, "bias: row 1 has 3 numbers for 2 tokens"),
        ("a.yaml", GOOD + "percentages: [[1], [1]]\n", None, "percentages: row 1 has 1 numbers for 2 tokens"),
        ("a.yaml", GOOD + "percentages: [[0.5, 0.9], [0, 1]]\n", None, "percentages: row 1 is [0.5, 0.9]"),
        ("a.yaml", GOOD + "percentages: [[0.5, 0.5], [-1, 2]]\n", None, "percentages: row 2 is [-1.0, 2.0]"),
        ("a.json", '{"tokens": ["\\ud800"], "encodings": [[1]]}', None, "half a character"),
        ("a.json", "[" * 5000, None, "more than 100 lists"),
        ("a.json", '{"tokens": ["a"], "encodings": [[' + "9" * 5000 + "]]}", None, "5,000 characters"),
        ("a.json", '{"tokens": ["a"], "encodings": [[1e999]]}', None, "1e999 is too large"),
        ("a.json", '{"tokens": ["a"], "encodings": [[' + "9" * 500 + "]]}", None, ""),
        ("a.json", "3", None, ""),
        ("a.yaml", "", None, ""),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, line: int | None, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_numbers(written(tmp_path, name, text))
    assert said in caught.value.problem and caught.value.line == line and str(caught.value).startswith(str(tmp_path))


def test_a_date_is_a_token(tmp_path: Path) -> None:
    text = "tokens: [2020-99-99, yes]\nencodings: [[1, 2], [3, 4]]\npercentages: [[0.33, 0.66], [0, 1]]\n"
    assert read_numbers(written(tmp_path, "a.yaml", text)).tokens == ["2020-99-99", "yes"]


def test_a_row_of_zeros_has_no_direction(tmp_path: Path) -> None:
    """As in clearhead's own attention: its cosine with anything is 0."""
    text = "tokens: [a, b]\nencodings: [[0, 0], [3, 4]]\nscore: cosine\n"
    paper = attention_paper(read_numbers(written(tmp_path, "a.yaml", text)))
    assert paper.gap is not None and paper.gap < 1e-6
    shares = paper.table("percentages").values
    assert shares[0].tolist() == [0.5, 0.5] and shares.sum() == pytest.approx(2)


@pytest.mark.parametrize("score", ["dot", "scaled-dot", "cosine"])
def test_numbers_that_overflow_are_refused(score: str, tmp_path: Path) -> None:
    text = f"tokens: [a, b]\nencodings: [[1e308, 1e308], [1, -1e308]]\nscore: {score}\n"
    with pytest.raises(ConfigError, match="is too large a number to be computed with"):
        attention_paper(read_numbers(written(tmp_path, "a.yaml", text)))


@pytest.mark.parametrize("form", [".html", ".xlsx", ".md", ".tex"])
def test_control_characters_are_shown_in_every_form(form: str, tmp_path: Path) -> None:
    text = '{"title": "\\u0007", "tokens": ["a\\u0000", "=b"], "encodings": [[1, 2], [3, 4]]}'
    save(attention_paper(read_numbers(written(tmp_path, "a.json", text))), tmp_path / f"b{form}")
    assert (tmp_path / f"b{form}").stat().st_size > 1000


def test_a_place_that_takes_no_files_is_said(tmp_path: Path) -> None:
    paper = attention_paper(read_numbers(written(tmp_path, "a.yaml", GOOD)))
    with pytest.raises(ClearheadError, match="this place takes no files"):
        save(paper, Path("/proc/x.html"))
