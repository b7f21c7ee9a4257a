"""The terminal's heat map: right numbers, nothing by colour alone, labels as they are, and always within the width."""

from __future__ import annotations

import io
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from clearhead.errors import ClearheadError
from clearhead.figures.terminal import READING, attention_table, visible

SRC = ["I", "know", "[red]", "</s>"]
OUT = ["je", "sais"]
WEIGHTS = [[0.36, 0.6, 0.035, 0.005], [0.0, 0.25, 0.25, 0.5]]


def printed(table: object, *, width: int = 80, color: bool = False) -> str:
    console = Console(
        width=width,
        file=io.StringIO(),
        force_terminal=color,
        color_system="truecolor" if color else None,
        legacy_windows=False,
    )
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_every_weight_is_a_number_in_its_row() -> None:
    lines = printed(attention_table(WEIGHTS, OUT, SRC)).splitlines()
    assert [line.split() for line in lines if line.split()[0] in OUT] == [
        ["je", "36", "60", "4", "·"],
        ["sais", "·", "25", "25", "50"],
    ]


def test_axes_title_and_caption_are_stated() -> None:
    text = printed(attention_table(WEIGHTS, OUT, SRC, title="[b]head 3", caption="gap [i]3e-7"))
    assert text.startswith("[b]head 3")
    assert "gap [i]3e-7" in text
    assert "source word, attended →" in text
    assert re.search(r"written word,.*\n +attends ↓", text)


def test_a_text_that_looks_at_itself_has_tokens() -> None:
    text = printed(attention_table(WEIGHTS, OUT, SRC, axis_names=READING))
    assert "token, looked at →" in text and re.search(r"token,.*\n *looks at ↓", text)
    assert "word" not in text


def test_labels_are_text_and_never_markup_or_control() -> None:
    text = printed(attention_table([[1.0, 0.0]], ["[/]\x1b[31m"], ["[red]", "a\nb"]), color=True)
    assert "[red]" in text and "[/]␛[31m" in text and "a␊b" in text


def test_a_rows_largest_is_bold_and_strength_shows_as_a_shade() -> None:
    text = printed(attention_table([[0.02, 0.2, 0.78]], ["x"], ["a", "b", "c"]), color=True)
    styles = {number: codes for codes, number in re.findall(r"\x1b\[([\d;]+)m +(\d+) ", text)}
    assert styles["78"].startswith("1;") and "48;2;" in styles["78"]
    assert not styles["20"].startswith("1;") and "48;2;" in styles["20"]
    assert "48;2;" not in styles["2"]
    strong, weak = (int(styles[n].rpartition(";")[2]) for n in ("78", "20"))
    assert strong > weak  # the blue of the shade


def test_white_digits_can_be_read_on_every_shade() -> None:
    def luminance(*rgb: int) -> float:  # WCAG 2
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in rgb)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    weights = [i / 100 for i in range(5, 101)]
    text = printed(attention_table([[w] for w in weights], ["x"] * 96, ["a"]), color=True)
    shades = [tuple(map(int, s)) for s in re.findall(r"48;2;(\d+);(\d+);(\d+)", text)]
    assert len(shades) == 96
    assert all(1.05 / (luminance(*shade) + 0.05) > 4.4 for shade in shades)


def test_columns_that_do_not_fit_are_numbered_and_explained() -> None:
    words = [f"word{i}" for i in range(1, 31)]
    wide = printed(attention_table(torch.eye(30), words, words), width=140)
    assert wide.count("source word, attended") == 1
    narrow = printed(attention_table(torch.eye(30), words, words), width=80)
    assert narrow.count("source word, attended") == 2  # two blocks of 15
    for text in (wide, narrow):
        legend = re.split(r"\n *\n", text)[-1]
        assert re.findall(r"(\d+) (word\d+)", legend) == [(str(i), f"word{i}") for i in range(1, 31)]


def test_a_row_that_looks_nowhere_has_no_largest_and_nan_is_shown() -> None:
    text = printed(attention_table([[0.0, 0.0], [float("nan"), 1.0]], ["none", "broken"], ["a", "b"]), color=True)
    none, broken = (next(line for line in text.splitlines() if word in line) for word in ("none", "broken"))
    assert "\x1b[1" not in none
    assert "nan" in broken and "100" in broken


@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=25),
    st.lists(st.text(max_size=30), min_size=1, max_size=5),
    st.integers(24, 160),
)
def test_it_fits_the_terminal_whatever_the_words(columns: list[str], rows: list[str], width: int) -> None:
    weights = [[1 / len(columns)] * len(columns) for _ in rows]
    text = printed(attention_table(weights, rows, columns), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    each = 100 // len(columns)  # and one more for some, so that they sum to 100
    numbers = re.findall(rf" ({each}|{each + 1})(?!\S)", text)
    assert len(numbers) >= len(rows) * len(columns)


@given(st.text())
def test_a_visible_label_is_one_printable_line(label: str) -> None:
    seen = visible(label)
    assert seen.strip() and len(seen.splitlines()) == 1
    assert seen.isprintable() or any(c in seen for c in "\u200c\u200d") or not label.isprintable()
    assert visible(seen) == seen


@pytest.mark.parametrize(
    ("label", "seen"),
    [
        ("", "∅"),
        ("  ", "␣␣"),
        ("a\tb", "a␉b"),
        ("\x7f", "␡"),
        ("\u202eabc", "�abc"),
        ("é猫", "é猫"),
        ("a\ufffe\uffff\U0001fffeb", "a���b"),
    ],
)
def test_visible(label: str, seen: str) -> None:
    assert visible(label) == seen


def test_tensors_of_any_kind_are_taken() -> None:
    weights = torch.full((1, 2), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert printed(attention_table(weights, ["x"], ["a", "b"])).count("50") == 2


@pytest.mark.parametrize("weights", [[[0.5]], [], torch.zeros(1, 2, 4), ["ab"], 3.0, [[0.1, 0.2], [0.1]]])
def test_weights_of_another_shape_are_refused(weights: object) -> None:
    with pytest.raises(ClearheadError, match="fix:"):
        attention_table(weights, OUT, SRC)
