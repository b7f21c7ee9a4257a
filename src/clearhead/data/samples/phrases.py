"""Phrases of the English-Spanish grammar: nouns with what belongs to them, prepositions, adverbs.

English is written word by word; Spanish is a list of `Said`, each naming the English words it renders. So the alignment
is not guessed afterwards: it is how the Spanish was made. Adjectives follow their noun, in mirrored order (the small
red car: el coche rojo pequeño); a + el = al, de + el = del.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from clearhead.data.samples.lexicon import DETERMINERS, PREPOSITIONS, Adjective, Determiner, Noun, Pronoun
from clearhead.data.samples.sample_words import Combination, Vocabulary

__all__ = ["ANY", "Head", "Phrases", "Said", "contracted", "determiners_for"]

T = TypeVar("T")


class Said(NamedTuple):
    """A Spanish word, the English word it surely renders (-1: none), and others that it possibly renders."""

    word: str
    sure: int
    possible: tuple[int, ...] = ()


class Head(NamedTuple):
    """A noun with its number, or a pronoun, that is to be said."""

    lemma: Noun | Pronoun
    plural: bool


def _weighted(words: str, plural: bool) -> list[Determiner]:
    return [DETERMINERS[word, plural] for word in words.split()]


ANY = _weighted("the the the the the the a a a a my my your our this this that every", False)
_ANY_PLURAL = _weighted("the the the the the my my your our these these those some some two three many", True)
_DEFINITE = _weighted("the the the the the my my your our this this that", False)
_DEFINITE_PLURAL = _weighted("the the the the the my my your our these these those", True)
_KIN = _weighted("my my my your your our the", False)
_KIN_PLURAL = _weighted("my my my your your our the", True)
_THE = _weighted("the", False)
_THERE = _weighted("the the the the the the the the the my your our this that", False)
_THERE_PLURAL = _weighted("the the the the the my your our these those", True)

_ADVERBS = {
    "today": "hoy",
    "now": "ahora",
    "yesterday": "ayer",
    "tomorrow": "mañana",
    "soon": "pronto",
    "never": "nunca",
    "always": "siempre",
    "here": "aquí",
    "well": "bien",
    "quickly": "rápidamente",
    "slowly": "lentamente",
    "what": "qué",
    "where": "dónde",
    "who": "quién",
}


class Phrases:
    """A sentence in the making: `english` grows word by word, each phrase returns its Spanish."""

    def __init__(self, vocabulary: Vocabulary, rng: random.Random):
        self.vocabulary, self.random = vocabulary, rng.random
        self.english: list[str] = []
        self.dependencies: list[tuple[str, int, int]] = []
        self.combinations: list[Combination] = []
        self.question = False

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.random() * len(options))]

    def head(self, noun: Noun, plurals: float) -> Head:
        return Head(noun, not noun.only_one and self.random() < plurals)

    def write(self, word: str) -> int:
        self.english.append(word)
        return len(self.english) - 1

    def noun_phrase(self, head: Head, determiners: Sequence[Determiner], most: int = 2) -> tuple[list[Said], int]:
        """Determiner, up to `most` adjectives, noun; with the place of the English noun."""
        noun, plural = head
        assert isinstance(noun, Noun)
        determiner = self.pick(determiners)
        at = self.write(determiner.english)
        adjectives = self._adjectives(noun, most)
        feminine = noun.gender == "f"
        after: list[Said] = []
        for adjective in adjectives:
            place = self.write(adjective.english)
            after.append(Said(adjective.spanish_forms[feminine + 2 * plural], place))
            self.combinations.append(("adjective", noun.english, adjective.english))
        place = self.write(noun.english_forms[plural])
        if determiner.english == "a" and self.english[at + 1][0] in "aeiou":
            self.english[at] = "an"
        self.dependencies.append(("determiner", at, place))
        self.dependencies.extend(("adjective", a.sure, place) for a in after)
        said = [Said(determiner.spanish[feminine], at), Said(noun.spanish_forms[plural], place), *reversed(after)]
        if noun.of and determiner.english == "the" and self.random() < 0.4:
            owner = Head(self.pick(self.vocabulary.owners[noun]), False)
            said += self.prepositional("of", owner, _THE if noun.kind == "thing" else _DEFINITE)
        return said, place

    def _adjectives(self, noun: Noun, most: int) -> list[Adjective]:
        options, chance = self.vocabulary.adjectives[noun], self.random()
        if not options or most == 0 or chance < 0.45:
            return []
        first = self.pick(options)
        if most == 1 or chance < 0.75:
            return [first]
        second = self.pick(options)
        low, high = (first, second) if first.rank < second.rank else (second, first)
        return [low, high] if low.rank < high.rank and high.rank >= 2 else [first]

    def prepositional(self, preposition: str, head: Head, determiners: Sequence[Determiner]) -> list[Said]:
        place = self.write(preposition)
        said, _ = self.noun_phrase(head, determiners, 1)
        first, *rest = PREPOSITIONS[preposition].split()
        if rest:  # cerca de, debajo de, detrás de
            return [Said(first, place), *contracted(Said(rest[0], -1, (place,)), said)]
        return contracted(Said(first, place), said)

    def place(self, options: Sequence[tuple[str, Noun]]) -> list[Said]:
        preposition, noun = self.pick(options)
        head = self.head(noun, 0.15)
        return self.prepositional(preposition, head, _THERE_PLURAL if head.plural else _THERE)

    def adverb(self, words: str) -> list[Said]:
        if words == "every day":
            every, day = self.write("every"), self.write("day")
            return [Said("todos", every), Said("los", -1, (every, day)), Said("días", day)]
        if words == "last night":
            last, night = self.write("last"), self.write("night")
            return [Said("anoche", night, (last,))]
        return [Said(_ADVERBS[words], self.write(words))]


def determiners_for(head: Head, *, definite: bool) -> list[Determiner]:
    if isinstance(head.lemma, Noun) and head.lemma.kin:
        return _KIN_PLURAL if head.plural else _KIN
    if definite:
        return _DEFINITE_PLURAL if head.plural else _DEFINITE
    return _ANY_PLURAL if head.plural else ANY


def contracted(preposition: Said, phrase: list[Said]) -> list[Said]:
    """a + el = al, de + el = del; the article possibly renders it too, or surely if the preposition has no English."""
    article = phrase[0]
    if article.word != "el" or preposition.word not in ("a", "de"):
        return [preposition, *phrase]
    word = "al" if preposition.word == "a" else "del"
    if preposition.sure < 0:
        return [Said(word, article.sure, preposition.possible), *phrase[1:]]
    return [Said(word, preposition.sure, (*preposition.possible, article.sure)), *phrase[1:]]
