"""Exercises of whole acts of attention: what is taken home, and where q, k and v come from (Vaswani et al., 2017).

Axes: queries (tokens), keys (tokens of the memory), d_model, head_dim, v_head_dim.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from clearhead.attention import Attention, Matrix
from clearhead.attention.scores import by_group
from clearhead.check.cases import (
    ACROSS,
    CAUSAL,
    GO,
    LETS_GO,
    POEM,
    WIDE,
    K,
    Q,
    V,
    W_k,
    W_q,
    W_v,
    X,
    matrix,
    rows,
    table,
)
from clearhead.check.exercise import Case, exercise
from clearhead.check.learner_models import attention_tables, heads_of
from clearhead.data.numbers import AttentionNumbers, GivenMemory
from clearhead.worksheet import attention_paper
from clearhead.worksheet.operations import Product
from clearhead.worksheet.tables import NumberTable

__all__ = ["attention", "context", "cross_attention", "self_attention"]

_SHARES = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.25, 0.75, 0.0]])


def _taken(case: Case) -> list[NumberTable]:
    weights, v = table("weights", case.tokens, case.args[0], case.keys), table("v", case.keys, case.args[1])
    return [NumberTable("context", weights.rows, v.columns, Product(weights, v))]


@exercise(
    "queries v_head_dim",
    [
        Case("the poem's values", (_SHARES, V), POEM),
        Case("the poem asks two words", (torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]), LETS_GO), POEM, GO),
    ],
    _taken,
    {
        "of weightsᵀ v: each query has a row of weights, not a column": lambda w, v: w.T @ v,
        "of the plain mean of v; weigh it": lambda w, v: v.mean(0).expand(len(w), -1),
        "without the weights": lambda w, v: v,
    },
)
def context(weights: Tensor, v: Tensor) -> Tensor:
    """What each query takes home: the values, averaged by its weights (Bahdanau et al., 2015).

    Shapes: weights [queries, keys], v [keys, v_head_dim] -> [queries, v_head_dim].
    """
    return by_group(weights[None, None], v[None, None])[0, 0]


def _whole(case: Case) -> list[NumberTable]:
    q, k, v = case.args[:3]
    mask = case.args[3] if len(case.args) > 3 else None
    paper = attention_paper(
        AttentionNumbers(
            tokens=list(case.tokens),
            memory=None if case.memory is None else GivenMemory(tokens=list(case.memory)),
            q=rows(q),
            k=rows(k),
            v=rows(v),
            mask="none" if mask is None else mask.tolist(),
        )
    )
    return list(paper.tables)


def _plain(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float, axis: int = -1) -> Tensor:
    scores = q @ k.T * scale
    return (scores if mask is None else scores.masked_fill(~mask, -math.inf)).softmax(axis) @ v


def _masked_late(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    weights = (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1)
    return (weights if mask is None else weights * mask) @ v


@exercise(
    "queries v_head_dim",
    [
        Case("the poem", (Q, K, V), POEM),
        Case("no token sees the future", (Q, K, V, CAUSAL), POEM),
        Case("the poem asks two words", (X, LETS_GO, torch.tensor([[1.0], [-1.0]]), ACROSS), POEM, GO),
    ],
    _whole,
    {
        "without the division by √head_dim": lambda q, k, v, mask=None: _plain(q, k, v, mask, 1.0),
        "over head_dim itself, not over its square root": lambda q, k, v, mask=None: _plain(
            q, k, v, mask, 1 / q.shape[-1]
        ),
        "of a softmax down the columns; take each row": lambda q, k, v, mask=None: _plain(
            q, k, v, mask, q.shape[-1] ** -0.5, 0
        ),
        "without the mask": lambda q, k, v, mask=None: _plain(q, k, v, None, q.shape[-1] ** -0.5),
        "of the opposite mask; here True means: may look": lambda q, k, v, mask=None: _plain(
            q, k, v, None if mask is None else ~mask, q.shape[-1] ** -0.5
        ),
        "of a mask after the softmax: the rows no longer sum to 1; put -inf before it": _masked_late,
        "of the weights, without the values": lambda q, k, v, mask=None: (q @ k.T / math.sqrt(q.shape[-1])).softmax(-1),
    },
)
def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """The whole act: softmax(q kᵀ / √head_dim, where the mask allows) v (Vaswani et al., 2017).

    Shapes: q [queries, head_dim], k [keys, head_dim], v [keys, v_head_dim], mask [queries, keys] of bool, True = may
    look, or None -> [queries, v_head_dim].
    """
    matrix = None if mask is None else Matrix(mask)
    return Attention(q[None, None], k[None, None], v[None, None], mask=matrix).context()[0, 0]


# Where q, k and v come from ------------------------------------------------------------------------------------------


def _asks(
    x: Tensor,
    memory: Tensor,
    w_q: Tensor,
    w_k: Tensor,
    w_v: Tensor,
    *,
    values: Tensor | None = None,
    scale: bool = True,
) -> Tensor:
    """Attention as usual mistakes do it: with other values, or without the scale."""
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v if values is None else values
    return _plain(q, k, v, None, q.shape[-1] ** -0.5 if scale else 1.0)


_NARROW = (matrix(4, 2, 1), matrix(4, 2, 2), matrix(4, 3, 5))


@exercise(
    "tokens v_head_dim",
    [Case("the poem", (X, W_q, W_k, W_v), POEM), Case("from four numbers to two and three", (WIDE, *_NARROW), POEM)],
    lambda case: attention_tables(case.tokens, case.args[0], case.args[1:]),
    {
        "without the division by √head_dim": lambda x, *w: _asks(x, x, *w, scale=False),
        "over √d_model; a query is √head_dim wide": lambda x, *w: _plain(
            x @ w[0], x @ w[1], x @ w[2], None, x.shape[-1] ** -0.5
        ),
        "of the encodings themselves as values; multiply them by w_v": lambda x, *w: _asks(x, x, *w, values=x),
        "of the matrices turned round: x @ w, not x @ w.T": lambda x, *w: _asks(x, x, *(m.T for m in w)),
        "with queries and keys in turned places": lambda x, w_q, w_k, w_v: _asks(x, x, w_k, w_q, w_v),
        "without projections: the encodings as queries, keys and values": lambda x, *w: _plain(
            x, x, x, None, x.shape[-1] ** -0.5
        ),
    },
)
def self_attention(x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """Tokens look at one another: attention of q = x W_q, k = x W_k, v = x W_v (Vaswani et al., 2017).

    Shapes: x [tokens, d_model], w_q and w_k [d_model, head_dim], w_v [d_model, v_head_dim] -> [tokens, v_head_dim].
    """
    return heads_of(w_q, w_k, w_v)(x[None])[0]


_UNLIKE = (matrix(4, 2, 1), matrix(2, 2, 2), matrix(2, 3, 5))


@exercise(
    "tokens v_head_dim",
    [
        Case("the poem asks two words", (X, LETS_GO, W_q, W_k, W_v), POEM, GO),
        Case("a memory of another width", (WIDE, LETS_GO, *_UNLIKE), POEM, GO),
    ],
    lambda case: attention_tables(case.tokens, case.args[0], case.args[2:], memory=(case.keys, case.args[1])),
    {
        "without the division by √head_dim": lambda x, m, *w: _asks(x, m, *w, scale=False),
        "of self-attention; keys and values come from the memory": lambda x, m, *w: _asks(x, x, *w),
        "of the memory that asks x; queries come from x": lambda x, m, *w: _asks(m, x, *w),
        "of the memory itself as values; multiply it by w_v": lambda x, m, *w: _asks(x, m, *w, values=m),
    },
)
def cross_attention(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """Tokens look at others: q = x W_q asks k = memory W_k, which answer v = memory W_v (Bahdanau et al., 2015).

    Shapes: x [tokens, d_model], memory [keys, memory_dim], w_q [d_model, head_dim], w_k [memory_dim, head_dim],
    w_v [memory_dim, v_head_dim] -> [tokens, v_head_dim].
    """
    return heads_of(w_q, w_k, w_v)(x[None], memory[None])[0]
