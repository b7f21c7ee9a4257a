"""Biases: what is added to the scaled similarities, as formulas over positions; made once per pass, shared by layers.

    ALiBi   -slope(head) * |query position - key position|      (Press et al., 2022)

Only the act merges a bias with the mask into a kernel's one argument.
Axes of what a formula gives: [batch or 1, heads or 1, queries, keys].
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clearhead.attention.masks import Grid

__all__ = ["ALiBi", "Added", "Bias"]


class Bias:
    """To add a bias: subclass and give `dense`; one with parameters also says how it is `kept`."""

    def dense(self, grid: Grid) -> Tensor:
        """The numbers to add, broadcastable to [batch, heads, queries, keys], for the rows of the grid."""
        raise NotImplementedError

    def kept(self) -> Bias:
        """A copy that later optimizer steps cannot change."""
        return self


@dataclass(frozen=True, eq=False)
class Added(Bias):
    """Any matrix of numbers, broadcastable to [batch, heads, queries, keys]."""

    matrix: Tensor

    def dense(self, grid: Grid) -> Tensor:
        return self.matrix if self.matrix.size(-2) == 1 else self.matrix[..., grid.start : grid.stop, :]

    def kept(self) -> Bias:
        return replace(self, matrix=self.matrix.detach().clone())


@dataclass(frozen=True)
class ALiBi(Bias):
    """A penalty that grows with distance, steeper for the first heads: slopes 2^(-8/n), 2^(-16/n), ..."""

    n_heads: int

    def dense(self, grid: Grid) -> Tensor:
        queries = torch.arange(grid.start, grid.stop, device=grid.device)[:, None]
        distance = (queries - torch.arange(grid.keys, device=grid.device)[None, :]).abs()
        heads = torch.arange(1, self.n_heads + 1, device=grid.device)
        return -(2.0 ** (-8.0 * heads / self.n_heads))[:, None, None] * distance
