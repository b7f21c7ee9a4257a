"""The verbs of the English-Spanish grammar, conjugated in both languages.

Persons are numbered 0-4: I, you (tú), he or she, we, they. A past is the tense that says it naturally in Spanish: the
imperfect for a state (*tenía*, *estaba*), the preterite for an event (*vio*). No English form stands for two tenses
(no *read*, no *put*): each has one translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

from clearhead.data.samples.lexicon import english_s

__all__ = ["ESTAR", "SER", "VERBS", "Tense", "Verb"]

Tense = Literal["present", "past", "future"]


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb with its five persons in each tense, in both languages; a copula (`auxiliary`) does without *do*."""

    english: str
    english_present: tuple[str, ...]
    english_past: tuple[str, ...]
    spanish: dict[Tense, tuple[str, ...]]
    subjects: str = "person"
    objects: str = ""
    particle: str = ""
    motion: str = ""
    manner: str = ""
    auxiliary: bool = False


class _Use(TypedDict, total=False):
    """What verbs are used for and with, as fields of `Verb`."""

    subjects: str
    objects: str
    particle: str
    motion: str
    manner: str


_ENDINGS = {
    "present": {"ar": "o as a amos an", "er": "o es e emos en", "ir": "o es e imos en"},
    "preterite": {"ar": "é aste ó amos aron", "er": "í iste ió imos ieron", "ir": "í iste ió imos ieron"},
    "imperfect": {"ar": "aba abas aba ábamos aban", "er": "ía ías ía íamos ían", "ir": "ía ías ía íamos ían"},
}


def _conjugate(
    infinitive: str, present: str = "", past: str = "preterite", future: str = "", stressed: str = ""
) -> dict[Tense, tuple[str, ...]]:
    """Five persons a tense. `stressed`: the stem of the present except *we* (encontrar: encuentr-); `past`: the tense
    that says it naturally (a state: *tenía*, not *tuvo*) or its forms; `present`: forms, `future`: stem, if irregular.
    """
    stem, ending = infinitive[:-2], infinitive[-2:]
    stems = [stressed or stem] * 3 + [stem, stressed or stem]
    regular = tuple(s + e for s, e in zip(stems, _ENDINGS["present"][ending].split(), strict=True))
    if past in _ENDINGS:
        past = " ".join(stem + e for e in _ENDINGS[past][ending].split())
    return {
        "present": tuple(present.split()) or regular,
        "past": tuple(past.split()),
        "future": tuple((future or infinitive) + e for e in ("é", "ás", "á", "emos", "án")),
    }


def _verb(
    english: str, spanish: dict[Tense, tuple[str, ...]], *, past: str = "", third: str = "", **use: Unpack[_Use]
) -> Verb:
    third, past = third or english_s(english), past or english + ("d" if english.endswith("e") else "ed")
    return Verb(english, (english, english, third, english, english), (past,) * 5, spanish, **use)


SER = Verb(
    "be",
    ("am", "are", "is", "are", "are"),
    ("was", "were", "was", "were", "were"),
    _conjugate("ser", present="soy eres es somos son", past="era eras era éramos eran"),
    auxiliary=True,
)
ESTAR = Verb(
    "be",
    SER.english_present,
    SER.english_past,
    _conjugate("estar", present="estoy estás está estamos están", past="imperfect"),
    auxiliary=True,
)

_ALIVE = "person animal"
_GOODS = "food clothes thing furniture vehicle house"

VERBS = (
    _verb(
        "see",
        _conjugate("ver", present="veo ves ve vemos ven", past="vi viste vio vimos vieron"),
        past="saw",
        subjects=_ALIVE,
        objects=f"{_ALIVE} food clothes thing furniture opening vehicle building outdoors plant",
    ),
    _verb("buy", _conjugate("comprar"), past="bought", objects=_GOODS),
    _verb("sell", _conjugate("vender"), past="sold", objects=_GOODS),
    _verb("eat", _conjugate("comer"), past="ate", subjects=_ALIVE, objects="food"),
    _verb(
        "find",
        _conjugate("encontrar", stressed="encuentr"),
        past="found",
        subjects=_ALIVE,
        objects=f"{_ALIVE} food clothes thing text",
    ),
    _verb("want", _conjugate("querer", stressed="quier", past="imperfect", future="querr"), objects=_GOODS),
    _verb(
        "have",
        _conjugate("tener", present="tengo tienes tiene tenemos tienen", past="imperfect", future="tendr"),
        third="has",
        past="had",
        objects=f"{_GOODS} animal garden room",
    ),
    _verb("lose", _conjugate("perder", stressed="pierd"), past="lost", objects="clothes thing text"),
    _verb("open", _conjugate("abrir"), objects="opening box letter book"),
    _verb("close", _conjugate("cerrar", stressed="cierr"), objects="opening box book hotel school"),
    _verb("clean", _conjugate("limpiar"), objects="clothes furniture opening vehicle building street park cup knife"),
    _verb("write", _conjugate("escribir"), past="wrote", objects="letter book poem"),
    _verb("paint", _conjugate("pintar"), objects="furniture opening house room kitchen car bicycle"),
    _verb("wear", _conjugate("llevar", past="imperfect"), past="wore", objects="clothes"),
    _verb(
        "make",
        _conjugate(
            "hacer", present="hago haces hace hacemos hacen", past="hice hiciste hizo hicimos hicieron", future="har"
        ),
        past="made",
        objects="cake clothes table chair box map",
    ),
    _verb(
        "look",
        _conjugate("buscar", past="busqué buscaste buscó buscamos buscaron"),
        particle="for",
        subjects=_ALIVE,
        objects=f"{_ALIVE} food clothes thing text",
    ),
    _verb("help", _conjugate("ayudar"), objects="person"),
    _verb("visit", _conjugate("visitar"), objects="person city park school beach house hotel garden forest"),
    _verb(
        "sleep",
        _conjugate("dormir", stressed="duerm", past="dormí dormiste durmió dormimos durmieron"),
        past="slept",
        subjects=_ALIVE,
        manner="well here",
    ),
    _verb("run", _conjugate("correr"), past="ran", subjects=_ALIVE, manner="quickly slowly here"),
    _verb("swim", _conjugate("nadar"), past="swam", subjects=_ALIVE, motion="in", manner="well quickly slowly here"),
    _verb("work", _conjugate("trabajar"), manner="well quickly slowly here"),
    _verb("sing", _conjugate("cantar"), past="sang", subjects="person bird", manner="well here"),
    _verb("live", _conjugate("vivir", past="imperfect"), subjects=_ALIVE, manner="here"),
    _verb(
        "play",
        _conjugate("jugar", stressed="jueg", past="jugué jugaste jugó jugamos jugaron"),
        subjects=_ALIVE,
        manner="well here",
    ),
    _verb(
        "go",
        _conjugate("ir", present="voy vas va vamos van", past="fui fuiste fue fuimos fueron"),
        past="went",
        subjects=_ALIVE,
        motion="to",
    ),
    _verb(
        "come",
        _conjugate(
            "venir",
            present="vengo vienes viene venimos vienen",
            past="vine viniste vino vinimos vinieron",
            future="vendr",
        ),
        past="came",
        subjects=_ALIVE,
        motion="from",
    ),
)
