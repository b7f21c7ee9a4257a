"""Windows of running text: rows of equal length, in each of which every token is predicted from those before it.

A text is read as if an EOS stood before it: EOS ends a document and begins the next. In training, documents stand one
after the other in a row ("packed"), and either see each other or are told apart: then nobody sees another document,
and positions begin anew with each.

The windows of an epoch begin at another place each time; their order is a function of (seed, epoch) alone.
Axes: rows, tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from clearhead.attention import Where
from clearhead.data.batches import predicted_places
from clearhead.data.shards import Tokens
from clearhead.data.vocabulary import IGNORED

__all__ = ["TextBatch", "Windows", "told_apart"]

Key: TypeAlias = tuple[int, int]  # epoch, number of the batch in it


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Rows of text: `labels[t]` is what follows `ids[: t + 1]` (or IGNORED).

    Where documents are told apart, `documents` numbers them and `at` is where each token stands in its own. `predicted`
    says where labels are, in the flattened rows (None: everywhere).
    """

    ids: Tensor
    labels: Tensor
    documents: Tensor | None = None
    at: Tensor | None = None
    predicted: Tensor | None = None

    def where(self) -> Where | None:
        """Where the tokens stand; None: one text a row."""
        if self.documents is None or self.at is None:
            return None
        return Where.packed(self.at, self.documents, in_order=True)


class Windows:
    """The windows of a corpus.

    Args:
        tokens: the corpus.
        length: tokens of a window.
        rows: windows of a batch.
        eos: ends a document.
        apart: whether documents in a row are told apart.
        seed: of the order.
    """

    def __init__(self, tokens: Tokens, *, length: int, rows: int, eos: int, apart: bool = False, seed: int = 0):
        self.tokens, self.length, self.rows, self.apart, self._seed = tokens, length, rows, apart, seed
        self._eos = eos
        self._latest: tuple[int, np.ndarray] = (-1, np.zeros(0))

    def epoch(self, epoch: int) -> list[Key]:
        """The batches of an epoch; windows that make no whole batch are left out, unless there is only that one."""
        return [(epoch, i) for i in range(max(1, len(self._starts(epoch)) // self.rows))]

    def batch(self, key: Key) -> TextBatch:
        """The tensors of a batch."""
        epoch, number = key
        return self._at(self._starts(epoch)[number * self.rows : (number + 1) * self.rows])

    def in_order(self) -> list[int]:
        """Where the batches begin in which every token of the corpus is predicted just once; for validation."""
        return list(range(0, len(self.tokens), self.length * self.rows))

    def whole(self, start: int) -> TextBatch:
        """One of the batches of `in_order`."""
        return self._at(np.arange(start, min(start + self.length * self.rows, len(self.tokens)), self.length))

    def _starts(self, epoch: int) -> np.ndarray:
        if self._latest[0] != epoch:
            random = np.random.default_rng([self._seed, epoch])
            room = max(1, len(self.tokens) - self.length + 1)
            first = int(random.integers(min(self.length, room)))
            self._latest = epoch, random.permutation(np.arange(first, room, self.length))
        return self._latest[1]

    def _at(self, starts: np.ndarray) -> TextBatch:
        rows = [self._row(int(start)) for start in starts]
        longest = max(len(row) for row in rows)
        padded = np.stack([np.pad(row, (0, longest - len(row)), constant_values=IGNORED) for row in rows])
        table = torch.from_numpy(padded)
        ids, labels = table[:, :-1].where(table[:, :-1] != IGNORED, self._eos), table[:, 1:]
        documents, at = told_apart(ids, self._eos) if self.apart else (None, None)
        return TextBatch(ids, labels, documents, at, predicted_places(labels))

    def _row(self, start: int) -> np.ndarray:
        """The token before a window, and its tokens."""
        if start:
            return self.tokens[start - 1 : start + self.length]
        return np.concatenate([np.array([self._eos]), self.tokens[: self.length]])


def told_apart(ids: Tensor, eos: int) -> tuple[Tensor, Tensor]:
    """(the number of the document that each token belongs to, its place in it); `eos` begins a document."""
    begins = ids == eos
    places = torch.arange(ids.size(1)).expand_as(ids)
    first = torch.where(begins, places, 0).cummax(1).values
    return begins.cumsum(1), places - first
