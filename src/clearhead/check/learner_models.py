"""clearhead's own bricks with a learner's matrices in them, and the tables of their arithmetic.

A learner's matrices are [in, out], so that x @ w projects; `nn.Linear` holds them the other way round.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from clearhead.attention import MultiHead
from clearhead.check.cases import rows, table
from clearhead.data.numbers import AttentionNumbers, GivenMemory, GivenWeights
from clearhead.models.bricks import NormConfig
from clearhead.models.layers import FeedForward
from clearhead.worksheet import attention_paper
from clearhead.worksheet.operations import Normed
from clearhead.worksheet.paper import linear
from clearhead.worksheet.tables import NumberTable, Op, Places, symbol

__all__ = [
    "attention_tables",
    "feed_forward_of",
    "feed_forward_tables",
    "fill",
    "filled",
    "heads_of",
    "norm_of",
    "norm_tables",
]

_STEPS = ("q", "similarities", "scaled", "masked", "percentages", "context", "joined", "o")
_STEPS_OF_HEADS = ("percentages", "context", "joined", "o")


@torch.no_grad()
def fill(layer: nn.Linear, weight: Tensor, bias: Tensor | None = None) -> None:
    """Put a matrix [in, out], and a bias or none, into a layer."""
    layer.weight.copy_(weight.T)
    if layer.bias is not None:
        layer.bias.copy_(torch.zeros_like(layer.bias) if bias is None else bias)


def filled(attention: MultiHead, w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor | None = None) -> MultiHead:
    """The attention with these matrices and no biases."""
    for layer, weight in ((attention.q_proj, w_q), (attention.k_proj, w_k), (attention.v_proj, w_v)):
        fill(layer, weight)
    if attention.o_proj is not None and w_o is not None:
        fill(attention.o_proj, w_o)
    return attention


def heads_of(w_q: Tensor, w_k: Tensor, w_v: Tensor, w_o: Tensor | None = None, n_heads: int = 1) -> MultiHead:
    """An attention as wide as its matrices are."""
    made = MultiHead(
        w_q.size(0),
        n_heads,
        head_dim=w_q.size(1) // n_heads,
        v_head_dim=w_v.size(1) // n_heads,
        memory_dim=w_k.size(0),
        projections_bias=False,
        o_proj=w_o is not None,
    )
    return filled(made, w_q, w_k, w_v, w_o)


def feed_forward_of(w_up: Tensor, b_up: Tensor, w_down: Tensor, b_down: Tensor) -> FeedForward:
    """A feed-forward layer as wide as its matrices are."""
    made = FeedForward(*w_up.shape)
    fill(made.up, w_up, b_up)
    fill(made.down, w_down, b_down)
    return made


def norm_of(weight: Tensor, bias: Tensor, eps: float) -> nn.LayerNorm:
    """A layer norm with these numbers in it."""
    made = NormConfig(kind="layer").build(len(weight))
    assert isinstance(made, nn.LayerNorm)
    made.load_state_dict({"weight": weight, "bias": bias})
    made.eps = eps
    return made


# Tables --------------------------------------------------------------------------------------------------------------


def attention_tables(
    tokens: Sequence[str],
    x: Tensor,
    weights: Sequence[Tensor],
    *,
    memory: tuple[Sequence[str], Tensor] | None = None,
    mask: Tensor | None = None,
    n_heads: int = 1,
) -> list[NumberTable]:
    """The worksheet's steps of an attention: from queries to its output; of several heads only the main ones.

    Args:
        weights: W_q, W_k, W_v and, where there is one, W_o.
        memory: who is asked and their encodings; None for self-attention.
    """
    names = dict(zip("qkvo", (rows(w) for w in weights), strict=False))
    asked = None if memory is None else GivenMemory(tokens=list(memory[0]), encodings=rows(memory[1]))
    paper = attention_paper(
        AttentionNumbers(
            tokens=list(tokens),
            encodings=rows(x),
            memory=asked,
            weights=GivenWeights.model_validate(names),
            heads=n_heads,
            mask="none" if mask is None else mask.tolist(),
        )
    )
    shown = _STEPS if n_heads == 1 else _STEPS_OF_HEADS
    return [t for t in paper.tables if t.name.rpartition("_")[0] in shown or t.name in shown]


def norm_tables(name: str, x: NumberTable, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> list[NumberTable]:
    """A layer norm."""
    scale, shift = (table(n, (n,), values[None], x.columns) for n, values in (("weight", weight), ("bias", bias)))
    return [NumberTable(name, x.rows, x.columns, Normed(x, scale, shift, eps))]


def feed_forward_tables(
    x: NumberTable, w_up: Tensor, b_up: Tensor, w_down: Tensor, b_down: Tensor, tail: str = ""
) -> list[NumberTable]:
    """Two projections with a bend between them."""
    up = linear(f"up{tail}", x, rows(w_up), b_up.tolist(), "")
    bent = NumberTable(f"relu{tail}", x.rows, up[-1].columns, Relu(up[-1]))
    return [*up, bent, *linear(f"down{tail}", bent, rows(w_down), b_down.tolist(), "", x.columns)]


@dataclass(frozen=True, eq=False)
class Relu(Op):
    """What is above 0."""

    x: NumberTable

    @property
    def text(self) -> str:
        return f"what is above 0 in {self.x.name}"

    @property
    def latex(self) -> str:
        return f"\\max(0, {symbol(self.x)})"

    def values(self) -> np.ndarray:
        return np.maximum(self.x.values, 0.0)

    def written(self, row: int, column: int) -> str:
        return f"max(0, {float(self.x.values[row, column]):.4g})"

    def live(self, row: int, column: int, at: Places) -> str:
        return f"MAX(0,{at.cell(self.x, row, column)})"
