"""The errors people read: what was wanted, what was given, how to fix it.

Everything that a person can fix raises a `ClearheadError`; the command line prints it without a traceback.
Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Iterable
from os import PathLike

__all__ = [
    "ClearheadError",
    "ConfigError",
    "DataError",
    "EditError",
    "FolderError",
    "MissingError",
    "NotSeenError",
    "StoppedError",
    "given",
    "nearest",
]

_LONGEST = 200  # characters of a word that are compared: what is longer is like none that is known
_SHOWN = 200  # characters of a value, or bits of a number


class ClearheadError(Exception):
    """Something a person can fix.

    Args:
        problem: what was wanted and what was given, one sentence.
        fix: what to do about it, one sentence.
        file, line: where in a person's file, if it is about one (lines count from 1).

    `exit_code` is what the command line ends with.
    """

    exit_code = 1

    def __init__(self, problem: str, fix: str, *, file: str | PathLike[str] | None = None, line: int | None = None):
        where = "" if file is None else f"{file}: " if line is None else f"{file}, line {line}: "
        super().__init__(f"{where}{problem}\n  fix: {fix}")
        self.problem, self.fix, self.file, self.line = problem, fix, file, line


class DataError(ClearheadError):
    """A data file cannot be used as it is."""


class FolderError(ClearheadError):
    """A model folder, or the place for one, cannot be used as it is."""


class ConfigError(ClearheadError):
    """An option or a configuration is not possible."""


class MissingError(ClearheadError):
    """A library is missing that only some things need.

    Args:
        problem: what needs which library.
        extra: the extra of clearhead that brings it.
    """

    def __init__(self, problem: str, extra: str):
        super().__init__(problem, f'pip install "clearhead[{extra}]"')


class NotSeenError(ClearheadError, LookupError):
    """A trace holds no such value, or holds several under that name."""


class EditError(ClearheadError):
    """An edit names a place that does not exist."""


class StoppedError(ClearheadError):
    """The run was asked to stop (Ctrl-C, SIGTERM) by a signal of this number; its state is saved."""

    def __init__(self, problem: str, fix: str, number: int):
        super().__init__(problem, fix)
        self.number, self.exit_code = number, 128 + number


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """The known words nearest to `word`, for an error's fix: "did you mean 'a' or 'b'?" ("" if none is near)."""
    close = difflib.get_close_matches(word[:_LONGEST], list(known), n=count, cutoff=0.5)
    return f"did you mean {' or '.join(repr(c) for c in close)}?" if close else ""


def given(value: object) -> str:
    """A value as a message shows it: no more of it than can be read."""
    if isinstance(value, int) and value.bit_length() > _SHOWN:
        return f"with about {int(value.bit_length() * math.log10(2)):,} digits"
    try:
        shown = repr(value)
    except RecursionError:  # a list in a list in a list
        shown = reprlib.repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
