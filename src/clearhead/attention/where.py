"""Where a token stands: one value of the pass, which masks, biases, rotations and learned positions read.

    Where.line(7)                       seven tokens of one text in each row, each its own key
    Where.line(1, start=6)              the seventh alone, its keys the six before it and itself (a cache holds them)
    Where.texts(lengths, 7)             rows of these lengths, padded at the end (or at the beginning)
    Where.packed(places, texts)         several texts in a row, none of which sees another
    where.of(slice(2, 4))               the same for some of the queries

Positions are those in a token's own text, from 0; nobody stands at -1 (padding, an empty slot). Text laid out in any
way - padded, packed, as a tree, in a cache, in a ring of slots - has the same positions, so it has the same numbers.

What a person gives as a matrix (`Matrix`, `Added`, an edit's rows) is in the order of the buffers and not of positions:
`row` and `column` say where in that order the queries and the keys of this value begin.

Axes: rows (1 where all rows are alike), n queries, m keys.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from clearhead.errors import ConfigError, given

__all__ = ["NOBODY", "Where"]

NOBODY = -1
_FARTHEST = 10**9  # a position: far beyond any text, and small enough for every sum of two
_REMEMBERED = 32  # tensors made from one value: a mask and a bias of each kind, in a precision or two
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Where:
    """Where the queries and the keys of a pass stand; immutable, tensors included.

    The flags are what is known without reading a tensor. They cost nothing and are never wrong: a flag that is not set
    says nothing.

    Args:
        queries: positions in their own texts [rows or 1, n].
        keys: the same [rows or 1, m]; -1 where nobody stands.
        query_text, key_text: which of a row's texts each belongs to, likewise; None: one text a row.
        kin: which keys each query descends from, itself with them [rows, n, m]; None: all that stand before it may be.
        begins: all rows are one text whose queries stand at `begins`, `begins + 1`, ...: tables are sliced there.
        in_order: rows hold texts one after the other without a gap: positions are as far apart as places in the row.
        square: the keys are the queries, in order, one text a row, nobody missing: a kernel's causal flag is `Causal`.
        whole: somebody stands at every key, and it is of the query's text.
        last: no key stands after any query.
        row, column: where the queries and the keys begin in the order of the buffers.
    """

    queries: Tensor
    keys: Tensor
    query_text: Tensor | None = None
    key_text: Tensor | None = None
    kin: Tensor | None = None
    begins: int | None = None
    in_order: bool = False
    square: bool = False
    whole: bool = False
    last: bool = False
    row: int = 0
    column: int = 0
    _memo: dict[object, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.queries.ndim != 2 or self.keys.ndim != 2:
            shapes = f"{tuple(self.queries.shape)} and {tuple(self.keys.shape)}"
            raise ConfigError(f"positions of shape {shapes} are not possible", "give [rows or 1, tokens] of each")
        if self.queries.is_floating_point() or self.keys.is_floating_point():
            raise ConfigError("positions are whole numbers", "write positions.long()")

    @classmethod
    def line(cls, n: int, *, start: int = 0, first: int = 0, device: torch.device | None = None) -> Where:
        """Queries `start` .. `start + n - 1` of one text in each row; their keys begin at `first` and end with them.

        Raises:
            ConfigError: a position is impossible.
        """
        if not 0 <= first <= start <= _FARTHEST or not 0 <= n <= _FARTHEST:
            raise ConfigError(
                f"{given(n)} queries from {given(start)} on, keys from {given(first)} on: not possible",
                f"positions are whole numbers from 0 to {_FARTHEST}, and keys begin no later than queries",
            )
        places = torch.arange(first, start + n, device=device)[None]
        square = start == first
        return cls(
            places[:, start - first :],
            places,
            begins=start,
            square=square and not start,
            whole=True,
            last=n == 1,
            row=start,
            column=first,
        )

    @classmethod
    def across(
        cls, n: int, m: int, lengths: Tensor | None = None, *, row: int = 0, device: torch.device | None = None
    ) -> Where:
        """`n` queries of one text that ask a memory of `m` keys, of which row b has the first `lengths[b]`.

        Raises:
            ConfigError: so many are impossible.
        """
        if not (0 <= n <= _FARTHEST and 0 <= m <= _FARTHEST):
            raise ConfigError(f"{given(n)} queries and {given(m)} keys: not possible", f"give 0 to {_FARTHEST} of each")
        device = device if lengths is None else lengths.device
        keys = torch.arange(m, device=device)[None]
        if lengths is not None:
            keys = keys.masked_fill(keys >= lengths[:, None], NOBODY)
        whole = lengths is None
        places = torch.arange(n, device=device)[None]
        return cls(places, keys, begins=0, square=whole and n == m, whole=whole, last=whole and m <= 1, row=row)

    @classmethod
    def texts(cls, lengths: Tensor, width: int, *, left: bool = False) -> Where:
        """One text of so many tokens [rows] in each row of `width`; padding at the end, or at the beginning."""
        places = torch.arange(width, device=lengths.device)[None]
        if left:
            places = (places - (width - lengths[:, None])).clamp(min=NOBODY)
            return cls(places, places)
        return cls(places, places.masked_fill(places >= lengths[:, None], NOBODY), begins=0)

    @classmethod
    def packed(cls, places: Tensor, texts: Tensor, *, in_order: bool = False) -> Where:
        """Several texts in a row: where each token stands in its own, and which that is [rows, tokens].

        Args:
            in_order: they stand one after the other, each without a gap; distances are then made once for all rows.
        """
        return cls(places, places, texts, texts, in_order=in_order)

    @property
    def n(self) -> int:
        """How many queries."""
        return self.queries.size(1)

    @property
    def m(self) -> int:
        """How many keys."""
        return self.keys.size(1)

    def fits(self, rows: int, n: int, m: int) -> bool:
        """Whether it is of so many rows, queries and keys."""
        asks, asked = self.queries.shape, self.keys.shape
        return asks[1] == n and asked[1] == m and asks[0] in (1, rows) and asked[0] in (1, rows)

    def of(self, rows: slice) -> Where:
        """The same for some of the queries."""
        start, stop, _ = rows.indices(self.n)
        if (start, stop) == (0, self.n):
            return self
        return self.remembered(("of", start, stop), lambda: self._of(start, stop))

    def _of(self, start: int, stop: int) -> Where:
        return replace(
            self,
            queries=self.queries[:, start:stop],
            query_text=None if self.query_text is None else self.query_text[:, start:stop],
            kin=None if self.kin is None else self.kin[:, start:stop],
            begins=None if self.begins is None else self.begins + start,
            square=False,
            last=self.last or (self.square and stop - start == 1 and stop == self.n),
            row=self.row + start,
        )

    def since(self, first: int) -> Where:
        """The same without the keys before the place `first` of the buffers: a window has forgotten them."""
        gone = first - self.column
        if gone <= 0:
            return self
        return replace(
            self,
            keys=self.keys[:, gone:],
            key_text=None if self.key_text is None else self.key_text[:, gone:],
            kin=None if self.kin is None else self.kin[:, :, gone:],
            square=False,
            column=first,
        )

    def to(self, device: torch.device) -> Where:
        """The same on another device."""
        if self.queries.device == device:
            return self
        names = ("queries", "keys", "query_text", "key_text", "kin")
        return replace(self, **{n: x.to(device) for n in names if (x := getattr(self, n)) is not None})

    @property
    def stop(self) -> int:
        """The position after the last one of the queries."""
        if self.begins is not None:
            return self.begins + self.n
        return int(self.queries.max()) + 1 if self.queries.numel() else 0

    def present(self) -> Tensor:
        """Somebody stands there, and it is of the query's own text and line [rows or 1, 1, n or 1, m]."""
        here = (self.keys != NOBODY)[:, None] if self.kin is None else self.kin  # nobody is an ancestor
        if self.query_text is not None and self.key_text is not None:
            here = here & (self.query_text[:, :, None] == self.key_text[:, None])
        return here[:, None]

    def distance(self) -> Tensor:
        """Key position minus query position [rows or 1, 1, n, m]; any number where they are of two texts, or nobody."""
        start = self.row if self.in_order else self.begins
        if start is None:
            return (self.keys[:, None] - self.queries[:, :, None])[:, None]
        queries = torch.arange(start, start + self.n, device=self.keys.device)
        return (self.columns() - queries[:, None])[None, None]

    def columns(self) -> Tensor:
        """The places of the keys in the order of the buffers [m]."""
        return torch.arange(self.column, self.column + self.m, device=self.keys.device)

    def cut(self, matrix: Tensor) -> Tensor:
        """The part of a matrix in the order of the buffers, [..., queries or 1, keys or 1], that lies here."""
        rows = matrix if matrix.size(-2) == 1 else matrix[..., self.row : self.row + self.n, :]
        return rows if rows.size(-1) == 1 else rows[..., self.column : self.column + self.m]

    @property
    def farthest(self) -> int | None:
        """The farthest that a query and a key stand from each other, where rows are a line and nobody is missing."""
        if self.begins is None or not self.whole:
            return None
        return max(self.begins + self.n - 1 - self.column, self.column + self.m - 1 - self.begins)

    def remembered(self, key: object, make: Callable[[], T], *, when: Callable[[T], bool] = lambda _: True) -> T:
        """What was made from this value before under `key`: each layer of a pass asks for the same.

        Args:
            when: whether what was made is kept.
        """
        if torch.compiler.is_compiling():  # the compiler shares equal work by itself, and must not guard on sizes
            return make()
        key = (key, torch.is_inference_mode_enabled())  # autograd refuses what was made in inference mode
        if key in self._memo:
            held: T = self._memo[key]
            return held
        made = make()
        if when(made):
            if len(self._memo) >= _REMEMBERED:
                self._memo.clear()
            self._memo[key] = made
        return made

    def kept(self) -> Where:
        """The same without what it remembered: what a trace holds stays small."""
        return replace(self)
