"""How a text table is written where its name does not say: what separates the columns of a .csv, whether blanks stand
before its quotes, and whether the first row names the columns. All is told from the first lines, and what is unusual
is said.

    "Hi, you", "Hallo, du"    blanks before quotes
    Hi;Hallo                  another separator, that of even rows; a first line sep=; says it too
    english,spanish           names: each field is one that columns are given, and one of them is hardly a sentence
"""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from clearhead.data.sources.files import Line

__all__ = ["LONGEST_FIELD", "Dialect", "are_names", "dialect_of", "opens_after_blank"]

LONGEST_FIELD = 2**31 - 1  # csv stops at 131,072 characters otherwise; a C long is this small on some systems
_LOOKED_AT = 50  # lines
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a TAB", "|": "a bar"}
_SAID = re.compile(r'"?sep=(.)"?')

_LANGUAGES = """
arabic bengali bulgarian catalan chinese croatian czech danish dutch english estonian finnish french german greek hebrew
hindi hungarian icelandic indonesian irish italian japanese korean latin latvian lithuanian malay norwegian persian
polish portuguese romanian russian serbian slovak slovenian spanish swahili swedish tamil thai turkish ukrainian urdu
vietnamese welsh
ara bul cat ces cym dan deu ell eng est eus fin fra glg heb hin hrv hun ind isl ita jpn kor lat lav lit nld nob nor pol
por ron rus slk slv spa srp swe tam tha tur ukr vie zho
ar bg bn ca cs cy da de el en es et eu fa fi fr gl hr hu ja ka ko lt lv ms nb nl nn pl pt ro ru sk sl sq sr sv sw ta te
th tr uk ur vi zh
"""
_USES = """
source target src tgt src_text tgt_text source_text target_text source_sentence target_sentence source_lang target_lang
source_language target_language sentence1 sentence2 sentence_1 sentence_2 translation links alignment article highlights
summary document prompt completion instruction input output
"""
_BESIDE = """
answer context dialogue he hi id idx index is it label lang language line ne no nr number original question reference
response score sentence sentences text title
"""
_NAMES = frozenset((_LANGUAGES + _USES).split())
_ALSO_NAMES = frozenset(_BESIDE.split())  # and words that a sentence may be: no names by themselves


@dataclass(frozen=True)
class Dialect:
    """What separates columns, and whether blanks before a quote are left out."""

    separator: str = ","
    blanks: bool = False


def dialect_of(
    lines: Iterator[Line], path: Path, comment: str | None = None, wanted: int | None = None
) -> tuple[Dialect, Iterator[Line]]:
    """How a CSV is written, and its lines.

    Args:
        path: for what is said of it.
        comment: lines that begin so are no rows.
        wanted: how many columns are asked for, where known.
    """
    first = list(islice(lines, _LOOKED_AT))
    rest = chain(first, lines)
    if first and (said := _SAID.fullmatch(first[0][1].strip())):
        return Dialect(said[1], False), islice(rest, 1, None)
    texts = [text for _, text in first if comment is None or not text.startswith(comment)]
    separator = _separator(texts, wanted)
    if separator != ",":
        warnings.warn(f"{path}: {_SEPARATORS[separator]} separates the columns", stacklevel=2)
    return Dialect(separator, _has_blanks(texts, separator)), rest


def are_names(row: Sequence[str]) -> bool:
    """Whether a first row reads like the names of columns: nothing else, each once, one of them no other word."""
    fields = [field.strip().strip('"').casefold() for field in row]
    bare = [re.sub("^([a-z]{2,3})[-_][a-z]{2,4}$", r"\1", field).replace(" ", "_") for field in fields]
    known = all(field in _NAMES or field in _ALSO_NAMES for field in bare)
    return known and len(set(fields)) == len(fields) and not _NAMES.isdisjoint(bare)


def _separator(texts: Sequence[str], wanted: int | None) -> str:
    """A comma, unless that cuts no even rows (or not so many columns as are wanted) and another separator does."""
    columns = {separator: _columns(texts, separator) for separator in _SEPARATORS}
    even = [separator for separator, counts in columns.items() if len(counts) == 1 and counts != {1}]
    fitting = [separator for separator in even if columns[separator] == {wanted}]
    return (fitting or even or [","])[0] if "," not in fitting else ","


def _columns(texts: Sequence[str], separator: str) -> set[int]:
    """How many columns the rows have, of the first lines; the last row may be cut."""
    rows = [len(row) for row in _cut(texts, separator, True) if row]
    return set(rows[:-1] if len(texts) == _LOOKED_AT else rows)


def _has_blanks(texts: Sequence[str], separator: str) -> bool:
    whole = "\n".join(texts)
    fields = (field for row in _cut(texts, separator, False) for field in row)
    return any(opens_after_blank(field) and f"{separator}{field}" in whole for field in fields)


def opens_after_blank(field: str) -> bool:
    """Whether a field begins with a quote after blanks, which opens nothing in strict CSV."""
    return field[:1] in (" ", "\t") and field.lstrip()[:1] == '"'


def _cut(texts: Sequence[str], separator: str, blanks: bool) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_FIELD)
    with suppress(csv.Error):  # whoever reads all says what is wrong
        yield from csv.reader((f"{text}\n" for text in texts), delimiter=separator, skipinitialspace=blanks)
