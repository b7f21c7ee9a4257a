"""A paper as Markdown, formulas in LaTeX between dollars."""

from __future__ import annotations

from clearhead.worksheet.cells import TERMS, grid, in_full, proof
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable, symbol

__all__ = ["markdown"]


def markdown(paper: Paper) -> str:
    """The whole paper."""
    lines = [f"# {_plain(paper.title)}", ""]
    for number, section in enumerate(paper.sections, 1):
        lines += [f"## {number}. {section.title}", "", section.text, ""]
        for table in section.tables:
            lines += [*_block(table), ""]
    return "\n".join([*lines, f"*{proof(paper)}*", ""])


def _block(table: NumberTable) -> list[str]:
    rows, columns = table.values.shape
    formula = symbol(table) if table.given else f"{symbol(table)} = {table.op.latex}"
    headings, cells = grid(table)
    lines = [f"${formula}$ - {table.title} ({rows} × {columns})", ""]
    lines += [_row(headings), _row(["---", *["---:"] * (len(headings) - 1)]), *(_row(row) for row in cells)]
    return lines if table.given else [*lines, "", f"`{in_full(table, terms=TERMS)}`"]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(_plain(x) for x in cells)} |"


def _plain(text: str) -> str:
    """Without what Markdown would take for its own."""
    return "".join(f"\\{c}" if c in r"\`*_[]<>|#" else c for c in text.replace("\n", " "))
