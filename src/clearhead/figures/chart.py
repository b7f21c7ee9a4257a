"""Charts: curves, bars and points with named axes, side by side in one figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clearhead.figures.canvas import INK, new_figure, style
from clearhead.figures.labels import label_points, name_curves
from clearhead.figures.terminal import visible
from clearhead.insight.findings import Chart, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["charts_figure"]

# Okabe and Ito (2008): told apart by the colour-blind; each with a mark of its own for grey print.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444", "#999933")
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
_NAME = 40  # characters of a line of an axis's name
_DASHES = ("-", "--", "-.", ":")  # so that of two curves in one place both are seen
_TITLE = 52  # characters of a line of a chart's title
_MARKED_UP_TO = 40  # points of a curve; more would be one thick line
_ABREAST = 40  # letters of names below bars that fit side by side


def charts_figure(charts: Sequence[Chart], *, title: str = "") -> Figure:
    """The charts, two in a row, or three where that leaves no gap.

    Raises:
        ClearheadError: matplotlib is missing.
    """
    across = min(3 if len(charts) % 3 == 0 else 2, len(charts))
    down = -(-len(charts) // across)
    with style():
        figure = new_figure(6.0 * across, 4.2 * down, constrained=True)
        for number, chart in enumerate(charts, 1):
            axes = figure.add_subplot(down, across, number)
            {"lines": _lines, "points": _lines, "bars": _bars}[chart.form](axes, chart)
            axes.set_xlabel(textwrap.fill(chart.x, _TITLE))
            axes.set_ylabel(textwrap.fill(chart.y, _NAME))
            axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            name_curves(axes, textwrap.fill(chart.title, _TITLE))
        if title:
            figure.suptitle(visible(title), fontweight="bold", fontsize=12, parse_math=False)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # what is labelled has its place
        for axes, chart in zip(figure.axes, charts, strict=True):
            _label(axes, chart.curves)
    return figure


def _lines(axes: Axes, chart: Chart) -> None:
    """Curves; one without a name has the colour of the one before, and only its points are drawn."""
    colour = -1
    for curve in chart.curves:
        colour += bool(curve.name)
        own = _COLOURS[colour % len(_COLOURS)]
        bare = not curve.name or chart.form == "points"
        mark = _MARKS[colour % len(_MARKS)] if len(curve.xs) <= _MARKED_UP_TO else ""
        dash = _DASHES[colour % len(_DASHES)]
        kind: dict[str, Any] = {"linestyle": "none"} if bare else {"linewidth": 1.6, "linestyle": dash}
        axes.plot(curve.xs, curve.ys, color=own, marker=mark, markersize=5, label=curve.name or None, **kind)
        if curve.spread:
            low, high = zip(*curve.spread, strict=True)
            axes.fill_between(curve.xs, low, high, color=own, alpha=0.18, linewidth=0)
    if chart.log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    if chart.log_y:
        _log(axes)


def _log(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")  # matplotlib's own are formulas


def _bars(axes: Axes, chart: Chart) -> None:
    """Groups of bars, one group a place on x."""
    places = list(chart.curves[0].xs)
    width = 0.8 / len(chart.curves)
    for number, curve in enumerate(chart.curves):
        middles = [i + (number - (len(chart.curves) - 1) / 2) * width for i in range(len(places))]
        axes.bar(middles, curve.ys, width * 0.92, color=_COLOURS[number % len(_COLOURS)], label=curve.name)
        if curve.spread:
            low = [y - a for y, (a, _) in zip(curve.ys, curve.spread, strict=True)]
            high = [b - y for y, (_, b) in zip(curve.ys, curve.spread, strict=True)]
            axes.errorbar(middles, curve.ys, [low, high], fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    names = [visible(str(p)) for p in places]
    long = sum(map(len, names)) > _ABREAST
    axes.set_xticks(range(len(places)), names, rotation=20 if long else 0, ha="right" if long else "center")
    if chart.log_y:
        _log(axes)


def _label(axes: Axes, curves: Sequence[Curve]) -> None:
    named = [place for curve in curves for place in zip(curve.labels, curve.xs, curve.ys, strict=False)]
    if named:
        texts, xs, ys = zip(*named, strict=True)
        label_points(axes, texts, [float(x) for x in xs], ys)
