"""The numbers that may be given, a range for each kind: of options, of fields in files and of arguments alike.

A range holds what anybody could mean. What lies outside is a slip, or a file that is not what it says, and is refused
before anything is made of it. No number is nan or infinite, and true and false are no numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BeforeValidator, Field

from clearhead.errors import ConfigError, given

__all__ = [
    "Amount",
    "Base",
    "Blocks",
    "Count",
    "Counted",
    "Divisor",
    "Entries",
    "Factor",
    "Heads",
    "Length",
    "Moments",
    "Nucleus",
    "Part",
    "Penalty",
    "Port",
    "Rate",
    "Seed",
    "Share",
    "Steps",
    "Table",
    "Temperature",
    "Texts",
    "Width",
    "among",
    "check",
]


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    return value


_Number = BeforeValidator(_number)

_ENDS = {
    "ge": ("{:,} or more", operator.ge),
    "gt": ("more than {:,}", operator.gt),
    "le": ("at most {:,}", operator.le),
    "lt": ("less than {:,}", operator.lt),
}

# Of models
Width: TypeAlias = Annotated[int, _Number, Field(ge=1, le=2**30)]  # of a vector
Heads: TypeAlias = Annotated[int, _Number, Field(ge=1, le=4096)]
Blocks: TypeAlias = Annotated[int, _Number, Field(ge=1, le=1024)]
Length: TypeAlias = Annotated[int, _Number, Field(ge=1, le=2**20)]  # of a text, in tokens
Table: TypeAlias = Annotated[int, _Number, Field(ge=0, le=2**29)]  # numbers of a table that is made at once
Entries: TypeAlias = Annotated[int, _Number, Field(ge=1, le=2**22)]  # of a vocabulary
Base: TypeAlias = Annotated[float, _Number, Field(gt=1, le=1e12, allow_inf_nan=False)]  # of waves
# Of trainings
Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Steps: TypeAlias = Annotated[int, _Number, Field(ge=0, le=10**9)]
Moments: TypeAlias = Annotated[int, _Number, Field(ge=0, le=10_000)]  # of a run, each with something to do
Rate: TypeAlias = Annotated[float, _Number, Field(gt=0, le=1e6, allow_inf_nan=False)]  # of learning
Seed: TypeAlias = Annotated[int, _Number, Field(ge=0, lt=2**63)]
# Of anything
Count: TypeAlias = Annotated[int, _Number, Field(ge=1, le=10**9)]
Counted: TypeAlias = Annotated[int, _Number, Field(ge=0, le=10**9)]  # nothing as well
Texts: TypeAlias = Annotated[int, _Number, Field(ge=1, le=100_000)]  # that are looked into
Amount: TypeAlias = Annotated[int, _Number, Field(ge=0, le=2**62)]  # of bytes or tokens on a disk
Share: TypeAlias = Annotated[float, _Number, Field(ge=0, lt=1, allow_inf_nan=False)]
Part: TypeAlias = Annotated[float, _Number, Field(ge=0, le=1, allow_inf_nan=False)]  # the whole as well
Nucleus: TypeAlias = Annotated[float, _Number, Field(gt=0, le=1, allow_inf_nan=False)]  # of what is probable
Temperature: TypeAlias = Annotated[float, _Number, Field(ge=0, le=1e6, allow_inf_nan=False)]
Penalty: TypeAlias = Annotated[float, _Number, Field(gt=0, le=1e6, allow_inf_nan=False)]  # of what was said
Factor: TypeAlias = Annotated[float, _Number, Field(ge=0, le=1e6, allow_inf_nan=False)]
Divisor: TypeAlias = Annotated[float, _Number, Field(ge=1e-6, le=1e6, allow_inf_nan=False)]  # float32 stands it
Port: TypeAlias = Annotated[int, _Number, Field(ge=0, le=65535)]


def check(kind: object, name: str, value: object) -> None:
    """Refuse an argument that is not in its range.

    Args:
        kind: one of the ranges.
        name: what the argument is called.

    Raises:
        ConfigError: it is not.
    """
    whole, limits = get_args(kind)[0] is int, list(_limits(kind))
    number = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not (number and all(holds(value, end) for _, holds, end in limits)):
        words = ", ".join(said.format(end) for said, _, end in limits)
        raise ConfigError(f"{name} {given(value)} is not possible", f"give a{' whole' * whole} number, {words}")


def among(value: object, count: int) -> bool:
    """Whether a value names one of so many things, counted from 0."""
    return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < count


def _limits(kind: object) -> Iterator[tuple[str, Callable[[Any, Any], bool], float]]:
    """(how it is said, whether it holds, the end) of each end of a range."""
    for limit in get_args(kind)[2].metadata:
        for name, (said, holds) in _ENDS.items():
            if hasattr(limit, name):
                yield said, holds, getattr(limit, name)
