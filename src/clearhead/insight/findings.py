"""What was found: tables and charts as plain data, with the question they answer. Views draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias

__all__ = ["Cell", "Chart", "Curve", "Findings", "Table"]

Cell: TypeAlias = str | int | float | None  # None: there is nothing to tell


@dataclass(frozen=True)
class Table:
    """Rows of cells under column names, which carry their units."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Curve:
    """Points of one kind: `spread` are (lowest, highest) of several runs at each; `labels` stand beside the points."""

    name: str
    xs: Sequence[float | str]
    ys: Sequence[float]
    spread: Sequence[tuple[float, float]] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """Curves on one pair of axes, whose names carry their units."""

    title: str
    x: str
    y: str
    curves: Sequence[Curve]
    form: Literal["lines", "bars", "points"] = "lines"
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Findings:
    """A question, what was done, what came out, and in a few sentences what it says."""

    name: str
    question: str
    setting: str
    tables: Sequence[Table] = ()
    charts: Sequence[Chart] = ()
    answers: Sequence[str] = field(default_factory=list)

    def __repr__(self) -> str:
        held = f"{len(self.tables)} tables, {len(self.charts)} charts: .tables, .charts, .to_json()"
        return "\n  ".join([f"Findings of {self.name}: {self.question}", *self.answers, held])

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)
