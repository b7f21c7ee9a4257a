"""What all figures share: matplotlib without a window, a look that stays ours, and files in three forms.

Only matplotlib's objects are used, never pyplot: no window, no global state, and the user's own style stays untouched.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from clearhead.disk import replacing
from clearhead.errors import ConfigError, MissingError
from clearhead.figures.terminal import writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FAINT",
    "INK",
    "LIGHT",
    "LINE",
    "MARK",
    "STRONG",
    "check_figures",
    "form_of",
    "new_figure",
    "save_figure",
    "style",
]

_FORMATS = (".svg", ".png", ".pdf")
LIGHT, STRONG, INK, LINE, FAINT, MARK = "#9ecae1", "#08519c", "#222222", "#bbbbbb", "#777777", "#d55e00"
# For words that the first font lacks: those of these that the machine has, tried in this order, a character at a time.
_FONTS = (
    *("DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans Devanagari", "Noto Sans Arabic"),
    *("WenQuanYi Zen Hei", "Arial Unicode MS", "PingFang SC", "Microsoft YaHei", "Segoe UI Symbol", "STIXGeneral"),
)


def save_figure(figure: Figure, path: str | PathLike[str]) -> None:
    """Write the figure in the form that the path's end names; the same figure gives the same bytes.

    The file is written aside, fsynced and renamed: whoever looks sees the old one or the new one. The text of an SVG
    stays text, so that it can be searched, read aloud and restyled.

    Raises:
        ConfigError: the path ends in none of .svg, .png, .pdf.
        FolderError: the place cannot be written.
    """
    path = Path(path)
    form = form_of(path)
    undated: dict[str, dict[str, None]] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}
    with style(), replacing(path) as aside:
        figure.savefig(aside, format=form[1:], metadata=undated[form])
        if form == ".svg" and writable(text := aside.read_text(encoding="utf-8")) != text:
            aside.write_text(writable(text), encoding="utf-8")


def form_of(path: Path) -> str:
    """The form of a figure that the path's end names: ".svg", ".png" or ".pdf".

    Raises:
        ConfigError: it names none.
    """
    form = path.suffix.lower()
    if form not in _FORMATS:
        raise ConfigError(
            f"a figure is saved as {', '.join(_FORMATS)}, not as {path.suffix or 'a file without an ending'!r}: {path}",
            f"end the name in one of the three, for example {path.stem}.svg",
        )
    return form


def check_figures() -> None:
    """Whether figures can be drawn here at all: for all who would else find out after an hour of work.

    Raises:
        MissingError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as missing:
        raise MissingError(f"figures need matplotlib, which cannot be imported ({missing})", "plot") from None


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's own defaults and our few, whatever the user's style; its remarks on fonts and caches are not errors.

    Raises:
        MissingError: matplotlib is not installed.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it remarks on a cache folder that it cannot write, and makes another
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_figures()
            import matplotlib.style
            from matplotlib.font_manager import fontManager

            here = set(fontManager.get_font_names())
            ours = {
                "font.family": [font for font in _FONTS if font in here] or ["sans-serif"],
                "text.parse_math": False,
                "text.hinting": "none",  # else a word's width depends on the resolution
                "text.color": INK,
                "axes.labelcolor": INK,
                "axes.unicode_minus": False,
                "svg.fonttype": "none",
                "svg.hashsalt": "clearhead",
                "pdf.fonttype": 42,
            }
            with matplotlib.style.context(["default", ours]):
                yield
    finally:
        logger.setLevel(level)


def new_figure(width: float = 4.0, height: float = 4.0, *, constrained: bool = False) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08) if constrained else None
    figure = Figure(figsize=(width, height), dpi=200, layout=layout)
    FigureCanvasAgg(figure)
    return figure
