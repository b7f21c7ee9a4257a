"""The English-Spanish grammar: known sentences, Spanish as a function of English, the split, agreement, alignments."""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from clearhead.data.samples.english_spanish import LARGEST, Sentence, Split, combinations, sentences
from clearhead.data.samples.lexicon import ADJECTIVES, NOUNS
from clearhead.data.samples.verbs import VERBS
from clearhead.errors import DataError

SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@functools.cache
def sample(split: Split, count: int = 20_000) -> list[Sentence]:
    return sentences(split, count)


@functools.cache
def by_english() -> dict[str, Sentence]:
    return {s.english: s for part in (sample("train", 100_000), sample("valid"), sample("test")) for s in part}


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    """A million small objects, through which the collector would walk in all tests to come."""
    yield
    sample.cache_clear()
    by_english.cache_clear()


def plain(text: str) -> list[str]:
    return [word.strip("¿?.").lower() for word in text.split()]


# Written by hand: "i-j" is a sure link, "i?j" a possible one, counted from 0.
# english / spanish / links / English dependencies as dependent>head (d, a, s: kind) / Spanish ones
GOLD = [
    ("The cars were not red.", "Los coches no eran rojos.", "0-0 1-1 2-3 3-2 4-4", "d0>1 s1>2", "d0>1 s1>3"),
    ("I go to the beach.", "Yo voy a la playa.", "0-0 1-1 2-2 3-3 4-4", "s0>1 d3>4", "s0>1 d3>4"),
    ("She goes to the garden.", "Ella va al jardín.", "0-0 1-1 2-2 3?2 4-3", "s0>1 d3>4", "s0>1 d2>3"),
    ("She comes from the park.", "Ella viene del parque.", "0-0 1-1 2-2 3?2 4-3", "s0>1 d3>4", "s0>1 d2>3"),
    (
        "He did not help the tall child.",
        "Él no ayudó al niño alto.",
        "0-0 2-1 1?1 3-2 1?2 4-3 3?3 6?3 6-4 5-5",
        "s0>3 d4>6 a5>6",
        "s0>2 d3>4 a5>4",
    ),
    ("What did the women buy?", "¿Qué compraron las mujeres?", "0-0 4-1 1?1 2-2 3-3", "d2>3 s3>4", "d2>3 s3>1"),
    ("Where is the hat?", "¿Dónde está el sombrero?", "0-0 1-1 2-2 3-3", "d2>3 s3>1", "d2>3 s3>1"),
    ("Is the table clean?", "¿La mesa está limpia?", "1-0 2-1 0-2 3-3", "d1>2 s2>0", "d0>1 s1>2"),
    ("Does the man work here?", "¿El hombre trabaja aquí?", "1-0 2-1 3-2 0?2 4-3", "d1>2 s2>3", "d0>1 s1>2"),
    ("We look for the map.", "Nosotros buscamos el mapa.", "0-0 1-1 2?1 3-2 4-3", "s0>1 d3>4", "s0>1 d2>3"),
    ("Last night I lost my keys.", "Anoche yo perdí mis llaves.", "1-0 0?0 2-1 3-2 4-3 5-4", "s2>3 d4>5", "s1>2 d3>4"),
    (
        "The girl and the friend were sick.",
        "La niña y el amigo estaban enfermos.",
        "0-0 1-1 2-2 3-3 4-4 5-5 6-6",
        "d0>1 d3>4 s1>5 s4>5",
        "d0>1 d3>4 s1>5 s4>5",
    ),
    (
        "My sister and I do not sing well.",
        "Mi hermana y yo no cantamos bien.",
        "0-0 1-1 2-2 3-3 5-4 4?4 6-5 4?5 7-6",
        "d0>1 s1>6 s3>6",
        "d0>1 s1>5 s3>5",
    ),
    (
        "She buys an expensive black skirt.",
        "Ella compra una falda negra cara.",
        "0-0 1-1 2-2 5-3 4-4 3-5",
        "s0>1 d2>5 a3>5 a4>5",
        "s0>1 d2>3 a4>3 a5>3",
    ),
    ("Who will buy a key?", "¿Quién comprará una llave?", "0-0 2-1 1?1 3-2 4-3", "s0>2 d3>4", "s0>1 d2>3"),
]
KINDS = {"d": "determiner", "a": "adjective", "s": "subject"}


@pytest.mark.parametrize(("english", "spanish", "links", "heads", "spanish_heads"), GOLD, ids=[g[0] for g in GOLD])
def test_known_sentences(english: str, spanish: str, links: str, heads: str, spanish_heads: str) -> None:
    assert english in by_english(), "a changed grammar may not draw this one: choose another of its kind"
    found = by_english()[english]
    sure = {(int(i), int(j)) for i, j in re.findall(r"(\d+)-(\d+)", links)}
    possible = sure | {(int(i), int(j)) for i, j in re.findall(r"(\d+)\?(\d+)", links)}

    def read(text: str) -> set[tuple[str, int, int]]:
        return {(KINDS[kind], int(a), int(b)) for kind, a, b in re.findall(r"(\w)(\d+)>(\d+)", text)}

    assert found.spanish == spanish
    assert (set(found.sure), set(found.possible)) == (sure, possible)
    assert set(found.english_dependencies) == read(heads)
    assert set(found.spanish_dependencies) == read(spanish_heads)


def test_spanish_is_a_function_of_english() -> None:
    translations: dict[str, str] = {}
    for part in (sample("train", 100_000), sample("valid"), sample("test"), sentences("train", 20_000, seed=1)):
        for s in part:
            assert translations.setdefault(s.english.lower(), s.spanish) == s.spanish
    assert len(translations) > 140_000


def test_same_seed_same_sentences() -> None:
    assert sentences("valid", 300, seed=3) == sentences("valid", 300, seed=3)
    assert sentences("train", 50) == sentences("train", 500)[:50]
    assert sentences("train", 50, seed=1) != sentences("train", 50, seed=2)
    assert sentences("test", 0) == []


def test_a_hundred_thousand_distinct() -> None:
    assert len({s.english for s in sample("train", 100_000)}) == 100_000


def test_refuses_what_it_cannot_give() -> None:
    with pytest.raises(DataError, match="1,000,000"):
        sentences("train", LARGEST["train"] + 1)
    with pytest.raises(DataError, match="not -1"):
        sentences("test", -1)
    with pytest.raises(DataError, match="did you mean 'valid'"):
        sentences("validation", 1)  # type: ignore[arg-type]


# The split -------------------------------------------------------------------------------------------------------

NOUN = {form: noun.english for noun in NOUNS for form in noun.english_forms}
ADJECTIVE = {adjective.english for adjective in ADJECTIVES}
VERB = {form: verb for verb in VERBS for form in (*verb.english_present, *verb.english_past)}
PREPOSITION = {"in", "on", "under", "near", "behind", "with", "to", "from", "of"}


def pairs_said(sentence: Sentence) -> set[tuple[str, str, str]]:
    """The combinations of a sentence, read off its words and gold dependencies, not off how it was made."""
    words, pairs = plain(sentence.english), set()
    nouns = {i for kind, _, i in sentence.english_dependencies if kind == "determiner"}
    for kind, dependent, head in sentence.english_dependencies:
        if kind == "adjective":
            pairs.add(("adjective", NOUN[words[head]], words[dependent]))
        if kind == "subject":
            attributes = {a for k, a, _ in sentence.english_dependencies if k == "adjective"}
            verb = VERB.get(words[head])
            noun = NOUN.get(words[dependent]) if dependent in nouns else None
            if verb and noun:
                pairs.add(("subject", noun, verb.english))
            if verb and verb.objects:
                rest = [
                    i
                    for i in range(head + (2 if verb.particle else 1), len(words))
                    if words[i] in PREPOSITION or i in nouns
                ]
                if rest and rest[0] in nouns:
                    pairs.add(("object", verb.english, NOUN[words[rest[0]]]))
            if verb is None and noun:  # the copula
                free = [w for i, w in enumerate(words) if w in ADJECTIVE and i not in attributes]
                pairs |= {("adjective", noun, w) for w in free}
    return pairs


def test_the_split_holds_out_combinations() -> None:
    owner = combinations()
    others: dict[Split, Split | None] = {"train": None, "valid": "test", "test": "valid"}
    for split, other in others.items():
        for s in sample(split):
            owners = {owner[pair] for pair in pairs_said(s)}
            assert owners <= {"train"} if other is None else split in owners and other not in owners, s.english
    shares = Counter(owner.values())
    assert all(0.08 < shares[split] / len(owner) < 0.12 for split in ("valid", "test"))


def test_splits_share_no_sentence_and_every_word() -> None:
    train, valid, test = (sample(split) for split in SPLITS)
    english = [{s.english for s in part} for part in (train, valid, test)]
    assert not english[0] & english[1] and not english[0] & english[2] and not english[1] & english[2]
    for side in ("english", "spanish"):
        known = {w for s in train for w in plain(getattr(s, side))}
        assert {w for s in (*valid, *test) for w in plain(getattr(s, side))} <= known


@pytest.mark.parametrize("split", SPLITS)
def test_every_split_has_every_phenomenon(split: Split) -> None:
    part = sample(split)

    def share(pattern: str, side: str = "english") -> float:
        return sum(re.search(pattern, getattr(s, side)) is not None for s in part) / len(part)

    two = sum(
        max(Counter(h for k, _, h in s.english_dependencies if k == "adjective").values(), default=0) == 2 for s in part
    )
    assert 0.2 < share(r"\?$") < 0.4
    assert 0.06 < share(r"^(What|Where|Who) ") < 0.15
    assert 0.1 < share(r"\bnot\b") < 0.3
    assert 0.07 < two / len(part) < 0.25
    assert 0.05 < share(r"\band\b") < 0.25
    assert 0.15 < share(r"\b([Ww]ill)\b") < 0.35
    assert 0.1 < share(r"\b([Ii]s|[Aa]m|[Aa]re|[Ww]as|[Ww]ere|be)\b") < 0.4
    assert 0.2 < share(r"\b(I|[Yy]ou|[Hh]e|[Ss]he|[Ww]e|[Tt]hey)\b") < 0.5
    assert share(r"\b(al|del)\b", "spanish") > 0.04
    assert share(r"\ba (la|mi|tu|nuestr[oa]|niñ|los|las|mis|tus)\b", "spanish") > 0.02
    lengths = [len(s.english.split()) for s in part]
    assert min(lengths) >= 3 and max(lengths) <= 14 and 6 < sum(lengths) / len(lengths) < 9


# The languages ---------------------------------------------------------------------------------------------------

FEMININE = {"la", "las", "una", "unas", "esta", "estas", "esa", "esas", "nuestra", "nuestras", "muchas"}
MASCULINE = {"el", "los", "al", "del", "un", "unos", "este", "estos", "ese", "esos", "nuestro", "nuestros", "muchos"}
SINGULAR = {
    "el",
    "al",
    "del",
    "la",
    "un",
    "una",
    "este",
    "esta",
    "ese",
    "esa",
    "mi",
    "tu",
    "nuestro",
    "nuestra",
    "cada",
}
INVARIABLE = re.compile(r"(e|es|l|les|is|ises|ón|ones|en|enes|z|ces)$")
FEMININE_NOUNS = (
    "niña mujer madre hermana vaca tortuga manzana naranja camisa falda carta llave foto flor pelota taza mesa silla "
    "caja puerta ventana bicicleta casa escuela habitación cocina calle ciudad playa"
)


def test_spanish_noun_phrases_agree() -> None:
    """With endings as a grammar book has them: -a(s) feminine, -o(s) masculine, -s plural."""
    known = FEMININE_NOUNS.split()
    feminine = {form for noun in NOUNS for form in noun.spanish_forms if noun.spanish in known}
    assert len(feminine) == 2 * len(known)
    for s in sample("train"):
        words = plain(s.spanish)
        for kind, dependent, head in s.spanish_dependencies:
            word, noun = words[dependent], words[head]
            if kind == "determiner":
                assert word not in (MASCULINE if noun in feminine else FEMININE), s.spanish
                singular = word in SINGULAR
                assert singular != (noun.endswith("s")), s.spanish
            if kind == "adjective":
                assert dependent > head, s.spanish
                if not INVARIABLE.search(word):
                    assert word.rstrip("s")[-1] == ("a" if noun in feminine else "o"), s.spanish
                assert word.endswith("s") == noun.endswith("s") or word == "gris", s.spanish


PLURALS = {noun.spanish_forms[1] for noun in NOUNS}
SPANISH_PERSON = {  # endings of all tenses here; -o -é -í -e: yo; a few persons look alike in the imperfect
    "yo": r"(o|oy|é|í|ía|ba|era|ine|ice|fui|vi)$",
    "tú": r"(s|ste)$",
    "nosotros": r"mos$",
    "ellos": r"n$",
}


def test_spanish_verbs_agree_with_their_subject() -> None:
    for s in sample("train"):
        words = plain(s.spanish)
        subjects = [(words[a], words[b]) for kind, a, b in s.spanish_dependencies if kind == "subject"]
        if "yo" in [a for a, _ in subjects] and len(subjects) == 2:
            ending = SPANISH_PERSON["nosotros"]
        elif subjects[0][0] in SPANISH_PERSON:
            ending = SPANISH_PERSON[subjects[0][0]]
        elif len(subjects) == 2 or (subjects[0][0] in PLURALS):
            ending = SPANISH_PERSON["ellos"]
        else:
            ending = r"([^sn]|\bes)$"
        assert re.search(ending, subjects[0][1]), s.spanish


def test_english_articles_and_verbs() -> None:
    refused = {  # forms that cannot stand in a clause with this subject
        "i": {"is", "are", "were", "does", "has"},
        "you": {"is", "am", "was", "does", "has"},
        "singular": {"am", "are", "were", "do"},
        "plural": {"am", "is", "was", "does", "has"},
    }
    singular = {noun.english for noun in NOUNS} | {"he", "she", "who"}
    for s in sample("train"):
        words = plain(s.english)
        for article, following in itertools.pairwise(words):
            assert article != "a" or following[0] not in "aeiou", s.english
            assert article != "an" or following[0] in "aeiou", s.english
        subjects = [(words[a], words[b]) for kind, a, b in s.english_dependencies if kind == "subject"]
        first, verb = subjects[0]
        who = (
            "plural"
            if len(subjects) == 2
            else first
            if first in refused
            else "singular"
            if first in singular
            else "plural"
        )
        assert not refused[who] & set(words), s.english
        helped = {"do", "does", "did", "will"} & set(words) or verb in {v.english_past[0] for v in VERBS}
        if verb in VERB and not helped:
            assert verb.endswith("s") == (who == "singular"), s.english


def test_spanish_contracts_and_marks_its_questions() -> None:
    for s in sample("train"):
        assert not re.search(r"\b(a|de) el\b", s.spanish, re.IGNORECASE)
        assert s.english.endswith("?") == s.spanish.startswith("¿") == s.spanish.endswith("?")
        assert s.english.endswith((".", "?")) and s.spanish.endswith((".", "?"))
        assert s.english[0].isupper() and s.spanish.lstrip("¿")[0].isupper()


# Alignments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_one_english_word_a_spanish_word_reaches_error_rate_zero(split: Split) -> None:
    for s in sample(split):
        sure, possible = set(s.sure), set(s.possible)
        assert sure <= possible and len(possible) == len(s.possible)
        length = len(s.english.split())
        assert {j for _, j in possible} == set(range(len(s.spanish.split())))
        assert all(0 <= i < length for i, _ in possible)
        chosen = {j: i for i, j in s.possible} | {j: i for i, j in s.sure}
        links = {(i, j) for j, i in chosen.items()}
        # AER = 1 - (|A & S| + |A & P|) / (|A| + |S|), Och and Ney (2003)
        assert len(links & sure) + len(links & possible) == len(links) + len(sure), s.english


def test_every_english_word_but_helpers_is_aligned() -> None:
    for s in sample("test"):
        words = plain(s.english)
        assert {i for i, _ in s.possible} == set(range(len(words)))
        loose = {words[i] for i in set(range(len(words))) - {i for i, _ in s.sure}}
        assert loose <= {"do", "does", "did", "will", "the", "for", "last"}, s.english


@pytest.mark.parametrize("side", ["english", "spanish"])
def test_dependencies_are_in_the_sentence(side: str) -> None:
    for s in sample("valid"):
        length, dependencies = len(getattr(s, side).split()), getattr(s, f"{side}_dependencies")
        assert {kind for kind, _, _ in dependencies} <= set(KINDS.values())
        assert all(0 <= a < length and 0 <= b < length and a != b for _, a, b in dependencies)
        assert 1 <= sum(kind == "subject" for kind, _, _ in dependencies) <= 2
