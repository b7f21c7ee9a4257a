"""`show`: where a translator looked, as a table in the terminal or a figure; everything a trace holds, as a page."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, overload

from rich.console import Console

from clearhead.look import Trace
from clearhead.views.terminal import READING, WRITING, attention_table

if TYPE_CHECKING:
    from clearhead.insight.alignment import Alignment
    from clearhead.views.page import Page

__all__ = ["caption", "save", "show"]


@overload
def show(seen: Alignment, *, console: Console | None = None) -> None: ...
@overload
def show(seen: Trace, *, console: Console | None = None) -> Page: ...
def show(seen: Alignment | Trace, *, console: Console | None = None) -> Page | None:
    """Print the table of an alignment, with the proof that it shows what the model used; of a trace, make the page.

    In a notebook the page shows itself, and stays in what the notebook is exported to; `.save("page.html")` writes it.
    """
    if isinstance(seen, Trace):
        from clearhead.views.page import page

        return page(seen)
    console, alignment = console or Console(), seen
    title = f"{alignment.kind}, per cent"
    names = _axis_names(alignment)
    table = attention_table(alignment.weights, alignment.target, alignment.source, title=title, axis_names=names)
    console.print(table)
    console.print(caption(alignment), markup=False, highlight=False)
    return None


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
        axis_names=_axis_names(alignment),
    )
    save_figure(figure, path)


def caption(alignment: Alignment) -> str:
    """Which numbers these are, and their proof."""
    where = alignment.head.place if _of_one_text(alignment) else alignment.head
    return f"{where}; max |weights·v - context used| = {alignment.gap:.1e}"


def _axis_names(alignment: Alignment) -> tuple[str, str]:
    return READING if _of_one_text(alignment) else WRITING


def _of_one_text(alignment: Alignment) -> bool:
    """Whether the tokens of a text look at one another: nothing is written from a source then."""
    return alignment.kind == "self-attention"
