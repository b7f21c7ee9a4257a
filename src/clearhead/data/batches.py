"""Batches of sentence pairs: a token budget each, sentences of like length together, an order made from the seed.

The order of an epoch is a function of (seed, epoch) alone, so a position in the data is two numbers and a resumed run
goes on exactly where it stopped. Axes: batch, src_tokens, tgt_tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from clearhead.data.vocabulary import IGNORED, Specials

__all__ = ["PairBatch", "PairSet", "by_length", "pad", "predicted_places"]

Ids: TypeAlias = Sequence[int] | np.ndarray
TokenIds: TypeAlias = Sequence[Ids]
Recut: TypeAlias = Callable[[int], tuple[TokenIds, TokenIds]]


@dataclass(frozen=True, eq=False)
class PairBatch:
    """One batch: `src` has its end, `tgt` its begin; `labels[t]` is what follows `tgt[: t + 1]` (or IGNORED).

    `lengths` are those of the sources, or None if none is padded; `predicted` says where labels are, in the flattened
    rows (None: everywhere), as a GPU would have to be waited for when it is asked.
    """

    src: Tensor
    lengths: Tensor | None
    tgt: Tensor
    labels: Tensor
    predicted: Tensor | None = None


def predicted_places(labels: Tensor) -> Tensor | None:
    """Where something is predicted, in the flattened rows; None: everywhere."""
    wanted = (labels != IGNORED).flatten()
    return None if wanted.all() else wanted.nonzero()[:, 0]


def by_length(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Row numbers in batches of like length, each of at most so many tokens with its padding (or of one row)."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[i] > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


class _Rows:
    """Pairs cut into tokens in one way, special tokens with them, and how long each side is."""

    def __init__(self, pairs: Sequence[tuple[np.ndarray, np.ndarray]]):
        self.src, self.tgt = [p[0] for p in pairs], [p[1] for p in pairs]
        self.src_len = np.array([len(s) for s in self.src], dtype=np.int64)
        self.tgt_len = np.array([len(t) for t in self.tgt], dtype=np.int64)


class PairSet:
    """Tokenised sentence pairs.

    Rows are numbered from 0 as they were given; as `recut` gives them for epoch e, from (e + 1) * len(self). So a row
    number says which cut is meant, and any batch of any epoch can be asked for at any time.

    Args:
        src, tgt: token ids of each side, without special tokens.
        specials: of the vocabulary of each side.
        max_len: pairs with a side of more tokens than this, special tokens counted, are left out;
            `dropped` tells how many.
        recut: gives the token ids of all pairs anew for an epoch, the same whenever asked for the same epoch (BPE
            dropout). A pair that grows longer than `max_len` by it stays as it was given.
    """

    def __init__(
        self,
        src: TokenIds,
        tgt: TokenIds,
        max_len: int,
        specials: tuple[Specials, Specials],
        *,
        recut: Recut | None = None,
    ):
        self._max_len, self._specials, self._recut = max_len, specials, recut
        self._kept = [i for i, (s, t) in enumerate(zip(src, tgt, strict=True)) if self._fits(s, t)]
        self.dropped = len(src) - len(self._kept)
        self._given = _Rows([self._framed(src[i], tgt[i]) for i in self._kept])
        self._latest = (-1, self._given)  # the epoch that was recut last, and its rows

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def tgt(self) -> list[np.ndarray]:
        """The targets as they were given, what begins and ends them with each."""
        return self._given.tgt

    @property
    def tokens(self) -> int:
        """Target tokens to be predicted, over all pairs as they were given."""
        return int((self._given.tgt_len - 1).sum())

    def epoch(self, seed: int, epoch: int, budget: int) -> list[np.ndarray]:
        """The batches of one epoch as arrays of row numbers, in training order.

        Rows are shuffled, sorted by length within pools of some hundred batches and cut so that a batch's padded source
        and target hold at most `budget` tokens; then the batches are shuffled.
        """
        rows = self._rows(epoch)
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self))
        per_row = max(1, int(rows.src_len.sum() + rows.tgt_len.sum()) // max(1, len(self)))
        pools = round(len(self) / (max(1, budget // per_row) * 200))
        pooled = np.array_split(order, max(1, pools))  # of like size: in a small one, few rows are of like length
        batches = [batch for pool in pooled for batch in _batches(rows, pool, budget)]
        first = 0 if self._recut is None else (epoch + 1) * len(self)
        return [first + batches[i] for i in random.permutation(len(batches))]

    def in_order(self, budget: int) -> list[np.ndarray]:
        """Batches of everything as it was given, by length, without chance: for validation."""
        return _batches(self._given, np.arange(len(self)), budget)

    def batch(self, rows: np.ndarray) -> PairBatch:
        """The tensors of these rows, all of one cut."""
        cuts, places = np.divmod(rows, len(self))
        (cut,) = set(cuts.tolist())
        made = self._rows(cut - 1)
        source, target = self._specials
        src, lengths = pad([made.src[i] for i in places], source.fill)
        (tgt, _), (labels, _) = (pad([made.tgt[i] for i in places], fill) for fill in (target.fill, IGNORED))
        labels = labels[:, 1:].clone()
        return PairBatch(src, lengths, tgt[:, :-1].clone(), labels, predicted_places(labels))

    def _rows(self, epoch: int) -> _Rows:
        """The rows of an epoch; of epoch -1, as they were given."""
        if self._recut is None or epoch < 0:
            return self._given
        if self._latest[0] != epoch:
            self._latest = (-1, self._given)  # the old ones go before the new ones are made
            self._latest = (epoch, self._drawn(self._recut, epoch))
        return self._latest[1]

    def _drawn(self, recut: Recut, epoch: int) -> _Rows:
        src, tgt = recut(epoch)
        given = zip(self._kept, self._given.src, self._given.tgt, strict=True)
        return _Rows([self._framed(src[i], tgt[i]) if self._fits(src[i], tgt[i]) else (s, t) for i, s, t in given])

    def _framed(self, src: Ids, tgt: Ids) -> tuple[np.ndarray, np.ndarray]:
        """A pair as the model reads it: both end, and what is written begins."""
        source, target = self._specials
        return (
            np.array([*src, source.end], dtype=np.int32),
            np.array([target.begin, *tgt, target.end], dtype=np.int32),
        )

    def _fits(self, src: Ids, tgt: Ids) -> bool:
        return max(len(src), len(tgt)) + 1 <= self._max_len


def _batches(rows: _Rows, numbers: np.ndarray, budget: int) -> list[np.ndarray]:
    """These rows by length, cut into batches whose padded sides hold at most `budget` tokens together."""
    src, tgt = rows.src_len[numbers], rows.tgt_len[numbers]
    # like an ox ploughs: where the target gets longer, the source goes on from the length it has got to
    numbers = numbers[np.lexsort((np.where(tgt % 2, src, -src), tgt))]
    cuts, start, widest_src, widest_tgt = [], 0, 0, 0
    lengths = zip(rows.src_len[numbers].tolist(), rows.tgt_len[numbers].tolist(), strict=True)
    for i, (one_src, one_tgt) in enumerate(lengths):
        widest_src, widest_tgt = max(widest_src, one_src), max(widest_tgt, one_tgt)
        if i > start and (i - start + 1) * (widest_src + widest_tgt) > budget:
            cuts.append(numbers[start:i])
            start, widest_src, widest_tgt = i, one_src, one_tgt
    return [*cuts, numbers[start:]] if len(numbers) else []


def pad(rows: Sequence[np.ndarray | Sequence[int]], fill: int) -> tuple[Tensor, Tensor | None]:
    """Rows of unequal length as one tensor [batch, longest], `fill` after them; their lengths, None if all are equal.

    A last token of `tgt[:, :-1]` that is filled in is harmless: no real token can look at it.
    """
    lengths = np.array([len(r) for r in rows])
    out = np.full((len(rows), lengths.max()), fill, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    equal = bool((lengths == lengths[0]).all())
    return torch.from_numpy(out), None if equal else torch.from_numpy(lengths)
