"""What each head does, over a number of texts: its scores, and a name where one of them is clear.

A name is given by the rule of `scores.py`. Of several clear scores alignment comes first, then syntax (both have beaten
the best fixed offset), then the one with the greatest lift. No clear score, no name.

    focus      the mean of a row's entropy, in bits; chance: that of a row spread evenly
    confidence the mean of a row's largest weight                                  (Voita et al., 2019)

Voita et al. leave the end of the sentence out of the confidence; here it counts, as sinks have a score of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from clearhead.insight.aligning import Aligning
from clearhead.insight.facts import Facts
from clearhead.insight.fixed import PLACES
from clearhead.insight.head_scores import HeadScore, Tally
from clearhead.insight.looks import Look, Weigh, attentions, kind_of, layer_of, look_at
from clearhead.insight.places import count_tokens, offset_name, on_offsets, on_places, places
from clearhead.insight.syntax import Syntax
from clearhead.look import Trace

__all__ = ["HeadRole", "roles"]

_COMMON = 0.5  # an offset is tried where at least this share of all rows has such a key


@dataclass(frozen=True)
class HeadRole:
    """One head: where it is, the name it has earned (None: none), and all its scores by name."""

    path: str
    layer: int
    head: int
    label: str | None
    scores: Mapping[str, HeadScore]

    @property
    def kind(self) -> str:
        """encoder, decoder or cross."""
        return kind_of(self.path)

    @property
    def named_by(self) -> HeadScore | None:
        """The score that gave it its name."""
        return self.scores[self.label] if self.label else None

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        scores = {name: score.to_json() for name, score in self.scores.items()}
        return {"path": self.path, "layer": self.layer, "head": self.head, "label": self.label, "scores": scores}


def roles(traces: Sequence[Trace], facts: Sequence[Facts] = (), *, weigh: Weigh | None = None) -> list[HeadRole]:
    """The heads of all attentions in these traces, in the order of the pass.

    Args:
        traces: one pass each over one text (see a task's `.trace`).
        facts: what is known of each text beside it; alignment and syntax are only scored where something is.
        weigh: other weights than those of the softmax (`norms.by_norm`).
    """
    counts = count_tokens(traces)
    parts: dict[str, _Attention] = {}
    for trace, known in zip(traces, facts or [Facts()] * len(traces), strict=True):
        for path in attentions(trace):
            look = look_at(trace, path, weigh)
            parts.setdefault(path, _Attention()).add(look, trace, counts[look.asked], known)
    return [role for path, part in parts.items() for role in part.roles(path)]


class _Attention:
    """All scores of one attention, as they are collected."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        self._offsets: dict[int, Tally] = {}
        self._syntax, self._aligning = Syntax(), Aligning()
        self._itself = False

    def add(self, look: Look, trace: Trace, counts: Counter[int | str], known: Facts) -> None:
        if not look.allowed.numel():  # a text without tokens
            return
        self._itself, sharp, allowed = look.itself, _sharpness(look), look.allowed[:PLACES].clone()
        for name, wanted in places(look, trace, counts).items():
            where = partial(_where, sharp, allowed, wanted[:PLACES].clone())
            self._tallies.setdefault(name, Tally(name)).add(*on_places(look, wanted), where)
        for offset, weights, chances in on_offsets(look):
            name, where = offset_name(offset, itself=look.itself), partial(_where, sharp, allowed, offset)
            self._offsets.setdefault(offset, Tally(name)).add(weights, chances, where)
        self._add_focus(look)
        if look.itself and (arcs := known.arcs.get(look.asks)):
            self._syntax.add(look, trace, arcs)
        if not look.itself and known.links is not None:
            self._aligning.add(look, trace, known.links)

    def _add_focus(self, look: Look) -> None:
        among = look.allowed.sum(-1)
        rows = among > 1
        weights, among = look.weights[:, rows], among[rows]
        bits = -(weights * weights.clamp(min=1e-30).log2()).sum(-1)
        focus = self._tallies.setdefault("entropy (bits)", Tally("entropy (bits)", best=0.0, role=False))
        focus.add(bits, among.double().log2())
        largest = self._tallies.setdefault("confidence", Tally("confidence", role=False))
        largest.add(weights.amax(-1), 1 / among)

    def roles(self, path: str) -> list[HeadRole]:
        rows = max((tally.rows for tally in self._offsets.values()), default=0)
        tried = {o: tally for o, tally in self._offsets.items() if tally.rows >= max(1, _COMMON * rows)}
        positional = [tally.scores(about=f"offset {offset:+d}") for offset, tally in tried.items()]
        placed = [tally.scores() for tally in self._tallies.values()]
        columns = [self._aligning.scores(), self._syntax.scores()]
        heads = max(map(len, [*positional, *placed]), default=0)
        found = []
        for head in range(heads):
            own = [score for column in columns if column for score in column[head]]
            own += [scores[head] for scores in placed if scores]
            own += self._nearby([scores[head] for scores in positional if scores])
            scores = {score.name: score for score in own}
            found.append(HeadRole(path, layer_of(path), head, _label(own), scores))
        return found

    def _nearby(self, scores: Sequence[HeadScore]) -> list[HeadScore]:
        """Of all offsets the neighbours (across: the same place), and the one with the greatest lift."""
        plain = {offset_name(offset, itself=self._itself) for offset in ((-1, 0, 1) if self._itself else (0,))}
        best = max(scores, key=lambda score: score.lift, default=None)
        return [score for score in scores if score.name in plain or score is best]


def _sharpness(look: Look) -> Tensor:
    """How much more a row gives to the key it looks at most than evenly, 1: all; of the first rows, [heads, rows]."""
    even = 1 / look.allowed[:PLACES].sum(-1).clamp(min=1)
    return ((look.weights[:, :PLACES].amax(-1) - even) / (1 - even).clamp(min=1e-9)).clamp(0, 1)


def _where(sharp: Tensor, allowed: Tensor, wanted: Tensor | int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the first rows of a text those that could look at a key that counts (at an offset), or elsewhere."""
    if isinstance(wanted, int):
        rows, keys = allowed.shape
        wanted = torch.arange(keys) - torch.arange(rows)[:, None] == wanted
    wanted = wanted & allowed
    count = wanted.sum(-1)
    places = ((count > 0) & (count < allowed.sum(-1))).nonzero()[:, 0]
    return sharp[:, places], places, wanted[places], allowed[places]


def _label(scores: Sequence[HeadScore]) -> str | None:
    """The name that the clear ones among the scores give."""

    def rank(score: HeadScore) -> tuple[int, float]:
        return (score.name == "alignment") * 2 + score.name.startswith("syntax"), score.lift

    clear = [score for score in scores if score.clear]
    return max(clear, key=rank).name if clear else None
