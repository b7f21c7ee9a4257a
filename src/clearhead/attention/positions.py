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

    numbers = "table"  # where they are
    table: Tensor

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        check(Length, "max_len", max_len)
        self.register_buffer("table", sinusoids(max_len, d_model), persistent=False)

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], where: Where | None = None
    ) -> Float[Tensor, "batch tokens d_model"]:
        where = where or Where.line(x.size(1))
        stop = where.stop
        if stop > self.table.size(0):  # waves need no training: a longer text simply has more of them
            self.table = _waves(0, 2 * stop, x.size(2)).to(self.table)
        return x + _of(self.table, where).to(x.dtype)


class Learned(nn.Module):
    """Adds a learned vector for each position below max_len."""

    numbers = "weight"

    def __init__(self, d_model: int, max_len: int):
        super().__init__()
        check(Width, "d_model", d_model)
        check(Length, "max_len", max_len)
        self.weight = nn.Parameter(torch.randn(max_len, d_model) * d_model**-0.5)

    def forward(
        self, x: Float[Tensor, "batch tokens d_model"], where: Where | None = None
    ) -> Float[Tensor, "batch tokens d_model"]:
        where = where or Where.line(x.size(1))
        stop = where.stop
        if stop > self.weight.size(0):
            raise ConfigError(
                f"{stop} tokens are more than the {self.weight.size(0)} positions this model has learned",
                "shorten the text, or train with a larger max_len or with sinusoidal or rotary positions",
            )
        return x + _of(self.weight, where)


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
    """Makes the `Rotation` of a stretch of positions; has no weights."""

    frequency: Tensor

    def __init__(self, head_dim: int, base: float = 10000.0):
        super().__init__()
        check(Width, "head_dim", head_dim)
        check(Base, "base", base)
        if head_dim % 2:
            raise ConfigError(f"rotary positions turn pairs; head_dim is {head_dim}", "choose an even head_dim")
        steps = torch.empty(head_dim // 2) if _outlined() else torch.arange(0, head_dim, 2, dtype=torch.float64)
        frequency = steps if _outlined() else base ** (-steps / head_dim)
        self.register_buffer("frequency", frequency.float(), persistent=False)

    def forward(self, where: Where) -> Rotation:
        position = where.queries[0] if where.queries.size(0) == 1 else where.queries[:, None]
        angle = position[..., None].float() * self.frequency
        return Rotation(angle.cos(), angle.sin())
