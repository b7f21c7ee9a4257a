"""Values read from a file, each against the type that it must have: kind, range, and what is in it.

Files of ours may have been changed, cut, or written by somebody else: what they hold is checked here, once, and used
as it is after that.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from functools import lru_cache
from os import PathLike
from typing import Any, TypedDict, TypeVar, Unpack, overload

from pydantic import TypeAdapter, ValidationError

from clearhead.errors import ClearheadError, FolderError, given

__all__ = ["INTACT", "checked"]

INTACT = "take it from an intact copy"

T = TypeVar("T")


class _Said(TypedDict, total=False):
    file: str | PathLike[str] | None
    where: str
    about: str
    fix: str
    error: type[ClearheadError]
    line: int | None


@overload
def checked(kind: type[T], value: object, **said: Unpack[_Said]) -> T: ...
@overload
def checked(kind: object, value: object, **said: Unpack[_Said]) -> Any: ...
def checked(
    kind: object,
    value: object,
    *,
    file: str | PathLike[str] | None = None,
    where: str = "",
    about: str = "",
    fix: str = INTACT,
    error: type[ClearheadError] = FolderError,
    line: int | None = None,
) -> object:
    """A value as the type `kind` has it: a range, a configuration, a dataclass, lists and dicts of such.

    Args:
        file, line: where it was read.
        where: its name there; the names of what is in it follow after a dot.
        about: what a message begins with.
        fix, error: what is raised.

    Raises:
        error: it is not of that type; the first thing that is wrong is named.
    """
    if is_dataclass(kind) and isinstance(value, dict):
        for name in sorted(value.keys() - {field.name for field in fields(kind)}):
            raise error(f"{about}{where or 'it'} has no {given(name)}", fix, file=file, line=line)
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        name = ".".join(map(str, filter(lambda part: part != "", (where, *first["loc"]))))
        shown = "" if first["type"] == "missing" or isinstance(first["input"], dict) else f" = {given(first['input'])}"
        said = re.sub(r"a (valid )?dictionary.*", "an object", first["msg"].removeprefix("Value error, "))
        raise error(f"{about}{name or 'it'}{shown}: {said}", fix, file=file, line=line) from None


@lru_cache
def _adapter(kind: Any) -> TypeAdapter[object]:
    return TypeAdapter(kind)
