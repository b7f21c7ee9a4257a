"""Exercises between similarities and weights: who may look where, and each row as shares (Vaswani et al., 2017).

Axes: queries, keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clearhead.attention import Added, Attention, Causal, Dot, Matrix, Where
from clearhead.check.cases import ACROSS, CAUSAL, GO, LETS_GO, POEM, K, Q, X, table
from clearhead.check.exercise import Case, exercise
from clearhead.worksheet.operations import Plus, Softmax
from clearhead.worksheet.tables import NumberTable, Op, Places

__all__ = ["causal_mask", "masked", "softmax"]


def _act(scores: Tensor, mask: Tensor | None = None) -> Attention:
    """An act whose similarities are already there: queries and keys of nothing, and the scores as a bias."""
    q, k = (torch.zeros(1, 1, n, 1) for n in scores.shape)
    matrix = None if mask is None else Matrix(mask)
    return Attention(q, k, k, mask=matrix, bias=Added(scores[None, None]), score=Dot())


@dataclass(frozen=True, eq=False)
class _Looks(Op):
    """1 where a key stands at or before its query."""

    length: int

    @property
    def text(self) -> str:
        return "key ≤ query"

    @property
    def latex(self) -> str:
        return r"\text{key} \le \text{query}"

    def values(self) -> np.ndarray:
        return np.tri(self.length)

    def written(self, row: int, column: int) -> str:
        return f"{column + 1} ≤ {row + 1}"

    def live(self, row: int, column: int, at: Places) -> str:
        return f"IF({column + 1}<={row + 1},1,0)"


@exercise(
    "queries keys",
    [Case("three tokens", (3,), POEM), Case("one token", (1,), ("1",)), Case("four tokens", (4,), tuple("1234"))],
    lambda case: [NumberTable("mask", case.tokens, case.tokens, _Looks(case.args[0]))],
    {
        "of the opposite mask; here True means: may look": lambda n: ~torch.ones(n, n).tril().bool(),
        "of a mask that sees only the future: rows are queries, columns keys": lambda n: torch.ones(n, n).triu().bool(),
        "of a mask in which no token sees itself; it may": lambda n: torch.ones(n, n).tril(-1).bool(),
        "that are added to the scores (0 and -inf); give True and False": lambda n: torch.zeros(n, n).masked_fill(
            torch.ones(n, n).triu(1).bool(), -math.inf
        ),
    },
)
def causal_mask(n: int) -> Tensor:
    """Who may look where if no token sees the future: key ≤ query; True = may look (Vaswani et al., 2017).

    Shapes: n a number of tokens -> [queries, keys], bool.
    """
    return Causal().dense(Where.line(n))[0, 0]


def _closed(case: Case) -> list[NumberTable]:
    found = table("similarities", case.tokens, case.args[0], case.keys)
    zeros = torch.zeros(case.args[1].shape).masked_fill(~case.args[1], -math.inf)
    mask = table("mask", case.tokens, zeros, case.keys)
    return [NumberTable("masked", found.rows, found.columns, Plus(found, mask))]


@exercise(
    "queries keys",
    [
        Case("no token sees the future", (Q @ K.T, CAUSAL), POEM),
        Case("the poem asks two words", (X @ LETS_GO.T, ACROSS), POEM, GO),
    ],
    _closed,
    {
        "of the opposite mask; here True means: may look": lambda s, m: s.masked_fill(m, -math.inf),
        "with 0 where no token may look; e^0 = 1 is still a share, so -inf": lambda s, m: s.masked_fill(~m, 0.0),
        "with a large negative number where -inf belongs": lambda s, m: s.masked_fill(~m, -1e9),
        "without the mask": lambda s, m: s,
    },
)
def masked(similarities: Tensor, mask: Tensor) -> Tensor:
    """The similarities, -inf where a query may not look: e^-inf = 0 (Vaswani et al., 2017).

    Shapes: similarities [queries, keys], mask [queries, keys] of bool, True = may look -> [queries, keys].
    """
    return _act(similarities, mask=mask).masked()[0, 0]


def _shared(case: Case) -> list[NumberTable]:
    x = table("x", case.tokens, case.args[0], case.keys)
    return [NumberTable("softmax", x.rows, x.columns, Softmax(x))]


@exercise(
    "rows columns",
    [
        Case("the poem's scaled similarities", (Q @ K.T / math.sqrt(2),), POEM),
        Case("with -inf where no token may look", ((Q @ K.T).masked_fill(~CAUSAL, -math.inf),), POEM),
        Case("large numbers", (torch.tensor([[1000.0, 1001.0], [-1000.0, -1002.0]]),), ("1", "2")),
    ],
    _shared,
    {
        "of a softmax down the columns; take each row": lambda x: x.softmax(0),
        "of one softmax over everything; take each row by itself": lambda x: x.flatten().softmax(0).view_as(x),
        "of e^x, not yet over the sum of the row": lambda x: x.exp(),
        "of x over the sum of its row; take e^x": lambda x: x / x.sum(-1, keepdim=True),
        "that overflow: e^1000 is inf; take the row's largest away first, nothing else changes": lambda x: (
            x.exp() / x.exp().sum(-1, keepdim=True)
        ),
    },
)
def softmax(x: Tensor) -> Tensor:
    """Each row as shares that sum to 1: e^x over the sum of e^x in its row (Bridle, 1990).

    Shapes: x [rows, columns] -> [rows, columns].
    """
    return _act(x).weights()[0, 0]
