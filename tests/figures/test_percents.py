"""Percentages of a whole sum to 100, wherever they are printed."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clearhead.data.numbers import AttentionNumbers
from clearhead.figures.percents import whole_percents
from clearhead.figures.terminal import attention_table
from clearhead.worksheet import attention_paper, save


def test_by_hand() -> None:
    assert whole_percents([1 / 3] * 3) == [34, 33, 33]
    assert whole_percents([0.5, 0.25, 0.25]) == [50, 25, 25]
    assert whole_percents([0.336, 0.598, 0.066]) == [34, 60, 6]  # cut to 33, 59, 6: two more, to .8 and the first .6
    assert whole_percents([0.985, 0.005, 0.005, 0.005]) == [99, 1, 0, 0]
    assert whole_percents([]) == []
    assert whole_percents([0.0, 0.0]) == [0, 0]  # nothing may be looked at
    assert whole_percents([0.5, 0.2, -0.1]) == [50, 20, -10]  # parts of no whole: rounded one by one
    assert whole_percents([0.316, 0.316]) == [32, 32]
    assert whole_percents([math.nan, 0.316, math.inf]) == [None, 32, None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda parts: sum(parts) > 1e-3))
def test_they_sum_to_100_and_none_is_a_whole_percent_off(parts: list[float]) -> None:
    shares = [part / math.fsum(parts) for part in parts]
    wholes = whole_percents(shares)
    assert sum(whole or 0 for whole in wholes) == 100
    assert all(
        whole is not None and abs(whole - 100 * share) < 1.001 for whole, share in zip(wholes, shares, strict=True)
    )


THIRDS = AttentionNumbers(
    tokens=["a", "b", "c"], percentages=[[1 / 3] * 3, [0.2, 0.4, 0.4], [0.115, 0.445, 0.44]], v=[[1.0], [2.0], [3.0]]
)


@pytest.mark.parametrize(
    ("suffix", "written"), [(".md", r"\| (\d+) %"), (".tex", r" (\d+)\\,\\%"), (".html", r">(\d+) %</td>")]
)
def test_of_a_worksheet(suffix: str, written: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    save(attention_paper(THIRDS), path)
    found = [int(number) for number in re.findall(written, path.read_text(encoding="utf-8"))]
    assert found == [34, 33, 33, 20, 40, 40, 12, 44, 44]


def test_of_a_heat_map() -> None:
    console = Console(record=True, width=80)
    console.print(attention_table([[1 / 3] * 3, [0.004, 0.498, 0.498]], ["x", "y"], ["a", "b", "c"]))
    rows = [line.split() for line in console.export_text().splitlines()]
    assert ["x", "34", "33", "33"] in rows and ["y", "·", "50", "50"] in rows
