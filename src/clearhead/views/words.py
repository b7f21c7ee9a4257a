"""Words as points of a plane: what stands near what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from clearhead.insight.projection import Projection, plane
from clearhead.views.canvas import FAINT, LINE, STRONG, new_figure, style
from clearhead.views.terminal import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

__all__ = ["words_figure"]


_AXES = {"pca": "principal direction {}", "tsne": "t-SNE, axis {}"}


def words_figure(
    words: Sequence[str], panels: Mapping[str, Tensor], *, by: Projection = "pca", title: str = ""
) -> Figure:
    """The words as labelled points, once for each panel (before and after training, say).

    Args:
        words: the labels.
        panels: title of a panel -> vectors [words, d]; those of two numbers are shown as they are.
        by: how others come into a plane.
        title: above all.

    Raises:
        ClearheadError: matplotlib, or for t-SNE scikit-learn, is missing.
    """
    with style():
        figure = new_figure(6.4 * len(panels), 6.0, constrained=True)
        for number, (name, vectors) in enumerate(panels.items(), 1):
            panel = figure.add_subplot(1, len(panels), number)
            xs, ys = plane(vectors, by).T.tolist()
            axis = _AXES[by] if vectors.size(1) > 2 else "number {} of the vector"
            panel.scatter(xs, ys, s=12, color=STRONG, zorder=3)
            for word, x, y in zip(words, xs, ys, strict=True):
                panel.annotate(visible(word), (x, y), (3, 3), textcoords="offset points", fontsize=8, parse_math=False)
            for line in (panel.axhline, panel.axvline):
                line(0, color=LINE, linewidth=0.7, zorder=1)
            panel.set_xlabel(axis.format(1))
            panel.set_ylabel(axis.format(2))
            panel.tick_params(colors=FAINT)
            panel.spines[["top", "right"]].set_visible(False)
            panel.margins(0.1)
            panel.set_title(name, loc="left", fontsize=10)
        if title:
            figure.suptitle(visible(title), fontweight="bold", fontsize=11, parse_math=False)
    return figure
