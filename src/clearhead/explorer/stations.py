"""The way through a model: what a watched pass has shown, in its order, each value with the formula it comes from.

    token embeddings -> embedded -> [norm -> q, k, v -> act -> context -> out -> residual] ... -> logits

Titles, axes and formulas are what the modules state; see `clearhead.formula`.
Axes as the trace states them; the first, batch, holds one text.
"""

from __future__ import annotations

import inspect
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from clearhead.formula import Formula, Place, Value, describe
from clearhead.look import Trace

__all__ = ["Station", "backwards", "stations"]

_TEXT_AXES = ("tokens", "queries", "keys")
_STEP_AXES = ("tokens", "queries", "tgt_tokens")  # along which a recurrent network's calls follow one another


@dataclass(frozen=True)
class Station:
    """One value of the way.

    Args:
        path: where the trace has it.
        title: what it is.
        stack: `encoder`, `decoder` or "" outside of both; `block`: its number, None outside blocks; `part`: the
            attention or feed-forward network in it, the direction or layer of a recurrent one.
        kind: `act` or `tensor`.
        axes: names of its axes without the batch.
        shape: their sizes, the calls of a recurrent network joined.
        calls: how often it was seen; `turned`: whether its first call is its last row.
        rows, columns: which labels its last two axes bear; "" where they bear none.
        formula: how it comes about; None where its model does not say.
    """

    path: str
    title: str
    stack: str
    block: int | None
    part: str
    kind: str
    axes: list[str]
    shape: list[int]
    calls: int
    turned: bool
    rows: str
    columns: str
    formula: Formula | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def stations(trace: Trace) -> list[Station]:
    """Every value of the trace, in the order of the pass."""
    stated = describe(trace.module)
    labels = _labels(trace)
    return [_station(trace, path, stated.get(path, Value()), labels) for path in trace]


def _station(trace: Trace, path: str, stated: Value, labels: dict[str, str]) -> Station:
    values, axes = trace.calls(path), trace.axes(path)[1:]
    shape = list(values[0].shape[1:])
    if len(values) > 1:
        shape[_step_axis(axes)] = sum(value.shape[1 + _step_axis(axes)] for value in values)
    place, formula = stated.place or Place(), stated.formula
    only = (
        next(iter(trace.labels)) if len(trace.labels) == 1 else ""
    )  # of a model that does not say which text it reads
    return Station(
        path,
        trace.title(path),
        place.stack,
        place.block,
        place.part,
        "tensor" if isinstance(values[0], Tensor) else "act",
        list(axes),
        shape,
        len(values),
        place.backwards,
        labels.get(stated.text) or (only if axes[-2:-1] and axes[-2] in _TEXT_AXES else ""),
        labels.get(stated.columns) or (only if axes[-1:] == ("keys",) else stated.columns),
        formula if formula is not None and set(formula.of) <= set(trace) else None,
    )


def _labels(trace: Trace) -> dict[str, str]:
    """The label of each text that the model reads, by the name of the argument it comes in."""
    if trace.module is None:
        return {}
    return dict(zip(inspect.signature(trace.module.forward).parameters, trace.labels, strict=False))


def backwards(trace: Trace, path: str) -> bool:
    """Whether a value's calls begin with the last row."""
    stated = describe(trace.module)
    return path in stated and (stated[path].place or Place()).backwards


def _step_axis(axes: tuple[str, ...]) -> int:
    return next(i for i, name in enumerate(axes) if name in _STEP_AXES)
