"""A small English-Spanish grammar: any number of correct pairs with gold alignments and gold dependencies.

Spanish is a function of the English sentence, so a model can be right or wrong, not merely near. Alignments are in the
sense of Och and Ney (2003), sure and possible; every sure link has a Spanish word of its own, so that an alignment of
one English word to each Spanish word can reach an error rate of 0.

The split holds out combinations of words, not sentences: a pair (noun, adjective), (subject noun, verb) or (verb,
object) belongs to train, valid or test by a hash of it (80/10/10). Train never says the others' pairs; a test sentence
says at least one of its own and none of valid's, in words which train knows: it asks for composition, not memory.
"""

from __future__ import annotations

import functools
import hashlib
import random
from dataclasses import dataclass
from typing import Literal, get_args

from clearhead.data.samples.grammar import Draft
from clearhead.data.samples.phrases import Said
from clearhead.data.samples.sample_words import Combination, Vocabulary, possible_combinations
from clearhead.errors import DataError, nearest

__all__ = ["LARGEST", "Sentence", "Split", "combinations", "sentences"]

Split = Literal["train", "valid", "test"]

LARGEST: dict[Split, int] = {"train": 1_000_000, "valid": 100_000, "test": 100_000}
"""How many distinct sentences can be asked of a split; the grammar has more."""

_OWN_WEIGHT = 5  # how often a held-out combination is drawn in its own split, against 1 for a train combination


@dataclass(frozen=True)
class Sentence:
    """A pair of sentences with what is true of them. Indices count whitespace-separated words from 0.

    Args:
        sure, possible: links (English word, Spanish word); the possible ones include the sure ones.
        english_dependencies: (kind, dependent, head) with the kinds determiner-noun, adjective-noun (attributive) and
            subject-verb (the copula counts as the verb; of two coordinated nouns each is a subject).
        spanish_dependencies: the same links in Spanish; in *al* and *del* the whole word is the determiner.
    """

    english: str
    spanish: str
    sure: tuple[tuple[int, int], ...]
    possible: tuple[tuple[int, int], ...]
    english_dependencies: tuple[tuple[str, int, int], ...]
    spanish_dependencies: tuple[tuple[str, int, int], ...]


def sentences(split: Split, count: int, *, seed: int = 0) -> list[Sentence]:
    """`count` distinct sentences of a split, the same for the same seed; fewer are the beginning of more.

    Raises:
        DataError: there is no such split, or it has no such number of sentences.
    """
    if split not in LARGEST:
        near = nearest(split, LARGEST)
        raise DataError(f"the splits are {', '.join(LARGEST)}, not {split!r}", near or "choose one of these")
    if not 0 <= count <= LARGEST[split]:
        raise DataError(
            f"{split} can give 0 to {LARGEST[split]:,} distinct sentences, not {count:,}",
            "ask for a count in that range",
        )
    vocabulary, own, rng = _vocabulary(split), _owned(split), random.Random(f"{split} {seed}")
    found: list[Sentence] = []
    seen: set[str] = set()
    while len(found) < count:
        draft = Draft(vocabulary, rng)
        said = draft.clause()
        if said is None or (split != "train" and own.isdisjoint(draft.combinations)):
            continue
        sentence = _finished(draft, said)
        if sentence.english not in seen:
            seen.add(sentence.english)
            found.append(sentence)
    return found


@functools.cache
def combinations() -> dict[Combination, Split]:
    """Every pair of words that is held together in a sentence, and the split to which it belongs."""
    return {pair: _split_of(pair) for pair, _, _ in possible_combinations()}


def _split_of(pair: Combination) -> Split:
    tenth = int(hashlib.sha1(" ".join(pair).encode()).hexdigest()[:8], 16) % 10
    return get_args(Split)[max(0, tenth - 7)]


@functools.cache
def _owned(split: Split) -> frozenset[Combination]:
    return frozenset(pair for pair, owner in combinations().items() if owner == split)


@functools.cache
def _vocabulary(split: Split) -> Vocabulary:
    weights = {"train": 1, split: 1 if split == "train" else _OWN_WEIGHT}
    return Vocabulary(lambda pair: weights.get(combinations()[pair], 0))


def _finished(draft: Draft, said: list[Said]) -> Sentence:
    """Capitals, stops, and the links in the order of the words."""
    sure = [(word.sure, j) for j, word in enumerate(said) if word.sure >= 0]
    possible = [(i, j) for j, word in enumerate(said) for i in word.possible]
    render = dict(possible) | dict(sure)
    english, spanish = " ".join(draft.english), " ".join([word.word for word in said])
    english, spanish = english[0].upper() + english[1:], spanish[0].upper() + spanish[1:]
    return Sentence(
        f"{english}?" if draft.question else f"{english}.",
        f"¿{spanish}?" if draft.question else f"{spanish}.",
        tuple(sorted(sure)),
        tuple(sorted(sure + possible)),
        tuple(draft.dependencies),
        tuple([(kind, render[a], render[b]) for kind, a, b in draft.dependencies]),
    )
