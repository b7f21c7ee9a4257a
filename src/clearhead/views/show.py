"""`show`: where a translator looked, for human eyes: a table in the terminal, or a figure in a file."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from rich.console import Console

from clearhead.views.terminal import attention_table

if TYPE_CHECKING:
    from clearhead.insight.alignment import Alignment

__all__ = ["caption", "save", "show"]


def show(alignment: Alignment, *, console: Console | None = None) -> None:
    """Print the table of an alignment, with the proof that it shows what the model used."""
    console = console or Console()
    table = attention_table(alignment.weights, alignment.target, alignment.source, title="cross-attention, per cent")
    console.print(table)
    console.print(caption(alignment), markup=False, highlight=False)


def save(alignment: Alignment, path: str | PathLike[str]) -> None:
    """Save the figure of an alignment; the suffix (.svg .png .pdf) says in which form."""
    from clearhead.views.canvas import save_figure
    from clearhead.views.figure import attention_figure

    figure = attention_figure(
        alignment.weights,
        alignment.target,
        alignment.source,
        title=" ".join(alignment.target),
        caption=caption(alignment),
    )
    save_figure(figure, path)


def caption(alignment: Alignment) -> str:
    """Which numbers these are, and their proof."""
    return f"{alignment.head}; max |weights·v - context used| = {alignment.gap:.1e}"
