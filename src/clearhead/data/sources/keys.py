"""Rows that are objects - JSON lines, Parquet, data sets: which keys are meant, and the text under a key.

A key may be dotted: "translation.en" is "en" in the object under "translation", unless there is a key that is itself
written "translation.en".
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clearhead.data.sources.records import Column, listed
from clearhead.errors import DataError, nearest
from clearhead.parsing import has_half_character

__all__ = ["Number", "choose_keys", "dotted", "kind_of", "look_up", "text_under", "whole"]

_SYNONYMS = {
    "source": ("src", "input"),
    "target": ("tgt", "output"),
    "text": ("sentence", "content"),
    "label": ("class",),
}
_MISSING = object()


class Number(str):
    """A number as it is written: taken where it is asked for, but never for a text by itself."""


def choose_keys(
    given: Mapping[str, object], columns: Sequence[Column | None], wanted: Sequence[str], file: Path | str, line: int
) -> list[str]:
    """The keys meant by `columns`, told from one object.

    None, as the k-th, is the key `wanted[k]` or a synonym of it; or, where there is a "translation" into two languages,
    the next of these; or, where the object holds just as many strings as are asked for, the next string. The key of
    a single value that is told only by that is named in a warning.

    Raises:
        DataError: there is no such position, or no telling which keys are meant.
    """
    keys = [None if column is None else _key(column, given, file, line) for column in columns]
    for k, use in enumerate(wanted[: len(keys)]):
        if keys[k] is None:
            known = (use, *_SYNONYMS.get(use, ()))
            keys[k] = next((key for key in known if key in given and key not in keys), None)
    texts = next((texts for texts in _texts(given, keys) if len(texts) == keys.count(None)), [])
    if None in keys and not texts:
        uses = " and ".join(wanted[: len(keys)]) or f"the {len(keys)} values"
        problem = f"no telling which keys hold {uses}; this object has {listed(dotted(given))}"
        names = " ".join(f"--data.{use} KEY" for use in wanted[: len(keys)]) or "one key for each value"
        raise DataError(problem, f"name the columns: {names}", file=file, line=line)
    if keys == [None] and wanted:
        warnings.warn(f"{wanted[0]}: column {texts[0]!r}", stacklevel=2)
    return [texts.pop(0) if key is None else key for key in keys]


def _texts(given: Mapping[str, object], keys: Sequence[str | None]) -> Iterator[list[str]]:
    """The strings that nobody asked for yet, of its translations and of the object itself."""
    translations = given.get("translation")
    if isinstance(translations, Mapping) and len(translations) == 2:  # first: an "id" beside it is a string too
        yield [key for key in (f"translation.{language}" for language in translations) if key not in keys]
    yield [key for key, value in given.items() if type(value) is str and key not in keys]


def _key(column: Column, given: Mapping[str, object], file: Path | str, line: int) -> str:
    if isinstance(column, str):
        return column
    if not 1 <= column <= len(given):
        problem = f"there is no column {column}; this object has {listed(given)}"
        raise DataError(problem, "ask for one of these keys by name", file=file, line=line)
    return list(given)[column - 1]


def look_up(given: Mapping[str, object], key: str, missing: object) -> object:
    """The value under a key that may be dotted, or `missing`; what stands in null is null."""
    if key in given:
        return given[key]
    for place in (i for i, char in enumerate(key) if char == "."):
        inner = given.get(key[:place], missing)
        if inner is None:
            return None
        found = look_up(inner, key[place + 1 :], _MISSING) if isinstance(inner, Mapping) else _MISSING
        if found is not _MISSING:
            return found
    return missing


def dotted(given: Mapping[str, object]) -> list[str]:
    """All keys, those of objects within as dotted ones."""
    names = []
    for key, value in given.items():
        names += [f"{key}.{name}" for name in dotted(value)] if isinstance(value, Mapping) else [key]
    return names


def text_under(given: Mapping[str, object], key: str, file: Path | str, line: int, *, numbers: bool = True) -> str:
    """The string under a key; `numbers`: or the number, as it is written.

    Raises:
        DataError: there is no such key, or its value is nothing of the kind.
    """
    value = given[key] if key in given else look_up(given, key, _MISSING)  # plain keys: no call a row
    if value is _MISSING:
        names = dotted(given)
        problem = f"there is no key {key!r}; this object has {listed(names)}"
        fix = nearest(key, names) or "ask for one of these, and give every object the same keys"
        raise DataError(problem, fix, file=file, line=line)
    if not isinstance(value, str) or (not numbers and isinstance(value, Number)):
        problem = f"the value of {key!r} is {kind_of(value)}, a string was wanted"
        raise DataError(problem, "write it as a string, or ask for another key", file=file, line=line)
    return whole(value, f"the value of {key!r}", file, line)


def whole(text: str, what: str, file: Path | str | None = None, line: int | None = None) -> str:
    """A text, for which no tokenizer and no file has a place if it holds half a character.

    Raises:
        DataError: it does; `what` names it.
    """
    if has_half_character(text):
        problem = f"{what} holds half a character (a \\ud800..\\udfff escape without its partner)"
        raise DataError(problem, "write characters as UTF-8, or escape both halves", file=file, line=line)
    return str(text)


def kind_of(value: object) -> str:
    """In words, what a value is."""
    names = {dict: "an object", list: "a list", bool: "true or false", str: "a string"}
    if isinstance(value, Number | int | float) and not isinstance(value, bool):
        return "a number"
    return "null" if value is None else names.get(type(value), f"of type {type(value).__name__}")
