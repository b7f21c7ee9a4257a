"""What a portion of a vector stands for: a linear probe of each head's slice (Alain and Bengio, 2017).

    W = argmin ||X W - Y||^2 + ||W||^2,   X standardised with a column of ones, Y one column a class;  guess = argmax
    accuracy is that on every fourth text, which was held out; beside it the class most frequent in the others

Probed are a head's context and the head's portion of the residual stream before it (the same columns of x as the
head's in the joined contexts), for the token's identity, its position and, where they are known, parts of speech. What
a probe can read need not be what the model uses (Hewitt and Liang, 2019).

Axes: rows (tokens of all texts), columns of a slice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.insight.facts import Facts
from clearhead.insight.looks import attentions, layer_of, sides
from clearhead.insight.places import tokens_of
from clearhead.look import Trace

__all__ = ["Probe", "fit", "probes"]

_EVERY = 4  # of so many texts one is held out
_CLASSES, _SEEN = 50, 5  # the most classes, and how often one must stand in the texts trained on

Label: TypeAlias = Hashable | None  # None: this row is left out


@dataclass(frozen=True)
class Probe:
    """What a linear probe reads from one slice.

    Args:
        part: `context`, or `portion` of the residual stream.
        about: `token`, `position` or `part of speech`.
        accuracy, majority: shares of the held-out rows that the probe, or always saying the same, gets right.
        classes, rows: how many classes there are, and how many rows were held out.
    """

    path: str
    layer: int
    head: int
    part: str
    about: str
    accuracy: float
    majority: float
    classes: int
    rows: int

    def to_json(self) -> dict[str, object]:
        """As plain JSON."""
        return asdict(self)


def probes(traces: Sequence[Trace], facts: Sequence[Facts] = ()) -> list[Probe]:
    """Probes of all heads of all attentions, for all that is known of their rows."""
    found = []
    for path in attentions(traces[0]) if traces else []:
        asks = sides(traces[0], path)[0]
        labels: dict[str, list[Label]] = defaultdict(list)
        texts: list[int] = []
        for number, (trace, known) in enumerate(zip(traces, facts or [Facts()] * len(traces), strict=True)):
            for name, row in _labels(trace, asks, known).items():
                labels[name] += row
            texts += [number] * len(tokens_of(trace, asks))
        for part, head, slice_ in _slices(traces, path):
            for about, row in labels.items():
                if read := fit(slice_, row, texts):
                    found.append(Probe(path, layer_of(path), head, part, about, *read))
    return found


def fit(
    x: Float[Tensor, "rows columns"], labels: Sequence[Label], texts: Sequence[int]
) -> tuple[float, float, int, int] | None:
    """(accuracy, majority, classes, rows held out) of a ridge probe; None where there is nothing to tell apart.

    Args:
        labels: the class of each row; rarer ones than 5 rows trained on, or beyond the 50 most frequent, are left out.
        texts: the text each row belongs to; whole texts are held out.
    """
    held = torch.tensor([text % _EVERY == _EVERY - 1 for text in texts], dtype=torch.bool)
    seen = Counter(label for label, out in zip(labels, held.tolist(), strict=True) if label is not None and not out)
    classes = {label: i for i, (label, n) in enumerate(seen.most_common(_CLASSES)) if n >= _SEEN}
    y = torch.tensor([classes.get(label, -1) for label in labels])
    train, test = (y >= 0) & ~held, (y >= 0) & held
    if len(classes) < 2 or not test.any():
        return None
    mean, spread = x[train].mean(0), x[train].std(0).clamp(min=1e-6)
    rows = torch.nn.functional.pad((x.double() - mean) / spread, (0, 1), value=1.0)
    wanted = torch.nn.functional.one_hot(y[train], len(classes)).double()
    square = rows[train].T @ rows[train] + torch.eye(rows.size(1), dtype=rows.dtype)
    weights = torch.linalg.solve(square, rows[train].T @ wanted)
    right = (rows[test] @ weights).argmax(-1) == y[test]
    return float(right.double().mean()), float((y[test] == 0).double().mean()), len(classes), int(test.sum())


def _labels(trace: Trace, side: str, known: Facts) -> dict[str, list[Label]]:
    tokens = tokens_of(trace, side)
    found: dict[str, list[Label]] = {"token": list(tokens), "position": list(range(len(tokens)))}
    tags, words = known.tags.get(side, ()), trace.words.get(side, ())
    inside: list[Label] = [None if word is None or word >= len(tags) else tags[word] or None for word in words]
    return {**found, "part of speech": inside or [None] * len(tokens)}


def _slices(traces: Sequence[Trace], path: str) -> Iterator[tuple[str, int, Tensor]]:
    """(part, head, [rows of all texts, columns])."""
    contexts = torch.cat([_rows(trace, path.removesuffix("attention") + "context") for trace in traces], dim=1)
    for head, columns in enumerate(contexts):
        yield "context", head, columns
    resid = path.rpartition(".")[0].rpartition(".")[0] + ".resid_in"
    if resid in traces[0] and "cross_attention" not in path:
        stream = torch.cat([trace[resid][0].detach().float() for trace in traces])
        for head, columns in enumerate(stream.chunk(len(contexts), dim=1)):
            yield "portion", head, columns


def _rows(trace: Trace, path: str) -> Tensor:
    """[heads, rows, columns], a recurrent decoder's steps one after the other."""
    return torch.cat([x[0].detach().float() for x in trace.calls(path)], dim=1)
