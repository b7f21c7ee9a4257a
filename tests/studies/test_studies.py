"""Studies: what they measure is what mathematics says, and what a person gets of them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import torch
from rich.console import Console

from clearhead.cli.study import study as study_command
from clearhead.errors import ConfigError
from clearhead.figures.canvas import save_figure
from clearhead.figures.chart import charts_figure
from clearhead.figures.findings_output import findings_markdown, print_findings, save_findings, shown
from clearhead.insight.findings import Chart, Curve, Findings, Table
from clearhead.studies import STUDIES, study

QUICK = ("scaling", "order", "positions", "residual")


@pytest.fixture(scope="module")
def found() -> dict[str, Findings]:
    torch.set_num_threads(1)
    return {name: study(name) for name in QUICK}


def test_the_variance_of_a_product_is_its_width(found: dict[str, Findings]) -> None:
    """The variance of q . k is head_dim, that of the divided one is 1; 8,192 pairs tell both to some 10 %."""
    for width, undivided, peak, _, divided, other, _ in found["scaling"].tables[0].rows[2:]:
        assert float(undivided) == pytest.approx(width, rel=0.2)  # type: ignore[arg-type]
        assert float(divided) == pytest.approx(1.0, rel=0.2)  # type: ignore[arg-type]
        assert 1 / 32 < float(other) < float(peak) < 1  # type: ignore[arg-type]
    first, last = found["scaling"].tables[0].rows[0], found["scaling"].tables[0].rows[-1]
    assert float(last[3]) < 1e-3 < float(last[6])  # type: ignore[arg-type]
    assert float(last[6]) == pytest.approx(float(first[6]), rel=0.2)  # type: ignore[arg-type]


def test_only_positions_or_a_causal_mask_know_of_order(found: dict[str, Findings]) -> None:
    known = {(row[0], row[1] == "everywhere"): row[-1] == "yes" for row in found["order"].tables[0].rows}
    assert [kind for (kind, everywhere), yes in known.items() if everywhere and not yes] == ["none", "alibi"]
    assert all(yes for (_, everywhere), yes in known.items() if not everywhere)


def test_similarity_by_distance_is_a_sum_of_cosines(found: dict[str, Findings]) -> None:
    """PE(p) . PE(p + n) = sum_i cos(n / 10000^(2i / 64)), which a turned query and key make just so."""
    chart = found["positions"].charts[1]
    for curve in chart.curves:
        for n in (0, 1, 10, 64):
            wanted = sum(torch.cos(torch.tensor(n / 10000.0 ** (2 * i / 64))) for i in range(32)) / 32
            assert curve.ys[n] == pytest.approx(float(wanted), abs=1e-5)
    assert found["positions"].charts[2].curves[0].ys[10] == pytest.approx(-5.0)  # slope 1/2


def test_residual_connections_carry_gradients(found: dict[str, Findings]) -> None:
    ratios = {str(row[0]).split(":")[0]: float(row[-1]) for row in found["residual"].tables[0].rows}  # type: ignore[arg-type]
    assert ratios["plain"] < 1e-3 < ratios["norm"] < ratios["post"] < 1 < ratios["pre"] < 100 < ratios["residual"]
    layer = found["residual"].tables[1].rows
    assert [float(x) for x in layer[1][1:]] == pytest.approx([-1.3416, -0.4472, 0.4472, 1.3416], abs=1e-4)  # type: ignore[arg-type]


def test_two_runs_of_a_study_are_the_same(found: dict[str, Findings]) -> None:
    assert study("residual") == found["residual"]


def test_every_chart_names_its_axes(found: dict[str, Findings]) -> None:
    for findings in found.values():
        assert findings.charts and findings.tables and findings.answers
        for chart in findings.charts:
            assert chart.x and chart.y and all(len(curve.xs) == len(curve.ys) for curve in chart.curves)
        for table in findings.tables:
            assert all(len(row) == len(table.columns) for row in table.rows)


# What a person gets


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_heading_and_no_number_of_a_table_is_cut(found: dict[str, Findings], width: int) -> None:
    for findings in found.values():
        console = Console(width=width, record=True, file=io.StringIO())
        print_findings(findings, console)
        lines = console.export_text().splitlines()
        assert max(map(len, lines)) <= width and "…" not in "".join(lines)
        assert [line for line in lines if line != line.rstrip()] == []
        for table in findings.tables:
            said = set(" ".join(lines).split())
            assert said >= {word for name in table.columns for word in name.split()}
            assert said >= {word for row in table.rows for cell in row for word in shown(cell).split()}


def test_names_stand_on_no_curve_and_names_of_points_on_nothing(found: dict[str, Findings]) -> None:
    for findings in found.values():
        figure = charts_figure(findings.charts, title=findings.question)
        for axes in figure.axes:
            if legend := axes.get_legend():
                assert legend.get_window_extent().y0 >= axes.bbox.y1
            boxes = [text.get_window_extent() for text in axes.texts]
            assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
            assert axes.yaxis.label.get_window_extent().height <= 1.1 * axes.bbox.height


def test_the_command_leaves_tables_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study_command("order", out=tmp_path / "made")
    said = capsys.readouterr().out
    assert "Does attention know" in said and "sinusoidal" in said
    assert re.findall(r"saved .*order(\.\w+)", said) == [".md", ".svg", ".png", ".json"]
    page = (tmp_path / "made/order.md").read_text(encoding="utf-8")
    assert "![Does attention know" in page and "| alibi | everywhere | " in page
    assert "Tom" in (tmp_path / "made/order.svg").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "made/order.json").read_text(encoding="utf-8"))["name"] == "order"


def test_a_study_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"no study 'ordr'.*\n.*'order'"):
        study("ordr")
    assert study_command.__doc__ is not None
    assert all(name in study_command.__doc__ for name in STUDIES)


FINDINGS = Findings(
    "made",
    "Why?",
    "as it was",
    [Table("Numbers", ["kind", "value"], [["a|b", 0.12345], ["c", None], ["d", 1234567], ["e", 1e-9], ["f", 0.0]])],
    [
        Chart("Lines", "x (s)", "y (m)", [Curve("one", [1, 2, 4], [1, 10, 100], spread=[(0.5, 2), (5, 20), (50, 200)])],
              log_x=True, log_y=True),
        Chart("Bars", "kind", "share", [Curve("one", ["$a", "猫"], [1, 2], spread=[(0, 2), (1, 3)]),
                                        Curve("two", ["$a", "猫"], [3, 4])], form="bars"),
        Chart("Points", "x", "y", [Curve("one", [1, 2], [1, 2], labels=["<eos>", "b"])], form="points"),
    ],
    ["Because."],
)  # fmt: skip


def test_cells(tmp_path: Path) -> None:
    page = findings_markdown(FINDINGS)
    for row in ("| a\\|b | 0.1235 |", "| c |  |", "| d | 1,234,567 |", "| e | 1.00e-09 |", "| f | 0 |"):
        assert row in page
    with (tmp_path / "said").open("w", encoding="utf-8") as file:
        print_findings(FINDINGS, Console(file=file, width=80))
    said = (tmp_path / "said").read_text(encoding="utf-8")
    assert "a|b" in said and "- Because." in said


def test_every_form_of_chart_is_drawn(tmp_path: Path) -> None:
    figure = charts_figure(FINDINGS.charts, title="Why?")
    assert [axes.get_xlabel() for axes in figure.axes] == ["x (s)", "kind", "x"]
    lines, bars, points = figure.axes
    assert lines.get_xscale() == lines.get_yscale() == "log"
    assert [tick.get_text() for tick in bars.get_xticklabels()] == ["$a", "猫"]
    assert len(bars.patches) == 4
    assert {text.get_text() for text in points.texts} == {"<eos>", "b"}
    save_figure(figure, tmp_path / "a.svg")
    assert len(save_findings(FINDINGS, tmp_path)) == 4
