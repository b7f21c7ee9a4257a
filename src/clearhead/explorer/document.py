"""A trace as plain JSON: what the explorer draws first, and every number of it on demand.

    description(trace)           stations with their formulas: the same whatever the numbers are
    text(trace)                  the tokens, their labels and words
    overview(trace)              small pictures of all heads, what comes next
    values(trace, Values(...))   a window of one matrix, or the whole of it pooled to a picture's size

The first three are small whatever the length of the text; of long texts they hold summaries, and rows are read when
they are looked at. Numbers travel as base64 of little-endian float32 (a page reads them without loss), pictures as
bytes.

Axes: heads, rows, columns; the batch holds one text and is left out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.attention import Attention
from clearhead.attention.act import STEPS
from clearhead.errors import NotSeenError, nearest
from clearhead.explorer.questions import Values, Weight
from clearhead.explorer.stations import backwards, stations
from clearhead.formula import tensors
from clearhead.generation.sampling import Sampling, draw, probabilities_at
from clearhead.insight.alignment import AlignmentHead
from clearhead.insight.contributions import contributions
from clearhead.look import Trace
from clearhead.parsing import Json

__all__ = [
    "contributed", "description", "lens", "lensed", "names", "numbers", "overview", "proof", "sampled", "text",
    "values", "weight",
]  # fmt: skip

_THUMB = 32  # rows and columns of a head's small picture
_WHOLE = 256  # queries up to which an act is opened whole for its small pictures
_PICTURE = 256  # most rows and columns of a pooled matrix
_STRIP = 16  # rows of a picture that are made at once
_CANDIDATES = 8
_TOLD = 256  # most positions whose candidates the first view holds
_NO_SUM = "Not known here: this logit is not a plain sum of what the parts of the model add."
_NO_STREAM = "Not known here: no residual stream leads to the logits of this model."


def description(
    trace: Trace,
    *,
    title: str,
    head: AlignmentHead | None = None,
    moments: Sequence[Json] = (),
    beside: bool = False,
) -> Json:
    """What the numbers do not change, for so many tokens: the stations, and what kinds of acts there are.

    Args:
        title: what the page is called.
        head: where alignments are read.
        moments: the kept checkpoints of the training.
        beside: whether there is another model to compare with.
    """
    return {
        "title": title,
        "head": None if head is None else head.to_json(),
        "moments": list(moments),
        "beside": beside,
        "stations": [station.to_json() for station in stations(trace)],
        "acts": {path: _kind_of(trace.calls(path)) for path in _acts(trace)},
        "forbidden": list(trace.forbidden),
    }


def text(trace: Trace, texts: Mapping[str, str]) -> Json:
    """The texts, their tokens with labels and words, and remarks on how they were read."""
    return {
        "texts": dict(texts),
        "labels": trace.labels_json(),
        "words": trace.words,
        "token_ids": trace.token_ids,
        "remarks": trace.notes,
    }


def overview(trace: Trace, *, temperature: float = 1.0) -> Json:
    """Small pictures of all heads, and what comes after each token.

    Args:
        temperature: the logits are divided by it before they become probabilities.
    """
    pictures = {path: _small(trace, path) for path in _acts(trace)}
    return {"pictures": pictures, "output": _output(trace, temperature)}


@torch.no_grad()
def values(trace: Trace, wanted: Values) -> Tensor:
    """[rows, columns] of one matrix: a head's, where the value has heads.

    Raises:
        NotSeenError: there is no such value, step, head or place in it.
    """
    value = trace.calls(wanted.path)[0]
    if isinstance(value, Attention):
        return _of_act(trace, wanted)
    x = _joined(trace, wanted.path)[0]
    return _window(x[_head(wanted, x.size(0))] if x.ndim > 2 else x, wanted)


@torch.no_grad()
def weight(trace: Trace, wanted: Weight) -> Tensor:
    """The same of one of the model's own tensors.

    Raises:
        NotSeenError: the model has none of this name, or the trace does not know its model.
    """
    known = tensors(trace.module)
    if wanted.name not in known:
        fix = nearest(wanted.name, known) or "take one of its formulas"
        raise NotSeenError(f"the model has no tensor {wanted.name!r}", fix)
    x = known[wanted.name].detach()
    return _window(x if x.ndim > 1 else x.reshape(1, -1), Values(wanted.name, rows=wanted.rows, columns=wanted.columns))


@torch.no_grad()
def proof(trace: Trace, path: str, head: int) -> float:
    """max |weights . v - context used| of one head of an act.

    Raises:
        NotSeenError: there is no such act or head.
    """
    acts = trace.calls(path)
    if not isinstance(acts[0], Attention):
        raise NotSeenError(f"{path!r} is not an act of attention", "choose a path that ends in 'attention'")
    _inside(f"{path} has no head", head, acts[0].shape[1])
    contexts = trace.calls(path.removesuffix("attention") + "context")
    return max(act.of_head(head).gap(context[:, head, None]) for act, context in zip(acts, contexts, strict=True))


@torch.no_grad()
def sampled(trace: Trace, row: int, sampling: Sampling, *, n: int = _CANDIDATES, chance: float | None = None) -> Json:
    """What may be drawn after one token: the n best, how many are left by the cuts, and the one that chance draws.

    Each has its `share`, its probability after the cuts: that of generation, which never writes what is forbidden.
    """
    logits = _behind(trace, row).float()
    allowed = logits.index_fill(0, torch.tensor(trace.forbidden, dtype=torch.long), float("-inf"))
    before = probabilities_at(logits, sampling.temperature)
    after = sampling.probabilities(allowed[None])[0]

    def one(token: int) -> Json:
        told = _candidate(trace, token, float(logits[token]), float(before[token]))
        return {**told, "share": float(after[token])}

    left = int((after > 0).sum())
    best = after.sort(descending=True, stable=True).indices[: min(n, left)].tolist()
    chosen = None if chance is None else one(draw(after[None], [chance])[0])
    return {"candidates": [one(token) for token in best], "left": left, "drawn": chosen}


def contributed(trace: Trace, row: int, token: int) -> Json:
    """What each part adds to a logit, and why that is not known where it is not."""
    found = [one.to_json() for one in contributions(trace, row, token)]
    return {"contributions": found, "missing": None if found else _NO_SUM}


def lensed(trace: Trace, row: int) -> Json:
    """The logit lens after one token, and why that is not known where it is not."""
    found = lens(trace, row)
    return {"lens": found, "missing": None if found else _NO_STREAM}


@torch.no_grad()
def lens(trace: Trace, row: int, *, n: int = 3) -> Sequence[Json]:
    """What the model would write after a token if it ended after each block: the logit lens (nostalgebraist, 2020).

    Empty where the model has no residual stream that leads to its logits.
    """
    if "logits" not in trace:
        return []
    _behind(trace, row)
    streams = [path for path in trace.find("resid_out") if path.startswith("decoder.")]
    if trace.read_out is None or not streams:
        return []
    told = []
    for path in ["decoder.embedded", *streams]:
        logits = trace.read_out(_joined(trace, path)[0, row])
        told.append({"path": path, "candidates": _ranked(trace, logits, n)})
    return told


def names(trace: Trace, first: int, last: int) -> list[str]:
    """The texts of entries of the output vocabulary, at most 1,024."""
    size = trace.calls("logits")[0].size(-1)
    _inside("the vocabulary has no entry", first, size)
    last = min(last, size, first + 1024)
    return [] if trace.name_of is None else [trace.name_of(token) for token in range(first, last)]


def numbers(x: Tensor) -> Json:
    """A tensor as JSON: its shape and its float32 bytes in base64."""
    data = x.detach().to(torch.float32).contiguous().cpu().numpy().astype("<f4").tobytes()
    return {"shape": list(x.shape), "data": base64.b64encode(data).decode()}


# ----------------------------------------------------------------------------------------------------------------------


def _joined(trace: Trace, path: str) -> Tensor:
    """A tensor's calls as one: a recurrent network's steps one after the other."""
    calls: list[Tensor] = trace.calls(path)
    if len(calls) == 1:
        return calls[0]
    calls = calls[::-1] if backwards(trace, path) else calls
    axis = next(i for i, name in enumerate(trace.axes(path)) if name in ("tokens", "queries", "tgt_tokens"))
    return torch.cat(calls, dim=axis)


def _inside(problem: str, index: int, size: int) -> None:
    """The one who asks for what is not there is told what is."""
    if not 0 <= index < size:
        raise NotSeenError(f"{problem} {index}", f"choose one from 0 to {size - 1}")


def _behind(trace: Trace, row: int) -> Tensor:
    """The logits after one token."""
    logits = _joined(trace, "logits")[0]
    _inside("the text has no token", row, len(logits))
    return logits[row]


def _head(wanted: Values, heads: int) -> int:
    head = wanted.head or 0
    _inside(f"{wanted.path} has no head", head, heads)
    return head


def _of_act(trace: Trace, wanted: Values) -> Tensor:
    """A step of one head: k and v are those of all calls, the others follow one another."""
    acts: list[Attention] = trace.calls(wanted.path)
    step = wanted.step or "weights"
    if step not in STEPS:
        raise NotSeenError(f"an act has no step {step!r}", f"its steps are {', '.join(STEPS)}")
    head = _head(wanted, acts[0].q.size(1))
    alone = [act.of_head(head) for act in acts]
    if step in ("k", "v"):
        return _window(getattr(alone[0], step)[0, 0], wanted)
    if step == "q":
        return _window(torch.cat([act.q[0, 0] for act in alone]), wanted)
    if step == "context":
        contexts = _joined(trace, wanted.path.removesuffix("attention") + "context")
        return _window(contexts[0, head], wanted)
    if wanted.pooled and len(acts) == 1:
        return _picture(lambda rows: getattr(alone[0], step)(rows)[0, 0], acts[0].shape[2])
    if wanted.rows is None or len(acts) > 1:
        return _window(torch.cat([getattr(act, step)()[0, 0] for act in alone]), wanted)
    low, high = _place(wanted, "rows", acts[0].shape[2])
    rows = getattr(alone[0], step)(slice(low, high))[0, 0]
    return _window(rows, Values(wanted.path, columns=wanted.columns, pooled=wanted.pooled))


def _window(x: Tensor, wanted: Values) -> Tensor:
    for axis, name in enumerate(("rows", "columns")):
        low, high = _place(wanted, name, x.size(axis))
        x = x.narrow(axis, low, high - low)
    return _pooled(x, _PICTURE, _PICTURE) if wanted.pooled and x.numel() else x


def _place(wanted: Values, name: str, size: int) -> tuple[int, int]:
    """Where a window begins and ends on an axis."""
    low, high = getattr(wanted, name) or (0, size)
    if not low < high:
        raise NotSeenError(f"{name} from {low} to {high} are none", "a window is [start, stop)")
    if size:
        _inside(f"{wanted.path} has no {name}", low, size)
    return low, min(high, size)


def _picture(rows_of: Callable[[slice], Tensor], rows: int) -> Tensor:
    """The pooled picture of a matrix that is derived some rows at a time: they stay in the processor's cache."""
    size = min(_PICTURE, rows)
    edges = [i * rows // size for i in range(size + 1)]
    strips = [
        _pooled(rows_of(slice(edges[i], edges[min(i + _STRIP, size)])), min(_STRIP, size - i), _PICTURE)
        for i in range(0, size, _STRIP)
    ]
    return torch.cat(strips)


def _pooled(x: Tensor, rows: int, columns: int) -> Tensor:
    """The number furthest from 0 of each patch, at most so many of them; as it is where it is small enough."""
    size = [min(rows, x.size(0)), min(columns, x.size(1))]
    if list(x.shape) == size:
        return x
    x = x.float().masked_fill(x == float("-inf"), 0.0)
    high, low = F.adaptive_max_pool2d(x[None], size)[0], -F.adaptive_max_pool2d(-x[None], size)[0]
    return torch.where(high >= -low, high, low)


def _acts(trace: Trace) -> list[str]:
    return [path for path in trace if isinstance(trace.calls(path)[0], Attention)]


def _kind_of(acts: Sequence[Attention]) -> Json:
    """How an act compares, and the queries that its small pictures show."""
    score = acts[0].score
    return {
        "rows": _shown(acts),
        "score": type(score).__name__.lower(),
        "scale": score.scale(acts[0].q.size(-1)),
        "biased": acts[0].bias is not None,
    }


def _shown(acts: Sequence[Attention]) -> list[int]:
    """The queries of a small picture: of long texts some rows stand for all."""
    queries = sum(act.shape[2] for act in acts)
    return [i * queries // _THUMB for i in range(_THUMB)] if queries > _THUMB else list(range(queries))


@torch.no_grad()
def _small(trace: Trace, path: str) -> Json:
    """Small pictures of an act's weights, a byte a number; and which of q, k, v it holds otherwise than projected."""
    acts: list[Attention] = trace.calls(path)
    rows = _shown(acts)
    if len(acts) > 1:
        weights = torch.cat([acts[row].weights() for row in rows], dim=2)[0]
    elif acts[0].shape[2] <= _WHOLE:
        weights = acts[0].weights()[0, :, rows]
    else:
        weights = torch.cat([acts[0].weights(slice(row, row + 1)) for row in rows], dim=2)[0]
    if weights.size(2) > _THUMB:
        weights = F.adaptive_max_pool2d(weights.float(), (len(rows), _THUMB))
    data = (weights.float().clamp(0, 1) * 255).round().to(torch.uint8).contiguous().numpy().tobytes()
    return {
        "shape": list(weights.shape),
        "data": base64.b64encode(data).decode(),
        "placed": [name for name in ("q", "k", "v") if not _as_seen(trace, path, acts[0], name)],
    }


def _as_seen(trace: Trace, path: str, act: Attention, name: str) -> bool:
    """Whether an act holds its q, k or v as it was projected, no positions or other values in it."""
    return torch.equal(trace.calls(path.removesuffix("attention") + name)[0], getattr(act, name))


@torch.no_grad()
def _output(trace: Trace, temperature: float) -> Sequence[Json]:
    """What comes after each token: the candidates, and the token that stands there, if one does."""
    if "logits" not in trace or trace.name_of is None or not trace.token_ids:
        return []
    ids = trace.token_ids[list(trace.token_ids)[-1]]
    logits, told = _joined(trace, "logits")[0], []
    for row in range(max(0, len(ids) - _TOLD), len(ids)):
        after = ids[row + 1 : row + 2]
        ranked = _ranked(trace, logits[row], _CANDIDATES, temperature, after)
        following = ranked.pop() if after else None
        told.append({"row": row, "candidates": ranked, "next": following})
    return told


def _ranked(trace: Trace, logits: Tensor, n: int, temperature: float = 1.0, also: Sequence[int] = ()) -> list[Json]:
    """The n best entries of one row of logits, and after them these."""
    logits = logits.float()
    p = probabilities_at(logits, temperature)
    tokens = [*logits.topk(min(n, len(logits))).indices.tolist(), *also]
    return [_candidate(trace, token, float(logits[token]), float(p[token])) for token in tokens]


def _candidate(trace: Trace, token: int, logit: float, probability: float) -> Json:
    text = "" if trace.name_of is None else trace.name_of(token)
    return {"id": token, "text": text, "logit": logit, "probability": probability}
