"""Batches of sentence pairs: a token budget each, sentences of like length together, an order made from the seed.

The order of an epoch is a function of (seed, epoch) alone, so a position in the data is two numbers and a resumed run
goes on exactly where it stopped. Axes: batch, src_tokens, tgt_tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clearhead.data.tokenizers import BOS, EOS, PAD

__all__ = ["PairBatch", "PairSet", "pad"]


@dataclass(frozen=True, eq=False)
class PairBatch:
    """One batch: `src` ends with EOS; `tgt` begins with BOS; `labels[t]` is what follows `tgt[: t + 1]` (PAD: nothing).

    `lengths` are those of the sources, or None if none is padded.
    """

    src: Tensor
    lengths: Tensor | None
    tgt: Tensor
    labels: Tensor


class PairSet:
    """Tokenised sentence pairs.

    Args:
        src, tgt: token ids of each side, without special tokens.
        max_len: pairs with a side of more tokens than this, special tokens counted, are left out;
            `dropped` tells how many.
    """

    def __init__(self, src: Sequence[Sequence[int]], tgt: Sequence[Sequence[int]], max_len: int):
        pairs = [
            (np.array([*s, EOS], dtype=np.int32), np.array([BOS, *t, EOS], dtype=np.int32))
            for s, t in zip(src, tgt, strict=True)
            if len(s) + 1 <= max_len and len(t) + 1 <= max_len
        ]
        self.dropped = len(src) - len(pairs)
        self.src, self.tgt = [p[0] for p in pairs], [p[1] for p in pairs]
        self._src_len = np.array([len(s) for s in self.src], dtype=np.int64)
        self._tgt_len = np.array([len(t) for t in self.tgt], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.src)

    @property
    def tokens(self) -> int:
        """Target tokens to be predicted, over all pairs."""
        return int((self._tgt_len - 1).sum())

    def epoch(self, seed: int, epoch: int, budget: int) -> list[np.ndarray]:
        """The batches of one epoch as arrays of row numbers, in training order.

        Rows are shuffled, sorted by length within pools of some hundred batches and cut so that a batch's padded source
        and target hold at most `budget` tokens; then the batches are shuffled.
        """
        random = np.random.default_rng([seed, epoch])
        order = random.permutation(len(self))
        per_row = max(1, int(self._src_len.sum() + self._tgt_len.sum()) // max(1, len(self)))
        pool = max(1, budget // per_row) * 200
        batches: list[np.ndarray] = []
        for i in range(0, len(order), pool):
            rows = order[i : i + pool]
            batches += self._cut(rows[np.lexsort((self._src_len[rows], self._tgt_len[rows]))], budget)
        return [batches[i] for i in random.permutation(len(batches))]

    def in_order(self, budget: int) -> list[np.ndarray]:
        """Batches of everything by length, without chance: for validation."""
        return self._cut(np.lexsort((self._src_len, self._tgt_len)), budget)

    def _cut(self, rows: np.ndarray, budget: int) -> list[np.ndarray]:
        cuts, start, widest_src, widest_tgt = [], 0, 0, 0
        for i, row in enumerate(rows):
            src, tgt = max(widest_src, self._src_len[row]), max(widest_tgt, self._tgt_len[row])
            if i > start and (i - start + 1) * (src + tgt) > budget:
                cuts.append(rows[start:i])
                start, src, tgt = i, self._src_len[row], self._tgt_len[row]
            widest_src, widest_tgt = src, tgt
        return [*cuts, rows[start:]] if len(rows) else []

    def batch(self, rows: np.ndarray) -> PairBatch:
        """The tensors of these rows."""
        src, lengths = pad([self.src[i] for i in rows])
        tgt, _ = pad([self.tgt[i] for i in rows])
        return PairBatch(src, lengths, tgt[:, :-1].clone(), tgt[:, 1:].clone())


def pad(rows: Sequence[np.ndarray | Sequence[int]]) -> tuple[Tensor, Tensor | None]:
    """Rows of unequal length as one tensor [batch, longest], PAD behind; and their lengths, None if all are equal.

    A last token that is PAD in `tgt[:, :-1]` is harmless: no real token can look at it.
    """
    lengths = np.array([len(r) for r in rows])
    out = np.full((len(rows), lengths.max()), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    equal = bool((lengths == lengths[0]).all())
    return torch.from_numpy(out), None if equal else torch.from_numpy(lengths)
