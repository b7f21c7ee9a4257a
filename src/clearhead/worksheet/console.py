"""A paper in the terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from clearhead.figures.terminal import print_trimmed, visible
from clearhead.worksheet.cells import TERMS, grid, in_full, proof
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable

__all__ = ["show"]


def show(paper: Paper, console: Console | None = None) -> None:
    """Print a paper."""
    console = console or Console()
    print_trimmed(console, Text(visible(paper.title), style="bold underline"))
    for number, section in enumerate(paper.sections, 1):
        console.print()
        print_trimmed(console, Text(f"{number}. {section.title}", style="bold"))
        print_trimmed(console, Text(section.text, style="dim"))
        for table in section.tables:
            console.print()
            print_trimmed(console, Padding(_block(table, console.width - 4), (0, 0, 0, 2)))
    console.print()
    print_trimmed(console, Text(proof(paper), style="italic"))


def _block(table: NumberTable, width: int) -> Group:
    rows, columns = table.values.shape
    head = Text.assemble((visible(table.name), "bold cyan"), "" if table.given else f" = {visible(table.op.text)}")
    about = Text(f"{visible(table.title)} [{rows} x {columns}]", style="dim")
    beside = head.cell_len + 3 + about.cell_len <= width
    head.append_text(Text.assemble("   " if beside else "\n", about))
    headings, cells = _fitting(table, width)
    body = Grid(box=None, show_header=True, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        body.add_column(Text(visible(heading) if heading else ""), justify="left" if i == 0 else "right", no_wrap=True)
    for row in cells:
        body.add_row(*(Text(visible(x)) for x in row))
    if table.given:
        return Group(head, body)
    return Group(head, body, Text(visible(in_full(table, terms=TERMS)), style="dim"))


def _fitting(table: NumberTable, width: int) -> tuple[list[str], list[list[str]]]:
    """As many columns as there is room for, but four at least."""
    for most in range(12, 4, -1):
        found = grid(table, most=most)
        columns = zip(found[0], *found[1], strict=True)
        if sum(max(cell_len(x) for x in column) + 2 for column in columns) <= width:
            return found
    return grid(table, most=4)
