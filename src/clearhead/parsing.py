"""Text in a known form, from a person's file: JSON, TOML and YAML, read within bounds that no honest file meets.

    read_file     a whole text file: a regular one, of at most so many bytes, in UTF-8
    parse_json    objects, lists, texts, numbers, true, false, null; a key once in an object
    parse_toml    as the standard library reads it
    parse_yaml    the same values as JSON: no dates, no tags, no numbers in base 8 or 60; a key once in a mapping

Whatever is wrong raises the error class that the caller names, with file, line and what to do. Values are at most
`DEPTH` deep and numbers `DIGITS` characters long, so that what is read here can be walked and checked anywhere.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from clearhead.errors import ClearheadError, DataError

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["DEPTH", "DIGITS", "Json", "has_half_character", "parse_json", "parse_toml", "parse_yaml", "read_file"]

DEPTH = 100  # lists and objects within one another
DIGITS = 1000  # characters of a number
_NODES = 1_000_000  # values of a YAML file, those that aliases repeat counted each time
_MOST = 2**28  # bytes of a file
_FIX = "correct it there"

# An object of JSON or TOML as it was read. What stands under which key no type says: it is checked where it is used.
Json: TypeAlias = Mapping[str, Any]

File = str | PathLike[str]
Error = type[ClearheadError]


class _Wrong(ValueError):
    """What no value may hold; the parser that calls back does not know the line."""


def read_file(
    path: File,
    *,
    error: Error = DataError,
    missing: str = "check the name and the folder",
    fix: str = "check its name and your permissions",
    most: int = _MOST,
) -> str:
    """The text of a whole file, without a byte order mark, line ends as "\\n".

    Args:
        error: the class that is raised.
        missing, fix: what to do if it is not there, or cannot be read.
        most: bytes that it may have.

    Raises:
        error: it is missing, no regular file, too large or not UTF-8.
    """
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise error(f"cannot be read: a file was wanted, this is {what}", fix, file=path)
        if status.st_size > most:
            raise error(f"cannot be read: it has {status.st_size:,} bytes, at most {most:,} are read", fix, file=path)
        with Path(path).open("rb") as stream:
            content = stream.read(most + 1)
        if len(content) > most:  # it grew, or its size is not known (/proc)
            raise error(f"cannot be read: it has more than {most:,} bytes", fix, file=path)
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except FileNotFoundError:
        raise error("the file is missing", missing, file=path) from None
    except UnicodeDecodeError as wrong:
        line = content.count(b"\n", 0, wrong.start) + 1
        problem = f"cannot be read: byte 0x{content[wrong.start]:02x} is not UTF-8"
        raise error(problem, f"save it as UTF-8; {fix}", file=path, line=line) from None
    except (OSError, ValueError) as wrong:  # ValueError: a NUL in the name
        raise error(f"cannot be read: {getattr(wrong, 'strerror', None) or wrong}", fix, file=path) from None


def parse_json(
    text: str,
    *,
    file: File | None = None,
    line: int | None = None,
    error: Error = DataError,
    fix: str = _FIX,
    number: Callable[[str], object] | None = None,
    halves: bool = False,
) -> Any:
    """The value that a text writes in JSON.

    Args:
        file, line: where the text stands; without a line, that of the text itself is told.
        error, fix: what is raised, with what to do.
        number: makes the value of a number from its characters (default: an int or a float).
        halves: texts may hold half a character (an escape \\ud800 without its partner), which cannot be written again.

    Raises:
        error: it is not valid JSON, nested too deeply, names a key twice in an object, or has too long a number.
    """
    try:
        value = _decoder(number).decode(text)
    except json.JSONDecodeError as wrong:
        problem = f"not valid JSON ({wrong.msg.removesuffix(' at')} at character {wrong.colno})"
        raise error(problem, fix, file=file, line=wrong.lineno if line is None else line) from None
    except RecursionError:
        raise error(f"not valid JSON here: {_TOO_DEEP}", fix, file=file, line=line) from None
    except _Wrong as wrong:
        raise error(f"not valid JSON here: {wrong}", fix, file=file, line=line) from None
    if text.count("[") + text.count("{") > DEPTH and _is_deep(value):
        raise error(f"not valid JSON here: {_TOO_DEEP}", fix, file=file, line=line)
    if not halves and "\\u" in text and any(map(has_half_character, _texts(value))):
        raise error(_HALF, _WHOLE, file=file, line=line)
    return value


def parse_toml(text: str, *, file: File | None = None, error: Error = DataError, fix: str = _FIX) -> Json:
    """The table that a text writes in TOML.

    Raises:
        error: it is not valid TOML, nested too deeply, or has too long a number.
    """
    try:
        table = tomllib.loads(text, parse_float=_float)
    except RecursionError:
        raise error(f"not valid TOML here: {_TOO_DEEP}", fix, file=file) from None
    except ValueError as wrong:  # tomllib's own, and of too many digits
        place = re.search(r"at line (\d+)", str(wrong))
        line = int(place[1]) if place else text.count("\n") + 1 if "at end of document" in str(wrong) else None
        problem = f"a number has more than {DIGITS} characters" if "digits" in str(wrong) else wrong
        raise error(f"not valid TOML: {problem}", fix, file=file, line=line) from None
    if _is_deep(table):
        raise error(f"not valid TOML here: {_TOO_DEEP}", fix, file=file)
    return table


def parse_yaml(text: str, *, file: File | None = None, error: Error = DataError, fix: str = _FIX) -> Any:
    """The value that a text writes in YAML.

    Raises:
        error: it is not valid YAML, or more than JSON could say; or PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError as wrong:
        raise error("YAML needs PyYAML", 'pip install "clearhead[worksheet]"', file=file) from wrong
    try:
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as wrong:
        at = wrong.problem_mark or wrong.context_mark
        problem = " ".join(filter(None, (wrong.context, wrong.problem)))
        raise error(f"not valid YAML: {problem}", fix, file=file, line=at.line + 1 if at else None) from None
    except yaml.reader.ReaderError as wrong:
        problem = f"not valid YAML: the control character U+{wrong.character:04X}"
        raise error(problem, "take it out", file=file, line=text.count("\n", 0, wrong.position) + 1) from None
    except RecursionError:
        raise error(f"not valid YAML here: {_TOO_DEEP}", fix, file=file) from None
    value = None if node is None else _Yaml(file, error, fix).value(node)
    if any(map(has_half_character, _texts(value))):
        raise error(_HALF, _WHOLE, file=file)
    return value


def has_half_character(text: str) -> bool:
    """Whether one of two UTF-16 halves stands alone in it; such a text cannot be written as UTF-8."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


_TOO_DEEP = f"more than {DEPTH} lists or objects within one another"
_HALF = "a text holds half a character (a \\ud800..\\udfff escape without its partner)"
_WHOLE = "write characters as UTF-8, or escape both halves"


@lru_cache
def _decoder(number: Callable[[str], object] | None) -> json.JSONDecoder:
    if number is None:
        return json.JSONDecoder(parse_int=_int, parse_float=_float, object_pairs_hook=_object)
    return json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=number, object_pairs_hook=_object)


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Wrong(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in an object")
    return value


def _int(text: str) -> int:
    if len(text) > DIGITS:
        raise _Wrong(f"a number has {len(text):,} characters, at most {DIGITS:,} are read")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value) and "inf" not in text:
        raise _Wrong(f"the number {text[:20]}{'...' * (len(text) > 20)} is too large")
    return value


def _is_deep(value: object) -> bool:
    """Whether more than `DEPTH` lists or objects stand within one another."""
    held = [value]
    for _ in range(DEPTH):
        held = [inner for outer in held for inner in _within(outer) if isinstance(inner, list | dict)]
    return bool(held)


def _within(value: object) -> Sequence[object]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def _texts(value: object) -> Iterator[str]:
    held = [value]
    while held:
        value = held.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
        held += _within(value)


_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.inf)|\.nan", re.I)


class _Yaml:
    """The values of a composed YAML tree."""

    def __init__(self, file: File | None, error: Error, fix: str):
        from yaml.resolver import Resolver

        self._file, self._error, self._fix, self._nodes = file, error, fix, 0
        self._resolver = Resolver()
        self._known: dict[int, tuple[object, int]] = {}  # of a node: its value, and how many values are in it

    def value(self, node: Node, depth: int = 1) -> object:
        """What a node stands for; an alias repeats what its anchor is, without being walked again."""
        known = self._known.get(id(node))
        before = self._nodes
        self._nodes += known[1] if known else 1
        if self._nodes > _NODES:
            self._wrong(node, f"more than {_NODES:,} values, those that aliases repeat counted")
        value = known[0] if known else self._value(node, depth)
        self._known[id(node)] = value, self._nodes - before
        return value

    def _value(self, node: Node, depth: int) -> object:
        if node.id == "scalar":
            return self._scalar(node, node.tag.rpartition(":")[2])
        if depth > DEPTH:
            self._wrong(node, _TOO_DEEP)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._tagged(node)
        return self._mapping(node, depth) if node.id == "mapping" else [self.value(n, depth + 1) for n in node.value]

    def _mapping(self, node: Node, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in node.value:
            if key.id != "scalar":
                self._wrong(key, "a key is a text")
            if key.value in found:
                self._wrong(key, f"the key {key.value!r} stands twice")
            found[key.value] = self.value(value, depth + 1)
        return found

    def _scalar(self, node: Node, kind: str) -> object:
        """What only looks like more than JSON has (a date, 0x1F, 1:30, yes) is a text."""
        text, plain = node.value, node.style is None
        if kind != "str" and node.tag != self._resolver.resolve(type(node), text, (plain, not plain)):
            self._tagged(node)
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            if kind == "int" and _INT.fullmatch(text):
                return _int(text)
            if plain and _FLOAT.fullmatch(text):
                return _float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except _Wrong as wrong:
            self._wrong(node, str(wrong))
        return text

    def _tagged(self, node: Node) -> NoReturn:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        self._wrong(node, f"the tag {tag} is not read here")

    def _wrong(self, node: Node, problem: str) -> NoReturn:
        raise self._error(problem, self._fix, file=self._file, line=node.start_mark.line + 1)
