"""What each part of a model adds to the logit of a token: the residual stream taken apart.

    logit = W_t . (g * (x - mean(x)) / size + b),    x = embeddings + what every head and feed-forward network adds

With the last norm's size taken as it was, the logit is a sum with one term for each part: exact, nothing is estimated
(Elhage et al., 2021, "direct logit attribution"). It holds where blocks only add to the stream: in pre-norm models.

Axes: d_model, vocab.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from clearhead.errors import NotSeenError
from clearhead.formula import Formula, Value, describe, tensors
from clearhead.look import Trace

__all__ = ["Contribution", "contributions"]

_ROUNDING = 1e-3  # of the largest term: sums of float32
_Term: TypeAlias = tuple[str, str, int | None, Tensor]  # its name, path, head, and the vector it adds


@dataclass(frozen=True)
class Contribution:
    """What one part adds to a logit.

    `path` is where the trace has it, `head` the head where it is one; `name` says it in words.
    """

    name: str
    path: str
    head: int | None
    value: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


@torch.no_grad()
def contributions(trace: Trace, row: int, token: int) -> list[Contribution]:
    """The terms whose sum is the logit of `token` after the token at `row`, in the order of the pass.

    Empty where the model has no logits, or they are no such sum: blocks with norms after them or a mix of the stream, a
    cap on the logits, recurrent networks; also where values of the stream, or after the blocks, were edited.

    Raises:
        NotSeenError: the text has no such row, or the vocabulary no such token.
    """
    if "logits" not in trace:
        return []
    calls: list[Tensor] = trace.calls("logits")
    logits = calls[0][0] if len(calls) == 1 else torch.cat(calls, dim=1)[0]
    for name, index, count in (("row", row, logits.size(0)), ("token", token, logits.size(1))):
        if not 0 <= index < count:
            raise NotSeenError(f"there is no {name} {index}", f"choose one from 0 to {count - 1}")
    stated = describe(trace.module)
    read, last = _formula(stated, "logits"), None
    if read is not None and "cap" not in read.options:
        last = _formula(stated, read.of[0])
    if read is None or last is None or last.kind != "norm" or not (added := _added(stated, last.of[0])):
        return []
    weights = tensors(trace.module)
    weight, bias, size, centred = _direction(
        last, weights, trace[last.of[0]][0, row], weights[read.weights["W"]][token]
    )
    weight = weight * read.options.get("scale", 1.0)
    terms = [term for path in added for term in _terms(trace, stated, weights, path, row)]
    found = [
        Contribution(name, path, head, float((x - x.mean() if centred else x) @ weight / size))
        for name, path, head, x in terms
    ]
    if bias:
        found.append(Contribution("the last norm's bias", read.of[0], None, bias))
    return found if _sums_to(float(logits[row, token]), [one.value for one in found]) else []


def _sums_to(logit: float, values: list[float]) -> bool:
    """Whether the terms make the logit, but for rounding."""
    return abs(sum(values) - logit) <= _ROUNDING * max(1.0, *map(abs, values))


def _formula(stated: Mapping[str, Value], path: str) -> Formula | None:
    return stated[path].formula if path in stated else None


def _added(stated: Mapping[str, Value], path: str) -> list[str]:
    """The values whose sum the stream at this path is, what enters the first block as the first; empty: it is none."""
    place, formula = stated[path].place, stated[path].formula
    if place is None or place.block is None:
        return [path]
    if formula is None or formula.kind not in ("copy", "sum"):
        return []
    before = _added(stated, formula.of[0])
    return [*before, *formula.of[1:]] if before else []


def _direction(
    norm: Formula, weights: Mapping[str, Tensor], x: Tensor, row: Tensor
) -> tuple[Tensor, float, Tensor, bool]:
    """(what a term is multiplied with, what the norm's bias adds, the norm's size, whether it takes the mean off)."""
    centred = norm.options["norm"] == "layer"
    size = ((x - x.mean() if centred else x).square().mean() + (norm.options["eps"] or 0.0)).sqrt()
    bias = norm.weights.get("b")
    return weights[norm.weights["g"]] * row, 0.0 if bias is None else float(weights[bias] @ row), size, centred


def _terms(
    trace: Trace, stated: Mapping[str, Value], weights: Mapping[str, Tensor], path: str, row: int
) -> list[_Term]:
    """What one value adds: of heads that are projected each for itself."""
    place, formula = stated[path].place, stated[path].formula
    assert place is not None and formula is not None, "values of the stream have both"
    words = "the embeddings" if place.block is None else f"block {place.block}, {place.part.replace('_', '-')}"
    if "W" not in formula.weights or "heads" not in trace.axes(formula.of[0]):
        return [(words, path, None, trace[path][0, row])]
    act = _formula(stated, formula.of[0])
    assert act is not None, "the heads' contexts come of an act"
    context = trace[formula.of[0]][0, :, row]  # [heads, v_head_dim]
    matrices = weights[formula.weights["W"]].unflatten(1, context.shape)  # [d_model, heads, v_head_dim]
    terms: list[_Term] = [
        (f"{words}, head {head}", act.of[0], head, matrices[:, head] @ context[head]) for head in range(len(context))
    ]
    return terms + ([(f"{words}, bias", path, None, weights[formula.weights["b"]])] if "b" in formula.weights else [])
