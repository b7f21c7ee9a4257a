"""Notes: what is to be said about single texts that were read or written. Results carry them; commands print them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

__all__ = [
    "Note",
    "OnNote",
    "TextWarning",
    "cut",
    "cut_in_front",
    "full",
    "not_known",
    "stopped",
    "unknown_share",
    "warn_of",
]

_NAMED = 8  # words
_LOST = ("cut", "no room")


@dataclass(frozen=True)
class Note:
    """What is to be said about a text.

    `said` is a sentence; where the model's max_len cost a part of the text ("cut", or "no room" to write it on), it is
    what the text does.
    """

    kind: Literal["unknown words", "unknown characters", "cut", "no room", "unended"]
    said: str

    @property
    def lost(self) -> bool:
        """Whether the model's max_len cost a part of the text."""
        return self.kind in _LOST

    def of(self, text: str) -> str:
        """The note with the text that it is about, "line 3"."""
        return f"{text} {self.said}" if self.lost else f"{text}: {self.said}"


OnNote: TypeAlias = Callable[[int, Note], None]  # given the number of a text, from 0, and a note on it


class TextWarning(UserWarning):
    """What is to be said of the text of this number (from 1)."""

    def __init__(self, number: int, note: Note):
        self.number, self.note = number, note
        super().__init__(note.of(f"text {number}"))


def warn_of(number: int, note: Note) -> None:
    """Warn where the model's max_len cost a part of the text of this number (from 0)."""
    if note.lost:
        warnings.warn(TextWarning(number + 1, note), stacklevel=3)


def not_known(found: Sequence[str], what: Literal["words", "characters"]) -> list[Note]:
    """The note on words or characters of a text that a vocabulary does not hold; none where it holds them all."""
    if not found:
        return []
    named = [f"“{word}”" for word in found[:_NAMED]]
    if more := len(found) - len(named):
        named.append(f"{more} more")
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    said = f"the model does not know {listed}: it reads <unk>" + " for each" * (len(found) > 1)
    return [Note("unknown words" if what == "words" else "unknown characters", said)]


def cut(tokens: int, kept: int) -> Note:
    """The note on a text of which a model reads the first tokens."""
    return Note("cut", f"has {tokens:,} tokens and was cut to {kept:,}: the model's max_len")


def cut_in_front(tokens: int, kept: int, *, written: bool) -> Note:
    """The note on a text of which a model reads the last tokens, to write it on or not."""
    room = ", less the room to write" * written
    return Note("no room", f"has {tokens:,} tokens and was cut to its last {kept:,}: the model's max_len{room}")


def full(length: int) -> Note:
    """The note on a text that could not be written on."""
    return Note("no room", f"goes no further: the model's max_len, {length:,} tokens, is full")


def stopped(tokens: int) -> Note:
    """The note on a text that was written up to its limit."""
    said = f"the model had not come to an end after {tokens:,} tokens, the most it may write here: the rest is missing"
    return Note("unended", said)


def unknown_share(rows: Iterable[Sequence[int] | np.ndarray], unk: int | None, what: str) -> list[str]:
    """What is said of how many of the tokens of texts are <unk>; none where all are known.

    Args:
        rows: token ids.
        unk: the token that stands for what is not known.
        what: the texts, in words.
    """
    count = unknown = 0
    for row in rows if unk is not None else ():
        count, unknown = count + len(row), unknown + int((np.asarray(row) == unk).sum())
    if not unknown:
        return []
    share = f"{unknown / count:.1%}".replace("%", " %") if unknown >= 0.001 * count else "less than 0.1 %"
    return [f"{share} of the tokens of {what} ({unknown:,} of {count:,}) are <unk>, which the vocabulary does not hold"]
