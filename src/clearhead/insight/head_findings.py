"""What the heads do, as findings: tables of roles, scores, importance and probes, and all of it as plain data.

The first table has a row for each head; the second, for each thing that was looked for, the head that does it most,
beside its chance, so that what is not there can be seen not to be there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clearhead.insight.findings import Cell, Findings, Table
from clearhead.insight.head_scores import LIFT, ROWS, STANDARD_ERRORS, HeadScore
from clearhead.insight.importance import HeadWorth
from clearhead.insight.probes import Probe
from clearhead.insight.roles import HeadRole

__all__ = ["Heads", "head_name"]


@dataclass(frozen=True)
class Heads:
    """All that was found about the heads of a model.

    Args:
        model: its name.
        texts: on how many texts.
        roles: one a head.
        worths: what each is worth, where it was asked for.
        probes: what can be read from each, where it was asked for.
    """

    model: str
    texts: int
    roles: Sequence[HeadRole]
    worths: Sequence[HeadWorth] = ()
    probes: Sequence[Probe] = ()

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return {
            "format": 1,
            "model": self.model,
            "texts": self.texts,
            "rule": {"rows": ROWS, "lift": LIFT, "standard errors": STANDARD_ERRORS},
            "heads": [role.to_json() for role in self.roles],
            "importance": [worth.to_json() for worth in self.worths],
            "probes": [probe.to_json() for probe in self.probes],
        }

    def findings(self, setting: str) -> Findings:
        """As tables; `setting` says on which texts."""
        tables = [self._each_head(), self._each_score()]
        tables += [self._alignments()] if any("alignment" in role.scores for role in self.roles) else []
        tables += [self._importance()] if self.worths else []
        tables += [self._probes()] if self.probes else []
        return Findings("heads", f"What do the heads of {self.model} do?", setting, tables, (), self._answers())

    def _each_head(self) -> Table:
        rows: list[list[Cell]] = []
        for role in self.roles:
            by = role.named_by
            row: list[Cell] = [head_name(role), role.label or "-"]
            row += [_short(by.value), _short(by.reference), by.rows] if by else [None, None, None]
            row += [_short(role.scores[name].value) if name in role.scores else None for name in _FOCUS]
            rows.append(row)
        title = "Each head: its name, where one is earned (an alignment's score is its error rate)"
        columns = ["layer.head", "what it does", "score", "chance", "rows", "entropy, bits", "largest weight"]
        return Table(title, columns, rows)

    def _each_score(self) -> Table:
        """For each name that could be earned the head that comes nearest to it."""
        best: dict[str, tuple[HeadRole, HeadScore]] = {}
        for role in self.roles:
            for name, score in role.scores.items():
                if score.role and (name not in best or score.above_chance > best[name][1].above_chance):
                    best[name] = role, score
        rows: list[list[Cell]] = [
            [name, head_name(role), _short(s.value), _short(s.chance), _short(s.baseline), s.rows, _yes(s.clear)]
            for name, (role, s) in best.items()
        ]
        columns = ["looked for", "layer.head", "score", "chance", "best fixed offset", "rows", "clear?"]
        return Table("Each role: the head that comes nearest to it", columns, rows)

    def _alignments(self) -> Table:
        rows: list[list[Cell]] = []
        for role in self.roles:
            if "alignment" in role.scores:
                hard, soft = role.scores["alignment"], role.scores["alignment (soft)"]
                numbers = [_short(x) for x in (hard.value, soft.value, hard.chance, hard.baseline)]
                rows.append([head_name(role), *numbers, hard.rows, hard.about])
        columns = ["layer.head", "error rate", "soft", "chance", "diagonal", "words", "read from"]
        return Table("Alignment: the error rate of each head (0 is perfect)", columns, sorted(rows, key=_second))

    def _importance(self) -> Table:
        names = self._names()
        rows: list[list[Cell]] = [
            [names[w.path, w.head], _short(w.zeroed), _short(w.averaged), _short(w.gradient), w.tokens]
            for w in sorted(self.worths, key=lambda worth: -worth.zeroed)
        ]
        columns = ["layer.head", "its context zero", "its context the mean", "|d loss / d gate|", "tokens"]
        return Table("Importance: how much the loss rises without each head, in nats a token", columns, rows)

    def _probes(self) -> Table:
        names = self._names()
        rows: list[list[Cell]] = [
            [names[p.path, p.head], p.part, p.about, _short(p.accuracy), _short(p.majority), p.classes, p.rows]
            for p in self.probes
        ]
        columns = ["layer.head", "slice", "label", "accuracy", "majority", "classes", "rows"]
        return Table("What a linear probe reads from each head's slice, on texts held out", columns, rows)

    def _names(self) -> dict[tuple[str, int], str]:
        return {(role.path, role.head): head_name(role) for role in self.roles}

    def _answers(self) -> list[str]:
        named = [role for role in self.roles if role.label]
        lines = [f"{len(named)} of {len(self.roles)} heads have earned a name."]
        lines += [_summary(label, [r for r in named if r.label == label]) for label in Counter(r.label for r in named)]
        if self.worths:
            most = max(self.worths, key=lambda worth: worth.zeroed)
            lines.append(
                f"Most is lost without {self._names()[most.path, most.head]}: {most.zeroed:+.3f} nats a token."
            )
        lines.append(
            f"A name is earned from {ROWS} rows on, {LIFT:.0%} of the way from chance (or the best fixed offset) to "
            f"perfect, and {STANDARD_ERRORS:g} standard errors above it. 1.0 is layer 1, head 0; both count from 0."
        )
        return lines


_FOCUS = ("entropy (bits)", "confidence")


def head_name(role: HeadRole) -> str:
    """Where a head is: `encoder 1.0`, `decoder 1.0`, or `cross 1.0` where the decoder looks at the source."""
    return f"{role.kind} {role.layer}.{role.head}"


def _summary(label: str | None, roles: Sequence[HeadRole]) -> str:
    scores = [(role.named_by.lift, role, role.named_by) for role in roles if role.named_by]
    _, role, by = max(scores, key=lambda one: one[0])
    what = "error rate" if by.best == 0 else "score"
    count = f"{len(roles)} heads, best " if len(roles) > 1 else ""
    return f"{label}: {count}{head_name(role)} ({what} {by.value:.3f}, chance or best fixed offset {by.reference:.3f})."


def _short(x: float | None) -> float | None:
    """Three decimals; every digit is in the JSON."""
    return None if x is None else round(x, 3)


def _second(row: Sequence[Cell]) -> float:
    return float(row[1] or 0.0)


def _yes(clear: bool) -> str:
    return "yes" if clear else "no"
