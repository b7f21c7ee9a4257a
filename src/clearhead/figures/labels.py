"""Names beside points, and of curves, where they cover neither each other nor what they name."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from clearhead.figures.canvas import FAINT, LINE
from clearhead.figures.terminal import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["label_points", "name_curves"]

_SIZE = 8.0  # points of a letter
_REACHES = (
    3.0,
    7.0,
    12.0,
    18.0,
    26.0,
    36.0,
    48.0,
    64.0,
    84.0,
    110.0,
)  # how far from its point a label may stand, in points
_LED = 8.0  # from here on a line leads to it
_TURNS = 16  # directions that are tried
_LETTERS = 84  # of the names of curves that fit side by side above a chart
_ROW = 13.0  # points of a row of such names


@dataclass(frozen=True)
class _Box:
    """Edges in points of the figure."""

    left: float
    below: float
    right: float
    above: float

    def shared(self, other: _Box) -> float:
        """The area that both cover."""
        across = min(self.right, other.right) - max(self.left, other.left)
        up = min(self.above, other.above) - max(self.below, other.below)
        return max(0.0, across) * max(0.0, up)

    def inside(self, other: _Box) -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.below >= other.below
            and self.above <= other.above
        )


def label_points(
    axes: Axes, words: Sequence[str], xs: Sequence[float], ys: Sequence[float], *, strong: Collection[str] = ()
) -> None:
    """Write each word near its point, in the first place that is free; a thin line leads to those further away.

    The layout of the figure has to be settled (`figure.draw_without_rendering()`), as what is written has its place on
    paper. The `strong` are placed first, in bold.
    """
    unit = 72 / axes.figure.dpi
    dots = (axes.transData.transform(list(zip(xs, ys, strict=True))) * unit).tolist()
    frame = _Box(*(axes.bbox.get_points() * unit).ravel().tolist())
    curves = [line.get_transform().transform(line.get_xydata()) * unit for line in axes.get_lines()]
    taken = [_Box(x - 2, y - 2, x + 2, y + 2) for x, y in (*dots, *chain.from_iterable(c.tolist() for c in curves))]
    for i in sorted(range(len(words)), key=lambda i: words[i] not in strong):
        look: dict[str, Any] = {"weight": "bold"} if words[i] in strong else {"color": FAINT} if strong else {}
        box, reach = _free(dots[i], _measured(axes.figure, visible(words[i]), look), taken, frame)
        taken.append(box)
        middle = ((box.left + box.right) / 2, (box.below + box.above) / 2)
        if reach >= _LED:
            (x,), (y,) = zip(axes.transData.inverted().transform([m / unit for m in middle]), strict=True)
            axes.plot([xs[i], x], [ys[i], y], color=LINE, linewidth=0.6, zorder=1.5, scalex=False, scaley=False)
        axes.annotate(
            visible(words[i]), (xs[i], ys[i]), (middle[0] - dots[i][0], middle[1] - dots[i][1]),
            textcoords="offset points", ha="center", va="center", fontsize=_SIZE, parse_math=False,
            zorder=4, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0}, **look,
        )  # fmt: skip


def _measured(figure: Figure | SubFigure, word: str, look: Mapping[str, Any]) -> tuple[float, float]:
    """Width and height of a word, in points."""
    text = figure.text(0, 0, word, fontsize=_SIZE, parse_math=False, **look)
    box = text.get_window_extent()
    text.remove()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi


def _free(dot: Sequence[float], size: tuple[float, float], taken: Sequence[_Box], frame: _Box) -> tuple[_Box, float]:
    """The nearest box that covers nothing, or the one that covers least; and how far away it is."""
    least: tuple[float, _Box, float] | None = None
    for box, reach in _around(dot, size):
        covered = sum(map(box.shared, taken)) + (0.0 if box.inside(frame) else math.inf)
        if not covered:
            return box, reach
        if least is None or covered < least[0]:
            least = covered, box, reach
    assert least is not None
    return least[1:]


def _around(dot: Sequence[float], size: tuple[float, float]) -> Iterator[tuple[_Box, float]]:
    """Places around a point, from near to far, beginning at its upper right."""
    width, height = size
    for reach in _REACHES:
        for turn in range(_TURNS):
            angle = math.pi / 4 + 2 * math.pi * turn / _TURNS
            x = dot[0] + math.cos(angle) * (reach + width / 2)
            y = dot[1] + math.sin(angle) * (reach + height / 2)
            yield _Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), reach


def name_curves(axes: Axes, title: str) -> None:
    """The title, and below it the names of the curves, side by side where they fit: above the axes, so on no curve."""
    names = [str(name) for name in axes.get_legend_handles_labels()[1]]
    rows = 0
    if names:
        beside = next(n for n in range(len(names), 0, -1) if n == 1 or n * (max(map(len, names)) + 6) <= _LETTERS)
        rows = -(-len(names) // beside)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, borderpad=0, fontsize=_SIZE, frameon=False,
            ncols=beside, columnspacing=1.4, handletextpad=0.5,
        )  # fmt: skip
    axes.set_title(visible(title), loc="left", fontweight="bold", fontsize=10, pad=6 + rows * _ROW, parse_math=False)
