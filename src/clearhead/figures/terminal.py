"""A heat map of attention for the terminal: every weight as a number, its size as a shade behind it.

    row = a query (the word being written), column = a key (a source word), cell = weight in percent

The shade goes from grey to blue at about one lightness, so that the stronger cell stands out on a dark terminal and on
a light one, and white digits can be read on all of it; cells too weak for a shade keep the terminal's own colours.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from clearhead.errors import ClearheadError
from clearhead.figures.percents import whole_percents

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["attention_table", "percent", "percents", "print_trimmed", "visible", "weight_rows", "writable"]

WRITING = ("written word, attends", "source word, attended")  # what rows and columns are
READING = ("token, looks at", "token, looked at")  # of a text that looks at itself

_GREY, _BLUE = (118, 118, 124), (0, 96, 235)  # white digits on either: contrast 4.5 and more
_SHADE_FROM = 0.05  # weaker cells have no shade: a field of grey would drown the strong ones
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_LONGEST = 16  # cells of a heading or a row's label, before it is shortened


def print_trimmed(console: Console, what: RenderableType) -> None:
    """Print without the blanks that tables have at the end of each line."""
    for line in console.render_lines(what, pad=False):
        text = Text.assemble(*((piece.text, piece.style or "") for piece in line if not piece.control))
        text.rstrip()
        console.print(text, no_wrap=True, overflow="ignore", crop=False)


def attention_table(
    weights: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = "",
    caption: str = "",
    axis_names: tuple[str, str] = WRITING,
) -> Table:
    """The weights as a table that fits the console it is printed on.

    Where the words do not fit side by side, the columns are numbered, the numbers explained below, and the columns
    set in several blocks if need be.

    Args:
        weights: [queries, keys], a tensor, an array or nested lists.
        rows: the queries' labels, the words being written.
        columns: the keys' labels, the source words.
        title: one line above.
        caption: a line below.
        axis_names: what a row is and does, what a column is.

    Raises:
        ClearheadError: the weights are no table of len(rows) x len(columns).
    """
    heat = _Heat(
        weight_rows(weights, len(rows), len(columns)),
        tuple(_shortened(visible(row)) for row in rows),
        tuple(_shortened(visible(column)) for column in columns),
        axis_names,
    )
    table = Table.grid()
    table.add_column()
    if title:
        table.add_row(Text(visible(title), style="bold"))
    table.add_row(heat)
    table.add_row(Text("percent of each row; · is less than 1; bold is a row's largest", style="dim"))
    if caption:
        table.add_row(Text(visible(caption), style="italic"))
    return table


def weight_rows(weights: ArrayLike, n_rows: int, n_columns: int) -> list[list[float]]:
    """The weights (a tensor, an array, nested lists) as lists of floats, [n_rows][n_columns].

    Raises:
        ClearheadError: they have another shape.
    """
    found: Any = weights.tolist() if hasattr(weights, "tolist") else weights
    try:
        table = [[float(weight) for weight in row] for row in found]
    except (TypeError, ValueError):
        raise ClearheadError(
            "attention weights to show are a table [queries, keys] of numbers, these are not",
            "choose one sentence and one head, for example act.weights()[0, 0]",
        ) from None
    if len(table) != n_rows or any(len(row) != n_columns for row in table):
        lengths = sorted({len(row) for row in table})
        raise ClearheadError(
            f"{n_rows} row labels and {n_columns} column labels want weights of {n_rows} x {n_columns}, "
            f"given {len(table)} x {' or '.join(map(str, lengths)) or 0}",
            "label every query (row) and every key (column) once, end and padding tokens too",
        )
    return table


def percent(weight: float) -> str:
    """The weight in whole percent, "·" for less than one."""
    if math.isnan(weight):
        return "nan"
    return "·" if abs(weight) < 0.01 else f"{100 * weight:.0f}"


def percents(weights: Sequence[float]) -> list[str]:
    """A row of weights in whole percent, which sum to 100 where these sum to 1."""
    return [percent(math.nan if whole is None else whole / 100) for whole in whole_percents(weights)]


def visible(label: str) -> str:
    """The label with control characters, line ends and blanks that nobody would see replaced by visible symbols."""
    if not label.strip(" "):
        return "␣" * len(label) or "∅"
    return "".join(map(_visible, label))


def writable(text: str) -> str:
    """The text with visible symbols for what no file of XML, HTML or TeX may hold; line ends and tabs stay."""
    return _UNWRITABLE.sub(lambda found: _visible(found[0]), text)


def _visible(char: str) -> str:
    code, kind = ord(char), unicodedata.category(char)
    if code < 32:
        return chr(0x2400 + code)  # ␉ ␊ ␛ ...
    if code == 127:
        return "␡"
    if code & 0xFFFE == 0xFFFE:  # no characters, and no part of an XML file
        return "�"
    joins = char in "\u200c\u200d"  # they shape Persian, Indic and emoji, and have no effect beyond their word
    return "�" if kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and not joins) else char


@dataclass(frozen=True)
class _Heat:
    """The heat map; how it is laid out is known only when the console's width is."""

    weights: list[list[float]]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    axis_names: tuple[str, str]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(line.cell_len for line in self._lines(options.max_width))
        return Measurement(min(widest, options.max_width), min(widest, options.max_width))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._lines(options.max_width)

    def _lines(self, width: int) -> list[Text]:
        margin = max(map(cell_len, (*self.rows, *self._asks)))
        room = max(1, width - margin - 1)
        digits = max((len(written) for row in self.weights for written in percents(row)), default=1)
        widths = [max(4, digits + 2, cell_len(column) + 2) for column in self.columns]
        if sum(widths) <= room:
            return list(self._block(range(len(self.columns)), margin, widths, self.columns))
        numbers = tuple(f"{i + 1:2}" for i in range(len(self.columns)))
        cell = max(4, digits + 1, len(numbers[-1]) + 1)
        blocks = _even(len(self.columns), max(1, room // cell))
        lines = []
        for columns in blocks:
            lines += [*self._block(columns, margin, [cell] * len(self.columns), numbers), Text()]
        return [*lines, *_legend(self.columns, width)]

    @property
    def _asks(self) -> tuple[str, str]:
        """What a row is, and what it does, on a line each."""
        who, _, does = self.axis_names[0].partition(", ")
        return f"{who},", f"{does} ↓"

    def _block(self, columns: range, margin: int, widths: list[int], headings: tuple[str, ...]) -> Iterator[Text]:
        """The lines of some of the columns: what the axes are, the headings, a line a query."""
        heads = [Text(_centred(headings[i], widths[i]), style="bold") for i in columns]
        who, does = self._asks
        yield _line(" " * margin, f"  {self.axis_names[1]} →")
        yield _line(_right(who, margin), " ", *heads)
        yield _line(_right(does, margin), " ", "─" * sum(widths[i] for i in columns))
        for label, row in zip(self.rows, self.weights, strict=True):
            largest = max((w for w in row if not math.isnan(w)), default=0.0)
            written = percents(row)
            cells = [_cell(row[i], written[i], widths[i], largest=row[i] == largest and largest > 0) for i in columns]
            yield _line(Text(_right(label, margin)), " ", *cells)


def _line(*parts: str | Text) -> Text:
    line = Text(no_wrap=True, overflow="crop")
    for part in parts:
        line.append_text(Text(part, style="dim") if isinstance(part, str) else part)
    return line


def _cell(weight: float, written: str, width: int, *, largest: bool) -> Text:
    strength = 0.0 if math.isnan(weight) else min(1.0, max(0.0, weight))
    style = "bold " if largest else ""
    if strength >= _SHADE_FROM:
        red, green, blue = (round(a + (b - a) * strength**0.7) for a, b in zip(_GREY, _BLUE, strict=True))
        style += f"#ffffff on #{red:02x}{green:02x}{blue:02x}"
    elif not largest:
        style += "dim"
    return Text(_centred(f"{written:>2}", width), style=style)


def _legend(columns: tuple[str, ...], width: int) -> Iterator[Text]:
    """`1 The   2 cat   3 sat ...`, broken between words only."""
    line = Text()
    for number, column in enumerate(columns, start=1):
        entry = Text.assemble((str(number), "bold"), " ", column)
        if line and line.cell_len + 3 + entry.cell_len > width:
            yield line
            line = Text()
        line.append("   " if line else "").append_text(entry)
    yield line


def _even(count: int, most: int) -> list[range]:
    """range(count) in as few runs of at most `most` as possible, of nearly equal length."""
    runs = -(-count // most)
    edges = [round(i * count / runs) for i in range(runs + 1)]
    return [range(a, b) for a, b in pairwise(edges)]


def _shortened(label: str) -> str:
    return label if cell_len(label) <= _LONGEST else set_cell_size(label, _LONGEST - 1).rstrip() + "…"


def _right(label: str, width: int) -> str:
    return " " * (width - cell_len(label)) + label


def _centred(label: str, width: int) -> str:
    left = (width - cell_len(label) + 1) // 2
    return set_cell_size(" " * left + label, width)
