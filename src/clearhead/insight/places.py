"""What keys a head may be after, told by position and token alone, and how much weight it gives them.

    previous token, next token, ...   the key at a fixed offset from the row        (Voita et al., 2019)
    duplicate token     other keys with the row's own token                         (Olsson et al., 2022)
    induction           keys after an earlier token like the row's: [A][B] ... [A] looks at [B]  (Olsson et al., 2022)
    sink                the first token, <bos>, <eos>, punctuation  (Clark et al., 2019; Xiao et al., 2023)
    rare token          the key whose token is rarest in all the texts, where there is one rarest (Voita et al., 2019)

Each is a table of rows and keys, True where the key counts. Weight on it: the sum of a row's weights there, the mean
over the rows that have such a key and another one too. Chance: the share of the allowed keys that count.

Axes: heads, rows, keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from unicodedata import category

import torch
from jaxtyping import Bool
from torch import Tensor

from clearhead.insight.looks import Look
from clearhead.look import Trace

__all__ = ["FAR", "count_tokens", "offset_name", "on_offsets", "on_places", "places", "tokens_of"]

FAR = 32  # tokens: offsets further away are not tried
_MARKS = ("<bos>", "<eos>")


def tokens_of(trace: Trace, side: str) -> Sequence[int | str]:
    """What tells the tokens of a side apart: their ids, or their labels where the trace has no ids."""
    return trace.token_ids.get(side) or trace.labels[side]


def count_tokens(traces: Sequence[Trace]) -> dict[str, Counter[int | str]]:
    """How often each token stands on each side of all texts."""
    counts: dict[str, Counter[int | str]] = {}
    for trace in traces:
        for side in trace.labels:
            counts.setdefault(side, Counter()).update(tokens_of(trace, side))
    return counts


def places(look: Look, trace: Trace, counts: Counter[int | str]) -> dict[str, Bool[Tensor, "rows keys"]]:
    """Name -> which keys of each row count.

    Args:
        counts: how often each token of the keys' side stands in the texts.
    """
    labels = trace.labels[look.asked]
    columns = {f"sink: {mark}": [label == mark for label in labels] for mark in _MARKS}
    columns["sink: first token"] = [i == 0 for i in range(len(labels))]
    columns["sink: punctuation"] = [_is_punctuation(label) for label in labels]
    found = {name: torch.tensor(column).expand_as(look.allowed) for name, column in columns.items() if any(column)}
    found["rare token"] = _rarest(look.allowed, [counts[token] for token in tokens_of(trace, look.asked)], labels)
    if look.itself:
        found |= _alike(tokens_of(trace, look.asks))
    return found


def _alike(tokens: Sequence[int | str]) -> dict[str, Tensor]:
    numbers = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    ids = torch.tensor([numbers[token] for token in tokens])
    same = (ids[:, None] == ids) & ~torch.eye(len(ids), dtype=torch.bool)
    behind = torch.zeros_like(same)
    behind[:, 1:] = same[:, :-1]
    return {"duplicate token": same, "induction": behind.tril()}  # tril: the earlier token stands before the row


def _rarest(allowed: Tensor, counts: Sequence[int], labels: Sequence[str]) -> Tensor:
    """For each row the allowed key with the lowest count, if there is just one; marks are no words."""
    far = float("inf")
    column = torch.tensor(
        [far if label in _MARKS else float(count) for label, count in zip(labels, counts, strict=True)]
    )
    table = column.expand_as(allowed).masked_fill(~allowed, far)
    least = (table == table.min(-1, keepdim=True).values) & (table < far)
    return least & (least.sum(-1, keepdim=True) == 1)


def _is_punctuation(label: str) -> bool:
    bare = label.strip()
    return bool(bare) and bare not in _MARKS and all(category(char)[0] in "PS" for char in bare)


def on_places(look: Look, wanted: Bool[Tensor, "rows keys"]) -> tuple[Tensor, Tensor]:
    """(weight on the keys that count [heads, rows], chance [rows]) of the rows that could look there or elsewhere."""
    wanted = wanted & look.allowed
    count, among = wanted.sum(-1), look.allowed.sum(-1)
    rows = (count > 0) & (count < among)
    return (look.weights * wanted).sum(-1)[:, rows], (count / among)[rows]


def on_offsets(look: Look) -> Iterator[tuple[int, Tensor, Tensor]]:
    """For each offset (key - row): it, the weight there [heads, rows] and its chance [rows]."""
    rows, keys = look.allowed.shape
    among = look.allowed.sum(-1)
    for offset in range(max(1 - rows, -FAR), min(keys - 1, FAR) + 1):
        weights = look.weights.diagonal(offset, 1, 2)
        asks = torch.arange(weights.size(1)) + max(0, -offset)
        there = look.allowed.diagonal(offset) & (among[asks] > 1)
        yield offset, weights[:, there], 1 / among[asks][there]


def offset_name(offset: int, *, itself: bool) -> str:
    """An offset in words."""
    if not itself:
        return f"same place {offset:+d}" if offset else "same place"
    return {-1: "previous token", 0: "own token", 1: "next token"}.get(offset, f"token at {offset:+d}")
