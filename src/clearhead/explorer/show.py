"""`show`: where a translator looked, as a table in the terminal or a figure; everything a trace holds, as a page."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Literal, overload

from rich.console import Console

from clearhead.errors import ConfigError
from clearhead.figures.terminal import READING, WRITING, attention_table
from clearhead.look import Trace

if TYPE_CHECKING:
    from clearhead.explorer.live import Live
    from clearhead.explorer.page import Page
    from clearhead.insight.alignment import Alignment

__all__ = ["caption", "save", "show"]


@overload
def show(seen: Alignment, *, console: Console | None = None) -> None: ...
@overload
def show(seen: Trace, *, live: Literal[False] = False) -> Page: ...
@overload
def show(seen: Trace, *, live: Literal[True]) -> Live: ...
def show(seen: Alignment | Trace, *, console: Console | None = None, live: bool = False) -> Page | Live | None:
    """Print the table of an alignment, with the proof that it shows what the model used; of a trace, make the page.

    In a notebook the page shows itself, and stays in what the notebook is exported to; `.save("page.html")` writes it.
    With `live` it is a widget instead: the model itself, of any size, computes what is changed there and reads other
    texts, for as long as the kernel runs; its `.trace` has the changes.

    Raises:
        ConfigError: `live` without the extra `notebook`, or of a trace that no task has made.
    """
    if isinstance(seen, Trace):
        if live:
            return _live(seen)
        from clearhead.explorer.page import page

        return page(seen)
    console, alignment = console or Console(), seen
    title = f"{alignment.kind}, per cent"
    names = _axis_names(alignment)
    table = attention_table(alignment.weights, alignment.target, alignment.source, title=title, axis_names=names)
    console.print(table)
    console.print(caption(alignment), markup=False, highlight=False)
    return None


def _live(trace: Trace) -> Live:
    try:
        from clearhead.explorer.live import Live
    except ImportError as missing:
        raise ConfigError(
            f"a live page needs anywidget, which cannot be imported ({missing})", 'pip install "clearhead[notebook]"'
        ) from None
    return Live(trace)


def save(alignment: Alignment, path: str | PathLike[str]) -> None:
    """Save the figure of an alignment; the suffix (.svg .png .pdf) says in which form."""
    from clearhead.figures.canvas import save_figure
    from clearhead.figures.figure import attention_figure

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
    where = alignment.head if alignment.written else alignment.head.place
    return f"{where}; max |weights·v - context used| = {alignment.gap:.1e}"


def _axis_names(alignment: Alignment) -> tuple[str, str]:
    return WRITING if alignment.written else READING
