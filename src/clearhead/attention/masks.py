"""Masks: who may look where, as formulas over positions. True = may look; one polarity everywhere.

    Causal() & Padding(lengths) & Window(256)        Prefix(lengths) | Causal()        Documents(ids) & Causal()

A mask is made once per pass by the model and passed down. It becomes a tensor (for the rows asked), or a kernel's flag,
only where an act consumes it; the tensor is remembered for the other layers of the pass. Positions are absolute.

Axes of what a formula gives: [batch or 1, 1, queries, keys].
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from clearhead.errors import ConfigError
from clearhead.ranges import Counted, check

__all__ = [
    "And",
    "Causal",
    "Documents",
    "Grid",
    "Mask",
    "Matrix",
    "OfHead",
    "Or",
    "Padding",
    "Prefix",
    "Tree",
    "Window",
]


class Grid(NamedTuple):
    """Which queries ask which keys: queries [start, stop), keys [first, first + keys), on a device."""

    start: int
    stop: int
    keys: int
    device: torch.device
    first: int = 0

    @property
    def places(self) -> Tensor:
        """The absolute positions of the keys."""
        return torch.arange(self.first, self.first + self.keys, device=self.device)


@dataclass(frozen=True, eq=False)
class Mask:
    """A formula over positions. To add a mask: subclass and give `allowed`; the rest follows."""

    _memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        """May query i [queries, 1] look at key j [1, keys]? As [queries, keys], or with axes before these."""
        raise NotImplementedError

    def is_causal(self, grid: Grid) -> bool:
        """Whether a kernel's own causal flag says the same: only for a whole square without a cache."""
        return False

    def allows_all(self, grid: Grid) -> bool:
        """Whether it is known without looking that everybody may look everywhere."""
        return False

    def dense(self, grid: Grid) -> Tensor:
        """The formula as a bool tensor, broadcastable to [batch, heads, queries, keys]."""
        queries = torch.arange(grid.start, grid.stop, device=grid.device)[:, None]
        x = self.allowed(queries, grid.places[None, :])
        return x.reshape((1,) * (4 - x.ndim) + x.shape)

    def opened(self, grid: Grid) -> tuple[Tensor, Tensor | None]:
        """The mask with rows that may look nowhere opened wholly, and which rows these are (None if there are none)."""
        return self._remembered((grid, torch.bool), lambda: self._opened(grid))

    def added(self, grid: Grid, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """The same as what is added to scores: 0 or -inf in `dtype`."""

        def make() -> tuple[Tensor, Tensor | None]:
            mask, nowhere = self.opened(grid)
            zero = torch.zeros((), dtype=dtype, device=grid.device)
            return torch.where(mask, zero, float("-inf")), nowhere

        return self._remembered((grid, dtype), make)

    def of_head(self, number: int) -> Mask:
        """The mask as one head has it."""
        return OfHead(self, number)

    def kept(self) -> Mask:
        """The formula without the tensors it remembered: what a trace holds stays small."""
        fresh = copy.copy(self)
        object.__setattr__(fresh, "_memo", {})
        return fresh

    def _opened(self, grid: Grid) -> tuple[Tensor, Tensor | None]:
        mask = self.dense(grid)
        nowhere = ~mask.any(-1, keepdim=True)
        if not torch.compiler.is_compiling() and not nowhere.any():
            return mask, None
        return mask | nowhere, nowhere

    def _remembered(self, key: Any, make: Any) -> Any:
        if torch.compiler.is_compiling():  # the compiler shares equal work by itself, and must not guard on sizes
            return make()
        key = (key, torch.is_inference_mode_enabled())  # autograd refuses what was made in inference mode
        if key not in self._memo:
            if len(self._memo) > 8:
                self._memo.clear()
            self._memo[key] = make()
        return self._memo[key]

    def __and__(self, other: Mask) -> And:
        return And(self, other)

    def __or__(self, other: Mask) -> Or:
        return Or(self, other)


@dataclass(frozen=True, eq=False)
class Causal(Mask):
    """Only what stands at or before the query: the future cannot be seen."""

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        return keys <= queries

    def is_causal(self, grid: Grid) -> bool:
        return grid.start == grid.first == 0 and grid.stop == grid.keys

    def allows_all(self, grid: Grid) -> bool:
        return grid.start >= grid.first + grid.keys - 1


@dataclass(frozen=True, eq=False)
class Padding(Mask):
    """Only real tokens: the first `lengths[b]` keys of row b (padding stands at the end), or the last if `left`.

    Args:
        lengths: [batch], integers.
        left: the row's full length where padding stands at the beginning; None where at the end.
    """

    lengths: Tensor
    left: int | None = None

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        lengths = self.lengths[:, None, None, None]
        return keys < lengths if self.left is None else (keys >= self.left - lengths)

    def select(self, rows: Tensor) -> Padding:
        """The padding of these rows."""
        return Padding(self.lengths.index_select(0, rows), self.left)

    def to(self, device: torch.device) -> Padding:
        """The padding of rows on another device."""
        return self if self.lengths.device == device else Padding(self.lengths.to(device), self.left)


@dataclass(frozen=True, eq=False)
class Window(Mask):
    """Only keys less than `size` positions away, on either side (combine with Causal for one side).

    Args:
        positions: [batch, tokens], where each token stands, where that is not its place in the row (in a tree).
    """

    size: int
    positions: Tensor | None = None

    def __post_init__(self) -> None:
        check(Counted, "size", self.size)

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        if self.positions is None:
            return (queries - keys).abs() < self.size
        asks, asked = self.positions[:, queries[:, 0]], self.positions[:, keys[0]]
        return ((asks[:, :, None] - asked[:, None]).abs() < self.size)[:, None]

    def allows_all(self, grid: Grid) -> bool:
        farthest = max(grid.stop - 1 - grid.first, grid.first + grid.keys - 1 - grid.start)
        return self.positions is None and farthest < self.size


@dataclass(frozen=True, eq=False)
class Prefix(Mask):
    """The first `lengths[b]` keys, from everywhere: `Causal() | Prefix(lengths)` is a prefix language model."""

    lengths: Tensor

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        return (keys < self.lengths[:, None, None, None]) & (queries >= 0)


@dataclass(frozen=True, eq=False)
class Documents(Mask):
    """Only the query's own document in a packed row.

    Args:
        ids: [batch, tokens], the number of the document each token belongs to.
    """

    ids: Tensor

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        asks, asked = self.ids[:, queries[:, 0]], self.ids[:, keys[0]]
        return (asks[:, :, None] == asked[:, None, :])[:, None]


@dataclass(frozen=True, eq=False)
class Matrix(Mask):
    """Any boolean matrix, broadcastable to [batch, heads, queries, keys]; True = may look."""

    matrix: Tensor

    def __post_init__(self) -> None:
        if self.matrix.dtype != torch.bool:
            raise ConfigError(f"a mask matrix is bool, not {self.matrix.dtype}", "write matrix.bool(); True = may look")

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        rows = self.matrix if self.matrix.size(-2) == 1 else self.matrix[..., queries[:, 0], :]
        return rows if rows.size(-1) == 1 else rows[..., keys[0]]


@dataclass(frozen=True, eq=False)
class OfHead(Mask):
    """What another mask says of one head."""

    mask: Mask
    number: int

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        x = self.mask.allowed(queries, keys)
        return x[..., self.number, None, :, :] if x.ndim > 2 and x.size(-3) > 1 else x


@dataclass(frozen=True, eq=False)
class Tree(Mask):
    """Only a token's ancestors and itself, where a row holds a tree of texts that share their beginnings.

    The hypotheses of a beam search are such a tree: written so, what they share is held once, and no cache is copied
    when one hypothesis gives way to another.

    Args:
        ancestors: [batch, newest, tokens], bool: whom the newest tokens of the row, which are its last, descend from.
        positions: [batch, tokens], integers: where each token stands in its text.
        depth: where the newest tokens stand; [batch, 1] where that differs between rows.
    """

    ancestors: Tensor
    positions: Tensor
    depth: int | Tensor

    @classmethod
    def root(cls, batch: int, device: torch.device | None = None) -> Tree:
        """One token in each row."""
        ancestors = torch.ones(batch, 1, 1, dtype=torch.bool, device=device)
        return cls(ancestors, torch.zeros(batch, 1, dtype=torch.long, device=device), 0)

    @classmethod
    def of_texts(cls, lengths: Tensor, width: int) -> Tree:
        """In each row one text of so many tokens without a branch, padded in front to `width`."""
        positions = torch.arange(width, device=lengths.device) - (width - lengths[:, None])
        return cls((positions >= 0)[:, None], positions.clamp(min=0), positions[:, -1:])

    def grown(self, parents: Tensor) -> Tree:
        """The tree with one token more on each of these branches [batch, newest]; a branch may grow several."""
        lines = self.ancestors.gather(1, parents[:, :, None].expand(-1, -1, self.ancestors.size(2)))
        itself = torch.eye(parents.size(1), dtype=torch.bool, device=parents.device).expand(len(parents), -1, -1)
        positions = torch.cat([self.positions, torch.zeros_like(parents) + (self.depth + 1)], dim=1)
        return Tree(torch.cat([lines, itself], dim=2), positions, self.depth + 1)

    def select(self, rows: Tensor) -> Tree:
        """The trees of these rows."""
        depth = self.depth if isinstance(self.depth, int) else self.depth.index_select(0, rows)
        return Tree(self.ancestors.index_select(0, rows), self.positions.index_select(0, rows), depth)

    def pruned(self, share: float = 1.0) -> tuple[Tree, Tensor] | None:
        """(the tree without dead branches, the places of the older tokens that are left [batch, kept], in order).

        As rows are of one length, some that are dead stay in rows with more dead ones than others. None if more than
        `share` of the older tokens would be left.
        """
        newest, tokens = self.ancestors.shape[1:]
        older = self.ancestors[:, :, : tokens - newest]
        alive = older.any(1)
        kept = int(alive.sum(1).max())
        if kept > share * alive.size(1):
            return None
        places = alive.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :kept].sort(dim=1).values
        lines = older.gather(2, places[:, None].expand(-1, newest, -1))
        lines = torch.cat([lines, self.ancestors[:, :, tokens - newest :]], dim=2)
        positions = torch.cat([self.positions.gather(1, places), self.positions[:, tokens - newest :]], dim=1)
        return Tree(lines, positions, self.depth), places

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        newest = queries[:, 0] - (self.ancestors.size(2) - self.ancestors.size(1))
        return self.ancestors[:, newest][:, None, :, keys[0]]

    def allows_all(self, grid: Grid) -> bool:
        return isinstance(self.depth, int) and self.ancestors.size(2) == self.depth + 1  # a line: one token a depth


@dataclass(frozen=True, eq=False)
class And(Mask):
    """Both allow it."""

    one: Mask
    other: Mask

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.one.allowed(queries, keys) & self.other.allowed(queries, keys)

    def allows_all(self, grid: Grid) -> bool:
        return self.one.allows_all(grid) and self.other.allows_all(grid)

    def kept(self) -> Mask:
        return type(self)(self.one.kept(), self.other.kept())


@dataclass(frozen=True, eq=False)
class Or(Mask):
    """Either allows it."""

    one: Mask
    other: Mask

    def allowed(self, queries: Tensor, keys: Tensor) -> Tensor:
        return self.one.allowed(queries, keys) | self.other.allowed(queries, keys)

    def allows_all(self, grid: Grid) -> bool:
        return self.one.allows_all(grid) or self.other.allows_all(grid)

    def kept(self) -> Mask:
        return type(self)(self.one.kept(), self.other.kept())
