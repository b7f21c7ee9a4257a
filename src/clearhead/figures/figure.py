"""Figures for papers and pages: matrices as heat maps, training as two curves; saved as SVG, PNG or PDF.

    row = a query (the word being written), column = a key (a source word), colour and number = weight in percent

A heat map is laid out in inches from the measured sizes of its words, so nothing overlaps or is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clearhead.errors import ClearheadError, DataError
from clearhead.figures.canvas import FAINT, INK, LIGHT, LINE, STRONG, new_figure, style
from clearhead.figures.labels import name_curves
from clearhead.figures.terminal import WRITING, percents, visible, weight_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox
    from numpy.typing import ArrayLike

__all__ = ["attention_figure", "loss_figure", "matrix_figure"]

_NUMBERS_UP_TO = 400  # cells; in more, the numbers would be too small to read
_SHAPES_UP_TO = 40_000  # cells; in more, the map is an image inside an SVG or PDF, to keep the file small
_EDGE, _GAP, _BAR = 0.12, 0.15, 0.13  # inches: margin of the figure, between its parts, the colour bar's width


def attention_figure(
    weights: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = "",
    caption: str = "",
    axis_names: tuple[str, str] = WRITING,
) -> Figure:
    """A heat map of attention: source words on top, written words down the side, numbers in up to 400 cells.

    Args:
        weights: [queries, keys], a tensor, an array or nested lists.
        rows: the queries' labels, the words being written.
        columns: the keys' labels, the source words.
        title: above the map.
        caption: a line below it.
        axis_names: what a row is and does, what a column is.

    Raises:
        ClearheadError: the weights are no table of len(rows) x len(columns), or matplotlib is missing.
    """
    table = weight_rows(weights, len(rows), len(columns))
    return _map(table, rows, columns, _SHARES, title, caption, axis_names)


def matrix_figure(
    numbers: ArrayLike,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str = "",
    caption: str = "",
    axis_names: tuple[str, str],
) -> Figure:
    """The same of numbers of any sign: one hue above 0, another below; grey where a number is not finite.

    Raises:
        ClearheadError: the numbers are no table of len(rows) x len(columns), or matplotlib is missing.
    """
    table = [[x if math.isfinite(x) else math.nan for x in row] for row in np.asarray(numbers, dtype=float).tolist()]
    return _map(weight_rows(table, len(rows), len(columns)), rows, columns, _SIGNED, title, caption, axis_names)


@dataclass(frozen=True)
class _Scale:
    """How numbers are coloured and written: both palettes are an order also for the colour-blind; white paper = 0."""

    palette: str
    signed: bool
    numbers: Callable[[Sequence[float]], list[str]]
    end: Callable[[float], str]


_SHARES = _Scale("Blues", False, percents, lambda share: f"{100 * share:.0f} %")
_SIGNED = _Scale("PuOr", True, lambda row: ["" if math.isnan(x) else f"{x:.2g}" for x in row], lambda x: f"{x:.3g}")


def _map(
    table: list[list[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    scale: _Scale,
    title: str,
    caption: str,
    axis_names: tuple[str, str],
) -> Figure:
    if not rows or not columns:
        raise ClearheadError("a heat map needs at least one row and one column", "give it a sentence")
    with style():
        figure = new_figure()
        cell, size = _sizes(max(len(rows), len(columns)), len(rows) * len(columns))
        axes = figure.add_axes((0.3, 0.1, 0.5, 0.5))
        cells = _heat(axes, table, scale)
        _name_axes(axes, [visible(row) for row in rows], [visible(column) for column in columns], size, axis_names)
        if len(rows) * len(columns) <= _NUMBERS_UP_TO:
            _write_numbers(axes, cells, table, size, scale)
        heading = _text(figure, title, fontsize=11, fontweight="bold")
        remark = _text(figure, caption, fontsize=8.5, fontstyle="italic")
        _lay_out(figure, axes, _colour_bar(figure, cells, scale), cell, (heading, remark))
    return figure


def loss_figure(metrics: Sequence[Mapping[str, object]], *, title: str = "", training: Sequence[str] = ()) -> Figure:
    """The course of training: the loss on training batches (light) and on validation data (strong), the best marked.

    The floors of the data, which plainer models reach, are thin lines with their names beside the picture.

    Args:
        metrics: the rows of a metrics.jsonl, `{"step": 100, "kind": "train" | "valid", "loss": 3.2, ...}` and
            `{"kind": "floors", "unigram": 5.3, ...}`; rows of other kinds, or without a finite loss, are left out.
        title: above the curves.
        training: what raises the training loss and not the validation loss, "dropout" say.

    Raises:
        DataError: no row has a loss.
        ClearheadError: matplotlib is missing.
    """
    train, valid = _losses(metrics, "train"), _losses(metrics, "valid")
    if not train and not valid:
        raise DataError(
            f"a loss figure wants rows with a step, a kind (train or valid) and a loss, given {len(metrics)} without",
            "give it the rows of a run's metrics.jsonl",
        )
    with style():
        figure = new_figure(6.4, 3.8, constrained=True)
        axes = figure.add_subplot()
        if train:
            name = f"training, with {' and '.join(training)}" if training else "training"
            axes.plot(*zip(*train, strict=True), color=LIGHT, linewidth=1.2, marker=_dot(train), label=name)
        if valid:
            axes.plot(*zip(*valid, strict=True), color=STRONG, linewidth=2.0, marker=_dot(valid), label="validation")
            _mark_best(axes, valid)
        _draw_floors(axes, _floors(metrics))
        axes.set_xlabel("step (optimizer updates)")
        axes.set_ylabel("loss (nats per token)")
        axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02)
        name_curves(axes, title)
    return figure


# The parts of an attention figure -------------------------------------------------------------------------------------


def _sizes(longest: int, cells: int) -> tuple[float, float]:
    """Inches of a cell's side and points of a label, for so many words: small enough to fit, large enough to read."""
    if cells > _NUMBERS_UP_TO:
        cell = max(0.16, 6.0 / longest)
        return cell, min(8.0, 72 * cell * 0.7)
    return (0.44, 10.0) if longest <= 10 else (0.38, 9.0) if longest <= 20 else (0.33, 8.0)


def _heat(axes: Axes, table: list[list[float]], scale: _Scale) -> QuadMesh:
    """The coloured cells, drawn as shapes; white = nothing, darkest = the largest number of this table."""
    known = [number for row in table for number in row if not math.isnan(number)]
    low, high = min([0.0, *known]), max([0.0, *known])
    if scale.signed:
        low, high = -max(high, -low), max(high, -low)
    cells = axes.pcolormesh(
        range(len(table[0])),
        range(len(table)),
        np.ma.masked_invalid(table),
        cmap=scale.palette,
        vmin=low,
        vmax=high if high > low else low + 1.0,
        shading="nearest",
        edgecolors="#eeeeee",
        linewidth=0.35,
        rasterized=len(table) * len(table[0]) > _SHAPES_UP_TO,
    )
    cells.get_cmap().set_bad("#d9d9d9")
    axes.invert_yaxis()
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set(color=LINE, linewidth=0.8)
    return cells


def _name_axes(axes: Axes, rows: list[str], columns: list[str], size: float, names: tuple[str, str]) -> None:
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(
        range(len(columns)), columns, fontsize=size, parse_math=False,
        rotation=45, ha="left", va="bottom", rotation_mode="anchor",
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), rows, fontsize=size, parse_math=False)
    axes.set_xlabel(f"{names[1]} →", fontsize=9, color="#555555", labelpad=8)
    axes.set_ylabel(f"← {names[0]}", fontsize=9, color="#555555", labelpad=8)


def _write_numbers(axes: Axes, cells: QuadMesh, table: list[list[float]], size: float, scale: _Scale) -> None:
    red, green, blue, _ = np.moveaxis(cells.to_rgba(np.ma.masked_invalid(table)), -1, 0) ** 2.2  # to linear light
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.3
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "fontsize": size - 1}
    for y, row in enumerate(table):
        for x, number in enumerate(scale.numbers(row)):
            axes.text(x, y, number, color="white" if dark[y, x] else INK, **style)


def _colour_bar(figure: Figure, cells: QuadMesh, scale: _Scale) -> Axes:
    axes = figure.add_axes((0, 0, 0.1, 0.1))
    ends = [float(end or 0.0) for end in cells.get_clim()]
    bar = figure.colorbar(cells, cax=axes, ticks=ends, drawedges=False)
    axes.set_yticklabels([scale.end(end) for end in ends])
    axes.tick_params(length=0, labelsize=8)
    bar.outline.set(edgecolor=LINE, linewidth=0.8)
    return axes


def _lay_out(figure: Figure, cells: Axes, bar: Axes, cell: float, texts: tuple[Text | None, Text | None]) -> None:
    """Give the map its size in inches, and everything around it the room that it measures."""
    width, height = cell * abs(np.subtract(*cells.get_xlim())), cell * abs(np.subtract(*cells.get_ylim()))
    bar_height = min(height, 2.5)
    figure.set_size_inches(width, height)  # first alone, so that its slanted labels measure true
    cells.set_position((0, 0, 1, 1))
    bar.set_position((0, 0, _BAR / width, bar_height / height))

    heading, remark = texts
    around, bar_room = _inches(figure, cells), _GAP + _inches(figure, bar).x1
    left, right = -around.x0 + _EDGE, max(around.x1 - width, bar_room) + _EDGE
    below, above = -around.y0 + _EDGE, around.y1 - height + _EDGE
    below += _inches(figure, remark).height + _GAP if remark else 0
    above += _inches(figure, heading).height + _GAP if heading else 0
    widest = max((_inches(figure, text).width for text in texts if text), default=0.0)

    full_width, full_height = max(left + width + right, widest + 2 * _EDGE), below + height + above
    figure.set_size_inches(full_width, full_height)
    x, y = np.array([left, left + width + _GAP]) / full_width, below / full_height
    cells.set_position((x[0], y, width / full_width, height / full_height))
    bar.set_position((x[1], y, _BAR / full_width, bar_height / full_height))
    if heading:
        heading.set(x=_EDGE / full_width, y=1 - _EDGE / full_height, va="top")
    if remark:
        remark.set(x=_EDGE / full_width, y=_EDGE / full_height, va="bottom")


def _inches(figure: Figure, what: Axes | Text) -> Bbox:
    """The box around what is drawn, its labels included, in inches of the figure."""
    box = what.get_tightbbox(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    assert box is not None  # it is visible
    return box.transformed(figure.dpi_scale_trans.inverted())


def _text(figure: Figure, text: str, **style: Any) -> Text | None:
    return figure.text(0, 0, visible(text), parse_math=False, **style) if text else None


# The parts of a loss figure -------------------------------------------------------------------------------------------


def _losses(metrics: Sequence[Mapping[str, object]], kind: str) -> list[tuple[float, float]]:
    """(step, loss) of every row of that kind that has both, in the order of the steps."""
    points = []
    for row in metrics:
        step, loss = row.get("step"), row.get("loss")
        if row.get("kind") == kind and isinstance(step, int | float) and isinstance(loss, int | float):
            points.append((float(step), float(loss)))
    return sorted((p for p in points if math.isfinite(p[1])), key=lambda point: point[0])


def _mark_best(axes: Axes, valid: list[tuple[float, float]]) -> None:
    step, loss = min(valid, key=lambda point: point[1])
    axes.plot([step], [loss], marker="o", markersize=9, markerfacecolor="white", markeredgecolor=STRONG,
              markeredgewidth=2, linestyle="none", label=f"best: {loss:.3f} at step {step:,.0f}")  # fmt: skip


def _floors(metrics: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """What the last row of floors names, the finite ones."""
    about = ("step", "seconds", "kind", "untrained")
    rows = [row for row in metrics if row.get("kind") == "floors"]
    found = {name: value for name, value in (rows[-1] if rows else {}).items() if name not in about}
    return {name: float(v) for name, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}


def _draw_floors(axes: Axes, floors: dict[str, float]) -> None:
    """A thin line a floor; the names stand right of the axes, from below, each with room for itself."""
    for floor in floors.values():
        axes.axhline(floor, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    low, high = axes.get_ylim()
    free = low
    for name, floor in sorted(floors.items(), key=lambda item: item[1]):
        y = max(floor, free)
        axes.text(1.01, y, f"{name} {floor:.2f}", transform=axes.get_yaxis_transform(),
                  ha="left", va="center", fontsize=8, color=FAINT)  # fmt: skip
        free = y + 0.05 * (high - low)


def _dot(points: list[tuple[float, float]]) -> str:
    return "o" if len(points) == 1 else ""
