"""What a chat training would be given: how much there is, and one packed row as the loss sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearhead.data.chat.chat_rows import ChatRows
from clearhead.data.tokenizers import Tokenizer
from clearhead.data.vocabulary import IGNORED

__all__ = ["ChatPreview", "describe_chats"]


@dataclass(frozen=True)
class ChatPreview:
    """Plain data for a person's eyes.

    `row` is the first row of the first epoch: (piece, number of its chat, whether the model is to write it).
    """

    notes: tuple[str, ...]
    chats: int
    tokens: int
    predicted: int
    rows: int
    length: int
    row: tuple[tuple[str, int, bool], ...]


def describe_chats(notes: Sequence[str], rows: ChatRows, tokenizer: Tokenizer) -> ChatPreview:
    """What would be trained on; the first batch is its first row."""
    batch = rows.batch(rows.epoch(0)[0])
    ids, labels = batch.ids[0].tolist(), batch.labels[0].tolist()
    numbers = [] if batch.documents is None else batch.documents[0].tolist()
    learned = [
        False,
        *(label != IGNORED for label in labels[:-1]),
    ]  # as the label of the one before
    row = []
    for i, (token, number, own) in enumerate(zip(ids, numbers, learned, strict=True)):
        if not number:
            break
        row.append((_piece(token, tokenizer), number, own and token != tokenizer.specials.end))
        if i + 1 == len(ids) or numbers[i + 1] != number:  # the last token of a chat is only predicted
            last = labels[i]
            if last != IGNORED:
                row.append((_piece(last, tokenizer), number, True))
    return ChatPreview(
        tuple(notes),
        len(rows),
        rows.tokens,
        rows.predicted,
        len(rows.epoch(0)),
        rows.length,
        tuple(row),
    )


def _piece(token: int, tokenizer: Tokenizer) -> str:
    return tokenizer.exactly([token]) or str(tokenizer.backend.id_to_token(token))
