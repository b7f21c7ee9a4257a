"""Tokenizers: text -> token ids and back, exactly; and which word each token belongs to.

Trained in the same call as the model and saved as `tokenizer.json`, the form the whole field reads. All kinds work on
the same byte-level pre-tokens (Radford et al., 2019), so decoding gives the text back, spaces and accents included:

    bpe         byte pairs merged by frequency (Sennrich et al., 2016); never an unknown token
    word        whole pre-tokens (words and punctuation); rare ones become <unk>
    character   single characters; unseen ones become <unk>
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field

from clearhead.errors import DataError, FolderError

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as Backend

__all__ = ["BOS", "EOS", "PAD", "UNK", "Tokenizer", "TokenizerConfig", "train_tokenizer"]

PAD, BOS, EOS, UNK = 0, 1, 2, 3
_SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]


class TokenizerConfig(BaseModel):
    """How text is cut into tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bpe", "word", "character"] = Field(
        "bpe", description="byte-pair encoding, whole words or characters"
    )
    vocab_size: int = Field(8000, ge=300, description="most entries of the vocabulary")
    min_count: int = Field(2, ge=1, description="rarer pairs or words get no entry of their own")


class Tokenizer:
    """A trained tokenizer.

    Args:
        backend: the tokenizer of the `tokenizers` library that does the work.
    """

    def __init__(self, backend: Backend):
        self.backend = backend

    @property
    def vocab_size(self) -> int:
        """How many entries the vocabulary has."""
        return int(self.backend.get_vocab_size())

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens; what a text says never becomes a special token."""
        return [e.ids for e in self.backend.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Iterable[Sequence[int]]) -> list[str]:
        """The texts of token ids, one line each, single spaces; special tokens are left out."""
        texts = self.backend.decode_batch([list(i) for i in ids], skip_special_tokens=True)
        return [" ".join(str(t).split()) for t in texts]  # a model may write a line break: it would be a line too many

    def tokens(self, text: str) -> tuple[list[int], list[str], list[int]]:
        """(ids, pieces as a person reads them, index of the whitespace word each piece belongs to)."""
        text = " ".join(normalize("NFC", text).split())  # as it is encoded: an accent is not a piece of its own
        encoding: Encoding = self.backend.encode(text, add_special_tokens=False)
        pieces, words = [], []
        for low, high in encoding.offsets:
            piece = text[low:high]
            pieces.append(piece.strip() or piece)
            words.append(text.count(" ", 0, low + len(piece) - len(piece.lstrip())))
        return list(encoding.ids), pieces, words

    def to_json(self) -> str:
        """The content of tokenizer.json."""
        return str(self.backend.to_str(pretty=False))

    @classmethod
    def from_json(cls, text: str, *, file: str = "tokenizer.json") -> Tokenizer:
        """The inverse of `to_json`.

        Raises:
            FolderError: the text is not a tokenizer, or lacks the special tokens.
        """
        from tokenizers import Tokenizer as Backend

        try:
            backend = Backend.from_str(text)
        except Exception as error:  # the backend raises bare Exceptions
            raise FolderError(f"not a tokenizer: {error}", "take the file from an intact copy", file=file) from error
        if [backend.id_to_token(i) for i in range(4)] != _SPECIALS:
            raise FolderError(
                "this tokenizer was not made by clearhead: its first entries are not " + " ".join(_SPECIALS),
                "train with clearhead, or put back the model's own tokenizer.json",
                file=file,
            )
        backend.encode_special_tokens = True
        return cls(backend)


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig) -> Tokenizer:
    """Train a tokenizer on `texts`.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend

    backend = Backend(models.BPE() if config.kind == "bpe" else models.WordLevel(unk_token=_SPECIALS[UNK]))
    space = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    backend.normalizer = space
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=True)
    if config.kind == "character":
        backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        backend.decoder = decoders.Fuse()
    else:
        backend.pre_tokenizer, backend.decoder = bytes_, decoders.ByteLevel()
    common: dict[str, Any] = {"special_tokens": _SPECIALS, "vocab_size": config.vocab_size, "show_progress": False}
    if config.kind == "bpe":
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer: Any = trainers.BpeTrainer(min_frequency=config.min_count, initial_alphabet=alphabet, **common)
    else:
        trainer = trainers.WordLevelTrainer(min_frequency=config.min_count, **common)
    backend.train_from_iterator(texts, trainer, length=len(texts))
    if backend.get_vocab_size() <= len(_SPECIALS):
        raise DataError(
            f"no {config.kind} stands in the {len(texts)} texts {config.min_count} times",
            "bring more text, or set --tokenizer.min-count 1",
        )
    return Tokenizer.from_json(backend.to_str())
