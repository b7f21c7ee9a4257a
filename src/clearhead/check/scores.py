"""Exercises of how a query and a key are compared: one dot product, all of them, calmed; and three other scores.

Axes: queries, keys, head_dim (q_dim and k_dim where they may differ), hidden.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from clearhead.attention import Additive, Bilinear, Cosine, Dot, ScaledDot, Score
from clearhead.check.cases import GO, LETS_GO, POEM, WIDE, K, Q, X, matrix, rows, table
from clearhead.check.exercise import Case, exercise
from clearhead.data.numbers import AttentionNumbers, GivenMemory, GivenWeights
from clearhead.worksheet import attention_paper
from clearhead.worksheet.operations import Like, Times
from clearhead.worksheet.tables import NumberTable

__all__ = ["additive", "bilinear", "cosine", "dot_product", "scaled", "similarities"]


def _compared(score: Score, q: Tensor, k: Tensor) -> Tensor:
    return score.similarities(q[None, None], k[None, None])[0, 0]


def _one(case: Case) -> list[NumberTable]:
    q, k = (table(n, (label,), x[None]) for n, label, x in zip("qk", case.tokens, case.args, strict=True))
    return [NumberTable("similarity", q.rows, k.rows, Like(q, k))]


@exercise(
    "",
    [
        Case("Write and a", (X[0], X[1]), ("Write", "a")),
        Case("poem and Write", (X[2], X[0]), ("poem", "Write")),
        Case("at a right angle", (torch.tensor([2.0, 1.0, 0.0]), torch.tensor([-1.0, 2.0, 3.0])), ("q", "k")),
    ],
    _one,
    {
        "of each product; now add them up": lambda q, k: q * k,
        "over the lengths of both: that is the cosine": lambda q, k: q @ k / (q.norm() * k.norm()),
        "over √head_dim: that comes later": lambda q, k: q @ k / math.sqrt(len(q)),
        "of the sums; multiply the pairs": lambda q, k: (q + k).sum(),
    },
)
def dot_product(q: Tensor, k: Tensor) -> Tensor:
    """How alike two vectors are: q · k = q_1 k_1 + q_2 k_2 + ... (Luong et al., 2015, "dot").

    Shapes: q [head_dim], k [head_dim] -> one number.
    """
    return Dot().similarities(q[None, None, None], k[None, None, None]).reshape(())


def _alike(case: Case) -> list[NumberTable]:
    q, k = (table(n, t, x) for n, t, x in zip("qk", (case.tokens, case.keys), case.args, strict=True))
    return [NumberTable("similarities", q.rows, k.rows, Like(q, k))]


@exercise(
    "queries keys",
    [
        Case("the poem's queries and keys", (Q, K), POEM),
        Case("the poem asks two words", (X, LETS_GO), POEM, GO),
        Case("one query, three numbers wide", (torch.tensor([[1.0, 2.0, 0.0]]), torch.eye(3)), ("q",), ("1", "2", "3")),
    ],
    _alike,
    {
        "of k qᵀ: queries are the rows, keys the columns": lambda q, k: k @ q.T,
        "over √head_dim: that is the next step": lambda q, k: q @ k.T / math.sqrt(q.shape[-1]),
        "of the cosines: leave the lengths in": lambda q, k: (q @ k.T) / (q.norm(dim=1)[:, None] * k.norm(dim=1)),
    },
)
def similarities(q: Tensor, k: Tensor) -> Tensor:
    """How alike each query and each key are: q kᵀ, every dot product at once (Vaswani et al., 2017).

    Shapes: q [queries, head_dim], k [keys, head_dim] -> [queries, keys].
    """
    return Dot().similarities(q[None, None], k[None, None])[0, 0]


def _calmed(case: Case) -> list[NumberTable]:
    found = table("similarities", case.tokens, case.args[0], case.keys)
    return [
        NumberTable("scaled", found.rows, found.columns, Times(found, math.sqrt(case.args[1]), under=True, root=True))
    ]


@exercise(
    "queries keys",
    [
        Case("the poem, two numbers wide", (Q @ K.T, 2), POEM),
        Case("sixteen numbers wide", (torch.tensor([[8.0, -4.0], [2.0, 6.0]]), 16), ("1", "2")),
    ],
    _calmed,
    {
        "without the division by √head_dim": lambda s, d: s,
        "over head_dim itself, not over its square root": lambda s, d: s / d,
        "times √head_dim; divide by it": lambda s, d: s * math.sqrt(d),
        "over √keys; it is the width of a vector that counts": lambda s, d: s / math.sqrt(s.shape[-1]),
    },
)
def scaled(similarities: Tensor, head_dim: int) -> Tensor:
    """The similarities over √head_dim: calm, however wide the vectors are (Vaswani et al., 2017).

    Shapes: similarities [queries, keys], head_dim a number -> [queries, keys].
    """
    return similarities * ScaledDot().scale(head_dim)


# Other scores --------------------------------------------------------------------------------------------------------


def _scored(score: str, case: Case, weights: GivenWeights) -> list[NumberTable]:
    """The worksheet's tables as far as the similarities."""
    q, k = (rows(x) for x in case.args[:2])
    memory = GivenMemory(tokens=list(case.keys))
    tables = attention_paper(
        AttentionNumbers.model_validate(
            {"tokens": list(case.tokens), "memory": memory, "q": q, "k": k, "v": k, "score": score, "weights": weights}
        )
    ).tables
    return list(tables[: [table.name for table in tables].index("similarities") + 1])


@exercise(
    "queries keys",
    [Case("the poem's queries and keys", (Q, K), POEM), Case("the poem asks two words", (X, LETS_GO), POEM, GO)],
    lambda case: _scored("cosine", case, GivenWeights()),
    {
        "of the plain dot products; divide by both lengths": lambda q, k: q @ k.T,
        "over the lengths of the queries alone": lambda q, k: q @ k.T / q.norm(dim=1)[:, None],
        "over the lengths of the keys alone": lambda q, k: q @ k.T / k.norm(dim=1),
        "over the squares of the lengths; take their roots": lambda q, k: (
            q @ k.T / (q.square().sum(1)[:, None] * k.square().sum(1))
        ),
        "of k qᵀ: queries are the rows, keys the columns": lambda q, k: (
            (k @ q.T) / (k.norm(dim=1)[:, None] * q.norm(dim=1))
        ),
    },
)
def cosine(q: Tensor, k: Tensor) -> Tensor:
    """The cosine of the angle between each query and each key: q · k / (|q| |k|) (Graves et al., 2014).

    Shapes: q [queries, head_dim], k [keys, head_dim] -> [queries, keys].
    """
    return _compared(Cosine(), q, k)


@exercise(
    "queries keys",
    [
        Case("the poem, and a matrix of one width", (Q, K, torch.tensor([[1.0, -2.0], [0.5, 1.0]])), POEM),
        Case("queries and keys of two widths", (X, WIDE, torch.tensor([[1.0, 0.0, 2, -1], [0, 0.5, 1, 0]])), POEM),
    ],
    lambda case: _scored("bilinear", case, GivenWeights(bilinear=rows(case.args[2]))),
    {
        "of q Wᵀ kᵀ: W stands as it is": lambda q, k, w: q @ w.T @ k.T,
        "without W": lambda q, k, w: q @ k.T,
        "of k W qᵀ: queries are the rows, keys the columns": lambda q, k, w: k @ w @ q.T,
    },
)
def bilinear(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    """A learned matrix between them: q W kᵀ; the widths may differ (Luong et al., 2015, "general").

    Shapes: q [queries, q_dim], k [keys, k_dim], w [q_dim, k_dim] -> [queries, keys].
    """
    score = Bilinear(*w.shape)
    score.load_state_dict({"weight": w})
    return _compared(score, q, k)


_U = torch.tensor([2.0, -1.0, 0.5])


@exercise(
    "queries keys",
    [
        Case("the poem", (Q, K, matrix(2, 3, 1), matrix(2, 3, 5), _U), POEM),
        Case("queries and keys of two widths", (WIDE, LETS_GO, matrix(4, 3, 2), matrix(2, 3, 1), _U), POEM, GO),
    ],
    lambda case: _scored(
        "additive",
        case,
        GivenWeights(additive_q=rows(case.args[2]), additive_k=rows(case.args[3]), additive_v=case.args[4].tolist()),
    ),
    {
        "without tanh": lambda q, k, w_q, w_k, v: ((q @ w_q)[:, None] + k @ w_k) @ v,
        "of a tanh around the whole; it bends the sum of q and k, before v": lambda q, k, w_q, w_k, v: (
            ((q @ w_q)[:, None] + k @ w_k) @ v
        ).tanh(),
        "of a tanh around q and k each; it bends their sum": lambda q, k, w_q, w_k, v: (
            ((q @ w_q).tanh()[:, None] + (k @ w_k).tanh()) @ v
        ),
        "of a plain sum over hidden; weigh it by v": lambda q, k, w_q, w_k, v: (
            ((q @ w_q)[:, None] + k @ w_k).tanh().sum(-1)
        ),
        "with queries and keys in turned places: queries are the rows": lambda q, k, w_q, w_k, v: (
            ((k @ w_k)[:, None] + q @ w_q).tanh() @ v
        ),
    },
)
def additive(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """A small network compares the two: v · tanh(W_q q + W_k k) (Bahdanau et al., 2015).

    Shapes: q [queries, q_dim], k [keys, k_dim], w_q [q_dim, hidden], w_k [k_dim, hidden], v [hidden] ->
    [queries, keys].
    """
    score = Additive(w_q.size(0), w_k.size(0), len(v))
    score.load_state_dict({"q_weight": w_q, "k_weight": w_k, "v_weight": v[:, None]})
    return _compared(score, q, k)
