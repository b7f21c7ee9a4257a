"""Edits: changes of single numbers of what a model shows, as data. They are applied by whoever holds the value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from clearhead.errors import EditError

__all__ = ["Edit", "Op", "Place", "plain"]

Place = int | tuple[int, int] | None  # one index, [start, stop), or the whole axis
Op = Literal["set", "add", "multiply"]


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
        if self.op not in ("set", "add", "multiply"):
            raise EditError(f"an edit's op is set, add or multiply, not {self.op!r}", "choose one of the three")
        if not isinstance(self.where, tuple) or not all(map(_is_place, self.where)):
            mend = "give one entry per axis: an index, (start, stop) or None; in JSON a list, with null"
            raise EditError(f"{self.where!r} is no place", mend)

    def touches(self, shape: Sequence[int], *, start: int = 0) -> bool:
        """Whether the edit changes anything in a value of this shape whose axis -2 begins at absolute position `start`.

        Raises:
            EditError: the place can be in no such value.
        """
        if len(self.where) > len(shape):
            raise EditError(
                f"the edit of {self.path!r} names {len(self.where)} axes, the value has {len(shape)}",
                f"give at most one index per axis of its shape {tuple(shape)}",
            )
        for axis, place in enumerate(self.where):
            low, high = _bounds(place, shape[axis])
            open_ended = axis == len(shape) - 2 and start > 0  # a later step holds the rows that are still to come
            if not 0 <= low < high or (high > shape[axis] and not open_ended):
                raise EditError(
                    f"the edit of {self.path!r} asks for {place} on axis {axis}, which has {shape[axis]} entries",
                    "indices count from 0; ranges are [start, stop)",
                )
        rows = self.where[len(shape) - 2] if len(self.where) >= len(shape) - 1 and len(shape) > 1 else None
        low, high = _bounds(rows, start + (shape[-2] if len(shape) > 1 else 1))
        return not start or (low < start + shape[-2] and high > start)

    def apply(self, x: Tensor, *, first: int = 0) -> Tensor:
        """A changed copy of `x`, whose axis -2 begins at absolute position `first`; `x` itself where it misses."""
        index, value = [], torch.as_tensor(_numbers(self.value), dtype=x.dtype, device=x.device)
        for axis, place in enumerate((*self.where, *[None] * (x.ndim - len(self.where)))):
            shift = first if axis == x.ndim - 2 else 0
            low, high = _bounds(place, shift + x.size(axis))
            index.append(slice(max(low - shift, 0), max(high - shift, 0)))
            if axis == x.ndim - 2 and value.ndim > 1 and value.size(-2) > 1:  # one value a row: those of our rows
                value = value[..., max(shift - low, 0) :, :][..., : len(range(x.size(axis))[index[axis]]), :]
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

    def of_head(self, number: int) -> Edit | None:
        """The edit of a value [batch, heads, rows, columns] as it is of this head alone; None if it leaves it as is."""
        place = self.where[1] if len(self.where) > 1 else None
        low, high = _bounds(place, number + 1)
        if not low <= number < high:
            return None
        value = torch.as_tensor(_numbers(self.value))
        if value.ndim > 2 and value.size(-3) > 1:
            value = value[..., number - low, :, :]
        where = self.where if place is None else (self.where[0], 0, *self.where[2:])
        return replace(self, where=where, value=value.tolist())

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; JSON has no infinities: they are written as "inf" and "-inf"."""
        data = asdict(self)
        data["where"] = [list(p) if isinstance(p, tuple) else p for p in self.where]
        data["value"] = plain(self.value)
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Edit:
        """The inverse of `to_json`."""
        known = {"path", "where", "op", "value", "step", "call"}
        if unknown := set(data) - known:
            raise EditError(
                f"an edit has no field {sorted(unknown)[0]!r}", f"its fields are {', '.join(sorted(known))}"
            )
        if not isinstance(data.get("path"), str):
            raise EditError("an edit says no path", "its path is where the trace has the value: list(trace)")
        try:
            value = torch.as_tensor(_numbers(data.get("value", 0.0)), dtype=torch.float64)
        except (TypeError, ValueError):
            value = torch.tensor(math.nan)
        if value.isnan().any():
            raise EditError("an edit's value is no number", 'give a number, "inf", "-inf" or lists of these')
        where = data.get("where", ())
        if isinstance(where, list):
            where = tuple(tuple(p) if isinstance(p, list) else p for p in where)
        return cls(**{**data, "where": where, "value": value.tolist()})


def _bounds(place: Place, size: int) -> tuple[int, int]:
    return (0, size) if place is None else (place, place + 1) if isinstance(place, int) else place


def _is_place(place: Any) -> bool:
    if isinstance(place, tuple):
        return len(place) == 2 and all(type(end) is int for end in place)
    return place is None or type(place) is int


def plain(value: Any) -> Any:
    """Nested lists of numbers as strict JSON: what is not finite becomes a string."""
    if isinstance(value, list):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return float(value) if isinstance(value, str) else value
