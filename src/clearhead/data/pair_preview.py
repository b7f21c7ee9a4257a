"""What a training would be given: pairs as read, how long they are in tokens, and one pair as the loss sees it.

the encoder reads      s1 s2 ... <eos>
the decoder reads      <bos> t1 t2 ...       at each place it has seen this and all to the left,
and is to write        t1 t2 ... <eos>       and the loss is of the token below it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Protocol

from clearhead.data.pairs import Pair, Report

__all__ = ["Lengths", "Preview", "SeenPair", "TextEncoder", "describe_pairs"]

_FIRST = 3
_BUCKETS = 10
_TYPICAL = 0.99  # the share of sentences that the buckets of even width hold
_AT_ONCE = 10_000
_BOS, _EOS = "<bos>", "<eos>"


class TextEncoder(Protocol):
    """What cuts text into tokens."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""

    def tokens(self, text: str) -> tuple[list[int], list[str], list[int]]:
        """(ids, pieces as a person reads them, word of each piece)."""


@dataclass(frozen=True)
class Lengths:
    """How long one side is, in tokens, the special one (<eos> or <bos>) counted.

    `counts[i]` sentences have at least `edges[i]` and less than `edges[i + 1]` tokens.
    """

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    mean: float
    median: float
    longest: int
    over: int  # sentences of more than max_len tokens


@dataclass(frozen=True)
class SeenPair:
    """The pieces of one pair as the model gets them; `labels[t]` is what is to follow `decoder[: t + 1]`."""

    source: tuple[str, ...]
    decoder: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Preview:
    """Plain data for a person's eyes; `seen` is None where no pair fits into max_len."""

    first: tuple[Pair, ...]
    read: int
    kept: int
    notes: tuple[str, ...]
    max_len: int
    source: Lengths
    target: Lengths
    over: int  # pairs with a side of more than max_len tokens: training leaves them out
    seen: SeenPair | None

    @property
    def share_over(self) -> float:
        """The share of the pairs that training leaves out, 0 to 1."""
        return self.over / sum(self.source.counts)


def describe_pairs(
    pairs: Sequence[Pair], report: Report, encode_source: TextEncoder, encode_target: TextEncoder, max_len: int
) -> Preview:
    """What would be trained on.

    Args:
        pairs, report: as `read_pairs` returns them, at least one pair.
        encode_source, encode_target: the tokenizers of the two sides, or one for both.
        max_len: the most tokens of a side, its special one counted.
    """
    src = _lengths(encode_source, [pair.source for pair in pairs])
    tgt = _lengths(encode_target, [pair.target for pair in pairs])
    edges = _edges([*src, *tgt])
    fits = [max(sides) <= max_len for sides in zip(src, tgt, strict=True)]
    shown = next((pair for pair, fit in zip(pairs, fits, strict=True) if fit), None)
    return Preview(
        first=tuple(pairs[:_FIRST]),
        read=report.read,
        kept=report.kept,
        notes=tuple(report.lines()[1:]),
        max_len=max_len,
        source=_histogram(src, edges, max_len),
        target=_histogram(tgt, edges, max_len),
        over=fits.count(False),
        seen=None if shown is None else _seen(shown, encode_source, encode_target),
    )


def _lengths(encoder: TextEncoder, texts: list[str]) -> list[int]:
    """The tokens of each text and one special one; in parts, since ids of all texts at once would be held in vain."""
    parts = (texts[i : i + _AT_ONCE] for i in range(0, len(texts), _AT_ONCE))
    return [len(ids) + 1 for part in parts for ids in encoder.encode(part)]


def _edges(lengths: list[int]) -> tuple[int, ...]:
    """Ten buckets or fewer, of an even width of 1, 2, 5, 10, 20, ..., and one for the longest hundredth if need be."""
    ordered = sorted(lengths)
    typical = ordered[int(_TYPICAL * (len(ordered) - 1))]
    width = next(w for power in range(10) for w in (10**power, 2 * 10**power, 5 * 10**power) if typical < _BUCKETS * w)
    edges = [*range(0, typical + 1, width), typical // width * width + width]
    return (*edges, ordered[-1] + 1) if ordered[-1] >= edges[-1] else tuple(edges)


def _histogram(lengths: list[int], edges: tuple[int, ...], max_len: int) -> Lengths:
    width, counts = edges[1], [0] * (len(edges) - 1)
    for length in lengths:
        counts[min(length // width, len(counts) - 1)] += 1
    over = sum(length > max_len for length in lengths)
    return Lengths(edges, tuple(counts), mean(lengths), median(lengths), max(lengths), over)


def _seen(pair: Pair, encode_source: TextEncoder, encode_target: TextEncoder) -> SeenPair:
    source, target = encode_source.tokens(pair.source)[1], encode_target.tokens(pair.target)[1]
    return SeenPair((*source, _EOS), (_BOS, *target), (*target, _EOS))
