"""Tokenizers of SentencePiece where a folder has no tokenizer.json: by the library itself (Kudo and Richardson, 2018).

Marian's translators have one for the source and one for the target, and a vocab.json that numbers the pieces of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from clearhead.data.tokenizers import Tokenizer
from clearhead.data.vocabulary import Specials
from clearhead.errors import ConfigError, FolderError, MissingError, given
from clearhead.exchange.forms import json_of, plain_file

__all__ = ["open_marian_pair"]

_INTACT = "take the whole model again"
_MARKS = {"eos": "</s>", "unk": "<unk>", "pad": "<pad>"}


@dataclass(frozen=True)
class Mark:
    """A token that no text is read as."""

    content: str
    special: bool = True


@dataclass(frozen=True)
class Encoded:
    """Token ids, and where in the text each begins and ends."""

    ids: list[int]
    offsets: list[tuple[int, int]] = field(default_factory=list)


class SentencePieces:
    """What a `Tokenizer` asks of the library that does the work, as SentencePiece answers it.

    Args:
        processor: the library's.
        vocab: the number of each piece.
        marks: the pieces that no text is read as.
        after: what stands after a whole text.
    """

    normalizer = None
    encode_special_tokens = True

    def __init__(self, processor: Any, vocab: Mapping[str, int], marks: Sequence[str], after: Sequence[int]):
        self._processor, self._vocab, self._after = processor, dict(vocab), list(after)
        self._pieces = {number: piece for piece, number in vocab.items()}
        self._marks = {vocab[mark]: Mark(mark) for mark in marks}
        self._unk = vocab[_MARKS["unk"]]

    def get_vocab(self) -> dict[str, int]:
        """The number of each piece."""
        return self._vocab

    def get_added_tokens_decoder(self) -> dict[int, Mark]:
        """The pieces that no text is read as."""
        return self._marks

    def token_to_id(self, token: str) -> int | None:
        """The number of a piece."""
        return self._vocab.get(token)

    def id_to_token(self, number: int) -> str | None:
        """The piece of a number."""
        return self._pieces.get(number)

    def encode(self, text: str, pair: str | None = None, *, add_special_tokens: bool = True) -> Encoded:
        """The tokens of a text.

        Raises:
            ConfigError: two texts are given; such models read one.
        """
        if pair is not None:
            raise ConfigError("this model reads one text, not two", "give one")
        code = (
            text[: text.find("<<") + 2] if text.startswith(">>") and "<<" in text else ""
        )  # which language is written
        ids, offsets = ([self._vocab.get(code, self._unk)], [(0, len(code))]) if code else ([], [])
        at = len(code)
        for piece in self._processor.encode(text[at:], return_type="proto").pieces:
            ids.append(self._unk if piece.piece in _MARKS.values() else self._vocab.get(piece.piece, self._unk))
            offsets.append((at, at + len(piece.surface)))
            at += len(piece.surface)
        return Encoded(ids + self._after * add_special_tokens, offsets)

    def encode_batch(self, texts: Sequence[str], *, add_special_tokens: bool = True) -> list[Encoded]:
        """The same of several."""
        return [self.encode(text, add_special_tokens=add_special_tokens) for text in texts]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """The text of tokens."""
        kept = [i for i in ids if not (skip_special_tokens and i in self._marks)]
        return str(self._processor.decode([self._pieces.get(i, "") for i in kept]))

    def decode_batch(self, rows: Sequence[Sequence[int]], *, skip_special_tokens: bool = True) -> list[str]:
        """The same of several."""
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]

    def to_str(self, *, pretty: bool = False) -> str:
        """There is no tokenizer.json that cuts exactly as SentencePiece does.

        Raises:
            ConfigError: always.
        """
        problem = "a tokenizer of SentencePiece is no tokenizer.json, and none cuts exactly as it does"
        raise ConfigError(problem, "use the model where it is")


def open_marian_pair(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of a translator of Marian: of its sources and of its targets.

    Raises:
        FolderError: a file is missing or damaged.
        MissingError: the library is not installed.
    """
    if find_spec("sentencepiece") is None:
        raise MissingError(f"{folder} has tokenizers of SentencePiece; reading them needs sentencepiece", "hub")
    vocab = json_of(folder, "vocab.json")
    if not all(type(number) is int and number >= 0 for number in vocab.values()):
        raise FolderError("not a number for each piece", _INTACT, file=folder / "vocab.json")
    numbers = cast(dict[str, int], vocab)
    if lost := [mark for mark in _MARKS.values() if mark not in numbers]:
        raise FolderError(f"there is no {lost[0]}", _INTACT, file=folder / "vocab.json")
    marks = [*_MARKS.values(), *(piece for piece in numbers if piece.startswith(">>") and piece.endswith("<<"))]
    specials = Specials(**{kind: numbers[mark] for kind, mark in _MARKS.items()})
    made = [
        SentencePieces(_processor(folder, name), numbers, marks, [numbers[_MARKS["eos"]]])
        for name in ("source.spm", "target.spm")
    ]
    source, target = (Tokenizer(cast(Any, one), specials) for one in made)
    return source, target


def _processor(folder: Path, name: str) -> Any:
    from sentencepiece import SentencePieceProcessor

    data = plain_file(folder, name).read_bytes()
    try:
        return SentencePieceProcessor(model_proto=data)
    except Exception as error:  # the library raises bare ones
        problem = f"not a model of SentencePiece: {given(str(error))}"
        raise FolderError(problem, _INTACT, file=folder / name) from error
