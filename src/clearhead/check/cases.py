"""The numbers that exercises are tried on, small enough to follow by hand, and how they become tables.

"Write a poem" has the encodings and matrices of the worksheet, so that its paper shows the same numbers. Axes: tokens,
head_dim 2 (the poem, and who else is asked), d_model 4 where there are heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clearhead.worksheet import attention_paper
from clearhead.worksheet.paper import given_table
from clearhead.worksheet.samples import TRANSLATOR, WORKSHEETS
from clearhead.worksheet.tables import NumberTable

__all__ = [
    "CAUSAL",
    "GO",
    "LETS_GO",
    "POEM",
    "WIDE",
    "K",
    "Q",
    "V",
    "W_k",
    "W_q",
    "W_v",
    "X",
    "matrix",
    "rows",
    "table",
]

_PAPER = attention_paper(WORKSHEETS["poem"]())
POEM = ("Write", "a", "poem")
X, W_q, W_k, W_v, Q, K, V = (
    torch.tensor(_PAPER.table(name).values, dtype=torch.float32) for name in ("x", "W_q", "W_k", "W_v", "q", "k", "v")
)  # each [3, 2] or [2, 2]
CAUSAL = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
ACROSS = torch.tensor([[True, False], [True, True], [False, True]])  # the poem asks two words

GO = ("let's", "go")
LETS_GO = torch.tensor([TRANSLATOR.source_embedding[TRANSLATOR.source.index(word)] for word in GO])  # [2, 2]

WIDE = torch.tensor([[1.0, 0.0, 2.0, -1.0], [0.0, 1.0, -1.0, 3.0], [2.0, 1.0, 0.0, 1.0]])  # [3, 4]


def matrix(height: int, width: int, seed: int) -> Tensor:
    """Weights in quarters between -1 and 1, no row or column like another; [height, width]."""
    cells = [[((i + 2) * (3 * j + seed) + i * i * j) % 9 - 4 for j in range(width)] for i in range(height)]
    return torch.tensor(cells, dtype=torch.float32) / 4


def rows(x: Tensor) -> list[list[float]]:
    """A matrix as the worksheet takes it."""
    return [[float(cell) for cell in row] for row in x.tolist()]


def table(name: str, labels: Sequence[str], x: Tensor, columns: Sequence[str] | None = None) -> NumberTable:
    """A matrix as a table of given numbers; columns are numbered from 1 where they have no labels."""
    return given_table(name, tuple(labels), x.double().numpy(), "", None if columns is None else tuple(columns))
