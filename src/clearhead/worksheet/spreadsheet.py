"""A paper as a spreadsheet with live formulas: change a cell, and everything that follows changes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from clearhead.errors import ClearheadError
from clearhead.figures.terminal import writable
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import Table
from clearhead.worksheet.text import proof

__all__ = ["spreadsheet"]

_PLAIN = '[<-1E+299]"-inf";0.0000'
_PERCENT = "0.0 %"  # of live numbers: whole ones would not sum to 100


def spreadsheet(paper: Paper) -> bytes:
    """The file (.xlsx): what was given is blue, what follows is a formula.

    Raises:
        ClearheadError: openpyxl is missing.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.styles import Font, PatternFill
        from openpyxl.utils import get_column_letter
    except ModuleNotFoundError as error:
        raise ClearheadError("spreadsheets need openpyxl", 'pip install "clearhead[worksheet]"') from error
    book = Workbook()
    sheet: Any = book.active
    sheet.title = "Worksheet"
    sheet.column_dimensions["A"].width = 16
    places = _Places(get_column_letter)
    bold, grey = Font(bold=True), Font(italic=True, color="777777")

    def put(row: int, column: int, text: str, font: Any = None) -> None:
        cell = sheet.cell(row, column, writable(text))
        cell.data_type = "s"  # a token may begin with "="
        if font is not None:
            cell.font = font

    put(1, 1, paper.title, Font(bold=True, size=14))
    line = 3
    for number, section in enumerate(paper.sections, 1):
        put(line, 1, f"{number}. {section.title}", Font(bold=True, size=12))
        put(line + 1, 1, section.text, grey)
        line += 3
        for table in section.tables:
            put(line, 1, table.name, bold)
            put(line, 2, f"{table.op.text}   ({table.title})", grey)
            for column, label in enumerate(table.columns):
                put(line + 1, 2 + column, label, grey)
            places.at[id(table)] = (line + 2, 2)
            for row, label in enumerate(table.rows):
                put(line + 2 + row, 1, label)
                for column in range(len(table.columns)):
                    cell = sheet.cell(line + 2 + row, 2 + column)
                    live = table.op.live(row, column, places)
                    cell.value = float(live) if table.given else f"={live}"
                    cell.number_format = _PERCENT if table.percent else _PLAIN
                    if table.given:
                        cell.fill = PatternFill("solid", fgColor="DDEBFF")
            line += len(table.rows) + 3
        line += 1
    put(line, 1, proof(paper), grey)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class _Places:
    """Where each table's first number is."""

    def __init__(self, letter: Callable[[int], str]):
        self.at: dict[int, tuple[int, int]] = {}
        self._letter = letter

    def cell(self, table: Table, row: int, column: int) -> str:
        first_row, first_column = self.at[id(table)]
        return f"{self._letter(first_column + column)}{first_row + row}"

    def row(self, table: Table, row: int) -> str:
        return f"{self.cell(table, row, 0)}:{self.cell(table, row, len(table.columns) - 1)}"

    def column(self, table: Table, column: int) -> str:
        return f"{self.cell(table, 0, column)}:{self.cell(table, len(table.rows) - 1, column)}"
