"""Any matrix that a trace holds as a figure: what a panel of the explorer shows, for papers.

save_figure(panel(trace, "decoder.blocks.1.cross_attention.attention", "scaled", head=1), "scaled.pdf")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearhead.errors import ConfigError, NotSeenError, nearest
from clearhead.explorer.document import values
from clearhead.explorer.questions import Values
from clearhead.explorer.stations import Station, stations
from clearhead.figures.figure import attention_figure, matrix_figure
from clearhead.look import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["panel"]

_MOST = 512  # rows or columns
_OWN = ("q", "k", "v", "context")  # steps of an act whose columns are a head's own numbers


def panel(
    trace: Trace,
    path: str,
    step: str = "",
    *,
    head: int = 0,
    rows: tuple[int, int] | None = None,
    columns: tuple[int, int] | None = None,
) -> Figure:
    """A heat map of one matrix, its tokens at its sides, as `save_figure` writes it (.svg, .png, .pdf).

    Args:
        path: where the trace has it.
        step: of an act of attention: q, k, v, similarities, scaled, biased, masked, weights (default) or context.
        head: of values that have heads.
        rows, columns: [start, stop); default: all.

    Raises:
        NotSeenError: there is no such value, step or head.
        ConfigError: it has more rows or columns than a figure can show.
    """
    station = next((one for one in stations(trace) if one.path == path), None)
    if station is None:
        raise NotSeenError(f"nothing was seen at {path!r}", nearest(path, list(trace)) or "see list(trace)")
    table = values(trace, Values(path, step, head, rows, columns))
    if max(table.shape) > _MOST:
        raise ConfigError(f"{path} has {' x '.join(map(str, table.shape))} numbers", "choose rows=(0, 64), columns=...")
    act, step = station.kind == "act", step or "weights" * (station.kind == "act")
    names = _names(trace, station, step, [(rows or (0,))[0], (columns or (0,))[0]], list(table.shape))
    looks = act and step not in _OWN
    of = f", head {head}" if len(station.shape) > 2 else ""
    title, sides = f"{path.removesuffix('.attention')}{of}: {step or station.title}", ("token", "number")
    if looks:
        sides = ("query, attends", "key, attended")
    if step == "weights":
        return attention_figure(table, *names, title=title, axis_names=sides)
    return matrix_figure(table, *names, title=title, axis_names=sides)


def _names(trace: Trace, station: Station, step: str, first: list[int], size: list[int]) -> tuple[list[str], list[str]]:
    """What stands at the rows and the columns: tokens where there are some, else numbers."""
    own = station.kind == "act" and step in _OWN
    bear = station.columns if step in ("k", "v") else station.rows, "" if own else station.columns
    found = []
    for label, start, count in zip(bear, first, size, strict=True):
        texts = trace.labels.get(label, [])[start : start + count]
        found.append([str(text) for text in texts] if len(texts) == count else [str(start + i) for i in range(count)])
    return found[0], found[1]
