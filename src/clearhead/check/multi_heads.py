"""Exercises of several heads side by side (Vaswani et al., 2017).

    head_h = attention of the h-th columns of q, k and v,    out = [head_1 ... head_H] W_o

Axes: heads, tokens, head_dim, d_model = heads * head_dim.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clearhead.attention import Attention, Matrix
from clearhead.check.cases import CAUSAL, POEM, WIDE, W_k, W_q, W_v, X, matrix, table
from clearhead.check.exercise import Case, exercise
from clearhead.check.learner_models import attention_tables, heads_of
from clearhead.worksheet.copies import Columns, Joined
from clearhead.worksheet.tables import NumberTable

__all__ = ["join_heads", "multi_head", "split_heads"]

_COUNTED = torch.arange(1.0, 13.0).view(3, 4)
_PARTED = torch.stack([_COUNTED[:, :2], _COUNTED[:, 2:]])  # [2, 3, 2]


def _same_heads(d_model: int, n_heads: int) -> tuple[Tensor, Tensor, Tensor, None, int]:
    """Matrices that change nothing."""
    one = torch.eye(d_model)
    return one, one, one, None, n_heads


def _split(case: Case) -> list[NumberTable]:
    x, n = table("x", case.tokens, case.args[0]), case.args[1]
    width = len(x.columns) // n
    columns = x.columns[:width]
    return [NumberTable(f"head_{h + 1}", x.rows, columns, Columns(x, h * width, (h + 1) * width)) for h in range(n)]


@exercise(
    "heads tokens head_dim",
    [
        Case("four columns, two heads", (_COUNTED, 2), POEM),
        Case("four columns, four heads", (WIDE, 4), POEM),
        Case("one head", (X, 1), POEM),
    ],
    _split,
    {
        "of a reshape alone: it cuts tokens apart; split the columns, then bring heads to the front": lambda x, n: (
            x.reshape(n, len(x), -1)
        ),
        "with tokens in front of heads: transpose": lambda x, n: x.reshape(len(x), n, -1),
        "of every n-th column; a head has columns side by side": lambda x, n: x.reshape(len(x), -1, n).permute(2, 0, 1),
    },
)
def split_heads(x: Tensor, n_heads: int) -> Tensor:
    """Each head's columns: the first head has the first head_dim of them, and so on (Vaswani et al., 2017).

    Shapes: x [tokens, d_model] -> [heads, tokens, head_dim].
    """
    return heads_of(*_same_heads(x.size(1), n_heads)).act(x[None]).q[0]


def _join(case: Case) -> list[NumberTable]:
    parts = [table(f"head_{h}", case.tokens, x) for h, x in enumerate(case.args[0], 1)]
    columns = tuple(str(c + 1) for c in range(sum(len(part.columns) for part in parts)))
    return [NumberTable("joined", parts[0].rows, columns, Joined(tuple(parts)))]


@exercise(
    "tokens d_model",
    [Case("two heads of two columns", (_PARTED,), POEM), Case("four heads of one column", (WIDE.T[:, :, None],), POEM)],
    _join,
    {
        "of a reshape alone: it cuts heads apart; bring tokens to the front first": lambda heads: heads.reshape(
            heads.shape[1], -1
        ),
        "of the sum of the heads; they stand side by side": lambda heads: heads.sum(0),
        "with the columns of the heads in turns": lambda heads: heads.permute(1, 2, 0).flatten(1),
        "with the heads below one another": lambda heads: heads.flatten(0, 1),
    },
)
def join_heads(heads: Tensor) -> Tensor:
    """The heads side by side again: what `split_heads` did, undone (Vaswani et al., 2017).

    Shapes: heads [heads, tokens, head_dim] -> [tokens, d_model].
    """
    n_heads, tokens, head_dim = heads.shape
    itself = Matrix(torch.eye(tokens, dtype=torch.bool))  # each token takes home its own values, and nothing else
    act = Attention(heads[None], heads[None], heads[None], mask=itself)
    return heads_of(*_same_heads(n_heads * head_dim, n_heads)).join(act)[0]


_W = (matrix(4, 4, 1), matrix(4, 4, 2), matrix(4, 4, 5), matrix(4, 4, 8))
_TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])


def _several(
    x: Tensor, w: tuple[Tensor, ...], n_heads: int, mask: Tensor | None, width: int | None = None, cut: bool = False
) -> Tensor:
    """Multi-head attention as usual mistakes do it: another width under the root, or tokens cut apart."""
    q, k, v = (x @ m for m in w[:3])
    if cut:
        q, k, v = (t.reshape(n_heads, len(x), -1) for t in (q, k, v))
    else:
        q, k, v = (t.reshape(len(x), n_heads, -1).transpose(0, 1) for t in (q, k, v))
    scores = q @ k.transpose(1, 2) * (width or q.shape[-1]) ** -0.5
    found = (scores if mask is None else scores.masked_fill(~mask, float("-inf"))).softmax(-1) @ v
    joined = found.transpose(0, 1).reshape(len(x), -1)
    return joined @ w[3] if len(w) > 3 else joined


@exercise(
    "tokens d_model",
    [
        Case("two heads", (WIDE, *_W, 2), POEM),
        Case("no token sees the future", (WIDE, *_W, 2, CAUSAL), POEM),
        Case("the poem, one head", (X, W_q, W_k, W_v, _TURN, 1), POEM),
    ],
    lambda case: attention_tables(
        case.tokens,
        case.args[0],
        case.args[1:5],
        n_heads=case.args[5],
        mask=case.args[6] if len(case.args) > 6 else None,
    ),
    {
        "without w_o": lambda x, q, k, v, o, n, mask=None: _several(x, (q, k, v), n, mask),
        "of one wide head": lambda x, q, k, v, o, n, mask=None: _several(x, (q, k, v, o), 1, mask),
        "over √d_model; a head's query is √head_dim wide": lambda x, q, k, v, o, n, mask=None: _several(
            x, (q, k, v, o), n, mask, width=x.shape[-1]
        ),
        "without the division by √head_dim": lambda x, q, k, v, o, n, mask=None: _several(
            x, (q, k, v, o), n, mask, width=1
        ),
        "of heads split by a reshape alone, which cuts tokens apart": lambda x, q, k, v, o, n, mask=None: _several(
            x, (q, k, v, o), n, mask, cut=True
        ),
        "without the mask": lambda x, q, k, v, o, n, mask=None: _several(x, (q, k, v, o), n, None),
    },
)
def multi_head(
    x: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor, n_heads: int, mask: Tensor | None = None
) -> Tensor:
    """Several heads of self-attention side by side, then one more projection: [head_1 ... head_H] W_o
    (Vaswani et al., 2017).

    Shapes: x [tokens, d_model], each matrix [d_model, d_model], mask [tokens, tokens] of bool, True = may look, or
    None -> [tokens, d_model].
    """
    return heads_of(w_q, w_k, w_v, w_o, n_heads)(x[None], mask=None if mask is None else Matrix(mask))[0]
