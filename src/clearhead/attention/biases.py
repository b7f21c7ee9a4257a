"""Biases: what is added to the scaled similarities, as formulas over positions.

    ALiBi      -slope(head) * |query position - key position|                          (Press et al., 2022)
    Relative   a learned number for each head and bucket of key - query position       (Raffel et al., 2020: T5)

Only the act merges a bias with the mask into a kernel's one argument.
Axes of what a formula gives: [batch or 1, heads or 1, queries, keys].
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from clearhead.attention.where import Where
from clearhead.ranges import Count, Entries, Heads, check

__all__ = ["ALiBi", "Added", "Bias", "BiasOfHead", "Relative"]


class Bias:
    """To add a bias: subclass and give `between`; one with parameters also says how it is `kept`."""

    def between(self, where: Where) -> Tensor:
        """The numbers to add, broadcastable to [batch, heads, queries, keys]."""
        raise NotImplementedError

    def dense(self, where: Where) -> Tensor:
        """The same, made once for all layers of a pass."""
        # One that learns is made by each layer, as activation checkpointing must make it again.
        return where.remembered(self, lambda: self.between(where), when=lambda made: not made.requires_grad)

    def of_head(self, number: int) -> Bias:
        """The bias as one head has it."""
        return BiasOfHead(self, number)

    def kept(self) -> Bias:
        """A copy that later optimizer steps cannot change."""
        return self


@dataclass(frozen=True, eq=False)
class BiasOfHead(Bias):
    """What another bias adds to one head's scores."""

    bias: Bias
    number: int

    def between(self, where: Where) -> Tensor:
        x = self.bias.dense(where)
        return x[..., self.number, None, :, :] if x.ndim > 2 and x.size(-3) > 1 else x


@dataclass(frozen=True, eq=False)
class Added(Bias):
    """Any matrix of numbers in the order of the buffers, broadcastable to [batch, heads, queries, keys]."""

    matrix: Tensor

    def between(self, where: Where) -> Tensor:
        return where.cut(self.matrix)

    def kept(self) -> Bias:
        return replace(self, matrix=self.matrix.detach().clone())


@dataclass(frozen=True)
class ALiBi(Bias):
    """A penalty that grows with distance, steeper for the first heads: slopes 2^(-8/n), 2^(-16/n), ..."""

    n_heads: int

    def __post_init__(self) -> None:
        check(Heads, "n_heads", self.n_heads)

    def between(self, where: Where) -> Tensor:
        distance = where.distance().abs()
        heads = torch.arange(1, self.n_heads + 1, device=distance.device)
        return -(2.0 ** (-8.0 * heads / self.n_heads))[:, None, None] * distance


class Relative(Bias, nn.Module):
    """Near distances have a bucket each, farther ones share: half of the buckets by the logarithm up to `max_distance`.

    Args:
        n_heads: how many heads, each with numbers of its own.
        buckets: how many distances are told apart.
        max_distance: from here on all is one bucket.
        ahead: whether keys after the query are told apart from those before it; else they count as distance 0.
    """

    def __init__(self, n_heads: int, *, buckets: int = 32, max_distance: int = 128, ahead: bool = True):
        nn.Module.__init__(self)
        check(Heads, "n_heads", n_heads)
        check(Entries, "buckets", buckets)
        check(Count, "max_distance", max_distance)
        self.buckets, self.max_distance, self.ahead = buckets, max_distance, ahead
        self.weight = nn.Parameter(0.02 * torch.randn(buckets, n_heads))

    def bucket(self, distance: Tensor) -> Tensor:
        """The bucket of each distance (key minus query position)."""
        buckets = self.buckets // 2 if self.ahead else self.buckets
        side = buckets * (distance > 0) if self.ahead else 0
        far = distance.abs() if self.ahead else (-distance).clamp(min=0)
        exact = buckets // 2
        steps = (far.clamp(min=1) / exact).log() / math.log(self.max_distance / exact) * (buckets - exact)
        shared = (exact + steps.to(far.dtype)).clamp(max=buckets - 1)
        return side + torch.where(far < exact, far, shared)

    def between(self, where: Where) -> Tensor:
        return self.weight[self.bucket(where.distance()[:, 0])].permute(0, 3, 1, 2)

    def kept(self) -> Bias:
        return copy.deepcopy(self).requires_grad_(False)
