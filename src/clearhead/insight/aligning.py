"""How well each head of a cross-attention aligns, against gold links.

    error rate = 1 - (|A n S| + |A n P|) / (|A| + |S|)                          A: the word most looked at, one a word
    soft       = 1 - (sum w S + sum w P) / (sum w + |S|)     w: weights themselves               (Tu et al., 2016)
    chance     = the error rate that one source word for each, drawn evenly, is expected to have
    baseline   = that of the best fixed offset between the places of the words (a diagonal)

Both rows are tried, the one that predicts a word and the one that reads it (see `alignment.py`); the better one counts.

Axes: heads, target words, source words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from clearhead.insight.alignment import AlignmentHead, Gold, word_weights
from clearhead.insight.fixed import FixedKeys
from clearhead.insight.head_scores import HeadScore, standard_errors
from clearhead.insight.looks import Look
from clearhead.look import Trace

__all__ = ["Aligning", "soft_error_rate"]

_ROWS: tuple[Literal["predicts", "reads"], ...] = ("predicts", "reads")


class Aligning:
    """Collects the word weights of one cross-attention; `scores` gives those of each head."""

    def __init__(self) -> None:
        self._weights: dict[str, list[Tensor]] = {row: [] for row in _ROWS}  # [heads, target words, source words]
        self._gold: list[Gold] = []

    def add(self, look: Look, trace: Trace, gold: Gold) -> None:
        """The weights of one pair and its links; a pair without a word on either side tells nothing."""
        source, target = ([w for w in trace.words[side] if w is not None] for side in (look.asked, look.asks))
        if not source or not target:
            return
        self._gold.append(gold)
        for row in _ROWS:
            heads = [AlignmentHead(0, head, row) for head in range(len(look.weights))]
            self._weights[row].append(
                torch.stack([word_weights(look.weights[None], source, target, head) for head in heads])
            )

    def scores(self) -> list[list[HeadScore]]:
        """For each head the error rate, which may name it, and the soft one."""
        if not self._gold:
            return []
        sizes = [table.shape[1:] for table in self._weights["predicts"]]
        chance, offset, plain = _expected(self._gold, sizes), *_diagonal(self._gold, sizes)
        baseline = _rate(plain, self._gold)
        luck = {row: self._luck(tables) for row, tables in self._weights.items()}
        found = []
        for head in range(len(self._weights["predicts"][0])):
            rates = {row: _rate(_hits([t[head] for t in tables], self._gold), self._gold)
                     for row, tables in self._weights.items()}  # fmt: skip
            row = min(_ROWS, key=rates.__getitem__)
            tables = [table[head] for table in self._weights[row]]
            hits = _hits(tables, self._gold)
            error = HeadScore(
                "alignment", rates[row], chance, len(hits), baseline=baseline, best=0.0,
                away=min(standard_errors(hits - plain), luck[row][head]),
                about=f"the row that {row}; best diagonal {offset:+d}",
            )  # fmt: skip
            soft = soft_error_rate(tables, self._gold)
            found.append([error, HeadScore("alignment (soft)", soft, chance, len(hits), best=0.0, role=False)])
        return found

    def _luck(self, tables: Sequence[Tensor]) -> list[float]:
        """How far each head is from heads that have one source word for each place in the target."""
        fixed = FixedKeys()
        for table, true in zip(tables, self._gold, strict=True):
            credit = torch.zeros(table.shape[1:], dtype=torch.float64)
            for links in (true.sure, true.possible):
                for i, j in links:
                    if i < credit.size(1) and j < credit.size(0):
                        credit[j, i] += 1
            found = credit.expand_as(table).gather(2, table.argmax(-1, keepdim=True))[:, :, 0]
            better, places = found - credit.mean(1), torch.arange(len(credit))
            fixed.add(better, torch.ones_like(better), places, credit, torch.ones_like(credit, dtype=torch.bool))
        return fixed.away()


def soft_error_rate(weights: Sequence[Tensor], gold: Sequence[Gold]) -> float:
    """The error rate with weights [target words, source words] in place of links; 0 is perfect."""
    hits = total = 0.0
    for table, true in zip(weights, gold, strict=True):
        hits += sum(float(table[j, i]) for links in (true.sure, true.possible) for i, j in links)
        total += float(table.sum()) + len(true.sure)
    return 1.0 - hits / total if total else 0.0


def _hits(weights: Sequence[Tensor], gold: Sequence[Gold]) -> Tensor:
    """For each target word of all pairs, how often its link counts: 2 sure, 1 only possible, 0 wrong."""
    return _counted([table.argmax(-1).tolist() for table in weights], gold)


def _counted(chosen: Sequence[Sequence[int]], gold: Sequence[Gold]) -> Tensor:
    hits = [
        ((i, j) in true.sure) + ((i, j) in true.possible)
        for row, true in zip(chosen, gold, strict=True)
        for j, i in enumerate(row)
    ]
    return torch.tensor(hits, dtype=torch.float64)


def _rate(hits: Tensor, gold: Sequence[Gold]) -> float:
    """The error rate, each target word having one link."""
    return 1.0 - float(hits.sum()) / (len(hits) + sum(len(true.sure) for true in gold))


def _expected(gold: Sequence[Gold], sizes: Sequence[Sequence[int]]) -> float:
    links = sum((len(true.sure) + len(true.possible)) / sources for true, (_, sources) in zip(gold, sizes, strict=True))
    total = sum(targets for targets, _ in sizes) + sum(len(true.sure) for true in gold)
    return 1.0 - links / total


def _diagonal(gold: Sequence[Gold], sizes: Sequence[Sequence[int]]) -> tuple[int, Tensor]:
    """(the offset source - target with the fewest errors, its hits); words beyond the end link to the last one."""
    found = {}
    for offset in range(-3, 4):
        chosen = [[min(max(j + offset, 0), sources - 1) for j in range(targets)] for targets, sources in sizes]
        found[offset] = _counted(chosen, gold)
    best = max(found, key=lambda offset: float(found[offset].sum()))
    return best, found[best]
