"""The preview on a terminal: it fits, its bars are to scale, labels stand under what they follow."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from clearhead.data.pair_preview import Lengths, Preview, SeenPair
from clearhead.data.pairs import Pair
from clearhead.figures.preview import print_preview

LENGTHS = Lengths(edges=(0, 5, 10, 31), counts=(1, 1000, 500), mean=9.25, median=8, longest=30, over=1)
SEEN = SeenPair(("a", "<eos>"), ("<bos>", "ein", "x"), ("ein", "x", "<eos>"))


def printed(width: int = 80, **changes: object) -> str:
    values = {
        **{
            "first": (Pair("a [b]", "ein \x1b[31mB"),),
            "read": 1502,
            "kept": 1501,
            "notes": ("1 pair dropped: empty",),
        },
        **{"max_len": 29, "source": LENGTHS, "target": LENGTHS, "over": 1, "seen": SEEN, **changes},
    }
    file = io.StringIO()
    print_preview(Preview(**values), Console(file=file, width=width))  # type: ignore[arg-type]
    return file.getvalue()


def test_what_is_said() -> None:
    text = printed()
    assert "1,502 pairs read, 1,501 kept\n1 pair dropped: empty" in text
    assert "1 source a [b]" in text and "target ein ␛[31mB" in text
    assert "1 pair has a side of more than 29 tokens (max_len) and would be left out: 0.07%" in text
    assert "no pair has a side of more than 29 tokens" in printed(over=0)


def test_a_preview_of_another_package_draws_itself() -> None:
    file = io.StringIO()
    print_preview(Text("512 words"), Console(file=file))
    assert file.getvalue() == "512 words\n"


def test_bars_are_to_scale() -> None:
    rows = {line.split()[0]: line.split() for line in printed().splitlines() if line.strip()[:1].isdigit()}
    assert rows["5-9"] == ["5-9", *["1,000", "█" * 18] * 2]
    assert rows["10-30"] == ["10-30", *["500", "█" * 9] * 2]
    assert rows["0-4"] == ["0-4", *["1", "▏"] * 2]  # what is not nothing is seen


def test_labels_stand_under_what_they_follow() -> None:
    lines = printed().splitlines()
    reads, writes = (next(line for line in lines if name in line) for name in ("decoder reads", "is to write"))
    assert reads.rstrip() == "decoder reads <bos> ein x"
    assert writes.rstrip() == "  is to write ein   x   <eos>"
    assert "as the loss sees it" not in printed(seen=None)


@pytest.mark.parametrize("width", [30, 80, 200])
def test_long_sentences_fit(width: int) -> None:
    pieces = tuple(f"文{n}" for n in range(100))
    text = printed(
        width, seen=SeenPair((*pieces, "<eos>"), ("<bos>", *pieces), (*pieces, "<eos>")), first=(Pair("x " * 500, "y"),)
    )
    assert all(cell_len(line) <= width for line in text.splitlines())
    assert "… and 61 more" in text and "文38" in text and "文50" not in text
