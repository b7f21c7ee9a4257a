"""A paper as a spreadsheet with live formulas: change a cell, and everything that follows changes."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TypedDict, Unpack

from clearhead.errors import ClearheadError
from clearhead.figures.terminal import writable
from clearhead.worksheet.cells import proof
from clearhead.worksheet.paper import Paper
from clearhead.worksheet.tables import NumberTable

__all__ = ["spreadsheet"]

_PLAIN = '[<-1E+299]"-inf";0.0000'
_PERCENT = "0.0 %"  # of live numbers: whole ones would not sum to 100


class _Font(TypedDict, total=False):
    bold: bool
    italic: bool
    size: int
    color: str


_GREY: _Font = {"italic": True, "color": "777777"}


def spreadsheet(paper: Paper) -> bytes:
    """The file (.xlsx): what was given is blue, what follows is a formula.

    Raises:
        ClearheadError: openpyxl is missing.
    """
    try:
        sheet = _Sheet()
    except ModuleNotFoundError as error:
        raise ClearheadError("spreadsheets need openpyxl", 'pip install "clearhead[worksheet]"') from error
    sheet.write(1, 1, paper.title, bold=True, size=14)
    line = 3
    for number, section in enumerate(paper.sections, 1):
        sheet.write(line, 1, f"{number}. {section.title}", bold=True, size=12)
        sheet.write(line + 1, 1, section.text, **_GREY)
        line += 3
        for table in section.tables:
            sheet.write_table(line, table)
            line += len(table.rows) + 3
        line += 1
    sheet.write(line, 1, proof(paper), **_GREY)
    return sheet.content()


class _Sheet:
    """A sheet of cells, and where each table stands in it."""

    def __init__(self) -> None:
        from openpyxl import Workbook
        from openpyxl.utils import get_column_letter

        self._book = Workbook()
        self._sheet = self._book.active
        self._sheet.title = "Worksheet"
        self._sheet.column_dimensions["A"].width = 16
        self._places = _Places(get_column_letter)

    def write(self, row: int, column: int, text: str, **font: Unpack[_Font]) -> None:
        """Write a text, in the sheet's own font or in another one."""
        from openpyxl.styles import Font

        cell = self._sheet.cell(row, column, writable(text))
        cell.data_type = "s"  # a token may begin with "="
        if font:
            cell.font = Font(**font)

    def write_table(self, line: int, table: NumberTable) -> None:
        """Write a table: its name and formula, its labels, and each cell."""
        self.write(line, 1, table.name, bold=True)
        self.write(line, 2, f"{table.op.text}   ({table.title})", **_GREY)
        for column, label in enumerate(table.columns):
            self.write(line + 1, 2 + column, label, **_GREY)
        self._places.at[id(table)] = (line + 2, 2)
        for row, label in enumerate(table.rows):
            self.write(line + 2 + row, 1, label)
            for column in range(len(table.columns)):
                self._write_cell(line + 2 + row, 2 + column, table, table.op.live(row, column, self._places))

    def _write_cell(self, row: int, column: int, table: NumberTable, live: str) -> None:
        from openpyxl.styles import PatternFill

        cell = self._sheet.cell(row, column)
        cell.value = float(live) if table.given else f"={live}"
        cell.number_format = _PERCENT if table.percent else _PLAIN
        if table.given:
            cell.fill = PatternFill("solid", fgColor="DDEBFF")

    def content(self) -> bytes:
        """The file."""
        out = io.BytesIO()
        self._book.save(out)
        return out.getvalue()


class _Places:
    """Where each table's first number is."""

    def __init__(self, letter: Callable[[int], str]):
        self.at: dict[int, tuple[int, int]] = {}
        self._letter = letter

    def cell(self, table: NumberTable, row: int, column: int) -> str:
        first_row, first_column = self.at[id(table)]
        return f"{self._letter(first_column + column)}{first_row + row}"

    def row(self, table: NumberTable, row: int) -> str:
        return f"{self.cell(table, row, 0)}:{self.cell(table, row, len(table.columns) - 1)}"

    def column(self, table: NumberTable, column: int) -> str:
        return f"{self.cell(table, 0, column)}:{self.cell(table, len(table.rows) - 1, column)}"
