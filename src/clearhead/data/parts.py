"""Which part of the data is held out for validation, and the digest that tells these data from others.

Rows that are alike (pairs with one source, chats that begin alike) stand in one part, chosen by what they share; lines
and documents, of which each is another, by where they stand; of few documents the end of the text. Never much more is
held out than was asked for, and chance has no say. Folders that are resumed hold the digest: neither may change.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clearhead.data.text import Piece
from clearhead.errors import DataError

__all__ = ["Survey", "digest_of", "hold_out", "hold_out_alike", "hold_out_text", "survey"]

T = TypeVar("T")

_RAREST = 2**62  # rows between two that are held out
_SAMPLE = 2**24  # characters that a tokenizer is trained on, at most
_MANY = 100  # documents; of fewer, the end of the text is held out


def digest_of(*parts: Iterable[str], end: str = "") -> str:
    """The SHA-256 of texts in UTF-8, each directly after the one before, and `end` after each part."""
    digest = hashlib.sha256()
    for part in parts:
        for text in part:
            digest.update(text.encode())
        digest.update(end.encode())
    return digest.hexdigest()


def hold_out(rows: Sequence[T], share: float) -> tuple[list[T], list[T]]:
    """(train, valid): the last of each 1 / share rows is held out; of fewer rows none is."""
    return _parted(rows, [_is_held(number, share) for number in range(len(rows))])


def hold_out_alike(
    rows: Sequence[T], share: float, most: int, key: Callable[[T], str], kinds: str
) -> tuple[list[T], list[T]]:
    """(train, valid): `share` of the rows, at most `most`, are held out; both parts keep the order.

    Chosen by the SHA-1 of their keys, all rows of a key at a time, the smallest first: no key stands in both parts,
    and the order of the rows has no say. A key with more rows than are still to be held out is passed over; if even the
    rarest has more, all of its rows are held out.

    Args:
        kinds: what the keys tell apart, for the error ("different source sentences").

    Raises:
        DataError: all rows have one key.
    """
    keys = [hashlib.sha1(key(row).encode(), usedforsecurity=False).digest() for row in rows]
    sizes = Counter(keys)
    if len(sizes) < 2:
        problem = f"holding out data for validation needs at least two {kinds}, {len(sizes)} given"
        raise DataError(problem, "bring more data, or give a validation file with --valid FILE")
    left = max(1, min(most, round(share * len(keys)), len(keys) - 1))
    held: set[bytes] = set()
    for each in sorted(sizes):
        if sizes[each] <= left:
            held.add(each)
            left -= sizes[each]
    held = held or {min(sizes, key=lambda key: (sizes[key], key))}
    return _parted(rows, [each in held for each in keys])


@dataclass(frozen=True)
class Survey:
    """What a first walk through a corpus tells: how much there is, its digest, and a sample spread over it."""

    documents: int
    characters: int
    digest: str
    sample: list[str]


def survey(pieces: Iterable[Piece]) -> Survey:
    """Walk through a corpus once."""
    documents = characters = 0
    sample: list[str] = []
    held, every = 0, 1  # each `every`-th piece is in the sample

    def walk() -> Iterator[str]:
        nonlocal documents, characters, sample, held, every
        for number, piece in enumerate(pieces):
            documents, characters = documents + piece.ends, characters + len(piece.text)
            if number % every == 0:
                sample.append(piece.text)
                held += len(piece.text)
                if held > _SAMPLE and len(sample) > 1:
                    sample, every = sample[::2], 2 * every
                    held = sum(map(len, sample))
            yield piece.text + ("\0" if piece.ends else "")

    digest = digest_of(walk())
    return Survey(documents, characters, digest, sample)


def hold_out_text(pieces: Iterable[Piece], about: Survey, share: float) -> Iterator[tuple[str, Piece]]:
    """(part, piece): of a hundred documents and more each 1 / share-th is held out, else the last share of the text."""
    documents = characters = 0
    cut = int((1 - share) * about.characters)
    for piece in pieces:
        if about.documents >= _MANY:
            yield ("valid" if _is_held(documents, share) else "train"), piece
        elif characters < cut < characters + len(piece.text):
            yield "train", Piece(piece.text[: cut - characters], True)
            yield "valid", Piece(piece.text[cut - characters :], piece.ends)
        else:
            yield ("train" if characters < cut else "valid"), piece
        documents, characters = documents + piece.ends, characters + len(piece.text)


def _is_held(number: int, share: float) -> bool:
    """Whether the row of this number is held out; of two at least one is trained on."""
    each = max(2, math.ceil(min(1 / share - 1e-9, _RAREST)))
    return number % each == each - 1


def _parted(rows: Sequence[T], held: Sequence[bool]) -> tuple[list[T], list[T]]:
    both = list(zip(rows, held, strict=True))
    return [row for row, out in both if not out], [row for row, out in both if out]
