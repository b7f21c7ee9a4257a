"""Tokenizers: text -> token ids and back, exactly; and which word each token belongs to.

Trained in the same call as the model and saved as `tokenizer.json`, the form the whole field reads. All kinds work on
the same byte-level pre-tokens (Radford et al., 2019), so decoding gives the text back, spaces and accents included:

    bpe         byte pairs merged by frequency (Sennrich et al., 2016); never an unknown token
    unigram     the likeliest cut under a model of independent pieces (Kudo, 2018); never an unknown token
    wordpiece   the longest piece first (Schuster and Nakajima, 2012), of those that bpe finds; never an unknown token
    word        whole pre-tokens (words and punctuation); rare ones become <unk>
    character   single characters; unseen ones become <unk>

The byte-level pre-tokens mark where a word begins, so pieces inside a word need no "##".
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.data.sources.keys import whole
from clearhead.data.vocabulary import Specials
from clearhead.errors import DataError, FolderError
from clearhead.ranges import Count, Entries, Share

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as Backend

__all__ = [
    "ROLES",
    "TextTokenizerConfig",
    "Tokenizer",
    "TokenizerConfig",
    "listed_words",
    "text_tokenizer",
    "train_tokenizer",
    "train_tokenizers",
    "word_tokenizer",
]

_SPECIALS = ["<pad>", "<bos>", "<eos>", "<unk>"]  # the first entries of what is trained here
_UNK = "<unk>"
ROLES = ["<system>", "<user>", "<assistant>", "<end>"]  # the marks of a chat, in tokenizers of running text
_LONGEST_RUN = 1000  # characters: the time of learning grows with the square of what stands without a break
_FROM_RUNS = 2**17  # characters of such runs that are learned from
_OWN = "train with clearhead, or put back the model's own tokenizer.json"
_LONGEST_WORD = 100  # bytes: the time of longest-piece-first grows with the cube of a word's length
_APOSTROPHES = "'\u2019\uff07\u055a\u05f3\u05f4"
_BLANKS = re.compile(rf"\s{{{_LONGEST_RUN}}}")
_RUN = re.compile(  # letters, digits, white space or others, as byte-level pre-tokens are cut
    r"(?<![^\W\d_])[^\W\d_]{N,}|(?<!\d)\d{N,}|(?<!\s)\s{N,}|(?<![^\w\s])(?<!_)(?:[^\w\s]|_){N,}".replace(
        "N", str(_LONGEST_RUN)
    )
)


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
    dropout: Share = Field(0.0, description="share of merges skipped in training, anew in every epoch (bpe only)")

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
    """

    def __init__(self, backend: Backend):
        self.backend = backend
        ids = backend.get_vocab()
        self.vocab_size = max(ids.values(), default=-1) + 1
        self.specials = Specials.named(ids)

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
        given = [whole(text, f"text {number}") for number, text in enumerate(texts, 1)]
        return [e.ids for e in self.backend.encode_batch(given, add_special_tokens=False)]

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
        text = normalize("NFC", whole(text, "the text"))
        encoding: Encoding = self.backend.encode(text, add_special_tokens=False)
        found = [
            text[low:high]
            for token, (low, high) in zip(encoding.ids, encoding.offsets, strict=True)
            if token == self.specials.unk
        ]
        return list(dict.fromkeys(piece.strip() or piece for piece in found))

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Each token's own text, blanks included; a part of a character is shown by the vocabulary's name for it."""
        marks = {number: name for name, number in self.marks.items()}
        texts = [marks.get(number) or str(self.backend.decode([number])) for number in ids]
        return [
            str(self.backend.id_to_token(number)).replace("\u0120", " ") if "\ufffd" in text else text
            for number, text in zip(ids, texts, strict=True)
        ]

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
        if [backend.id_to_token(i) for i in range(4)] == _SPECIALS:
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
        marks not in ([], _SPECIALS, [*_SPECIALS, *ROLES]) or sorted(added) != list(range(len(added))),
        (f"adds the tokens {' '.join(marks)[:200]}, and not {' '.join(_SPECIALS)} (and the marks of a chat) alone"),
    )
    yield any(not t.special or t.lstrip or t.rstrip or t.single_word for t in added.values()), "takes marks for words"
    yield backend.truncation is not None, "cuts texts (truncation)"
    yield backend.padding is not None, "lengthens texts (padding)"
    yield bool(getattr(backend.model, "dropout", None)), "cuts words otherwise each time (dropout)"


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig) -> Tokenizer:
    """Train a tokenizer on `texts`; the same texts give the same tokenizer.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    backend = _untrained(config)
    backend.train_from_iterator(_learnable(texts), _trainer(config))
    if config.kind == "unigram":
        backend.model = _settled(backend)
    if backend.get_vocab_size() <= len(_SPECIALS):
        raise DataError(
            f"no {config.kind} stands in the {len(texts)} texts {config.min_count} times",
            "bring more text, or set --tokenizer.min-count 1",
        )
    return Tokenizer.from_json(backend.to_str())


def train_tokenizers(
    sources: Sequence[str], targets: Sequence[str], config: TokenizerConfig
) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers of both sides: one and the same if the vocabulary is joint, each of `vocab_size` if separate.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    if config.vocabularies == "joint":
        joint = train_tokenizer([*sources, *targets], config)
        return joint, joint
    return train_tokenizer(sources, config), train_tokenizer(targets, config)


def word_tokenizer(texts: Iterable[str], *, vocab_size: int, min_count: int, lowercase: bool) -> Tokenizer:
    """Words alone, without what stands between them: letters and digits, with apostrophes inside; for word vectors.

    Raises:
        DataError: no word is frequent enough.
    """
    from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend

    backend = Backend(models.WordLevel(unk_token=_UNK))
    small = [normalizers.Lowercase()] if lowercase else []
    unseen = normalizers.Replace(Regex("[\u00ad\u2060\ufeff]"), "")  # soft hyphen, word joiner, byte order mark
    backend.normalizer = normalizers.Sequence([unseen, *small, normalizers.NFC()])
    # a joiner belongs to the word, a non-joiner where the word goes on after it: Persian and Indic scripts need both
    word = r"[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}\u200d]|\u200c(?=[\p{L}\p{M}\p{N}]))*"
    words = Regex(f"{word}(?:[{_APOSTROPHES}]{word})*")
    backend.pre_tokenizer = pre_tokenizers.Split(words, "removed", invert=True)
    trainer = trainers.WordLevelTrainer(
        special_tokens=_SPECIALS, vocab_size=vocab_size + len(_SPECIALS), min_frequency=min_count, show_progress=False
    )
    backend.train_from_iterator(_learnable(texts), trainer)
    if backend.get_vocab_size() <= len(_SPECIALS):
        raise DataError(f"no word stands in the text {min_count} times", "bring more text, or lower the least count")
    return Tokenizer.from_json(backend.to_str())


def text_tokenizer(texts: Iterable[str], config: TextTokenizerConfig) -> Tokenizer:
    """A tokenizer of running text, which gives every character back; it knows the marks of a chat (`ROLES`) too.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend

    specials = [*_SPECIALS, *ROLES]
    common: dict[str, Any] = {"special_tokens": specials, "show_progress": False, "min_frequency": config.min_count}
    if config.kind == "character":
        backend = Backend(models.WordLevel(unk_token=_UNK))
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), decoders.Fuse()
        trainer: Any = trainers.WordLevelTrainer(vocab_size=config.vocab_size, **common)
    else:
        backend = Backend(models.BPE())
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        size = config.vocab_size if config.kind == "bpe" else len(specials) + len(alphabet)
        trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, **common)
    backend.train_from_iterator(_learnable(texts), trainer)
    if backend.get_vocab_size() <= len(specials):
        raise DataError(
            f"no character stands in the text {config.min_count} times",
            "bring more text, or set --tokenizer.min-count 1",
        )
    return Tokenizer.from_json(backend.to_str())


def listed_words(words: Sequence[str]) -> Tokenizer:
    """The tokenizer of a list of words, which cuts at spaces; words keep their order."""
    from tokenizers import Tokenizer as Backend
    from tokenizers import models, pre_tokenizers

    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*_SPECIALS, *words]))}
    backend = Backend(models.WordLevel(vocabulary, unk_token=_UNK))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Tokenizer.from_json(backend.to_str())


def _learnable(texts: Iterable[str]) -> Iterator[str]:
    """Texts as a tokenizer learns from them: runs that nothing breaks (DNA, broken exports) cut, and not too many."""
    left, cut = _FROM_RUNS, 0
    for text in texts:
        done = 0
        for run in _RUN.finditer(text) if _may_have_runs(text) else ():
            if done < run.start():
                yield text[done : run.start()]
            done, cut = run.end(), cut + len(run[0])
            taken, left = run[0][:left], max(0, left - len(run[0]))
            yield from (taken[at : at + _LONGEST_RUN] for at in range(0, len(taken), _LONGEST_RUN))
        if done < len(text):
            yield text[done:]
    if cut:
        warnings.warn(
            f"{cut:,} characters stand in runs of {_LONGEST_RUN:,} and more without a break; the tokenizer learns from "
            f"{_FROM_RUNS - left:,} of them, in parts",
            stacklevel=2,
        )


def _may_have_runs(text: str) -> bool:
    """Whether a closer look at a text is worth its time."""
    if len(text) < _LONGEST_RUN:
        return False
    return max(map(len, text.split()), default=0) >= _LONGEST_RUN or _BLANKS.search(text) is not None


def _untrained(config: TokenizerConfig) -> Backend:
    from tokenizers import Regex, decoders, normalizers, pre_tokenizers
    from tokenizers import Tokenizer as Backend

    backend = Backend(_model(config.kind))
    # small letters first: an accented letter may be one character only when it is small, and NFC is to see that
    small = [normalizers.Lowercase()] if config.lowercase else []
    space = [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    backend.normalizer = normalizers.Sequence([*small, normalizers.NFC(), *space])
    words: Any = pre_tokenizers.ByteLevel(add_prefix_space=True)
    if config.kind == "wordpiece":
        stretches = pre_tokenizers.Split(Regex(f".{{1,{_LONGEST_WORD}}}"), "isolated")
        words = pre_tokenizers.Sequence([words, stretches])
    if config.kind == "character":
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), decoders.Fuse()
    else:
        backend.pre_tokenizer, backend.decoder = words, decoders.ByteLevel()
    return backend


def _model(kind: str) -> Any:
    from tokenizers import models

    unk = _UNK
    if kind == "bpe":
        return models.BPE()
    if kind == "unigram":
        return models.Unigram()
    if kind == "wordpiece":
        return models.WordPiece(unk_token=unk, continuing_subword_prefix="", max_input_chars_per_word=_LONGEST_WORD)
    return models.WordLevel(unk_token=unk)


def _trainer(config: TokenizerConfig) -> Any:
    from tokenizers import pre_tokenizers, trainers

    common: dict[str, Any] = {"special_tokens": _SPECIALS, "vocab_size": config.vocab_size, "show_progress": False}
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if config.kind == "bpe":
        return trainers.BpeTrainer(min_frequency=config.min_count, initial_alphabet=alphabet, **common)
    if config.kind == "unigram":
        return trainers.UnigramTrainer(unk_token=_UNK, initial_alphabet=alphabet, **common)
    if config.kind == "wordpiece":
        # an empty prefix: with "##" inner bytes unseen in training are unknown, and ids differ from run to run
        return trainers.WordPieceTrainer(
            min_frequency=config.min_count, initial_alphabet=alphabet, continuing_subword_prefix="", **common
        )
    return trainers.WordLevelTrainer(min_frequency=config.min_count, **common)


def _settled(backend: Backend) -> Any:
    """The unigram model without what chance left in it, which is the order of a hash table.

    The library sums in that order (so: four decimals), and gives the bytes it has no score for the lowest score and
    0.0001 more for each one before (so: the lowest for all of them).
    """
    from tokenizers import models

    scored: list[tuple[str, float | None]] = json.loads(backend.to_str())["model"]["vocab"]
    pieces = {piece: score or 0.0 for piece, score in scored[len(_SPECIALS) :]}  # None: infinite, if there was no text
    lowest = min(pieces.values())
    for piece, score in pieces.items():
        unscored = len(piece) == 1 and score < lowest + 257 * 0.0001
        pieces[piece] = round(lowest if unscored else score, 4)
    ordered = sorted(pieces.items(), key=lambda item: (-item[1], item[0]))
    marks = [(special, 0.0) for special in _SPECIALS]
    return models.Unigram(marks + ordered, unk_id=_SPECIALS.index(_UNK), byte_fallback=False)
