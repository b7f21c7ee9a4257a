"""The runner of the benchmarks: what a case gives is kept and read back, and docs/results.md is made of that alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import case, report, results
from benchmarks.__main__ import app
from benchmarks.cases.tree import KEPT
from benchmarks.results import Result, Table
from benchmarks.timing import Row, in_turns, ratio


def test_the_page_is_what_report_makes_of_the_kept_results() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert page == report.make(report.read_kept(), case.names()), "run: python -m benchmarks report"


def test_the_page_names_the_cases_without_a_kept_result() -> None:
    kept = report.read_kept()
    without = report.make({name: result for name, result in kept.items() if name != "words"}, case.names())
    assert "`words`" in without.partition("## Cases without a kept result")[2]
    assert "`words`" not in report.make(kept, case.names()).partition("## Cases without a kept result")[2]


def test_a_result_without_a_place_on_the_page_is_refused() -> None:
    with pytest.raises(KeyError, match="no place on the page for lost"):
        report.make({"lost": next(iter(report.read_kept().values()))}, [])


@pytest.mark.parametrize(
    ("cell", "form", "text"),
    [
        (None, "{:,}", ""),
        ("a text", "{:,}", "a text"),
        (1234.5, "{:,.0f} s", "1,234 s"),
        (0.123, "{:.0%}", "12%"),
        ({"median": 2.0, "least": 1.0, "most": 4.0}, "{:.1f}", "2.0 (1.0 to 4.0)"),
        ({"least": 1.0, "most": 4.0}, "{:.1f}", "1.0 to 4.0"),
    ],
)
def test_cells_as_text(cell: results.Cell, form: str, text: str) -> None:
    assert results.shown(cell, form) == text


def test_a_result_is_kept_whole_and_read_back(tmp_path: Path) -> None:
    table = Table(
        {"": "", "s": "{:.1f}"}, [["a", {"least": 1.0, "most": 2.0}], ["b", None]], "title", ["remark"], False
    )
    result = Result("words", "2026-01-01", "abc", {"cores": "2"}, {"torch": "2.13"}, {"rounds": 3}, [table], ["again"])
    results.keep(result, tmp_path / "words.json")
    assert results.read(tmp_path / "words.json") == result
    assert [path.name for path in tmp_path.iterdir()] == ["words.json"]  # nothing is left of writing aside


def test_a_case_is_run_and_kept_with_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["run", "tree", "--keep", str(tmp_path), "--list"])
    assert not ended.value.code
    (kept,) = (results.read(path) for path in tmp_path.glob("tree-*.json"))
    assert (kept.case, kept.settings) == ("tree", {"list": True})
    assert len(kept.tables) == 9  # the figures, the names that are kept twice, and seven lists of what is over a bar
    doubled = {title: {row[0] for row in table.rows} for table in kept.tables for title in table.columns}
    assert doubled["doubled file stems"] == set(KEPT), "give a new file a name of its own, or say why it has another's"
    assert not doubled["doubled public classes"]
    assert "lines of Python" in capsys.readouterr().out


@pytest.mark.process  # it imports every case
def test_list_shows_every_case() -> None:
    words = [sys.executable, "-m", "benchmarks", "list"]
    done = subprocess.run(words, cwd=results.ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == case.names()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nothing"], "there is no case 'nothing'"),
        (["run"], "run NAME..."),
        (["run", "tree", "--page", "nowhere"], "--page takes one case"),
    ],
)
def test_wrong_names_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        app(words)


def test_rows_work_in_turns_each_the_first_once() -> None:
    order: list[str] = []

    def row(name: str) -> Row:
        return Row(name, lambda _: float(bool(order.append(name))) + 0.5 * len(name), [], [])

    rows = [row("a"), row("bb")]
    in_turns(rows, 2, steady=False, own_clock=True)
    assert order == ["bb", "a", "a", "bb", "bb", "a"]  # an unmeasured round, and two
    assert [r.times for r in rows] == [[0.5, 0.5], [1.0, 1.0]]
    assert ratio(*rows) == {"median": 2.0, "least": 2.0, "most": 2.0}  # half the time is twice the rate
