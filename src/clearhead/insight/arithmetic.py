"""From one head of a watched pass to the numbers that its arithmetic begins with, for a worksheet.

    x, W_q, W_k, W_v, biases, mask  ->  the head's act, number for number

Where positions were turned into q and k, these stand themselves instead of x and their matrices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from clearhead.attention import Additive, Attention, Bilinear, Cosine, Dot
from clearhead.data.numbers import AttentionNumbers, GivenMemory, GivenWeights
from clearhead.errors import ConfigError

__all__ = ["head_numbers", "inputs_of"]

_EXACT = 1e-4  # q and k further from the projections than this had positions turned into them


@contextmanager
def inputs_of(module: nn.Module) -> Iterator[list[list[Tensor]]]:
    """Collects the tensors of each call to a module while the block runs: an attention's x and its memory."""
    found: list[list[Tensor]] = []

    def note(_: nn.Module, given: tuple[object, ...]) -> None:
        found.append([x.detach() for x in given if isinstance(x, Tensor)])

    handle = module.register_forward_pre_hook(note)
    try:
        yield found
    finally:
        handle.remove()


@torch.no_grad()
def head_numbers(
    module: Any,
    acts: Sequence[Attention],
    given: Sequence[Sequence[Tensor]],
    head: int,
    *,
    title: str,
    tokens: Sequence[str],
    memory: Sequence[str] | None = None,
) -> AttentionNumbers:
    """The numbers of one head of a `MultiHead` whose act was seen.

    Args:
        module: the attention.
        acts: what it showed, of one text: one act, or a recurrent decoder's one for each step.
        given: for each act x [1, tokens, d_model] and, across, its memory.
        tokens: labels of the queries.
        memory: labels of the keys, where they are others.
    """
    kv_head = head // (module.n_heads // module.n_kv_heads)
    act = acts[0]
    if len(acts) > 1:  # the steps ask the same keys
        queries = torch.cat([a.where.queries for a in acts], dim=1)
        where = replace(act.where, queries=queries, begins=None, square=False, last=False)
        act = replace(act, q=torch.cat([a.q for a in acts], dim=2), where=where)
    x, asked = torch.cat([one[0] for one in given], dim=1)[0], given[0][-1][0]
    weights: dict[str, object] = {}
    themselves: dict[str, object] = {}
    for name, source, number in (("q", x, head), ("k", asked, kv_head), ("v", asked, kv_head)):
        weight, added = _part(getattr(module, f"{name}_proj"), number, getattr(act, name).size(1))
        seen = getattr(act, name)[0, number]
        if (source @ weight + added - seen).abs().max() < _EXACT:
            weights |= {name: weight.tolist(), f"{name}_bias": added.tolist() if added.any() else None}
        else:
            themselves[name] = seen.tolist()
    mask = None if (allowed := act.allowed()) is None else _one(allowed, head).expand(len(x), -1)
    bias = None if act.bias is None else _one(act.bias.dense(act.where), head).expand(len(x), -1)
    return AttentionNumbers(
        title=title,
        tokens=list(tokens),
        encodings=x.tolist() if "q" in weights or (memory is None and weights) else None,
        memory=None if memory is None else GivenMemory(tokens=list(memory), encodings=asked.tolist()),
        weights=GivenWeights.model_validate({**weights, **_score_weights(act)}),
        score=_score_name(act),
        mask="none" if mask is None or bool(mask.all()) else mask.tolist(),
        bias=None if bias is None else bias.tolist(),
        context=act.context()[0, head].tolist(),
        **themselves,
    )


def _part(projection: nn.Linear, head: int, heads: int) -> tuple[Tensor, Tensor]:
    """A head's columns of a projection as x is multiplied with them: [d_model, head_dim], [head_dim]."""
    weight = projection.weight.unflatten(0, (heads, -1))[head]
    none = weight.new_zeros(len(weight))
    return weight.T, none if projection.bias is None else projection.bias.unflatten(0, (heads, -1))[head]


def _one(x: Tensor, head: int) -> Tensor:
    """[rows, keys] of [1, heads or 1, rows, keys]."""
    return x[0, head if x.size(1) > 1 else 0]


def _score_name(act: Attention) -> object:
    names = {Dot: "dot", Cosine: "cosine", Bilinear: "bilinear", Additive: "additive"}
    if isinstance(act.score, Cosine) and act.score.temperature != 1.0:
        raise ConfigError("a worksheet writes cosines without a temperature", "look at another attention")
    return names.get(type(act.score), "scaled-dot")


def _score_weights(act: Attention) -> dict[str, object]:
    if isinstance(act.score, Bilinear):
        return {"bilinear": act.score.weight.tolist()}
    if isinstance(act.score, Additive):
        names = {"additive_q": act.score.q_weight, "additive_k": act.score.k_weight}
        plain = torch.eye(act.q.size(-1))  # q and k come projected
        matrices = {n: (plain if w is None else w).tolist() for n, w in names.items()}
        return {**matrices, "additive_v": act.score.v_weight[:, 0].tolist()}
    return {}
