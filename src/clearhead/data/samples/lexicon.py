"""The words of the English-Spanish grammar but its verbs: nouns, adjectives, determiners, and how they inflect.

Regular forms follow from the rules here, irregular ones are written out. A Spanish adjective has four forms: masculine,
feminine, and the plurals of both. No English form stands for two numbers (no *sheep*): each has one translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = [
    "ADJECTIVES",
    "DETERMINERS",
    "NOUNS",
    "PREPOSITIONS",
    "PRONOUNS",
    "Adjective",
    "Determiner",
    "Noun",
    "Pronoun",
    "english_s",
]


def english_s(word: str) -> str:
    """The -s of plurals and third persons: cities, boxes, tomatoes, keys."""
    if word.endswith(("s", "sh", "ch", "x", "o")) and word != "photo":
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _spanish_plural(word: str) -> str:
    """casa casas, flor flores, lápiz lápices, jardín jardines (the accent falls away)."""
    if word[-1] in "aeiouéí":
        return word + "s"
    if word[-1] == "z":
        return word[:-1] + "ces"
    if word[-2] in "áéíóú":
        return word[:-2] + "aeiou"["áéíóú".index(word[-2])] + word[-1] + "es"
    return word + "es"


@dataclass(frozen=True, eq=False)
class Noun:
    """A noun; `kind` says what it can do, `at` where something can be relative to it, `of` what it can belong to."""

    english: str
    spanish: str
    gender: Literal["m", "f"]
    kind: str
    at: str = ""
    of: str = ""
    plural: str = ""
    kin: bool = False
    only_one: bool = False

    @cached_property
    def english_forms(self) -> tuple[str, str]:
        return self.english, self.plural or english_s(self.english)

    @cached_property
    def spanish_forms(self) -> tuple[str, str]:
        return self.spanish, _spanish_plural(self.spanish)


NOUNS = (
    Noun("boy", "niño", "m", "person"),
    Noun("girl", "niña", "f", "person"),
    Noun("child", "niño", "m", "person", plural="children"),
    Noun("man", "hombre", "m", "person", plural="men"),
    Noun("woman", "mujer", "f", "person", plural="women"),
    Noun("teacher", "profesor", "m", "person"),
    Noun("doctor", "médico", "m", "person"),
    Noun("student", "estudiante", "m", "person"),
    Noun("friend", "amigo", "m", "person"),
    Noun("father", "padre", "m", "person", kin=True, only_one=True),
    Noun("mother", "madre", "f", "person", kin=True, only_one=True),
    Noun("brother", "hermano", "m", "person", kin=True),
    Noun("sister", "hermana", "f", "person", kin=True),
    Noun("dog", "perro", "m", "animal"),
    Noun("cat", "gato", "m", "animal"),
    Noun("bird", "pájaro", "m", "animal"),
    Noun("horse", "caballo", "m", "animal"),
    Noun("cow", "vaca", "f", "animal"),
    Noun("mouse", "ratón", "m", "animal", plural="mice"),
    Noun("lion", "león", "m", "animal"),
    Noun("turtle", "tortuga", "f", "animal"),
    Noun("apple", "manzana", "f", "food"),
    Noun("orange", "naranja", "f", "food"),
    Noun("egg", "huevo", "m", "food"),
    Noun("cake", "pastel", "m", "food"),
    Noun("tomato", "tomate", "m", "food"),
    Noun("shirt", "camisa", "f", "clothes"),
    Noun("dress", "vestido", "m", "clothes"),
    Noun("coat", "abrigo", "m", "clothes"),
    Noun("hat", "sombrero", "m", "clothes"),
    Noun("shoe", "zapato", "m", "clothes"),
    Noun("skirt", "falda", "f", "clothes"),
    Noun("book", "libro", "m", "thing"),
    Noun("letter", "carta", "f", "thing"),
    Noun("poem", "poema", "m", "text"),
    Noun("key", "llave", "f", "thing", of="house school hotel room car"),
    Noun("photo", "foto", "f", "thing", of="outdoors house school"),
    Noun("map", "mapa", "m", "thing", of="city park forest river"),
    Noun("clock", "reloj", "m", "thing"),
    Noun("pencil", "lápiz", "m", "thing"),
    Noun("flower", "flor", "f", "thing"),
    Noun("ball", "pelota", "f", "thing"),
    Noun("cup", "taza", "f", "thing"),
    Noun("knife", "cuchillo", "m", "thing", plural="knives"),
    Noun("table", "mesa", "f", "furniture", at="on under"),
    Noun("chair", "silla", "f", "furniture", at="on under behind"),
    Noun("box", "caja", "f", "furniture", at="in on behind"),
    Noun("door", "puerta", "f", "opening", at="near behind", of="house school hotel room kitchen car"),
    Noun("window", "ventana", "f", "opening", at="near", of="house school hotel room kitchen"),
    Noun("car", "coche", "m", "vehicle", at="in near behind"),
    Noun("bicycle", "bicicleta", "f", "vehicle"),
    Noun("train", "tren", "m", "vehicle"),
    Noun("house", "casa", "f", "building", at="in near behind"),
    Noun("school", "escuela", "f", "building", at="in near behind"),
    Noun("hotel", "hotel", "m", "building", at="in near behind"),
    Noun("room", "habitación", "f", "building", at="in near"),
    Noun("kitchen", "cocina", "f", "building", at="in near"),
    Noun("garden", "jardín", "m", "outdoors", at="in near"),
    Noun("park", "parque", "m", "outdoors", at="in near"),
    Noun("street", "calle", "f", "outdoors", at="in near"),
    Noun("city", "ciudad", "f", "outdoors", at="in near"),
    Noun("river", "río", "m", "outdoors", at="near"),
    Noun("beach", "playa", "f", "outdoors", at="near"),
    Noun("forest", "bosque", "m", "outdoors", at="in near"),
    Noun("tree", "árbol", "m", "plant", at="near behind under"),
)


@dataclass(frozen=True, eq=False)
class Adjective:
    """An adjective of the nouns in `kinds`; `group` orders two of them in English; a state takes *estar*."""

    english: str
    spanish: str
    group: Literal["state", "quality", "size", "age", "colour"]
    kinds: str
    plural: str = ""

    @cached_property
    def spanish_forms(self) -> tuple[str, str, str, str]:
        if self.spanish.endswith("o"):
            return self.spanish, self.spanish[:-1] + "a", self.spanish + "s", self.spanish[:-1] + "as"
        plural = self.plural or _spanish_plural(self.spanish)
        return self.spanish, self.spanish, plural, plural

    @cached_property
    def rank(self) -> int:
        """Of two adjectives the lower rank comes first in English; only age and colour (2, 3) may come second."""
        return {"state": 0, "quality": 0, "size": 1, "age": 2, "colour": 3}[self.group]


_OBJECTS = "clothes thing furniture opening vehicle"
_GROWN = "man woman teacher doctor student friend father mother brother sister"

ADJECTIVES = (
    Adjective("red", "rojo", "colour", f"{_OBJECTS} apple tomato house"),
    Adjective("white", "blanco", "colour", f"{_OBJECTS} animal house kitchen room hotel egg"),
    Adjective("black", "negro", "colour", f"{_OBJECTS} animal"),
    Adjective("green", "verde", "colour", f"{_OBJECTS} apple tomato garden turtle tree"),
    Adjective("blue", "azul", "colour", f"{_OBJECTS} house kitchen room bird"),
    Adjective("yellow", "amarillo", "colour", f"{_OBJECTS} house kitchen apple bird"),
    Adjective("grey", "gris", "colour", f"{_OBJECTS} animal city river"),
    Adjective("brown", "marrón", "colour", f"{_OBJECTS} animal egg"),
    Adjective("big", "grande", "size", f"{_OBJECTS} animal food building outdoors plant"),
    Adjective("small", "pequeño", "size", f"{_OBJECTS} animal food building outdoors plant"),
    Adjective("tall", "alto", "size", "person plant"),
    Adjective("long", "largo", "size", "clothes street river train letter poem knife pencil"),
    Adjective("new", "nuevo", "age", f"{_OBJECTS} building park street text"),
    Adjective("old", "viejo", "age", f"{_OBJECTS} {_GROWN} animal building outdoors plant text"),
    Adjective("young", "joven", "age", "person animal", plural="jóvenes"),
    Adjective("beautiful", "hermoso", "quality", "clothes animal building outdoors plant text flower photo clock cup"),
    Adjective("expensive", "caro", "quality", "clothes thing food furniture vehicle house hotel"),
    Adjective("cheap", "barato", "quality", "clothes thing food furniture vehicle house hotel"),
    Adjective("strong", "fuerte", "quality", "person animal"),
    Adjective("intelligent", "inteligente", "quality", "person dog cat horse mouse"),
    Adjective("fast", "rápido", "quality", "vehicle animal"),
    Adjective("happy", "feliz", "state", "person animal"),
    Adjective("tired", "cansado", "state", "person animal"),
    Adjective("sick", "enfermo", "state", "person animal"),
    Adjective("open", "abierto", "state", "opening box book letter school hotel park kitchen room"),
    Adjective("closed", "cerrado", "state", "opening box book letter school hotel park kitchen room"),
    Adjective("clean", "limpio", "state", "clothes animal furniture opening vehicle building outdoors cup knife"),
    Adjective("dirty", "sucio", "state", "clothes animal furniture opening vehicle building outdoors cup knife"),
)


@dataclass(frozen=True, eq=False)
class Pronoun:
    """A subject pronoun; Spanish says it too, so that it has something to be aligned with."""

    english: str
    spanish: str
    person: int
    gender: Literal["m", "f"] = "m"


PRONOUNS = (
    Pronoun("I", "yo", 0),
    Pronoun("you", "tú", 1),
    Pronoun("he", "él", 2),
    Pronoun("she", "ella", 2, "f"),
    Pronoun("we", "nosotros", 3),
    Pronoun("they", "ellos", 4),
)


@dataclass(frozen=True, eq=False)
class Determiner:
    """A determiner of one number; the Spanish forms are masculine and feminine."""

    english: str
    spanish: tuple[str, str]
    plural: bool


DETERMINERS = {
    (english, plural): Determiner(english, (spanish.split()[0], spanish.split()[-1]), plural)
    for english, plural, spanish in (
        ("the", False, "el la"),
        ("the", True, "los las"),
        ("a", False, "un una"),
        ("some", True, "unos unas"),
        ("this", False, "este esta"),
        ("these", True, "estos estas"),
        ("that", False, "ese esa"),
        ("those", True, "esos esas"),
        ("my", False, "mi"),
        ("my", True, "mis"),
        ("your", False, "tu"),
        ("your", True, "tus"),
        ("our", False, "nuestro nuestra"),
        ("our", True, "nuestros nuestras"),
        ("every", False, "cada"),
        ("two", True, "dos"),
        ("three", True, "tres"),
        ("many", True, "muchos muchas"),
    )
}

PREPOSITIONS = {
    "in": "en",
    "on": "sobre",
    "under": "debajo de",
    "near": "cerca de",
    "behind": "detrás de",
    "with": "con",
    "to": "a",
    "from": "de",
    "of": "de",
}
