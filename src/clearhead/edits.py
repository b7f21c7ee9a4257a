"""Edits: changes of single numbers of what a model shows, as data. They are applied by whoever holds the value."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from clearhead.errors import EditError

__all__ = ["Edit", "Op", "Place", "plain"]

Place = int | tuple[int, int] | None  # one index, [start, stop), or the whole axis
Op = Literal["set", "add", "multiply"]

_AXES = 8  # that a value may have
_FIELDS = "an edit's fields are path, where, op, value, step and call"
_TEXTS = {
    "path": "its path is where the trace has the value: list(trace)",
    "step": "leave it out, or name one of an act",
}


@dataclass(frozen=True)
class Edit:
    """One change of one seen value, as data: it can be saved, undone, linked and replayed.

    Args:
        path: the value's path in the trace, e.g. `decoder.blocks.0.cross_attention.attention`.
        where: one entry per axis of the value: an index, a `(start, stop)` range or None for the whole axis; axes left
            out at the end are whole. Indices are absolute: the row of a query is its position in the whole sequence.
        op: `set`, `add` or `multiply`.
        value: a number, or nested lists that broadcast to the place.
        step: for an act of attention, which of its steps (`q k v similarities scaled biased masked weights context`).
        call: which call of a value that is seen several times; None means every call.
    """

    path: str
    where: tuple[Place, ...] = ()
    op: Op = "set"
    value: float | list[Any] = 0.0
    step: str = ""
    call: int | None = None

    def __post_init__(self) -> None:
        for name, fix in _TEXTS.items():
            if not isinstance(getattr(self, name), str):
                raise EditError(f"an edit's {name} is a text, not {_brief(getattr(self, name))}", fix)
        if self.op not in get_args(Op):
            raise EditError(f"an edit's op is set, add or multiply, not {_brief(self.op)}", "choose one of the three")
        if not isinstance(self.where, tuple) or not all(map(_is_place, self.where)):
            fix = "give one entry per axis: an index, (start, stop) or None; in JSON a list, with null"
            raise EditError(f"{_brief(self.where)} is not a place", fix)
        if not (self.call is None or (type(self.call) is int and self.call >= 0)):
            fix = "calls count from 0; leave it out for every call"
            raise EditError(f"an edit's call is a whole number, not {_brief(self.call)}", fix)
        _tensor(self.value)

    def __repr__(self) -> str:
        rest = "".join(f", {name}={x!r}" for name in ("step", "call") if (x := getattr(self, name)) not in ("", None))
        return f"Edit({_brief(self.path)}, {self.where}, {self.op!r}, {_brief(self.value)}{rest})"

    def touches(self, shape: Sequence[int], *, start: int = 0, columns: int | None = None, grows: bool = False) -> bool:
        """Whether the edit changes anything in a value of this shape.

        Args:
            shape: of the value.
            start: absolute position of the first row (axis -2).
            columns: that of the first column (axis -1), where columns are positions too.
            grows: whether further positions are still to come (a text is being written).

        Raises:
            EditError: the place can be in no such value.
        """
        if len(self.where) > len(shape):
            raise EditError(
                f"the edit of {self.path!r} names {len(self.where)} axes, the value has {len(shape)}",
                f"give at most one index per axis of its shape {tuple(shape)}",
            )
        firsts = {len(shape) - 2: start} | ({} if columns is None else {len(shape) - 1: columns})
        touched = True
        for axis, place in enumerate(self.where):
            first = firsts.get(axis, 0)
            end = first + shape[axis]
            low, high = _bounds(place, end)
            open_ended = axis in firsts and (grows or start > 0)
            if place is not None and (not 0 <= low < high or (high > end and not open_ended)):
                raise EditError(
                    f"the edit of {self.path!r} asks for {_brief(place)} on axis {axis}, "
                    f"which has {shape[axis]} entries",
                    "indices count from 0; ranges are [start, stop)",
                )
            touched &= low < end and high > first
        return touched

    def apply(self, x: Tensor, *, first: int = 0, columns: int = 0) -> Tensor:
        """A changed copy of `x`; `x` itself where the edit misses.

        Args:
            x: the value.
            first, columns: absolute positions of its first row (axis -2) and of its first column (axis -1).
        """
        index, value = [], _tensor(self.value).to(x)
        for axis, place in enumerate((*self.where, *[None] * (x.ndim - len(self.where)))):
            shift = {x.ndim - 2: first, x.ndim - 1: columns}.get(axis, 0)
            low, high = _bounds(place, shift + x.size(axis))
            index.append(slice(max(low - shift, 0), max(high - shift, 0)))
            skipped, here = max(shift - low, 0), len(range(x.size(axis))[index[axis]])
            if axis == x.ndim - 2 and value.ndim > 1 and value.size(-2) > 1:  # one value a row: those of our rows
                value = value[..., skipped:, :][..., :here, :]
            elif axis == x.ndim - 1 and (shift or high > x.size(axis)) and value.ndim and value.size(-1) > 1:
                value = value[..., skipped:][..., :here]
        old = x[tuple(index)]
        if not old.numel():
            return x
        try:
            value = value.expand_as(old)
        except RuntimeError as error:
            raise EditError(
                f"the value of the edit of {self.path!r} has shape {tuple(value.shape)}, its place {tuple(old.shape)}",
                "give a number, or nested lists that broadcast to the place",
            ) from error
        new = value if self.op == "set" else old + value if self.op == "add" else old * value
        changed = x.clone()
        changed[tuple(index)] = new
        return changed

    def fills(self, nothing: float, start: int, stop: int | None) -> bool:
        """Whether the edit of weights [batch, heads, rows, columns] puts something where `nothing` would stand.

        Args:
            nothing: a number.
            start, stop: in these columns; None: as far as the edit names them.
        """
        place = self.where[3] if len(self.where) > 3 else None
        low, high = _bounds(place, start if stop is None else stop)
        first, last = max(low, start), high if stop is None else min(high, stop)
        value = _tensor(self.value)
        if value.ndim and value.size(-1) > 1:  # one value a column
            value = value[..., first - low : max(last - low, 0)]
        new = value if self.op == "set" else nothing + value if self.op == "add" else nothing * value
        return first < last and bool((new != nothing).any())

    def of_head(self, number: int) -> Edit | None:
        """The edit of a value [batch, heads, rows, columns] as it is of this head alone; None if it leaves it as is."""
        place = self.where[1] if len(self.where) > 1 else None
        low, high = _bounds(place, number + 1)
        if not low <= number < high:
            return None
        value = _tensor(self.value)
        if value.ndim > 2 and value.size(-3) > 1:
            value = value[..., number - low, :, :]
        where = self.where if place is None else (self.where[0], 0, *self.where[2:])
        return replace(self, where=where, value=value.tolist())

    def to_json(self) -> dict[str, object]:
        """As plain JSON; JSON has no infinities: they are written as "inf" and "-inf"."""
        data = asdict(self)
        data["where"] = [list(p) if isinstance(p, tuple) else p for p in self.where]
        data["value"] = plain(self.value)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Edit:
        """The inverse of `to_json`."""
        if not isinstance(data, Mapping):
            raise EditError(f"{_brief(data)} is not an edit", _FIELDS)
        if unknown := set(data) - {field.name for field in fields(cls)}:
            raise EditError(f"an edit has no field {_brief(sorted(map(str, unknown))[0])}", _FIELDS)
        if "path" not in data:
            raise EditError("an edit says no path", _TEXTS["path"])
        value = _tensor(data.get("value", 0.0))
        if value.isnan().any():
            raise _no_number()
        where = data.get("where", ())
        if isinstance(where, list):
            where = tuple(tuple(p) if isinstance(p, list) else p for p in where)
        return cls(**{**data, "where": where, "value": value.tolist()})


def _brief(value: object) -> str:
    """What a person wrote, in a sentence: it may be of any size and depth."""
    return reprlib.repr(value)


def _bounds(place: Place, size: int) -> tuple[int, int]:
    return (0, size) if place is None else (place, place + 1) if isinstance(place, int) else place


def _is_place(place: object) -> bool:
    if isinstance(place, tuple):
        return len(place) == 2 and all(type(end) is int for end in place)
    return place is None or type(place) is int


def plain(value: object) -> object:
    """Nested lists of numbers as strict JSON: what is not finite becomes a string."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _tensor(value: object) -> Tensor:
    """An edit's value in float64, which holds every number that JSON writes."""
    try:
        return torch.as_tensor(_numbers(value, _AXES), dtype=torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise _no_number() from None


def _numbers(value: object, axes: int) -> object:
    if isinstance(value, list):
        if not axes:
            raise ValueError(f"lists are nested more than {_AXES} deep")
        return [_numbers(v, axes - 1) for v in value]
    return float(value) if isinstance(value, str | int) else value


def _no_number() -> EditError:
    fix = f'give a number, "inf", "-inf" or lists of these, nested at most {_AXES} deep and all of one length'
    return EditError("an edit's value is not a number", fix)
