"""Scores of heads, each beside its chance, and the one rule by which a head earns a name.

    lift = (value - reference) / (best - reference)

The reference is what comes without the head: chance (a row spread evenly over the keys it may look at), or a plain
baseline (a fixed offset) where that is harder to beat. A score is *clear* from 10 rows on, with a lift of at least 0.3
and a mean that lies at least 4 standard errors on the good side of the reference. Standard errors are those of the
differences row by row; where the rows of several texts stand at the same positions, no more than what a head that knows
positions alone would need luck for (see `fixed.py`).

Axes: heads, rows (those that could have shown it or not).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from clearhead.insight.fixed import FixedKeys

__all__ = ["LIFT", "ROWS", "STANDARD_ERRORS", "HeadScore", "Tally", "Where", "standard_errors"]

Where: TypeAlias = Callable[[], tuple[Tensor, Tensor, Tensor, Tensor]]
"""-> sharp, places, wanted, allowed (of `FixedKeys.add`) of the rows of one text that could have shown a score."""

ROWS, LIFT, STANDARD_ERRORS = 10, 0.3, 4.0


@dataclass(frozen=True)
class HeadScore:
    """One number about one head.

    Args:
        name: what was looked for.
        value: what was found, a mean over rows.
        chance: what weights spread evenly over the allowed keys would give.
        rows: how many rows (or words, or arcs) could have shown it.
        baseline: what a plain rule would give (the best fixed offset), where there is one.
        best: the value of a head that does nothing else.
        away: standard errors between value and reference, on the good side; 0 where nobody asks for them.
        role: whether a head may be named by it.
        about: which offset, or which row, it was found with.
    """

    name: str
    value: float
    chance: float
    rows: int
    baseline: float | None = None
    best: float = 1.0
    away: float = 0.0
    role: bool = True
    about: str = ""

    @property
    def reference(self) -> float:
        """What comes without the head: the harder of chance and baseline to beat."""
        plain = [self.chance] if self.baseline is None else [self.chance, self.baseline]
        return min(plain, key=lambda x: abs(self.best - x))

    @property
    def lift(self) -> float:
        """The share of the way from the reference to the best that the value has gone; 0 where there is no way."""
        way = self.best - self.reference
        return (self.value - self.reference) / way if abs(way) > 1e-9 else 0.0

    @property
    def above_chance(self) -> float:
        """The same from chance, whatever a baseline would give."""
        return (self.value - self.chance) / (self.best - self.chance) if abs(self.best - self.chance) > 1e-9 else 0.0

    @property
    def clear(self) -> bool:
        """Whether the head may be named by it: the rule of this page."""
        return self.role and self.rows >= ROWS and self.lift >= LIFT and self.away >= STANDARD_ERRORS

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return {**asdict(self), "reference": self.reference, "lift": self.lift, "clear": self.clear}


class Tally:
    """Collects one score of all heads of an attention, text by text.

    Args:
        name, best, role: as of the scores it makes.
    """

    def __init__(self, name: str, *, best: float = 1.0, role: bool = True):
        self.name, self.best, self.role = name, best, role
        self._values: list[Tensor] = []
        self._chances: list[Tensor] = []
        self._where: list[Where] = []

    def add(self, values: Tensor, chances: Tensor, where: Where | None = None) -> None:
        """What rows showed [heads, rows], what chance would have shown in them [rows], and where that was."""
        self._values.append(values.double())
        self._chances.append(chances.double())
        if where is not None:
            self._where.append(where)

    @property
    def rows(self) -> int:
        """How many rows it has seen."""
        return sum(len(chances) for chances in self._chances)

    def scores(self, name: str = "", about: str = "") -> list[HeadScore]:
        """The score of each head; none where no row could have shown it."""
        if not self.rows:
            return []
        values, chances = torch.cat(self._values, dim=1), torch.cat(self._chances)
        better = (values - chances) * (1 if self.best > float(chances.mean()) else -1)
        scores = [
            HeadScore(
                name or self.name,
                float(values[head].mean()),
                float(chances.mean()),
                self.rows,
                best=self.best,
                away=standard_errors(better[head]),
                role=self.role,
                about=about,
            )
            for head in range(len(values))
        ]
        if not self._where or not any(score.clear for score in scores):
            return scores
        return [replace(s, away=min(s.away, luck)) for s, luck in zip(scores, self._luck(), strict=True)]

    def _luck(self) -> list[float]:
        """For each head how far it is from heads that know places alone; few texts say nothing of others."""
        by_position, by_text = FixedKeys(), FixedKeys()
        for text, (values, chances, where) in enumerate(zip(self._values, self._chances, self._where, strict=True)):
            sharp, places, wanted, allowed = where()
            better = (values - chances)[:, : len(places)]
            by_position.add(better, sharp, places, wanted, allowed)
            by_text.add(better, sharp, torch.full_like(places, text), wanted, allowed)
        if len(self._where) < ROWS:
            return by_position.away()
        return [min(both) for both in zip(by_position.away(), by_text.away(), strict=True)]


def standard_errors(differences: Tensor) -> float:
    """The mean of differences [rows] in standard errors of it; 0 for a single one, which has none."""
    if len(differences) < 2:
        return 0.0
    error = float(differences.std()) / len(differences) ** 0.5
    return float(differences.mean()) / max(error, 1e-6)  # the rows of a perfect head may all be equal
