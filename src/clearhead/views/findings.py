"""Findings for human eyes: in the terminal, as Markdown, and with a figure in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table as TerminalTable

from clearhead.folder import write_text
from clearhead.insight.findings import Cell, Findings, Table
from clearhead.views.canvas import save_figure
from clearhead.views.chart import charts_figure

__all__ = ["findings_markdown", "print_findings", "save_findings"]


def print_findings(findings: Findings, console: Console) -> None:
    """The question, the tables and what they say."""
    console.print(findings.question, style="bold", markup=False, highlight=False)
    console.print(findings.setting, style="dim", markup=False, highlight=False)
    for table in findings.tables:
        shown = TerminalTable(title=table.title, title_justify="left", header_style="bold", box=None, pad_edge=False)
        for i, column in enumerate(table.columns):
            words = any(isinstance(row[i], str) for row in table.rows)
            shown.add_column(column, justify="left" if words else "right", vertical="bottom")
        for row in table.rows:
            shown.add_row(*(_cell(cell) for cell in row))
        console.print()
        console.print(shown)
    console.print()
    for answer in findings.answers:
        console.print(f"- {answer}", markup=False, highlight=False)


def findings_markdown(findings: Findings, picture: str | None = None) -> str:
    """The same as a page."""
    lines = [f"# {findings.question}", "", findings.setting[:1].upper() + findings.setting[1:] + ".", ""]
    for answer in findings.answers:
        lines.append(f"- {answer}")
    if picture:
        lines += ["", f"![{findings.question}]({picture})"]
    for table in findings.tables:
        lines += ["", f"**{table.title}**", "", *_rows(table)]
    return "\n".join(lines) + "\n"


def save_findings(findings: Findings, folder: Path) -> list[Path]:
    """NAME.md, NAME.svg, NAME.png and NAME.json (every number) in a folder; returns what was written.

    Raises:
        FolderError: the place cannot be written.
        ClearheadError: matplotlib is missing.
    """
    paths = [folder / f"{findings.name}{suffix}" for suffix in (".md", ".svg", ".png", ".json")]
    figure = charts_figure(findings.charts, title=findings.question)
    write_text(paths[0], findings_markdown(findings, paths[1].name))
    save_figure(figure, paths[1])
    save_figure(figure, paths[2])
    write_text(paths[3], json.dumps(findings.to_json(), indent=1, ensure_ascii=False) + "\n")
    return paths


def _rows(table: Table) -> list[str]:
    shown = [[_cell(cell) for cell in row] for row in table.rows]
    lines = [list(table.columns), ["---"] * len(table.columns), *shown]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def _cell(cell: Cell) -> str:
    """Four digits that count; whole numbers whole."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "0" if cell == 0 else f"{cell:.2e}" if not 1e-3 <= abs(cell) < 1e5 else f"{cell:,.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
