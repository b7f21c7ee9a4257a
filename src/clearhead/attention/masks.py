"""Masks: who may look where, as formulas over positions. True = may look; one polarity everywhere.

    Causal() & Padding(lengths) & Window(256)        Prefix(lengths) | Causal()        Documents(ids) & Causal()

A mask is made once per pass by the model and passed down. It becomes a tensor (for the rows asked), or a kernel's flag,
only where an act consumes it; the tensor is remembered in the pass's `Where` for its other layers.

Axes of what a formula gives: [batch or 1, 1, queries, keys].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clearhead.attention.where import Where
from clearhead.errors import ConfigError
from clearhead.ranges import Counted, check

__all__ = [
    "And",
    "Anywhere",
    "Causal",
    "Documents",
    "Mask",
    "MaskOfHead",
    "Matrix",
    "Or",
    "Padding",
    "Prefix",
    "Window",
]


@dataclass(frozen=True, eq=False)
class Mask:
    """A formula over positions. To add a mask: subclass and give `allowed`; the rest follows."""

    def allowed(self, where: Where) -> Tensor:
        """May query i look at key j? Broadcastable to [rows, heads, queries, keys]; who is there is not asked."""
        raise NotImplementedError

    def is_causal(self, where: Where) -> bool:
        """Whether a kernel's own causal flag says the same: only for a whole square without a cache."""
        return False

    def allows_all(self, where: Where) -> bool:
        """Whether it is known without looking that everybody may look everywhere."""
        return False

    def dense(self, where: Where) -> Tensor:
        """The formula and who is there, as a bool tensor broadcastable to [batch, heads, queries, keys]."""
        x = self.allowed(where)
        return x if where.whole else x & where.present()

    def opened(self, where: Where) -> tuple[Tensor, Tensor | None]:
        """The mask with rows that may look nowhere opened wholly, and which rows these are (None if there are none)."""
        return where.remembered((self, torch.bool), lambda: self._opened(where))

    def added(self, where: Where, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """The same as what is added to scores: 0 or -inf in `dtype`."""

        def make() -> tuple[Tensor, Tensor | None]:
            mask, nowhere = self.opened(where)
            zero = torch.zeros((), dtype=dtype, device=mask.device)
            return torch.where(mask, zero, float("-inf")), nowhere

        return where.remembered((self, dtype), make)

    def of_head(self, number: int) -> Mask:
        """The mask as one head has it."""
        return MaskOfHead(self, number)

    def _opened(self, where: Where) -> tuple[Tensor, Tensor | None]:
        mask = self.dense(where)
        nowhere = ~mask.any(-1, keepdim=True)
        if not torch.compiler.is_compiling() and not nowhere.any():
            return mask, None
        return mask | nowhere, nowhere

    def __and__(self, other: Mask) -> And:
        return And(self, other)

    def __or__(self, other: Mask) -> Or:
        return Or(self, other)


@dataclass(frozen=True, eq=False)
class Anywhere(Mask):
    """Whoever is there; what an act without a mask has."""

    def allowed(self, where: Where) -> Tensor:
        return torch.ones(1, 1, 1, where.m, dtype=torch.bool, device=where.keys.device)

    def allows_all(self, where: Where) -> bool:
        return where.whole


@dataclass(frozen=True, eq=False)
class Causal(Mask):
    """Only what stands at or before the query: the future cannot be seen."""

    def allowed(self, where: Where) -> Tensor:
        if where.kin is not None:  # a token's ancestors stand before it
            return where.kin[:, None]
        return where.distance() <= 0

    def is_causal(self, where: Where) -> bool:
        return where.square

    def allows_all(self, where: Where) -> bool:
        return where.last and where.whole


@dataclass(frozen=True, eq=False)
class Padding(Mask):
    """Only real tokens: the first `lengths[b]` keys of row b, in the order of the buffers.

    Args:
        lengths: [batch], integers.
    """

    lengths: Tensor

    def allowed(self, where: Where) -> Tensor:
        return where.columns() < self.lengths[:, None, None, None]


@dataclass(frozen=True, eq=False)
class Window(Mask):
    """Only keys less than `size` positions away, on either side (combine with Causal for one side)."""

    size: int

    def __post_init__(self) -> None:
        check(Counted, "size", self.size)

    def allowed(self, where: Where) -> Tensor:
        return where.distance().abs() < self.size

    def allows_all(self, where: Where) -> bool:
        return where.whole and where.farthest is not None and where.farthest < self.size


@dataclass(frozen=True, eq=False)
class Prefix(Mask):
    """The first `lengths[b]` positions, from everywhere: `Causal() | Prefix(lengths)` is a prefix language model."""

    lengths: Tensor

    def allowed(self, where: Where) -> Tensor:
        return (where.keys < self.lengths[:, None])[:, None, None]


@dataclass(frozen=True, eq=False)
class Documents(Mask):
    """Only the query's own document in a packed row, in the order of the buffers.

    Args:
        ids: [batch, tokens], the number of the document each token belongs to.
    """

    ids: Tensor

    def allowed(self, where: Where) -> Tensor:
        asks, asked = self.ids[:, where.row :][:, : where.n], self.ids[:, where.column :][:, : where.m]
        return (asks[:, :, None] == asked[:, None])[:, None]


@dataclass(frozen=True, eq=False)
class Matrix(Mask):
    """Any bool matrix in the order of the buffers, broadcastable to [batch, heads, queries, keys]; True = may look."""

    matrix: Tensor

    def __post_init__(self) -> None:
        if self.matrix.dtype != torch.bool:
            raise ConfigError(f"a mask matrix is bool, not {self.matrix.dtype}", "write matrix.bool(); True = may look")

    def allowed(self, where: Where) -> Tensor:
        return where.cut(self.matrix)


@dataclass(frozen=True, eq=False)
class MaskOfHead(Mask):
    """What another mask says of one head."""

    mask: Mask
    number: int

    def allowed(self, where: Where) -> Tensor:
        x = self.mask.allowed(where)
        return x[..., self.number, None, :, :] if x.ndim > 2 and x.size(-3) > 1 else x


@dataclass(frozen=True, eq=False)
class And(Mask):
    """Both allow it."""

    one: Mask
    other: Mask

    def allowed(self, where: Where) -> Tensor:
        return self.one.allowed(where) & self.other.allowed(where)

    def allows_all(self, where: Where) -> bool:
        return self.one.allows_all(where) and self.other.allows_all(where)


@dataclass(frozen=True, eq=False)
class Or(Mask):
    """Either allows it."""

    one: Mask
    other: Mask

    def allowed(self, where: Where) -> Tensor:
        return self.one.allowed(where) | self.other.allowed(where)

    def allows_all(self, where: Where) -> bool:
        return self.one.allows_all(where) or self.other.allows_all(where)
