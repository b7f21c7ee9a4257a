"""Translation memories: TMX 1.4, the exchange form of translators' programs (LISA OSCAR, 2005).

    tu   a unit:   tuv  its text in one language (xml:lang):   seg  the text, with the marks of a layout in it

The parser is expat itself, fed in pieces: nothing is held but the unit at hand, and every error knows its line. A file
that declares entities is refused before one is expanded (a few lines of them can stand for gigabytes), and nothing
that a DOCTYPE names is ever fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias
from xml.parsers import expat

from clearhead.data.sources.files import DAMAGED, damaged, unreadable
from clearhead.data.sources.records import Column, Record, listed, ordinal
from clearhead.errors import DataError, nearest

__all__ = ["tmx_records"]

Unit: TypeAlias = tuple[int, dict[str, str]]  # line, language -> text

_NATIVE = {"bpt", "ept", "ph", "it", "ut"}  # codes of the layout; `hi` holds words, `sub` stands only within these
_PIECE = 1 << 16


def tmx_records(stream: IO[bytes], path: Path, columns: Sequence[Column | None]) -> Iterator[Record]:
    """The units that have all languages asked for.

    Columns are language codes: "en" is "en" or else "en-US", whatever the case. Position 1 is the source language of
    the header, or else the first language of the first unit, 2 the other one; None takes what nobody asked for, in
    this order. Without names the file may have two languages only.

    Raises:
        DataError: not TMX, more than two languages and none named, or no unit has the languages.
    """
    memory = _Memory(path)
    choice = _Choice(columns, path)
    found, name = False, str(path)
    for line, unit in memory.units(stream):
        codes = choice.codes(unit, memory.source, line)
        values = tuple([unit[code] for code in codes if code is not None])
        if codes and len(values) == len(codes):
            found = True
            yield Record(name, line, values)
    if choice.seen and not found:
        raise choice.nothing()


class _Choice:
    """Which languages are meant by the columns."""

    def __init__(self, columns: Sequence[Column | None], path: Path):
        self.columns, self.path = columns, path
        self.named = all(isinstance(column, str) for column in columns)
        self.seen: list[str] = []
        self.languages: list[str] = []  # of the columns

    def codes(self, unit: Mapping[str, str], source: str, line: int) -> list[str | None]:
        """The code of each column in this unit, None where it lacks the language; [] while languages are unknown."""
        self.seen += [code for code in unit if code not in self.seen]
        if not self.named and len(self.seen) > 2:
            problem = f"here begins a third language; there are {listed(self.seen)}"
            raise DataError(problem, "say which are meant, e.g. source 'en' and target 'de'", file=self.path, line=line)
        if not self.languages and (self.named or len(self.seen) == 2):
            self.languages = self._languages(source)
        return [_variant(language, unit) for language in self.languages]

    def _languages(self, source: str) -> list[str]:
        order = sorted(self.seen, key=lambda code: code != _variant(source, self.seen))
        chosen = [self._asked(column, order) for column in self.columns]
        free = [code for code in order if code not in [_variant(c, order) for c in chosen if c is not None]]
        if chosen.count(None) > len(free):
            k = [k for k, code in enumerate(chosen) if code is None][len(free)]
            problem = f"no language is left for the {ordinal(k)} value; there are {listed(order)}"
            raise DataError(problem, "a unit has texts and no links; ask for one column a language", file=self.path)
        return [free.pop(0) if code is None else code for code in chosen]

    def _asked(self, column: Column | None, order: list[str]) -> str | None:
        if not isinstance(column, int):
            return None if column is None else _folded(column)
        if not 1 <= column <= len(order):
            problem = f"there is no column {column}; the languages are {listed(order)}"
            raise DataError(problem, "ask for languages by their codes", file=self.path)
        return order[column - 1]

    def nothing(self) -> DataError:
        """The error of a file in which no unit has the languages."""
        there = f"the languages are {listed(self.seen)}"
        missing = [code for code in self.languages if _variant(code, self.seen) is None]
        if missing:
            fix = nearest(missing[0], self.seen) or "ask for two of these"
            return DataError(f"no unit is in {missing[0]!r}; {there}", fix, file=self.path)
        problem = f"no unit has text in every language wanted; {there}"
        return DataError(problem, "ask for languages that stand together, or check the file", file=self.path)


def _folded(code: str) -> str:
    return code.strip().casefold().replace("_", "-")


def _variant(language: str, codes: Sequence[str] | Mapping[str, str]) -> str | None:
    """The code that a language has here: itself, or the first of its regions."""
    if language in codes:
        return language
    return next((code for code in codes if code.startswith(f"{language}-")), None)


class _Memory:
    """The units of one file; `source` is the header's source language, "" if it names none."""

    def __init__(self, path: Path):
        self.path, self.source = path, ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._declared
        self._parser.SkippedEntityHandler = self._skipped
        self._depth = self._native = self._line = 0
        self._language = ""
        self._text: list[str] | None = None  # of the segment at hand
        self._unit: dict[str, str] = {}
        self._done: list[Unit] = []

    def units(self, stream: IO[bytes]) -> Iterator[Unit]:
        more = True
        while more:
            piece = self._read(stream)
            more = bool(piece)
            try:
                self._parser.Parse(piece, not more)
            except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: of encodings
                raise self._not_xml(error) from None
            done, self._done = self._done, []
            yield from done

    def _read(self, stream: IO[bytes]) -> bytes:
        try:
            return stream.read(_PIECE)
        except DAMAGED as error:
            raise damaged(self.path, error, self._parser.CurrentLineNumber) from None
        except OSError as error:
            raise unreadable(self.path, error) from None

    def _not_xml(self, error: Exception) -> DataError:
        said = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)
        line = error.lineno if isinstance(error, expat.ExpatError) else self._parser.CurrentLineNumber
        fix = "write it again, or fix the line; `xmllint --noout FILE` says more"
        return DataError(f"not valid XML ({said})", fix, file=self.path, line=line)

    def _wrong(self, problem: str, fix: str) -> DataError:
        return DataError(problem, fix, file=self.path, line=self._parser.CurrentLineNumber)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and name != "tmx":
            raise self._wrong(f"a <tmx> was wanted, this XML begins with <{name}>", "export the memory as TMX")
        self._depth += 1
        if self._text is not None:
            self._native += self._native > 0 or name in _NATIVE
        elif name == "header":
            self.source = _folded(attributes.get("srclang", ""))
        elif name == "tu":
            self._line, self._unit = self._parser.CurrentLineNumber, {}
        elif name == "tuv":
            self._language = _folded(attributes.get("xml:lang") or attributes.get("lang", ""))
            if not self._language:
                raise self._wrong("this <tuv> does not say its language", 'write e.g. <tuv xml:lang="en">')
        elif name == "seg":
            self._text = []

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._native:
            self._native -= 1
        elif name == "seg" and self._text is not None:
            self._unit.setdefault(self._language, "".join(self._text))
            self._text = None
        elif name == "tu":
            self._done.append((self._line, self._unit))

    def _characters(self, text: str) -> None:
        if self._text is not None and not self._native:
            self._text.append(text)

    def _declared(self, name: str, *_: object) -> None:
        fix = "take the <!ENTITY ...> lines out, and write the characters themselves"
        raise self._wrong(f"the file declares an entity of its own, {name!r}, and is not read further", fix)

    def _skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            raise self._wrong(f"the entity &{name}; is not known", "write the character itself")
