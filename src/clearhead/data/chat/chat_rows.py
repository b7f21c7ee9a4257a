"""Conversations as rows of equal length: several in a row, none of which sees another, and only answers are predicted.

    ids         <eos> <user> H i <end> <assistant> H e y <end>   <eos> <user> ...
    labels      -     -      - - -     H           e y <end> -   -     -
    documents   1     1      1 1 1     1           1 1 1         2     2

(- is IGNORED: nothing is predicted there). Which conversations share a row is a function of (seed, epoch) alone.
Axes: rows, tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from clearhead.data.batches import predicted_places
from clearhead.data.vocabulary import IGNORED
from clearhead.data.windows import TextBatch

__all__ = ["ChatRows", "ChatTokens"]

Key: TypeAlias = tuple[int, int]  # epoch, number of the batch in it

_OPEN = 64  # rows that may still be filled


@dataclass(frozen=True, slots=True)
class ChatTokens:
    """A conversation; `learned` tells which tokens the assistant writes."""

    ids: list[int]
    learned: list[bool]


class ChatRows:
    """The rows of a set of conversations.

    Args:
        chats: the conversations, EOS not yet before them.
        length: tokens of a row; of a longer conversation the beginning is taken.
        rows: rows of a batch.
        eos: stands before each.
        seed: of the order.

    `cut` is how many conversations were longer, `dropped` how many of these say nothing in what is left.
    """

    def __init__(self, chats: Sequence[ChatTokens], *, length: int, rows: int, eos: int, seed: int = 0):
        self.length, self.rows, self._seed = length, rows, seed
        kept = [_predictions(chat, length, eos) for chat in chats]
        self._chats = [pair for pair in kept if (pair[1] != IGNORED).any()]
        self.cut = sum(len(chat.ids) > length for chat in chats)
        self.dropped = len(chats) - len(self._chats)
        self._latest: tuple[int, list[list[int]]] = (-1, [])

    def __len__(self) -> int:
        return len(self._chats)

    @property
    def tokens(self) -> int:
        """How many tokens are read in an epoch."""
        return sum(self._lengths())

    @property
    def predicted(self) -> int:
        """How many tokens are predicted in an epoch."""
        return sum(int((labels != IGNORED).sum()) for _, labels in self._chats)

    def epoch(self, epoch: int) -> list[Key]:
        """The batches of an epoch."""
        return [(epoch, i) for i in range(-(-len(self._packed(epoch)) // self.rows))]

    def batch(self, key: Key) -> TextBatch:
        """The tensors of a batch."""
        epoch, number = key
        return self._tensors(self._packed(epoch)[number * self.rows : (number + 1) * self.rows])

    def in_order(self) -> list[int]:
        """The batches in which every conversation stands just once; for validation."""
        return list(range(-(-len(_fitted(range(len(self)), self._lengths(), self.length)) // self.rows)))

    def whole(self, number: int) -> TextBatch:
        """One of the batches of `in_order`."""
        packed = _fitted(range(len(self)), self._lengths(), self.length)
        return self._tensors(packed[number * self.rows : (number + 1) * self.rows])

    def _lengths(self) -> list[int]:
        return [len(ids) for ids, _ in self._chats]

    def _packed(self, epoch: int) -> list[list[int]]:
        if self._latest[0] != epoch:
            random = np.random.default_rng([self._seed, epoch])
            packed = _fitted(random.permutation(len(self)).tolist(), self._lengths(), self.length)
            self._latest = epoch, [packed[i] for i in random.permutation(len(packed))]
        return self._latest[1]

    def _tensors(self, rows: Sequence[Sequence[int]]) -> TextBatch:
        width = max(sum(len(self._chats[chat][0]) for chat in row) for row in rows)
        tables = np.zeros((4, len(rows), width), dtype=np.int64)  # ids, labels, documents, places
        tables[1] = IGNORED
        for i, row in enumerate(rows):
            start = 0
            for number, chat in enumerate(row, 1):
                ids, labels = self._chats[chat]
                stop = start + len(ids)
                tables[:, i, start:stop] = ids, labels, np.full(len(ids), number), np.arange(len(ids))
                start = stop
        read, wanted, documents, at = torch.from_numpy(tables).unbind()
        return TextBatch(read, wanted, documents, at, predicted_places(wanted))


def _predictions(chat: ChatTokens, length: int, eos: int) -> tuple[np.ndarray, np.ndarray]:
    """(what is read, what is to be written there)."""
    ids = np.array([eos, *chat.ids], dtype=np.int64)[: length + 1]
    learned = np.array(chat.learned, dtype=bool)[:length]
    return ids[:-1], np.where(learned, ids[1:], IGNORED)


def _fitted(order: Sequence[int], lengths: Sequence[int], length: int) -> list[list[int]]:
    """Conversations put into the first row that has room for them."""
    done: list[list[int]] = []
    open_rows: list[tuple[list[int], int]] = []
    for chat in order:
        for place, (row, room) in enumerate(open_rows):
            if lengths[chat] <= room:
                row.append(chat)
                open_rows[place] = row, room - lengths[chat]
                break
        else:
            if len(open_rows) == _OPEN:
                done.append(open_rows.pop(0)[0])
            open_rows.append(([chat], length - lengths[chat]))
    return done + [row for row, _ in open_rows]
