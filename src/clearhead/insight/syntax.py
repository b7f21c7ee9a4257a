"""Which dependencies a head knows: accuracy and weight on gold heads and dependents.

    accuracy = share of arcs whose word looks most at the other end       (Clark et al., 2019; Voita et al., 2019)
    baseline = the same of the best fixed offset ("always the word to the right")
    chance   = 1 / words that it may look at

Weights are those of words (see `words.py`); a word's look at itself and at marks is left out, as no arc ends there.
Both directions are scored: the dependent that looks at its head, and the head that looks at its dependent.

Axes: heads, arcs; words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from clearhead.insight.facts import Arc
from clearhead.insight.fixed import FixedKeys
from clearhead.insight.head_scores import HeadScore, Tally, standard_errors
from clearhead.insight.looks import Look
from clearhead.insight.word_weights import word_table
from clearhead.look import Trace

__all__ = ["Syntax"]

_FLOOR = 1e-9  # keeps words that may be looked at apart from those that may not


class Syntax:
    """Collects arcs of all texts for one attention; `scores` gives those of each kind, direction and head."""

    def __init__(self) -> None:
        self._found: dict[str, list[tuple[Tensor, Tensor, int, int]]] = defaultdict(list)
        self._places: dict[str, list[tuple[int, Tensor]]] = defaultdict(list)  # of the words that ask, whom they may

    def add(self, look: Look, trace: Trace, arcs: Sequence[Arc]) -> None:
        """The arcs of one text."""
        words = trace.words[look.asks]
        table = word_table(look.weights, words, words)
        allowed = word_table(look.allowed[None].float(), words, words)[0] > 0
        allowed &= ~torch.eye(len(allowed), dtype=torch.bool)
        most = table.add(_FLOOR).mul(allowed).argmax(-1)  # [heads, words]
        for kind, dependent, head in arcs:
            for asks, asked, way in ((dependent, head, "looks at its head"), (head, dependent, "looks at dependent")):
                if asks < len(allowed) > asked and allowed[asks, asked] and (count := int(allowed[asks].sum())) > 1:
                    hits = (most[:, asks] == asked).double()
                    self._found[f"{kind}, {way}"].append((hits, table[:, asks, asked].double(), count, asked - asks))
                    self._places[f"{kind}, {way}"].append((asks, allowed[asks]))

    def scores(self) -> list[list[HeadScore]]:
        """For each head its scores, two for each kind and direction: accuracy, which may name it, and weight."""
        heads: list[list[HeadScore]] = []
        for name, found in self._found.items():
            hits, weights = (torch.stack(x, dim=1) for x in list(zip(*found, strict=True))[:2])
            counts, offsets = (list(x) for x in list(zip(*found, strict=True))[2:])
            chances = torch.tensor([1 / n for n in counts], dtype=torch.float64)
            offset, _ = Counter(offsets).most_common(1)[0]
            plain = torch.tensor([x == offset for x in offsets], dtype=torch.float64)
            luck = _luck(hits - chances, self._places[name], offsets)
            tally = Tally(f"syntax: {name} (weight)", role=False)
            tally.add(weights, chances)
            for head, weight in enumerate(tally.scores()):
                if head == len(heads):
                    heads.append([])
                heads[head] += [_accuracy(f"syntax: {name}", hits[head], chances, plain, offset, luck[head]), weight]
        return heads


def _luck(better: Tensor, places: Sequence[tuple[int, Tensor]], offsets: Sequence[int]) -> list[float]:
    """How far each head is from heads that have one word for each place."""
    asks = torch.tensor([place for place, _ in places])
    allowed = pad_sequence([row for _, row in places], batch_first=True)
    wanted = F.one_hot(asks + torch.tensor(offsets), allowed.size(1))
    fixed = FixedKeys()
    fixed.add(better, torch.ones_like(better), asks, wanted, allowed)
    return fixed.away()


def _accuracy(name: str, hits: Tensor, chances: Tensor, plain: Tensor, offset: int, luck: float) -> HeadScore:
    baseline, chance = float(plain.mean()), float(chances.mean())
    reference = plain if baseline > chance else chances
    away = min(standard_errors(hits - reference), luck)
    about = f"best fixed offset {offset:+d}"
    return HeadScore(name, float(hits.mean()), chance, len(hits), baseline=baseline, away=away, about=about)
