"""Positions: how a token says where it stands.

    sinusoidal  PE[p, 2i] = sin(p / 10000^(2i/d)),  PE[p, 2i+1] = cos(same)     (Vaswani et al., 2017); added to x
    learned     a table of max_len vectors; added to x
    rotary      each pair (x_i, x_{i+d/2}) of q and k is turned by p / base^(2i/d)   (Su et al., 2021); q . k then
                depends on positions only through their difference

Positions are those from `start` on, the same in each row; or `at` tells each row's own, [batch, tokens] (documents in
one row, texts that are padded in front). Axes: tokens, d_model; for rotary batch, heads, tokens, head_dim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from clearhead.attention.where import Where
from clearhead.errors import ConfigError
from clearhead.ranges import Base, Counted, Length, Table, Width, check

Places: TypeAlias = Int[Tensor, "batch tokens"]

__all__ = ["Learned", "Rotary", "Rotation", "Sinusoidal", "check_table", "sinusoids"]


def sinusoids(length: int, d_model: int, *, start: int = 0) -> Float[Tensor, "tokens d_model"]:
    """The sinusoidal encodings of positions `start` .. `start + length - 1`, sine and cosine in turns.

    Raises:
        ConfigError: a number is impossible.
    """
    check(Counted, "length", length)
    check(Width, "d_model", d_model)
    check(Counted, "start", start)
    check_table("length times d_model", length * d_model)
    return _waves(start, length, d_model)


def check_table(name: str, numbers: int) -> None:
    """Refuse a table of so many numbers, unless only its shape is asked for.

    Raises:
        ConfigError: they are too many.
    """
    if not _outlined():
        check(Table, name, numbers)


def _waves(start: int, length: int, d_model: int) -> Tensor:
    """The same unasked: a compiler that traces a pass has no plain numbers."""
    if _outlined():
        return torch.empty(length, d_model)
    position = torch.arange(start, start + length, dtype=torch.float64)[:, None]
    frequency = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angle = position * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model].float()


def _outlined() -> bool:
    """Whether only the shapes of a model are made, without numbers."""
    return torch.get_default_device().type == "meta"


class Sinusoidal(nn.Module):
    """Adds fixed waves to x; any length."""

    numbers, offset = "table", 0  # where they are, and which row is the first position's
    table: Tensor

    def __init__(self, d_model: int, max_len: int, *, halves: bool = False):
        super().__init__()
        check(Length, "max_len", max_len)
        self.halves = halves
        self.register_buffer("table", self._order(sinusoids(max_len, d_model)), persistent=False)

    def fill(self) -> None:
        """Compute the waves, where the module was made as an outline."""
        self.table = self._order(_waves(0, *self.table.shape))

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], where: Where | None = None
    ) -> Float[Tensor, "batch tokens d_model"]:
        where = where or Where.line(x.size(1))
        stop = where.stop
        if stop > self.table.size(0):  # waves need no training: a longer text simply has more of them
            self.table = self._order(_waves(0, 2 * stop, x.size(2))).to(self.table)
        return x + _of(self.table, where).to(x.dtype)

    def _order(self, waves: Tensor) -> Tensor:
        """Sines and cosines in turns, or all sines first."""
        return torch.cat([waves[:, ::2], waves[:, 1::2]], dim=1) if self.halves else waves


class Learned(nn.Module):
    """Adds a learned vector for each position below max_len; the first is row `offset` of its table."""

    numbers = "weight"

    def __init__(self, d_model: int, max_len: int, *, offset: int = 0):
        super().__init__()
        check(Width, "d_model", d_model)
        check(Length, "max_len", max_len)
        check(Counted, "offset", offset)
        self.offset = offset
        self.weight = nn.Parameter(torch.randn(max_len + offset, d_model) * d_model**-0.5)

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], where: Where | None = None
    ) -> Float[Tensor, "batch tokens d_model"]:
        where = where or Where.line(x.size(1))
        stop = where.stop
        if stop > self.weight.size(0) - self.offset:
            raise ConfigError(
                f"{stop} tokens are more than the {self.weight.size(0) - self.offset} positions this model has learned",
                "shorten the text, or train with a larger max_len or with sinusoidal or rotary positions",
            )
        return x + _of(self.weight[self.offset :] if self.offset else self.weight, where)


def _of(table: Tensor, where: Where) -> Tensor:
    """The rows of a table for the queries; any row for padding."""
    if where.begins is not None:
        return table[where.begins : where.stop]
    return F.embedding(where.queries.clamp(min=0), table)


@dataclass(frozen=True, eq=False)
class Rotation:
    """The turns of one stretch of positions, made once per pass: cos and sin of [(batch, 1,) tokens, head_dim / 2]."""

    cos: Tensor
    sin: Tensor

    def __call__(self, x: Float[Tensor, "batch heads tokens head_dim"]) -> Float[Tensor, "batch heads tokens head_dim"]:
        """x with each pair turned by its position's angle."""
        a, b = x.chunk(2, dim=-1)
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class Rotary(nn.Module):
    """Makes the `Rotation` of a stretch of positions; has no weights.

    Args:
        head_dim: width of a query.
        base: about how long the slowest pair takes to turn once.
        factor: how many times slow pairs are slowed down.
        slow, fast: pairs that take longer than `slow` positions to turn once are slow, those that take less than `fast`
            keep their pace, those between are slowed down in part; by default all are slow.
    """

    frequency: Tensor

    def __init__(
        self, head_dim: int, base: float = 10000.0, *, factor: float = 1.0, slow: float = 0.0, fast: float = 0.0
    ):
        super().__init__()
        check(Width, "head_dim", head_dim)
        check(Base, "base", base)
        if head_dim % 2:
            raise ConfigError(f"rotary positions turn pairs; head_dim is {head_dim}", "choose an even head_dim")
        self.base, self.factor, self.slow, self.fast = base, factor, slow, fast
        self.register_buffer("frequency", torch.empty(head_dim // 2), persistent=False)
        if not _outlined():
            self.fill()

    def fill(self) -> None:
        """Compute the frequencies, where the module was made as an outline."""
        steps = torch.arange(self.frequency.size(0), dtype=torch.float64)
        frequency = self.base ** (-steps / self.frequency.size(0))
        if self.factor != 1:
            turn, slowed = 2 * torch.pi / frequency, frequency / self.factor
            if self.slow > self.fast:  # between the bounds, by the number of turns in a text of the first length
                share = ((self.slow / turn - 1) / (self.slow / self.fast - 1)).clamp(0, 1)
                slowed = torch.lerp(slowed, frequency, share)
            frequency = slowed
        self.frequency = frequency.float()

    def forward(self, where: Where) -> Rotation:
        position = where.queries[0] if where.queries.size(0) == 1 else where.queries[:, None]
        angle = position[..., None].float() * self.frequency
        return Rotation(angle.cos(), angle.sin())
