"""What may be said with what: the combinations of content words that make sense, and the tables to draw them from."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from clearhead.data.samples.lexicon import ADJECTIVES, NOUNS, Adjective, Noun
from clearhead.data.samples.verbs import VERBS, Verb

__all__ = ["Combination", "Vocabulary", "fits", "possible_combinations"]

Combination = tuple[str, str, str]
"""("adjective", noun, adjective), ("subject", noun, verb) or ("object", verb, noun), in English lemmas."""


def fits(noun: Noun, kinds: str) -> bool:
    return noun.kind in kinds.split() or noun.english in kinds.split()


def possible_combinations() -> Iterator[tuple[Combination, Noun, Adjective | Verb]]:
    """Every combination of two content words that makes sense; these are what the split holds out."""
    for noun in NOUNS:
        yield from ((("adjective", noun.english, a.english), noun, a) for a in ADJECTIVES if fits(noun, a.kinds))
        yield from ((("subject", noun.english, v.english), noun, v) for v in VERBS if fits(noun, v.subjects))
        yield from ((("object", v.english, noun.english), noun, v) for v in VERBS if fits(noun, v.objects))


class Vocabulary:
    """What may be said with what: the tables from which a `Draft` draws.

    Args:
        weigh: how often a combination stands in the tables (0: it is never said).
    """

    def __init__(self, weigh: Callable[[Combination], int]):
        self.adjectives: dict[Noun, list[Adjective]] = {n: [] for n in NOUNS}
        self.subjects: dict[Verb, list[Noun]] = {v: [] for v in VERBS}
        self.objects: dict[Verb, list[Noun]] = {v: [] for v in VERBS}
        for pair, noun, other in possible_combinations():
            if isinstance(other, Adjective):
                self.adjectives[noun] += [other] * weigh(pair)
            else:
                (self.subjects if pair[0] == "subject" else self.objects)[other] += [noun] * weigh(pair)
        self.transitive = [v for v in VERBS if self.objects[v]]
        self.intransitive = [v for v in VERBS if not v.objects]
        self.described = {a: [n for n in NOUNS if a in self.adjectives[n]] for a in ADJECTIVES}
        self.alive = [n for n in NOUNS if n.kind in ("person", "animal")]
        self.people = [n for n in NOUNS if n.kind == "person"]
        self.movable = [n for n in NOUNS if n.kind in ("food", "clothes", "thing")]
        places = [n for n in NOUNS if n.kind in ("building", "outdoors", "plant")]
        surfaces = [n for n in NOUNS if n.kind == "furniture"]
        self.places = [(p, n) for n in places for p in n.at.split()]
        rooms = [n for n in NOUNS if n.english in ("room", "kitchen", "house", "car")]
        self.spots = [(p, n) for n in surfaces for p in n.at.split()] * 2 + [("in", n) for n in rooms]
        self.destinations = [n for n in places if n.kind != "plant" and n.english not in ("room", "street")]
        self.waters = [("in" if n.english == "river" else "near", n) for n in places if n.english in ("river", "beach")]
        self.owners = {n: [o for o in NOUNS if fits(o, n.of)] for n in NOUNS if n.of}
