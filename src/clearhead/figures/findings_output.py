"""Findings for human eyes: in the terminal, as Markdown, and with a figure in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as TerminalTable
from rich.text import Text

from clearhead.disk import write_text
from clearhead.errors import MissingError
from clearhead.figures.canvas import save_figure
from clearhead.figures.chart import charts_figure
from clearhead.figures.terminal import print_trimmed
from clearhead.insight.findings import Cell, Findings, Table

__all__ = ["findings_markdown", "print_findings", "save_findings", "shown"]

_GAP = 2  # letters between columns


def print_findings(findings: Findings, console: Console) -> None:
    """The question, the tables and what they say."""
    print_trimmed(console, Text(findings.question, style="bold"))
    print_trimmed(console, Text(findings.setting, style="dim"))
    for table in findings.tables:
        console.print()
        print_trimmed(console, Text(table.title, style="italic"))
        for number, columns in enumerate(_parts(table, console.width)):
            if number:
                console.print()
            print_trimmed(console, _grid(table, columns, console.width))
    console.print()
    for answer in findings.answers:
        print_trimmed(console, Text(f"- {answer}"))


def _parts(table: Table, width: int) -> list[list[int]]:
    """The columns of a table in as few parts as fit; each begins with the first, which says what a row is about."""
    others = len(table.columns) - 1
    for many in range(1, others + 1):
        each = -(-others // many)
        parts = [[0, *range(start, min(start + each, others + 1))] for start in range(1, others + 1, each)]
        if all(sum(_least(table, c) + _GAP for c in part) - _GAP <= width for part in parts):
            return parts
    return [[0, c] for c in range(1, others + 1)] or [[0]]


def _least(table: Table, column: int) -> int:
    """Letters that a column needs, so that no word and no number of it is cut."""
    words = [*table.columns[column].split(), *(w for row in table.rows for w in shown(row[column]).split())]
    return max(map(cell_len, words), default=1)


def _widths(table: Table, columns: list[int], width: int) -> list[int]:
    """What each column needs; of what is left, letter by letter, that of words and then that which lacks most."""
    given = {c: _least(table, c) for c in columns}
    wanted = {c: max(map(cell_len, [table.columns[c], *(shown(row[c]) for row in table.rows)])) for c in columns}

    def lacks(c: int) -> tuple[bool, int]:
        return _is_words(table, c) and wanted[c] > given[c], wanted[c] - given[c]

    for _ in range(width - sum(given.values()) - _GAP * (len(columns) - 1)):
        given[max(columns, key=lacks)] += 1
    return [min(given[c], wanted[c]) for c in columns]


def _is_words(table: Table, column: int) -> bool:
    return any(isinstance(row[column], str) for row in table.rows)


def _grid(table: Table, columns: list[int], width: int) -> TerminalTable:
    grid = TerminalTable(header_style="bold", box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for c, wide in zip(columns, _widths(table, columns, width), strict=True):
        justify: Literal["left", "right"] = "left" if _is_words(table, c) else "right"
        grid.add_column(Text(table.columns[c]), justify=justify, vertical="bottom", width=wide)
    for row in table.rows:
        grid.add_row(*(Text(shown(row[c])) for c in columns))
    return grid


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
    """NAME.json (every number) and NAME.md in a folder, and where there is matplotlib NAME.svg and NAME.png.

    Numbers are written before anything is drawn. Returns what was written.

    Raises:
        FolderError: the place cannot be written.
    """
    numbers, page, *figures = (folder / f"{findings.name}{suffix}" for suffix in (".json", ".md", ".svg", ".png"))
    write_text(numbers, json.dumps(findings.to_json(), indent=1, ensure_ascii=False) + "\n")
    write_text(page, findings_markdown(findings))
    try:
        figure = charts_figure(findings.charts, title=findings.question)
    except MissingError:
        return [page, numbers]
    for path in figures:
        save_figure(figure, path)
    write_text(page, findings_markdown(findings, figures[0].name))
    return [page, *figures, numbers]


def _rows(table: Table) -> list[str]:
    cells = [[shown(cell) for cell in row] for row in table.rows]
    lines = [list(table.columns), ["---"] * len(table.columns), *cells]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


def shown(cell: Cell) -> str:
    """Four digits that count; whole numbers whole."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return "0" if cell == 0 else f"{cell:.2e}" if not 1e-3 <= abs(cell) < 1e5 else f"{cell:,.4g}"
    return f"{cell:,}" if isinstance(cell, int) else cell
