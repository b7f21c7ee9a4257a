"""Negative sampling: tell words that stand together from words drawn by chance (Mikolov et al., 2013).

    loss = - sum_(i, j) log sigmoid(u_i . v_j) - (k / m) sum_i n_i sum_r log sigmoid(- u_i . v_r)

(i, j) are the pairs that stand together, n_i how many of them i has, r runs over m words drawn by chance that all of a
batch share; k / m weighs them as k for each pair. So both sums are matrix products: a stretch of text against itself
and its neighbours (pairs too far apart are masked out), and against the words drawn (Ji et al., 2016).

Axes: blocks, words (of a block), around (a block and what stands beside it), drawn, d_model.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["against_drawn", "together"]


def together(
    words: Float[Tensor, "blocks words d_model"],
    around: Float[Tensor, "blocks around d_model"],
    pairs: Bool[Tensor, "blocks words around"],
) -> Float[Tensor, ""]:
    """- sum log sigmoid(u . v) over all pairs, in nats."""
    scores = torch.bmm(words, around.transpose(1, 2))
    return F.softplus(-scores).mul(pairs).sum()


def against_drawn(
    words: Float[Tensor, "rows d_model"],
    drawn: Float[Tensor, "drawn d_model"],
    counts: Float[Tensor, " rows"],
    negatives: int,
) -> Float[Tensor, ""]:
    """- sum of log sigmoid(- u . v) over words drawn by chance, as many as `negatives` for each pair a word is in."""
    scores = words @ drawn.T
    return (F.softplus(scores).sum(1) * counts).sum() * (negatives / len(drawn))
