"""What is a word where texts are compared: what stands between blanks, or, in scripts without them, each letter.

The marks that stand on a letter (vowels of Hindi and Thai, accents written apart) belong to it: no word ends there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Literal, TypeAlias
from unicodedata import category, name, normalize

__all__ = ["blankless", "has_blankless", "words"]

Kind: TypeAlias = Literal["letter", "alone", "mark", "other"]

_HAN = ("CJK ", "IDEOGRAPHIC ")
_BLANKLESS = (
    *_HAN,
    *("HIRAGANA ", "KATAKANA", "HALFWIDTH KATAKANA ", "BOPOMOFO ", "THAI ", "LAO ", "KHMER ", "MYANMAR ", "TIBETAN "),
    *("TAI ", "NEW TAI LUE ", "JAVANESE ", "BALINESE ", "CHAM ", "YI ", "TANGUT", "NUSHU ", "EGYPTIAN ", "CUNEIFORM "),
)  # how Unicode begins the names of their letters
_JOINERS = "\u200c\u200d"  # stand inside words of Persian and Hindi
_NEARLY = 0.9  # of the letters without blanks are Han in Chinese; in Japanese half of them


def words(text: str) -> list[str]:
    """The words of a text, in lower case; a letter of a script without blanks is one by itself."""
    lower = normalize("NFC", text).replace("\u0130", "i").lower()  # the dotted I would become two characters
    found = list[str]()
    before: Kind = "other"
    for char in lower:
        kind = _kind(char)
        if kind == "alone" or (kind == "letter" and before != "letter"):
            found.append("")
        elif kind == "mark":
            kind = before
        if kind != "other":
            found[-1] += char
        before = kind
    return [word.rstrip(_JOINERS) for word in found]


def blankless(texts: Iterable[str]) -> Literal["", "Chinese", "other"]:
    """Whether most words of texts are letters of scripts without blanks, and whether those are Chinese."""
    every = [word[0] for text in texts for word in words(text)]
    alone = [char for char in every if _kind(char) == "alone"]
    if 2 * len(alone) <= len(every):
        return ""
    han = sum(name(char, "").startswith(_HAN) for char in alone)
    return "Chinese" if han >= _NEARLY * len(alone) else "other"


def has_blankless(text: str) -> bool:
    """Whether a letter of a script without blanks stands in it."""
    return any(_kind(char) == "alone" for char in text)


@cache
def _kind(char: str) -> Kind:
    if char in _JOINERS or category(char).startswith("M"):
        return "mark"
    if not category(char).startswith(("L", "N")):
        return "other"
    return "alone" if name(char, "").startswith(_BLANKLESS) else "letter"
