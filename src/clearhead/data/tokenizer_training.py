"""How tokenizers are trained, a kind each, on the same byte-level pre-tokens (Radford et al., 2019).

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
from typing import TYPE_CHECKING, TypedDict

from clearhead.data.tokenizers import ROLES, SPECIALS, TextTokenizerConfig, Tokenizer, TokenizerConfig
from clearhead.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import Model, Unigram
    from tokenizers.pre_tokenizers import PreTokenizer
    from tokenizers.trainers import Trainer

__all__ = ["listed_words", "text_tokenizer", "train_tokenizer", "train_tokenizers", "word_tokenizer"]

_UNK = "<unk>"
_LONGEST_RUN = 1000  # characters: the time of learning grows with the square of what stands without a break
_FROM_RUNS = 2**17  # characters of such runs that are learned from
_LONGEST_WORD = 100  # bytes: the time of longest-piece-first grows with the cube of a word's length
_APOSTROPHES = "'\u2019\uff07\u055a\u05f3\u05f4"
_BLANKS = re.compile(rf"\s{{{_LONGEST_RUN}}}")
_RUN = re.compile(  # letters, digits, white space or others, as byte-level pre-tokens are cut
    r"(?<![^\W\d_])[^\W\d_]{N,}|(?<!\d)\d{N,}|(?<!\s)\s{N,}|(?<![^\w\s])(?<!_)(?:[^\w\s]|_){N,}".replace(
        "N", str(_LONGEST_RUN)
    )
)


class _Common(TypedDict):
    """What every trainer of the library is given."""

    special_tokens: list[str]
    vocab_size: int
    show_progress: bool


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig) -> Tokenizer:
    """Train a tokenizer on `texts`; the same texts give the same tokenizer.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    backend = _untrained(config)
    backend.train_from_iterator(_learnable(texts), _trainer(config))
    if config.kind == "unigram":
        backend.model = _settled(backend)
    if backend.get_vocab_size() <= len(SPECIALS):
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
        special_tokens=SPECIALS, vocab_size=vocab_size + len(SPECIALS), min_frequency=min_count, show_progress=False
    )
    backend.train_from_iterator(_learnable(texts), trainer)
    if backend.get_vocab_size() <= len(SPECIALS):
        raise DataError(f"no word stands in the text {min_count} times", "bring more text, or lower the least count")
    return Tokenizer.from_json(backend.to_str())


def text_tokenizer(texts: Iterable[str], config: TextTokenizerConfig) -> Tokenizer:
    """A tokenizer of running text, which gives every character back; it knows the marks of a chat (`ROLES`) too.

    Raises:
        DataError: the texts hold nothing to learn from.
    """
    from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
    from tokenizers import Tokenizer as Backend

    specials, alphabet = [*SPECIALS, *ROLES], pre_tokenizers.ByteLevel.alphabet()
    size = config.vocab_size if config.kind != "byte" else len(specials) + len(alphabet)
    common: _Common = {"special_tokens": specials, "vocab_size": size, "show_progress": False}
    if config.kind == "character":
        backend = Backend(models.WordLevel(unk_token=_UNK))
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), decoders.Fuse()
        trainer: Trainer = trainers.WordLevelTrainer(min_frequency=config.min_count, **common)
    else:
        backend = Backend(models.BPE())
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(min_frequency=config.min_count, initial_alphabet=alphabet, **common)
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

    vocabulary = {word: i for i, word in enumerate(dict.fromkeys([*SPECIALS, *words]))}
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
    words: PreTokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    if config.kind == "wordpiece":
        stretches = pre_tokenizers.Split(Regex(f".{{1,{_LONGEST_WORD}}}"), "isolated")
        words = pre_tokenizers.Sequence([words, stretches])
    if config.kind == "character":
        backend.pre_tokenizer, backend.decoder = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"), decoders.Fuse()
    else:
        backend.pre_tokenizer, backend.decoder = words, decoders.ByteLevel()
    return backend


def _model(kind: str) -> Model:
    from tokenizers import models

    unk = _UNK
    if kind == "bpe":
        return models.BPE()
    if kind == "unigram":
        return models.Unigram()
    if kind == "wordpiece":
        return models.WordPiece(unk_token=unk, continuing_subword_prefix="", max_input_chars_per_word=_LONGEST_WORD)
    return models.WordLevel(unk_token=unk)


def _trainer(config: TokenizerConfig) -> Trainer:
    from tokenizers import pre_tokenizers, trainers

    common: _Common = {"special_tokens": SPECIALS, "vocab_size": config.vocab_size, "show_progress": False}
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


def _settled(backend: Backend) -> Unigram:
    """The unigram model without what chance left in it, which is the order of a hash table.

    The library sums in that order (so: four decimals), and gives the bytes it has no score for the lowest score and
    0.0001 more for each one before (so: the lowest for all of them).
    """
    from tokenizers import models

    scored: list[tuple[str, float | None]] = json.loads(backend.to_str())["model"]["vocab"]
    pieces = {piece: score or 0.0 for piece, score in scored[len(SPECIALS) :]}  # None: infinite, if there was no text
    lowest = min(pieces.values())
    for piece, score in pieces.items():
        unscored = len(piece) == 1 and score < lowest + 257 * 0.0001
        pieces[piece] = round(lowest if unscored else score, 4)
    ordered = sorted(pieces.items(), key=lambda item: (-item[1], item[0]))
    marks = [(special, 0.0) for special in SPECIALS]
    return models.Unigram(marks + ordered, unk_id=SPECIALS.index(_UNK), byte_fallback=False)
