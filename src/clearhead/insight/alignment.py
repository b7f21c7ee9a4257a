"""Alignment: which source word each written word comes from, read off cross-attention, and its error rate.

    AER = 1 - (|A n S| + |A n P|) / (|A| + |S|)    A: found, S: sure, P: possible links    (Och and Ney, 2003)

Weights are of one forced pass. The row that *predicts* a word and the row that *reads* it are both candidates (Chen
et al., 2020, found the reading row better in deep decoders): which layer, head and row align best is chosen on
validation.

Axes: layers, heads, rows, keys; written words, source words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.insight.word_weights import by_word
from clearhead.look import Trace

__all__ = [
    "Alignment",
    "AlignmentHead",
    "Gold",
    "choose_head",
    "cross_weights",
    "error_rate",
    "find_links",
    "word_weights",
]

Links = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Gold:
    """Links made by people: (source word, target word), from 0; `possible` includes `sure`."""

    sure: Links
    possible: Links


@dataclass(frozen=True)
class AlignmentHead:
    """Where to read an alignment: layer of a stack and head (None: the mean of all heads), and which row.

    `error_rate` is the one it was chosen by, None where it was chosen by rule.
    """

    layer: int
    head: int | None = None
    row: Literal["predicts", "reads"] = "predicts"
    error_rate: float | None = None
    stack: Literal["decoder", "encoder"] = "decoder"

    def to_json(self) -> dict[str, object]:
        """As plain JSON: an alignment is read in a decoder."""
        return {name: value for name, value in asdict(self).items() if name != "stack"}

    @property
    def place(self) -> str:
        """Which layer and head, in words."""
        return f"{self.stack} layer {self.layer}, " + (
            "mean of all heads" if self.head is None else f"head {self.head}"
        )

    def __str__(self) -> str:
        return f"{self.place}, the row that {self.row} the word"

    @classmethod
    def by_rule(cls, layers: int) -> AlignmentHead:
        """Without gold links: the mean of the heads of the last layer but one (Garg et al., 2019), predicting rows.

        On a 3-layer English-Spanish translator that had no gold links, predicting rows were far better than reading
        ones in every layer (error rates 0.70 to 0.73 against 0.85 to 0.86).
        """
        return cls(max(0, layers - 2))


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a model looked: `weights[j, i]` is how much written word j attends to source word i.

    `gap` is max |weights . v - context| of the opened act: what the view shows is what the model used. `kind` names the
    attention; `written` is whether the words of `target` were written from `source`, or are the same, read once.
    """

    source: list[str]
    target: list[str]
    weights: Tensor
    head: AlignmentHead
    gap: float
    trace: Trace
    kind: str = "cross-attention"
    written: bool = True

    def __repr__(self) -> str:
        sides = f"{len(self.target)} words that look at {len(self.source)}"
        return f"Alignment of {sides}, {self.head}: .weights, .links, .trace; clearhead.show(alignment)"

    @property
    def links(self) -> Links:
        """{(source word, written word)}: for each written word the source word it attends to most."""
        return find_links(self.weights)


def cross_weights(trace: Trace, sentence: int = 0) -> Tensor:
    """[layers, heads, rows, keys]: the cross-attention weights of one sentence of a forced pass.

    Raises:
        ConfigError: there is no cross-attention.
    """
    paths = trace.find("cross_attention.attention")
    if not paths:
        raise ConfigError("nothing of this model looks at a source", "align with a model that has cross-attention")
    return torch.stack(
        [
            torch.cat([act.weights()[sentence] for act in trace.calls(path)], dim=-2)  # a recurrent decoder's steps
            for path in paths
        ]
    )


def word_weights(
    weights: Tensor, source_words: Sequence[int], target_words: Sequence[int], head: AlignmentHead
) -> Tensor:
    """[written words, source words]: weights of pieces as weights of words, for one choice of layer, head and row.

    A source word has the sum of its pieces' weights, a written word the mean of its pieces' rows. The end-of-sentence
    token is nobody's word: what it attends to and what it is given is left out.

    Args:
        weights: [layers, heads, rows, keys] of one forced pass over BOS, pieces; a row more than there are pieces.
        source_words, target_words: the word each piece belongs to.
    """
    chosen = weights[head.layer].mean(0) if head.head is None else weights[head.layer, head.head]
    rows = _rows(chosen, head.row, len(target_words))[:, : len(source_words)]
    return by_word(by_word(rows, source_words, dim=1), target_words, dim=0, mean=True)


def find_links(words: Tensor) -> Links:
    """For each written word the source word it attends to most: {(source word, written word)}."""
    return frozenset((int(i), j) for j, i in enumerate(words.argmax(-1).tolist())) if words.numel() else frozenset()


def error_rate(found: Iterable[Links], gold: Iterable[Gold]) -> float:
    """The alignment error rate over all sentences together; 0 is perfect."""
    hits = total = 0
    for links, true in zip(found, gold, strict=True):
        hits += len(links & true.sure) + len(links & true.possible)
        total += len(links) + len(true.sure)
    return 1.0 - hits / total if total else 0.0


def choose_head(
    weights: Sequence[Tensor],
    source_words: Sequence[Sequence[int]],
    target_words: Sequence[Sequence[int]],
    gold: Sequence[Gold],
) -> AlignmentHead:
    """The layer, head (or mean of heads) and row with the lowest error rate on these sentences.

    Raises:
        ConfigError: there are none.
    """
    if not weights:
        raise ConfigError("a head is chosen on sentences with gold links, and there are none", "give some")
    layers, heads = weights[0].shape[:2]
    candidates = [
        AlignmentHead(layer, head, row)
        for layer in range(layers)
        for head in [*range(heads), None]
        for row in ("predicts", "reads")
    ]

    def rate(candidate: AlignmentHead) -> float:
        found = [
            find_links(word_weights(w, s, t, candidate))
            for w, s, t in zip(weights, source_words, target_words, strict=True)
        ]
        return error_rate(found, gold)

    rates = [rate(c) for c in candidates]
    best = min(range(len(candidates)), key=rates.__getitem__)
    chosen = candidates[best]
    return AlignmentHead(chosen.layer, chosen.head, chosen.row, rates[best])


def _rows(weights: Tensor, row: str, count: int) -> Tensor:
    return weights[:count] if row == "predicts" else weights[1 : count + 1]
