"""Labels that are more than text: parts of a picture, spans of time. Shown as text they are their own texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from clearhead.errors import ConfigError

__all__ = ["Box", "Span"]


@dataclass(frozen=True, eq=False)
class Box(str):
    """A label that is a part of a picture: its edges as shares of the whole, from the left and from the top.

    Wherever text is shown it is its own text, "x 25–50 %, y 0–25 %".
    """

    left: float
    top: float
    right: float
    bottom: float

    def __new__(cls, left: float, top: float, right: float, bottom: float) -> Self:
        """Raises ConfigError where the edges are no part of a picture."""
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            problem = f"a box from ({left}, {top}) to ({right}, {bottom}) is not a part of a picture"
            raise ConfigError(problem, "give left < right and top < bottom, shares from 0 to 1")
        across, down = f"{100 * left:.3g}–{100 * right:.3g}", f"{100 * top:.3g}–{100 * bottom:.3g}"
        return super().__new__(cls, f"x {across} %, y {down} %")

    def __reduce__(self) -> tuple[type[Self], tuple[float, float, float, float]]:
        """A copy is made of the edges, not of the text."""
        return type(self), (self.left, self.top, self.right, self.bottom)

    def to_json(self) -> dict[str, object]:
        """Its text and its edges."""
        return {"text": str(self), "box": [self.left, self.top, self.right, self.bottom]}


@dataclass(frozen=True, eq=False)
class Span(str):
    """A label that is a time: seconds from the beginning. Wherever text is shown it is "0.20–0.40 s"."""

    start: float
    end: float

    def __new__(cls, start: float, end: float) -> Self:
        """Raises ConfigError where it ends before it starts."""
        if not 0 <= start < end:
            raise ConfigError(f"a time from {start} s to {end} s is not possible", "give 0 <= start < end, in seconds")
        return super().__new__(cls, f"{start:.2f}–{end:.2f} s")

    def __reduce__(self) -> tuple[type[Self], tuple[float, float]]:
        """A copy is made of the seconds, not of the text."""
        return type(self), (self.start, self.end)

    def to_json(self) -> dict[str, object]:
        """Its text and its seconds."""
        return {"text": str(self), "span": [self.start, self.end]}
