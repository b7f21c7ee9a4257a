"""What a training on running text would be given: how much there is, its beginning, a window as the loss sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clearhead.data.parts import Survey
from clearhead.data.text import Piece
from clearhead.data.tokenizers import Tokenizer

__all__ = ["TextPreview", "describe_text"]

_FIRST, _SHOWN = 3, 400  # documents, and characters of each
_COUNTED = 2**20  # characters that tokens are counted on


@dataclass(frozen=True)
class TextPreview:
    """Plain data for a person's eyes.

    `per_token` is how many characters a token has, measured on the beginning; `reads[t]` is what the model is given
    where it is to write `writes[t]`, and it has seen all to the left too.
    """

    documents: int
    characters: int
    vocabulary: int
    per_token: float
    length: int
    first: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """How many tokens the text has, about."""
        return round(self.characters / self.per_token)


def describe_text(pieces: Iterable[Piece], about: Survey, tokenizer: Tokenizer, length: int) -> TextPreview:
    """What would be trained on.

    Args:
        pieces: of the text, from its beginning.
        about: what a walk through it told.
        tokenizer: trained on it.
        length: tokens of a window.
    """
    first: list[str] = []
    text, characters, tokens, begins = "", 0, 0, True
    for piece in pieces:
        if begins and len(first) < _FIRST:
            first.append(piece.text[:_SHOWN])
        text, begins = text or piece.text, piece.ends
        if characters < _COUNTED:
            characters += len(piece.text)
            tokens += len(tokenizer.encode([piece.text])[0]) + piece.ends
        elif len(first) == _FIRST:
            break
    names = [tokenizer.exactly([token]) for token in tokenizer.encode([text])[0][:length]]
    eos = str(tokenizer.backend.id_to_token(tokenizer.specials.end))
    reads, writes = (eos, *names[: length - 1]), tuple(names)
    return TextPreview(
        about.documents,
        about.characters,
        tokenizer.vocab_size,
        characters / max(1, tokens),
        length,
        tuple(first),
        reads[: len(writes)],
        writes,
    )
