"""Words as points of a plane: what stands near what."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from clearhead.figures.canvas import FAINT, LINE, MARK, STRONG, new_figure, style
from clearhead.figures.labels import label_points
from clearhead.figures.terminal import visible
from clearhead.insight.projection import Projection, plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

__all__ = ["words_figure"]


_LETTERS = 64  # of a title, on a panel's width
_AXES = {"pca": "principal direction {}", "tsne": "t-SNE, axis {}"}


def words_figure(
    words: Sequence[str],
    panels: Mapping[str, Tensor],
    *,
    by: Projection = "pca",
    title: str = "",
    marked: Collection[str] = (),
) -> Figure:
    """The words as labelled points, once for each panel (before and after training, say).

    Args:
        words: the labels.
        panels: title of a panel -> vectors [words, d]; those of two numbers are shown as they are.
        by: how others come into a plane.
        title: above all.
        marked: those of the words that the picture is about.

    Raises:
        ClearheadError: matplotlib, or for t-SNE scikit-learn, is missing.
    """
    with style():
        figure, placed = new_figure(6.4 * len(panels), 6.0, constrained=True), []
        for number, (name, vectors) in enumerate(panels.items(), 1):
            panel = figure.add_subplot(1, len(panels), number)
            xs, ys = plane(vectors, by).T.tolist()
            axis = _AXES[by] if vectors.size(1) > 2 else "number {} of the vector"
            panel.scatter(xs, ys, s=10, color=STRONG, zorder=3)
            about = [(x, y) for word, x, y in zip(words, xs, ys, strict=True) if word in marked]
            panel.scatter([x for x, _ in about], [y for _, y in about], s=30, color=MARK, zorder=3.5)
            placed.append((panel, xs, ys))
            for line in (panel.axhline, panel.axvline):
                line(0, color=LINE, linewidth=0.7, zorder=1)
            panel.set_xlabel(axis.format(1))
            panel.set_ylabel(axis.format(2))
            panel.tick_params(colors=FAINT)
            panel.spines[["top", "right"]].set_visible(False)
            panel.margins(0.1)
            panel.set_title(name, loc="left", fontsize=10)
        if title:
            lines = textwrap.fill(visible(title), _LETTERS * len(panels))
            figure.suptitle(lines, fontweight="bold", fontsize=11, parse_math=False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # what is labelled has its place
        for panel, xs, ys in placed:
            label_points(panel, words, xs, ys, strong=marked)
    return figure
