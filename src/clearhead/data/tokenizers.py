"""Tokenizers: text -> token ids and back, exactly; and which word each token belongs to.

Trained in the same call as the model (tokenizer_training.py) and saved as `tokenizer.json`, the form the whole field
reads. All kinds work on the same byte-level pre-tokens (Radford et al., 2019), so decoding gives the text back, spaces
and accents included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.data.sources.keys import whole
from clearhead.data.vocabulary import Specials
from clearhead.errors import ConfigError, FolderError
from clearhead.ranges import Count, Entries, Share

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as Backend

__all__ = ["ROLES", "SPECIALS", "TextTokenizerConfig", "Tokenizer", "TokenizerConfig"]

SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]  # the first entries of what is trained here
ROLES = ["<system>", "<user>", "<assistant>", "<end>"]  # the marks of a chat, in tokenizers of running text
_OWN = "train with clearhead, or put back the model's own tokenizer.json"


class TokenizerConfig(BaseModel):
    """How text is cut into tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bpe", "unigram", "wordpiece", "word", "character"] = Field(
        "bpe", description="byte-pair encoding, likeliest pieces, longest pieces, whole words or characters"
    )
    vocabularies: Literal["joint", "separate"] = Field(
        "joint", description="one vocabulary for source and target, or one each"
    )
    vocab_size: Entries = Field(8000, ge=300, description="most entries of a vocabulary")
    min_count: Count = Field(2, description="rarer pairs or words get no entry of their own (unigram: no say)")
    lowercase: bool = Field(False, description="read and write small letters only")
    dropout: Share = Field(0.0, description="share of merges skipped in training, others in every epoch (bpe only)")

    @model_validator(mode="after")
    def _has_merges(self) -> TokenizerConfig:
        if self.dropout and self.kind != "bpe":
            raise ValueError(f"dropout {self.dropout} skips merges, {self.kind} has none; take kind bpe or dropout 0")
        return self


class TextTokenizerConfig(BaseModel):
    """How running text is cut into tokens; every character of it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bpe", "byte", "character"] = Field("bpe", description="byte-pair encoding, bytes or characters")
    vocab_size: Entries = Field(8000, ge=300, description="most entries of a vocabulary (bpe, character)")
    min_count: Count = Field(2, description="rarer pairs or characters get no entry of their own")


class Tokenizer:
    """A trained tokenizer.

    Args:
        backend: the tokenizer of the `tokenizers` library that does the work.
        specials: which entries are special (default: those that are spelt as the field spells them).
    """

    def __init__(self, backend: Backend, specials: Specials | None = None):
        self.backend = backend
        ids = backend.get_vocab()
        self.vocab_size = max(ids.values(), default=-1) + 1
        self.specials = specials or Specials.named(ids)

    @cached_property
    def frame(self) -> tuple[list[int], list[int]]:
        """What stands before and after the tokens of a whole text, as the tokenizer says; of ours nothing does."""
        plain, framed = (self.backend.encode("a", add_special_tokens=whole).ids for whole in (False, True))
        at = next((i for i in range(len(framed)) if framed[i : i + len(plain)] == plain), 0)
        return framed[:at], framed[at + len(plain) :]

    @property
    def marks(self) -> dict[str, int]:
        """Every token that no text is read as, and its id."""
        added = self.backend.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    def unwritten(self, end: int | None = None) -> tuple[int, ...]:
        """The marks but the one that ends a text (default: the vocabulary's own): they are never written."""
        end = self.specials.end if end is None else end
        return tuple(token for token in self.marks.values() if token != end)

    @property
    def lowercase(self) -> bool:
        """Whether capital letters are read as small ones, and so never written."""
        return self.normalized("A") == "a"

    def normalized(self, text: str) -> str:
        """The text as it is encoded: NFC, single spaces, small letters if the tokenizer knows no others."""
        text = " ".join(normalize("NFC", whole(text, "the text")).split())
        return text if self.backend.normalizer is None else str(self.backend.normalizer.normalize_str(text))

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens; what a text says never becomes a special token."""
        return [encoding.ids for encoding in self._encoded(texts)]

    def read(self, texts: Sequence[str]) -> list[tuple[list[int], list[str]]]:
        """(token ids, what the vocabulary does not hold of it: words or characters as they stand there, each once)."""
        return [(e.ids, self._unknown(text, e)) for text, e in zip(texts, self._encoded(texts), strict=True)]

    def _encoded(self, texts: Sequence[str]) -> list[Encoding]:
        given = [whole(text, f"text {number}") for number, text in enumerate(texts, 1)]
        return list(self.backend.encode_batch(given, add_special_tokens=False))

    def _unknown(self, text: str, encoding: Encoding) -> list[str]:
        if (composed := normalize("NFC", text)) != text:  # else an accent of its own is no part of its letter
            text, encoding = composed, self.backend.encode(composed, add_special_tokens=False)
        unk = self.specials.unk
        found = [text[slice(*at)] for token, at in zip(encoding.ids, encoding.offsets, strict=True) if token == unk]
        return list(dict.fromkeys(piece.strip() or piece for piece in found))

    def exactly(self, ids: Sequence[int]) -> str:
        """The text of token ids with every character in its place; special tokens are left out."""
        return str(self.backend.decode(list(ids), skip_special_tokens=True))

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """The texts of token ids, one line each, single spaces; special tokens are left out."""
        texts = self.backend.decode_batch([list(i) for i in ids], skip_special_tokens=True)
        return [" ".join(str(t).split()) for t in texts]  # a model may write a line break: it would be a line too many

    def tokens(self, text: str) -> tuple[list[int], list[str], list[int]]:
        """(ids, pieces as a person reads them, index of the whitespace word each piece belongs to)."""
        text = self.normalized(text)  # else an accent is a piece of its own, and capitals are shown that are not read
        encoding: Encoding = self.backend.encode(text, add_special_tokens=False)
        pieces, words = [], []
        for token, (low, high) in zip(encoding.ids, encoding.offsets, strict=True):
            piece = text[low:high]
            # the space before the first word is not in the text: a piece of its own, it has the first letter's place
            pieces.append(" " if self.backend.decode([token]) == " " else piece.strip() or piece)
            words.append(text.count(" ", 0, low + len(piece) - len(piece.lstrip())))
        return list(encoding.ids), pieces, words

    def unknown(self, text: str) -> list[str]:
        """The words or characters of a text that the vocabulary does not hold, as they stand there, each once."""
        return self.read([text])[0][1]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each token's own text, blanks included; a part of a character is shown by the vocabulary's name for it."""
        marks = {number: name for name, number in self.marks.items()}
        texts = [marks.get(number) or str(self.backend.decode([number])) for number in ids]
        return [
            str(self.backend.id_to_token(number)).replace("\u0120", " ") if "\ufffd" in text else text
            for number, text in zip(ids, texts, strict=True)
        ]

    def framed(self, text: str, second: str | None = None) -> list[int]:
        """Token ids of a whole text, or of two in one row, with what stands around them; marks are read as text."""
        pair = None if second is None else whole(second, "the second text")
        return list(self.backend.encode(whole(text, "the text"), pair).ids)

    def masked(self, text: str) -> list[int]:
        """The same of a text in which the mark of what is to be guessed stands ("[MASK]"), which is read as that mark.

        Raises:
            ConfigError: it holds another mark.
        """
        mask = next((name for name, number in self.marks.items() if number == self.specials.mask), None)
        if other := [name for name in self.marks if name != mask and name in text]:
            raise ConfigError(f"the text holds {other[0]}, which is a mark of the model", "leave it out")
        self.backend.encode_special_tokens = False
        try:
            return self.framed(text)
        finally:
            self.backend.encode_special_tokens = True

    def to_json(self) -> str:
        """The content of tokenizer.json."""
        return str(self.backend.to_str(pretty=False))

    @classmethod
    def from_json(cls, text: str, *, file: str = "tokenizer.json") -> Tokenizer:
        """The inverse of `to_json`; any tokenizer.json opens. None cuts or pads.

        Raises:
            FolderError: the text is not a tokenizer, or one of clearhead's that was changed.
        """
        from tokenizers import Tokenizer as Backend

        try:
            backend = Backend.from_str(text)
        except Exception as error:  # the backend raises bare Exceptions
            raise FolderError(f"not a tokenizer: {error}", "take the file from an intact copy", file=file) from error
        if [backend.id_to_token(i) for i in range(4)] == SPECIALS:
            for wrong, problem in _faults(backend):
                if wrong:
                    raise FolderError(f"this tokenizer {problem}", _OWN, file=file)
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        return cls(backend)


def _faults(backend: Backend) -> Iterator[tuple[bool, str]]:
    """(whether it has a fault, the fault) that would change, cut or lengthen what is read without a word."""
    ids, added = backend.get_vocab(), backend.get_added_tokens_decoder()
    marks = [token.content for _, token in sorted(added.items())]
    yield sorted(ids.values()) != list(range(len(ids))), "gives an id to two entries, or leaves one out"
    yield (
        marks not in ([], SPECIALS, [*SPECIALS, *ROLES]) or sorted(added) != list(range(len(added))),
        (f"adds the tokens {' '.join(marks)[:200]}, and not {' '.join(SPECIALS)} (and the marks of a chat) alone"),
    )
    yield any(not t.special or t.lstrip or t.rstrip or t.single_word for t in added.values()), "takes marks for words"
    yield backend.truncation is not None, "cuts texts (truncation)"
    yield backend.padding is not None, "lengthens texts (padding)"
    yield bool(getattr(backend.model, "dropout", None)), "cuts words otherwise each time (dropout)"
