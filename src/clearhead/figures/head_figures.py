"""Pictures of heads: what each does, as a grid of layers and heads; and where one word looks, head by head.

colour = how far a head's score is from chance to perfect (its lift); where one word looks: the weight itself
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearhead.figures.canvas import FAINT, INK, LINE, new_figure, style
from clearhead.figures.terminal import percents, visible
from clearhead.insight.roles import HeadRole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clearhead.insight.joins import Joins

__all__ = ["heads_figure", "joins_figure"]

_PALETTE = "Blues"
_WIDTH, _HEIGHT = 1.35, 0.72  # inches of a head's cell
_LETTERS = 15  # of a line in it
_NAMES = {"encoder": "encoder", "decoder": "decoder", "cross": "decoder to source"}
_DARK = 0.55  # from this share of the scale on, ink is white


def heads_figure(roles: Sequence[HeadRole], *, title: str = "") -> Figure:
    """A grid for each kind of attention: layers down, heads across, each with its name and score.

    Raises:
        ClearheadError: matplotlib is missing.
    """
    kinds = {kind: [role for role in roles if role.kind == kind] for kind in dict.fromkeys(r.kind for r in roles)}
    across = max(role.head for role in roles) + 1
    down = [len({role.path for role in own}) for own in kinds.values()]
    with style():
        figure = new_figure(1.4 + _WIDTH * across, 1.1 + sum(_HEIGHT * n + 0.55 for n in down), constrained=True)
        panels = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=[n + 0.4 for n in down])[:, 0]
        for axes, (kind, own) in zip(panels, kinds.items(), strict=True):
            _panel(axes, own, across)
            axes.set_title(_NAMES.get(kind, kind), loc="left", fontsize=10, fontweight="bold")
        panels[-1].set_xlabel("head", fontsize=9)
        figure.supxlabel("colour and %: way from chance to perfect", fontsize=8, color=FAINT)
        if title:
            figure.suptitle(visible(title), fontweight="bold", fontsize=11, parse_math=False)
    return figure


def _panel(axes: Axes, roles: Sequence[HeadRole], across: int) -> None:
    paths = list(dict.fromkeys(role.path for role in roles))
    table = [[0.0] * across for _ in paths]
    for role in roles:
        if by := role.named_by:
            table[paths.index(role.path)][role.head] = by.lift
    layers = [str(next(role.layer for role in roles if role.path == path)) for path in paths]
    _heat(axes, table, layers, [str(head) for head in range(across)], top=1.0)
    axes.set_ylabel("layer", fontsize=9)
    for role in roles:
        by = role.named_by
        words = f"{textwrap.fill(visible(by.name), _LETTERS)}\n{by.lift:.0%}" if by else "-"
        dark = by is not None and by.lift > _DARK
        _write(axes, role.head, paths.index(role.path), words, size=7, dark=dark)


def joins_figure(joins: Joins, *, title: str = "") -> Figure:
    """A heat map: heads down, words across, the weight of one word on each in per cent.

    Raises:
        ClearheadError: matplotlib is missing.
    """
    names, rows = (list(part) for part in zip(*joins.rows(), strict=True))
    with style():
        figure = new_figure(2.6 + 0.62 * len(joins.words), 1.6 + 0.28 * len(rows), constrained=True)
        axes = figure.add_subplot()
        top = max(max(row) for row in rows)
        _heat(axes, rows, names, [visible(word) for word in joins.words], top=top)
        axes.tick_params(axis="x", labelrotation=35)
        for y, row in enumerate(rows):
            for x, (weight, written) in enumerate(zip(row, percents(row), strict=True)):
                _write(axes, x, y, written, size=7, dark=weight > _DARK * top)
        axes.set_xlabel("weight on each word, in per cent", fontsize=8, color=FAINT)
        heading = title or f'where "{joins.words[joins.word]}" looks'
        axes.set_title(visible(heading), loc="left", fontsize=10, fontweight="bold", parse_math=False)
    return figure


def _heat(axes: Axes, table: Sequence[Sequence[float]], rows: list[str], columns: list[str], *, top: float) -> None:
    places: tuple[Any, Any] = (range(len(columns)), range(len(rows)))
    axes.pcolormesh(
        *places, table, cmap=_PALETTE, vmin=0, vmax=top or 1.0, shading="nearest", edgecolors="#eeeeee", linewidth=0.5
    )
    axes.invert_yaxis()
    axes.set_xticks(places[0], columns, fontsize=8, parse_math=False)
    axes.set_yticks(places[1], rows, fontsize=8, parse_math=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=0.8)


def _write(axes: Axes, x: int, y: int, words: str, *, size: float, dark: bool) -> None:
    axes.text(x, y, words, ha="center", va="center", fontsize=size, color="white" if dark else INK, parse_math=False)
