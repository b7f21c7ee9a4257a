"""What a command is to work on: texts, files (one sentence a line) and standard input, in the order they were named."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from clearhead.data.sources.files import raw_lines, refuse_devices
from clearhead.errors import ConfigError, DataError, nearest

__all__ = ["Line", "Source", "Text", "count", "lines", "some", "sources"]

_STDIN, _NO_MORE = "-", "--"
# A word with one of these ends, or that begins like a path, is meant as a file: "and/or" and "clearhead.io" are not.
_FILE_ENDS = {".csv", ".gz", ".html", ".json", ".jsonl", ".md", ".text", ".tsv", ".txt", ".xz", ".zst"}
_PATH_STARTS = ("/", "./", "../", "~/")
_OPTION = re.compile(r"(--[A-Za-z][\w.-]*)(=.*)?", re.DOTALL)  # "-- so he said" is a text


@dataclass(frozen=True)
class Line:
    """A text and where it stands: "input.txt, line 7"."""

    text: str
    place: str


@dataclass(frozen=True)
class Text:
    """A text that was given as an argument."""

    text: str


Source: TypeAlias = Path | Text | None  # None is standard input


def sources(words: Sequence[str], command: str) -> list[Source]:
    """What each argument of a command is; none at all is standard input.

    Raises:
        ConfigError: an option that the command does not have.
        DataError: a folder, a file that is not there, a text that is not UTF-8.
    """
    meant = _behind_options(words)
    for word in words[: len(words) - meant]:
        if found := _OPTION.fullmatch(word):
            raise _unknown(found[1], command)
    return [_source(word, command) for word in words or [_STDIN]]


def lines(wanted: Sequence[Source]) -> Iterator[Line]:
    """Every line, in order.

    Raises:
        DataError: a file cannot be read or is not UTF-8; the message names the line.
    """
    for number, source in enumerate(wanted, 1):
        if isinstance(source, Text):
            yield Line(source.text, f"text {number}")
        elif source is None:
            yield from _decoded(sys.stdin.buffer, "standard input")
        else:
            yield from _of_file(source)


def some(wanted: Sequence[Source]) -> Iterator[Line]:
    """Every line, where there has to be one.

    Raises:
        DataError: as `lines`; or a file, or standard input, is empty.
    """
    for number, source in enumerate(wanted, 1):
        found = False
        for line in lines([source]):
            found = True
            yield Line(line.text, f"text {number}") if isinstance(source, Text) else line
        if not found:
            name = source if isinstance(source, Path) else "standard input"
            raise DataError("there is no text in it", "write one a line", file=name)


def count(wanted: Sequence[Source]) -> int | None:
    """How many lines there are, each read once to see that it can be; None where that would use them up (a pipe)."""
    if any(source is None or (isinstance(source, Path) and not source.is_file()) for source in wanted):
        return None
    return sum(1 for _ in lines(wanted))


def _behind_options(words: Sequence[str]) -> int:
    """How many of the last words stand after a lone --, which cyclopts takes out: they are no options."""
    behind = sys.argv[sys.argv.index(_NO_MORE) + 1 :] if _NO_MORE in sys.argv else []
    return len(behind) if behind and list(words[-len(behind) :]) == behind else 0


def _unknown(option: str, command: str) -> ConfigError:
    from clearhead.cli import app
    from clearhead.tasks.config import no_device

    if refused := no_device(option):
        return refused
    known = [name for argument in app[command].assemble_argument_collection() for name in argument.names]
    near = nearest(option, known, count=1)
    fix = f"{near} A" if near else f"clearhead {command} --help names them all; a"
    return ConfigError(f"there is no option {option}", f"{fix} text that begins so is given after a lone --")


def _source(word: str, command: str) -> Source:
    if word == _STDIN:
        return None
    path = Path(word)
    if word and _there(path):
        if path.is_dir():
            raise DataError("this is a folder", f"name a file; or, {_as_text(word, command)}", file=word)
        return path
    if not any(c.isspace() for c in word) and (path.suffix.lower() in _FILE_ENDS or word.startswith(_PATH_STARTS)):
        near = nearest(path.name, _names(path.parent), count=1)
        fix = f"{near} Or" if near else "name an existing one; or"
        raise DataError("there is no such file", f"{fix}, {_as_text(word, command)}", file=word)
    try:
        word.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"the text {word!a} is not valid UTF-8", "give it in UTF-8, or in a file") from error
    return Text(word)


def _as_text(word: str, command: str) -> str:
    return f"if it is the text, pipe it: echo {word!r} | clearhead {command} ..."


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a sentence is too long for a name
        return False


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _of_file(path: Path) -> Iterator[Line]:
    refuse_devices(path)
    try:
        with path.open("rb") as file:
            yield from _decoded(file, str(path))
    except OSError as error:
        raise DataError(
            f"cannot be read: {error.strerror or error}", "check the file and its rights", file=path
        ) from error


def _decoded(file: BinaryIO, name: str) -> Iterator[Line]:
    for number, line in raw_lines(file, name):
        try:
            text = line.decode("utf-8").removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise DataError(
                f"not valid UTF-8 at byte {error.start + 1}", "save the text as UTF-8", file=name, line=number
            ) from error
        yield Line(text.rstrip("\r\n"), f"{name}, line {number}")
