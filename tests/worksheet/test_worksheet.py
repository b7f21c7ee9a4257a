"""The arithmetic on paper: the poem's known numbers, every kind of attention beside clearhead's own, every form."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import formulas
import numpy as np
import openpyxl
import pytest
from rich.console import Console

from clearhead.data.numbers import AttentionNumbers, read_numbers
from clearhead.errors import ClearheadError
from clearhead.worksheet import Paper, attention_paper, save, show, translator_paper
from clearhead.worksheet.cells import in_full, place, proof
from clearhead.worksheet.copies import Picked
from clearhead.worksheet.markdown import markdown
from clearhead.worksheet.operations import Normed, Waves
from clearhead.worksheet.samples import TRANSLATOR, WORKSHEETS
from clearhead.worksheet.tables import Given, NumberTable, number

SCORES: dict[str, dict[str, Any]] = {
    "scaled-dot": {},
    "dot": {},
    "cosine": {},
    "bilinear": {"bilinear": [[1.0, -2.0, 0.5], [0.5, 1.0, 0.0]]},
    "additive": {
        "additive_q": [[1.0, -1.0], [0.5, 2.0]],
        "additive_k": [[0.3, 1.0], [1.0, 0.2], [0.0, -1.0]],
        "additive_v": [2.0, -1.0],
    },
}


def paper(**numbers: Any) -> Paper:
    return attention_paper(AttentionNumbers.model_validate(numbers))


def by_score(score: str) -> Paper:
    """Cross-attention: three tokens ask two others; the widths differ where the score allows it."""
    width = 3 if score in ("bilinear", "additive") else 2
    weights = {
        "q": [[1.0, 0.5], [-0.5, 2.0]],
        "k": [[0.2, -1.0, 0.4][:width], [1.0, 0.3, 0.0][:width], [0.5, 0.5, -2.0][:width]],
        "v": [[1.0], [2.0], [-1.0]],
        "v_bias": [0.5],
        "o": [[2.0, -1.0]],
        "o_bias": [0.0, 1.0],
        **SCORES[score],
    }
    return paper(
        title=score,
        tokens=["a", "b", "c"],
        encodings=[[1.0, 2.0], [0.5, -1.0], [-2.0, 0.3]],
        memory={"tokens": ["x", "y"], "encodings": [[1.0, 0.0, 2.0], [-1.0, 3.0, 0.5]]},
        weights=weights,
        score=score,
        mask=[[True, True], [False, True], [False, False]],
        residual=True,
        norm=True,
    )


PAPERS = {name: lambda make=make: attention_paper(make()) for name, make in WORKSHEETS.items()}
PAPERS |= {f"{score} across": lambda score=score: by_score(score) for score in SCORES}
WIDE = [[0.1 * ((3 * i + j) % 7) - 0.3 for j in range(40)] for i in range(2)]
PAPERS["wide"] = lambda: paper(
    tokens=["a", "b"], encodings=WIDE, weights={"v": [list(c) for c in zip(*WIDE, strict=True)]}
)
PAPERS["translator"] = lambda: translator_paper(TRANSLATOR, ["let's", "go"])
every_paper = pytest.mark.parametrize("name", PAPERS)


# The numbers


@pytest.mark.parametrize("masked", [False, True])
def test_the_known_numbers_of_the_poem(masked: bool) -> None:
    found = PAPERS["poem-masked" if masked else "poem"]()
    assert round(float(found.table("similarities").values[0, 0]), 4) == -0.0990
    wanted = [[1.0100, 1.0641], [0.2040, 0.7057], [3.4989, 2.2427]]
    if masked:
        wanted[:2] = [[0.6038, 0.7434], [-0.0062, 0.6072]]
    else:
        assert (100 * found.table("percentages").values[0]).round().tolist() == [36, 40, 24]
    assert found.table("context").values.round(4).tolist() == wanted


@every_paper
def test_it_is_what_clearhead_computes(name: str) -> None:
    found = PAPERS[name]()
    if name == "car":
        assert found.gap is None
        assert proof(found).startswith("the shares were given")
    else:
        assert found.gap is not None
        assert found.gap < (1e-6 if name == "translator" else 1e-12)  # our positions are float32
    assert all(np.isfinite(t.values).all() for t in found.tables if not t.name.startswith(("mask", "masked")))


def test_a_row_that_may_look_nowhere_takes_nothing_home() -> None:
    found = by_score("dot")
    assert found.table("percentages").values[2].tolist() == [0.0, 0.0]
    assert found.table("context").values[2].tolist() == [0.0]


def test_heads_stand_side_by_side() -> None:
    found = PAPERS["two-heads"]()
    heads = [found.table(f"context_{h}") for h in (1, 2)]
    assert [h.values.shape for h in heads] == [(7, 2), (7, 2)]
    assert found.table("joined").values.tolist() == np.hstack([h.values for h in heads]).tolist()
    assert found.table("e").values.tolist() == (found.table("x").values + found.table("p").values).tolist()
    assert found.table("p").values[1].tolist() == [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)]


@pytest.mark.parametrize(("words", "written"), [("let's go", "vamos <EOS>"), ("to go", "ir <EOS>")])
def test_the_translator_translates(words: str, written: str) -> None:
    found = translator_paper(TRANSLATOR, words.split())
    assert found.title == f"{words.capitalize()} -> {written}"
    assert found.table("next").values.max(1).min() > 0.98
    assert found.table("percentages_d").values[0].tolist() == [1.0, 0.0]
    with pytest.raises(ClearheadError, match="it knows let's, to, go, <EOS>"):
        translator_paper(TRANSLATOR, ["dance"])


def test_norm_and_residual_by_hand() -> None:
    """Two tokens that look at themselves alone: the context is the values, here the encodings; the residual twice."""
    found = paper(tokens=["a", "b"], encodings=[[1, 3], [4, 0]], mask=[[1, 0], [0, 1]], residual=True, norm=True)
    assert found.table("r").values.tolist() == [[2, 6], [8, 0]]
    sign = 2 / math.sqrt(4 + 1e-5)
    assert np.allclose(found.table("n").values, [[-sign, sign], [4 / math.sqrt(16 + 1e-5), -4 / math.sqrt(16 + 1e-5)]])


# In words


@every_paper
def test_written_arithmetic_comes_to_the_number(name: str) -> None:
    """What stands between the two "=" is what the number is, up to the four digits that are written."""
    checked = 0
    for table in PAPERS[name]().tables:
        for row in range(len(table.rows)):
            for column in range(len(table.columns)):
                said = table.op.written(row, column)
                if re.search(r"column \d|, row |given|: ", said):
                    continue
                python = said.replace("×", "*").replace("^", "**").replace("²", "**2").replace("√", "sqrt")
                python = re.sub(r"(?<![\w.)])-inf", "(-inf)", python)
                python = re.sub(r"e\*\*(-?[\d.]+|\(-inf\))", r"exp(\1)", python)
                python = re.sub(r"(?<![\w)])-([\d.]+)\*\*", r"(-\1)**", python)
                names = {n: getattr(math, n) for n in ("sqrt", "exp", "tanh", "inf", "sin", "cos")}
                found = _value(python, names)
                scale = max([1.0, *(abs(float(x)) for x in re.findall(r"\d+\.?\d*", said)[:9])])
                value = float(table.values[row, column])
                assert found == value or abs(found - value) < 2e-3 * scale, (table.name, said, value)
                checked += 1
    assert checked > 5


def _value(python: str, names: dict[str, Any]) -> float:
    try:
        return float(eval(python, {"__builtins__": {}}, names))
    except ZeroDivisionError:  # a row that may look nowhere
        return 0.0


def test_a_number_is_written_as_a_person_would() -> None:
    assert [number(x) for x in (1.0, -0.0, 0.00001, -1.50, 2 / 3, math.inf, -math.inf)] == [
        *("1", "0", "0", "-1.5", "0.6667", "inf", "-inf")
    ]


def test_a_cell_is_found_by_label_or_number() -> None:
    table = PAPERS["poem"]().table("percentages")
    assert place(table, "poem", "a") == place(table, "3", "2") == (2, 1)
    assert in_full(table, 0, 1) == ("percentages[Write, a] = e^0.0458 / (e^-0.07 + e^0.0458 + e^-0.4612) = 40 %")
    with pytest.raises(ClearheadError, match="take one of Write, a, poem, or a number from 1"):
        place(table, "poet", "a")
    with pytest.raises(ClearheadError, match="the tables are x, W_q, q, "):
        PAPERS["poem"]().table("weights")


# In every form


def recalculated(paper: Paper, path: Path) -> dict[str, float]:
    """Every cell as a spreadsheet program computes it."""
    save(paper, path)
    solution = formulas.ExcelModel().loads(str(path)).finish().calculate()
    found = {}
    for key, value in solution.items():
        if match := re.fullmatch(r"'\[.*\]WORKSHEET'!([A-Z]+\d+)", str(key)):
            found[match[1]] = value.value[0, 0]
    return found


def compare(made: Paper, path: Path, cells: dict[str, float]) -> None:
    """Every number of the paper stands in its cell, whoever computed it."""
    sheet = openpyxl.load_workbook(path).active
    starts = [row for row in range(1, sheet.max_row + 1) if sheet.cell(row, 1).value and sheet.cell(row, 1).font.bold]
    named = {sheet.cell(row, 1).value: row + 2 for row in starts}
    live = 0
    for table in made.tables:
        for row in range(len(table.rows)):
            for column in range(len(table.columns)):
                where = sheet.cell(named[table.name] + row, 2 + column).coordinate
                wanted = float(table.values[row, column])
                if math.isinf(wanted):
                    assert float(cells.get(where, sheet[where].value)) < -1e299
                else:
                    assert abs(float(cells.get(where, sheet[where].value)) - wanted) < 1e-6, (table.name, where)
                live += str(sheet[where].value).startswith("=")
    assert live > 5


@pytest.mark.filterwarnings("ignore")  # of the evaluator's own
@every_paper
def test_a_spreadsheet_comes_to_the_same_numbers(name: str, tmp_path: Path) -> None:
    made = PAPERS[name]()
    compare(made, tmp_path / "sheet.xlsx", recalculated(made, tmp_path / "sheet.xlsx"))


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_libreoffice_comes_to_the_same_numbers(tmp_path: Path) -> None:
    """All sheets, opened and computed anew by LibreOffice, which saves what it found."""
    for i, make in enumerate(PAPERS.values()):
        save(make(), tmp_path / f"{i}.xlsx")
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    files = sorted(map(str, tmp_path.glob("*.xlsx")))
    form = "xlsx:Calc MS Excel 2007 XML"
    command = ["soffice", home, "--headless", "--convert-to", form, "--outdir", str(tmp_path / "computed"), *files]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
    for i, make in enumerate(PAPERS.values()):
        sheet = openpyxl.load_workbook(tmp_path / f"computed/{i}.xlsx", data_only=True).active
        cells = {cell.coordinate: cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None}
        compare(make(), tmp_path / f"{i}.xlsx", cells)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="LaTeX is not installed")
@every_paper
def test_latex_compiles(name: str, tmp_path: Path) -> None:
    save(PAPERS[name](), tmp_path / "paper.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1500:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


@every_paper
def test_latex_has_no_second_subscript(name: str, tmp_path: Path) -> None:
    """What LaTeX refuses, also where it is not installed."""
    save(PAPERS[name](), tmp_path / "paper.tex")
    assert not re.search(r"[^{}]_\{[^{}]*\}_", (tmp_path / "paper.tex").read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore")
def test_a_changed_cell_changes_what_follows(tmp_path: Path) -> None:
    changed = WORKSHEETS["poem"]().model_dump()
    changed["encodings"][0][0] = 2.0
    wanted = attention_paper(AttentionNumbers.model_validate(changed)).table("context").values
    path = tmp_path / "poem.xlsx"
    save(PAPERS["poem"](), path)
    book = openpyxl.load_workbook(path)
    sheet = book.active
    (first,) = [c for row in sheet.iter_rows() for c in row if c.value == 1.16]
    first.value = 2.0
    book.save(path)
    (context,) = [c.row for (c,) in sheet.iter_rows(max_col=1) if c.value == "context"]
    solution = formulas.ExcelModel().loads(str(path)).finish().calculate()
    found = [
        [solution[f"'[poem.xlsx]WORKSHEET'!{column}{context + 2 + row}"].value[0, 0] for column in "BC"]
        for row in range(3)
    ]
    assert np.allclose(np.array(found, dtype=float), wanted, atol=1e-6)


def test_text_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    save(paper(title="=1+1", tokens=["=A1", "+b"], encodings=[[1, 0], [0, 1]]), tmp_path / "a.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").active
    texts = [c for row in sheet.iter_rows() for c in row if c.value in ("=1+1", "=A1", "+b")]
    assert len(texts) > 2 and all(c.data_type == "s" for c in texts)


@every_paper
def test_pages_are_whole(name: str, tmp_path: Path) -> None:
    made = PAPERS[name]()
    for suffix in (".md", ".tex", ".html"):
        save(made, tmp_path / f"a{suffix}")
    page = (tmp_path / "a.html").read_text(encoding="utf-8").removeprefix("<!doctype html>\n")
    page = re.sub(r"<meta [^>]*>", "", page)  # the one tag without an end
    cells = list(ET.fromstring(page).iter("td"))
    assert len(cells) == sum(t.values.size for t in made.tables)
    assert all(" = " in td.attrib["title"] for td in cells)
    for table in ET.fromstring(page).iter("table"):
        behind = {len((td.text or "").partition(".")[2]) for td in table.iter("td") if "inf" not in (td.text or "")}
        assert len(behind) <= 1  # points stand below one another
    text = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert text.count("| --- |") == len(made.tables)
    document = (tmp_path / "a.tex").read_text(encoding="utf-8")
    assert document.count(r"\begin{bmatrix}") == document.count(r"\end{bmatrix}") == len(made.tables)
    console = Console(width=90, record=True, file=io.StringIO())
    show(made, console)
    shown = console.export_text()
    assert all(f"{number}. {section.title}" in shown for number, section in enumerate(made.sections, 1))
    assert proof(made) in shown
    narrow = Console(width=80, record=True, file=io.StringIO())
    show(made, narrow)
    lines = narrow.export_text().splitlines()
    assert [line for line in lines if line != line.rstrip() or len(line) > 80] == []
    sizes = [f"[{' x '.join(map(str, table.values.shape))}]" for table in made.tables]
    assert all(any(size in line for line in lines) for size in sizes)


def test_hostile_labels_are_only_text(tmp_path: Path) -> None:
    made = paper(title="<script>", tokens=["<b>&\"'", "$x_1$|`\x1b[31m"], encodings=[[1, 0], [0, 1]])
    for suffix in (".md", ".tex", ".html"):
        save(made, tmp_path / f"a{suffix}")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "<b>&" not in page
    assert r"x[<b>\&" in (tmp_path / "a.tex").read_text(encoding="utf-8").replace("context[", "x[")
    assert r"\|\`" in (tmp_path / "a.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", [".md", ".tex", ".html", ".xlsx"])
@pytest.mark.parametrize("token", ["a\x00b", "a\x1bb", "a\ufffeb", "a\uffffb", "a\ud800b"])
def test_characters_that_no_file_may_hold(token: str, suffix: str, tmp_path: Path) -> None:
    """They are shown as symbols; every file can be read, and its XML is XML."""
    save(paper(title=token, tokens=[token, "c"], encodings=[[1, 0], [0, 1]]), tmp_path / f"a{suffix}")
    if suffix == ".xlsx":
        text = " ".join(str(cell.value) for row in openpyxl.load_workbook(tmp_path / "a.xlsx").active for cell in row)
    else:
        text = (tmp_path / f"a{suffix}").read_text(encoding="utf-8")
    assert token not in text and re.search("a[␀␛�]b", text)


def test_wide_tables_are_cut_in_the_middle() -> None:
    made = paper(tokens=["a"], encodings=[list(range(30))])
    assert "| 1 | 2 | 3 | 4 | 5 | 6 | … | 27 | 28 | 29 | 30 |" in markdown(made)


def test_an_unknown_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClearheadError, match=r"end it in \.md, \.tex, \.html, \.xlsx"):
        save(PAPERS["poem"](), tmp_path / "a.doc")


# Single operations


def test_operations_by_hand() -> None:
    x = NumberTable("x", ("a", "b"), ("1", "2"), Given(np.array([[1.0, -2.0], [3.0, 5.0]])))
    assert NumberTable("p", ("b", "b"), x.columns, Picked(x, (1, 1))).values.tolist() == [[3, 5], [3, 5]]
    assert Waves(2, 3).values()[1].tolist() == [math.sin(1), math.cos(1), math.sin(10000 ** (-2 / 3))]
    one, zero = (NumberTable(n, ("1",), x.columns, Given(np.full((1, 2), v))) for n, v in (("g", 2.0), ("b", 1.0)))
    assert np.allclose(Normed(x, one, zero, eps=0.0).values(), [[3, -1], [-1, 3]])


# A person's own numbers


def test_every_file_says_the_same(tmp_path: Path) -> None:
    numbers = {"title": "mine", "tokens": ["a", "b"], "encodings": [[1.0, 2.0], [3.0, 4.0]]}
    (tmp_path / "mine.json").write_text(json.dumps(numbers), encoding="utf-8")
    (tmp_path / "mine.yaml").write_text("title: mine\ntokens: [a, b]\nencodings: [[1, 2], [3, 4]]\n", encoding="utf-8")
    (tmp_path / "mine.csv").write_text("a,1,2\nb,3,4\n", encoding="utf-8-sig")
    found = [read_numbers(tmp_path / f"mine.{suffix}") for suffix in ("json", "yaml", "csv")]
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", '{"tokens": [}', "line 1: not valid JSON"),
        ("a.yaml", "tokens: [a\nb: 1", "line 2: not valid YAML"),
        ("a.csv", "a,1\nb,x", "line 2: could not convert"),
        ("a.csv", "a,1\nb,1,2", "encodings: row 1 has 1 numbers, row 2 has 2"),
        ("a.txt", "a", "name it .yaml, .yml, .json, .csv"),
        ("a.json", '{"tokens": ["a"]}', "give encodings, or q, k and v"),
        ("a.json", '{"tokens": ["a"], "encodings": [[1], [2]]}', "encodings has 2 rows for 1 tokens"),
        ("a.json", '{"tokens": ["a"], "encoding": [[1]]}', "the fields are title, tokens, encodings"),
        ("a.json", '{"tokens": ["a"], "encodings": [[NaN]]}', "finite"),
        ("a.json", '{"tokens": [], "encodings": []}', "tokens: List should have at least 1 item"),
        ("a.json", '{"tokens": ["a"], "percentages": [[1]]}', "percentages weigh values"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ClearheadError, match=re.escape(words)) as error:
        read_numbers(tmp_path / name)
    assert name in str(error.value)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"weights": {"q": [[1.0]]}}, "weights.q has 1 rows, x has 2 columns"),
        ({"weights": {"q": [[1.0], [1.0]]}}, "take score: bilinear or score: additive"),
        ({"weights": {"o": [[1.0]]}}, "weights.o has 1 rows, context has 2 columns"),
        ({"weights": {"q": [[1.0], [1.0]], "q_bias": [1.0, 2.0]}}, "weights.q_bias has 2 numbers"),
        ({"heads": 3}, "take 1, 2 heads"),
        ({"mask": [[True]]}, "the mask is 1 x 1"),
        ({"score": "bilinear"}, "this score needs weights.bilinear"),
        ({"score": "additive"}, "this score needs weights.additive_q"),
        ({"residual": True, "weights": {"v": [[1.0], [1.0]]}}, "the residual adds encodings"),
        ({"encodings": None, "q": [[1.0], [1.0]]}, "k comes from encodings, and there are none"),
        ({"encodings": None, "q": [[1.0], [1.0]], "weights": {"seed": 1}}, "weights.seed draws matrices"),
    ],
)
def test_sizes_that_do_not_fit_are_named(numbers: dict[str, Any], words: str) -> None:
    with pytest.raises(ClearheadError, match=words):
        paper(**{"tokens": ["a", "b"], "encodings": [[1.0, 2.0], [3.0, 4.0]], **numbers})
