"""Heads as tables and as data: each head once, each role with the head nearest to it, every number in the JSON."""

from __future__ import annotations

import json

from clearhead.insight.head_findings import Heads, head_name
from clearhead.insight.head_scores import HeadScore
from clearhead.insight.importance import HeadWorth
from clearhead.insight.probes import Probe
from clearhead.insight.roles import HeadRole

SELF, CROSS = "encoder.blocks.1.self_attention.attention", "decoder.blocks.0.cross_attention.attention"
NEXT = HeadScore("next token", 0.9123456, 0.1, 50, away=20.0)
FAINT = HeadScore("next token", 0.2, 0.1, 50, away=2.0)
DEP = HeadScore("syntax: dep, looks at its head", 0.5, 0.1, 20, baseline=0.6)
LINKS = HeadScore("alignment", 0.2, 0.9, 30, baseline=0.6, best=0.0, away=9.0, about="the row that reads")
SOFT = HeadScore("alignment (soft)", 0.3, 0.9, 30, best=0.0, role=False)
ROLES = [
    HeadRole(SELF, 1, 0, "next token", {"next token": NEXT}),
    HeadRole(SELF, 1, 1, None, {"next token": FAINT, DEP.name: DEP}),
    HeadRole(CROSS, 0, 0, "alignment", {"alignment": LINKS, "alignment (soft)": SOFT}),
]
WORTHS = [HeadWorth(r.path, r.layer, r.head, 0.1 * i, 0.2, None, 40) for i, r in enumerate(ROLES)]
PROBES = [Probe(SELF, 1, 1, "context", "position", 0.75, 0.25, 4, 12)]


def test_the_tables() -> None:
    findings = Heads("mine", 7, ROLES, WORTHS, PROBES).findings("seven texts")
    heads, nearest, alignment, importance, probes = findings.tables
    assert [row[:5] for row in heads.rows] == [
        ["encoder 1.0", "next token", 0.912, 0.1, 50],
        ["encoder 1.1", "-", None, None, None],
        ["cross 0.0", "alignment", 0.2, 0.6, 30],
    ]
    assert nearest.rows == [
        ["next token", "encoder 1.0", 0.912, 0.1, None, 50, "yes"],
        ["syntax: dep, looks at its head", "encoder 1.1", 0.5, 0.1, 0.6, 20, "no"],
        ["alignment", "cross 0.0", 0.2, 0.9, 0.6, 30, "yes"],
    ]
    assert alignment.rows == [["cross 0.0", 0.2, 0.3, 0.9, 0.6, 30, "the row that reads"]]
    assert [row[:3] for row in importance.rows] == [
        ["cross 0.0", 0.2, 0.2],
        ["encoder 1.1", 0.1, 0.2],
        ["encoder 1.0", 0.0, 0.2],
    ]
    assert probes.rows == [["encoder 1.1", "context", "position", 0.75, 0.25, 4, 12]]
    assert findings.answers[0] == "2 of 3 heads have earned a name."
    assert "alignment: cross 0.0 (error rate 0.200, chance or best fixed offset 0.600)." in findings.answers
    assert "Most is lost without cross 0.0: +0.200 nats a token." in findings.answers
    assert all(len(row) == len(table.columns) for table in findings.tables for row in table.rows)


def test_without_links_worths_and_probes_there_are_two_tables() -> None:
    assert len(Heads("mine", 7, ROLES[:2]).findings("seven texts").tables) == 2


def test_everything_is_in_the_json() -> None:
    data = json.loads(json.dumps(Heads("mine", 7, ROLES, WORTHS, PROBES).to_json(), allow_nan=False))
    assert data["heads"][0]["scores"]["next token"]["value"] == 0.9123456
    assert data["heads"][0]["scores"]["next token"]["clear"] and not data["heads"][1]["scores"]["next token"]["clear"]
    assert data["rule"] == {"rows": 10, "lift": 0.3, "standard errors": 4.0}
    assert len(data["importance"]) == 3 and data["probes"][0]["accuracy"] == 0.75
    assert head_name(ROLES[2]) == "cross 0.0"
