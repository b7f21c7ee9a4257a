"""What a learner's function gave, as numbers, and where they first differ from the wanted ones.

Torch tensors, numpy arrays, nested lists and plain numbers are all welcome. Everything is compared in float64, up to
1e-4 of the number or 1e-4 in all, whichever allows more.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clearhead.worksheet.tables import number

__all__ = ["BLANK", "NotNumbers", "close", "first_wrong", "fresh", "numbers", "same", "shown", "stopped"]

BLANK = "the blank is not filled in yet: put your own words where `...` stands"
_TOLERANCE = 1e-4


class NotNumbers(Exception):
    """What was given cannot be read as numbers; the message says so in one sentence."""


def numbers(given: object) -> Tensor:
    """What was given as a float64 tensor that shares nothing with it.

    Raises:
        NotNumbers: it is a blank, nothing, ragged, or something else altogether.
    """
    if given is None:
        raise NotNumbers("it gives nothing back: fill in the blank, and hand the result over with `return`")
    try:
        return _read(given)
    except (RuntimeError, ValueError) as error:
        raise NotNumbers("the rows of the list it gives do not have one length") from error


def _read(given: object) -> Tensor:
    if given is ...:
        raise NotNumbers(BLANK)
    if isinstance(given, Tensor) and not given.is_complex():
        return given.detach().to("cpu", torch.float64, copy=True)
    if isinstance(given, list | tuple) and given:
        return torch.stack([_read(part) for part in given])
    if isinstance(given, bool | int | float | np.generic | np.ndarray):
        array = np.asarray(given)
        if array.dtype.kind in "biuf":
            return torch.from_numpy(array.astype(np.float64))
    kind = type(given).__name__
    raise NotNumbers(f"it gives a {kind} that holds no real numbers; give a tensor, an array, a list or a number")


def close(found: Tensor, wanted: Tensor) -> Tensor:
    """Which cells are right, [the shape of both]; infinities and NaN are like themselves."""
    return torch.isclose(found, wanted.double(), rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)


def first_wrong(found: Tensor, wanted: Tensor) -> tuple[int, ...] | None:
    """The first cell that differs, reading row by row; None if all are right."""
    wrong = (~close(found, wanted)).nonzero()
    return tuple(wrong[0].tolist()) if len(wrong) else None


def shown(x: float, *, boolean: bool = False) -> str:
    """A number as a person writes it; True or False where the numbers are answers to a question."""
    if boolean and x in (0.0, 1.0):
        return str(bool(x))
    return f"{x:.3g}" if 1e9 <= abs(x) < float("inf") else number(x)


# What a function is handed -------------------------------------------------------------------------------------------


def fresh(x: Any) -> Any:
    """A copy of an argument, whatever is nested in it, so that a function may spoil it."""
    if isinstance(x, Tensor):
        return x.clone()
    if isinstance(x, tuple):
        parts = [fresh(part) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
    return x


def same(x: Any, y: Any) -> bool:
    """Whether two arguments are still equal."""
    if isinstance(x, Tensor):
        return torch.equal(x, y)
    if isinstance(x, tuple):
        return all(same(a, b) for a, b in zip(x, y, strict=True))
    return bool(x == y)


# What went wrong before there were numbers ---------------------------------------------------------------------------


def stopped(error: Exception, function: Callable[..., object]) -> str:
    """An exception of the learner's function in one sentence, with the line of theirs in which it arose."""
    if isinstance(error, NotImplementedError) or "ellipsis" in str(error).lower():
        return BLANK
    file = getattr(getattr(function, "__code__", None), "co_filename", None)
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = f" in line {lines[-1].lineno}" if lines else ""
    code = f", `{lines[-1].line}`" if lines and lines[-1].line else ""
    words = str(error).strip().partition("\n")[0]  # torch goes on with all that it would have taken
    return f"it stops{where}{code} with {type(error).__name__}{f': {words}' if words else ''}"
