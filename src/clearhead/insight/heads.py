"""What the heads do, as findings: tables of roles, scores, importance and probes, and all of it as plain data.

The first table has a row for each head; the second, for each thing that was looked for, the head that does it most,
beside its chance, so that what is not there can be seen not to be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clearhead.insight.findings import Cell, Findings, Table
from clearhead.insight.importance import HeadWorth
from clearhead.insight.probes import Probe
from clearhead.insight.roles import HeadRole
from clearhead.insight.scores import LIFT, ROWS, STANDARD_ERRORS, HeadScore

__all__ = ["Heads", "head_name"]

_KINDS = {"encoder": "encoder", "decoder": "decoder", "cross": "decoder to source"}


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

    def to_json(self) -> dict[str, Any]:
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
        tables += [self._probes()] if self.probes else []
        return Findings("heads", f"What do the heads of {self.model} do?", setting, tables, (), self._answers())

    def _each_head(self) -> Table:
        worths = {(worth.path, worth.head): worth for worth in self.worths}
        columns = ["layer.head", "what it does", "score", "chance", "rows", "entropy (bits)", "largest weight"]
        worth_columns = ["loss without it (nats a token)", "with its mean", "|d loss / d gate|"] if worths else []
        rows: list[list[Cell]] = []
        for role in self.roles:
            by, worth = role.named_by, worths.get((role.path, role.head))
            row: list[Cell] = [head_name(role), role.label or "-"]
            row += [by.value, by.reference, by.rows] if by else [None, None, None]
            row += [role.scores[name].value if name in role.scores else None for name in _FOCUS]
            row += [worth.zeroed, worth.averaged, worth.gradient] if worth else [None] * len(worth_columns)
            rows.append(row)
        title = "Each head: its name, where one is earned (the score of an alignment is its error rate: 0 is best)"
        return Table(title, [*columns, *worth_columns], rows)

    def _each_score(self) -> Table:
        """For each name that could be earned the head that comes nearest to it."""
        best: dict[str, tuple[HeadRole, HeadScore]] = {}
        for role in self.roles:
            for name, score in role.scores.items():
                if score.role and (name not in best or score.lift > best[name][1].lift):
                    best[name] = role, score
        rows: list[list[Cell]] = [
            [name, head_name(role), s.value, s.chance, s.baseline, s.rows, s.about, "yes" if s.clear else "no"]
            for name, (role, s) in best.items()
        ]
        columns = ["looked for", "head that does it most", "score", "chance", "baseline", "rows", "with", "clear?"]
        return Table("Each role: the head that comes nearest", columns, rows)

    def _alignments(self) -> Table:
        rows: list[list[Cell]] = []
        for role in self.roles:
            if "alignment" in role.scores:
                hard, soft = role.scores["alignment"], role.scores["alignment (soft)"]
                rows.append(
                    [head_name(role), hard.value, soft.value, hard.chance, hard.baseline, hard.rows, hard.about]
                )
        columns = ["head", "error rate", "soft error rate", "chance", "best diagonal", "target words", "read from"]
        return Table("Alignment error rate of each head (0 is perfect)", columns, sorted(rows, key=_second))

    def _probes(self) -> Table:
        names = {(role.path, role.head): head_name(role) for role in self.roles}
        rows: list[list[Cell]] = [
            [names[p.path, p.head], p.part, p.about, p.accuracy, p.majority, p.classes, p.rows] for p in self.probes
        ]
        columns = ["head", "slice", "label", "held-out accuracy", "majority class", "classes", "rows held out"]
        return Table("What a linear probe reads from each head's slice", columns, rows)

    def _answers(self) -> list[str]:
        named = [role for role in self.roles if role.label]
        lines = [f"{len(named)} of {len(self.roles)} heads have earned a name."]
        lines += [_sentence(role) for role in named]
        if self.worths:
            most = max(self.worths, key=lambda worth: worth.zeroed)
            name = next(head_name(r) for r in self.roles if (r.path, r.head) == (most.path, most.head))
            lines.append(f"Most is lost without {name}: {most.zeroed:+.3f} nats a token.")
        lines.append(
            f"A name is earned from {ROWS} rows on, {LIFT:.0%} of the way from chance (or the best fixed offset) to "
            f"perfect, and {STANDARD_ERRORS:g} standard errors above it."
        )
        return lines


_FOCUS = ("entropy (bits)", "confidence")


def _second(row: list[Cell]) -> float:
    return float(row[1] or 0.0)


def head_name(role: HeadRole) -> str:
    """Where a head is: `encoder 1.0` is layer 1, head 0 of the encoder; both count from 0."""
    return f"{_KINDS.get(role.kind, role.kind)} {role.layer}.{role.head}"


def _sentence(role: HeadRole) -> str:
    by = role.named_by
    assert by is not None, "only asked of heads with a name"
    what, name = "error rate" if by.best == 0 else "score", head_name(role)
    return f"{name[:1].upper()}{name[1:]}: {role.label} ({what} {by.value:.2f}, chance {by.reference:.2f})."
