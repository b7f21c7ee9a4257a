"""Caches: keys and values that were computed once and are asked again at every decoding step.

A `Cache` grows with the text that is being written; a `MemoryCache` holds what does not change (the encoder's output as
keys and values). Both are append-only: what an act was given is never overwritten; `select` allocates anew.

Axes: batch, kv_heads, tokens, head_dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Cache", "MemoryCache", "join_memories", "join_rows"]


class Cache:
    """Keys and values of the tokens so far; `length` is how many, which is the position of the next one.

    Args:
        window: how many tokens a token sees, itself the last; those before are forgotten. None: all are kept.
    """

    def __init__(self, window: int | None = None) -> None:
        self.length, self.window = 0, window
        self._first = 0  # position of the first token in the buffers
        self._k: Tensor | None = None
        self._v: Tensor | None = None

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new tokens' k and v; returns those of all tokens that a new one may see, the new ones last."""
        seen = 0 if self.window is None else max(0, self.length + 1 - self.window)  # by the first of the new tokens
        start, stop = self.length - self._first, self.length - self._first + k.size(2)
        if self._k is None or self._v is None or stop > self._k.size(2):
            forgotten = seen - self._first
            self._k, self._v = (self._roomier(x, new, forgotten) for x, new in ((self._k, k), (self._v, v)))
            start, stop, self._first = start - forgotten, stop - forgotten, seen
        self._k[:, :, start:stop], self._v[:, :, start:stop] = k, v
        self.length += k.size(2)
        return self._k[:, :, seen - self._first : stop], self._v[:, :, seen - self._first : stop]

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order (a row may be taken several times)."""
        if self._k is not None and self._v is not None:
            held, rows = self.length - self._first, rows.to(self._k.device)
            self._k, self._v = (x[:, :, :held].index_select(0, rows) for x in (self._k, self._v))

    def keep(self, places: Tensor) -> None:
        """Go on with these of each row's tokens [batch, kept], in this order; not for a cache of a window."""
        assert self.window is None, "what a window has forgotten cannot be picked"
        if self._k is not None and self._v is not None:
            places = places.to(self._k.device)
            self._k, self._v = (self._picked(x, places) for x in (self._k, self._v))
            self.length = places.size(1)

    def join(self, other: Cache) -> None:
        """Go on with other rows too, ended alike: what shorter ones lack at their beginning is padding."""
        if self._k is None or self._v is None or other._k is None or other._v is None:
            assert self._k is other._k, "a cache that holds something is joined by one that does"
            return
        length = max(self.length, other.length)
        held, more = self.length - self._first, other.length - other._first
        self._k, self._v = (
            join_rows(one[:, :, :held], new[:, :, :more], dim=2)
            for one, new in ((self._k, other._k), (self._v, other._v))
        )
        self.length, self._first = length, length - self._k.size(2)

    @staticmethod
    def _picked(x: Tensor, places: Tensor) -> Tensor:
        batch, heads, room, width = x.shape
        first = torch.arange(batch * heads, device=x.device).view(batch, heads, 1) * room
        rows = (first + places[:, None]).flatten()  # whole rows are copied, many times faster than gather
        return x.view(-1, width).index_select(0, rows).view(batch, heads, -1, width)

    def _roomier(self, old: Tensor | None, new: Tensor, forgotten: int) -> Tensor:
        """A buffer with what is held of `old`, the first `forgotten` left out, and room for `new` and as much again."""
        batch, heads, tokens, width = new.shape
        held = self.length - self._first - forgotten
        room = new.new_empty(batch, heads, max(16, 2 * (held + tokens)), width)
        if old is not None:
            room[:, :, :held] = old[:, :, forgotten : forgotten + held]
        return room


class MemoryCache:
    """Keys and values of a memory, computed at the first step only."""

    def __init__(self) -> None:
        self._kv: tuple[Tensor, Tensor] | None = None

    def once(self, make: Callable[[], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """What `make` gave the first time, laid out as products read it at every step."""
        if self._kv is None:
            k, v = make()
            self._kv = k.contiguous(), v.contiguous()
        return self._kv

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the memory."""
        if self._kv is not None:
            rows = rows.to(self._kv[0].device)
            self._kv = (self._kv[0].index_select(0, rows), self._kv[1].index_select(0, rows))

    def join(self, other: MemoryCache) -> None:
        """Go on with other rows too, begun alike: what shorter ones lack at their end is padding."""
        if self._kv is None or other._kv is None:
            assert self._kv is other._kv, "a cache that holds something is joined by one that does"
            return
        k, v = (join_rows(one, more, dim=2, end=True) for one, more in zip(self._kv, other._kv, strict=True))
        self._kv = k.contiguous(), v.contiguous()


def join_rows(one: Tensor, more: Tensor, dim: int, *, end: bool = False) -> Tensor:
    """Rows and others below them, along `dim` padded with zeros to one size: at the beginning, or at the `end`."""
    size = max(one.size(dim), more.size(dim))

    def padded(x: Tensor) -> Tensor:
        shape = list(x.shape)
        shape[dim] = size - x.size(dim)
        zeros = x.new_zeros(shape)
        return torch.cat([x, zeros] if end else [zeros, x], dim=dim)

    return torch.cat([padded(one), padded(more)])


def join_memories(
    one: Tensor, lengths: Tensor | None, more: Tensor, more_lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """(the states of sentences and of others [batch, src_tokens, width], how many of each row are real)."""
    both = [
        torch.full((len(x),), x.size(1), device=x.device) if given is None else given
        for x, given in ((one, lengths), (more, more_lengths))
    ]
    return join_rows(one, more, 1, end=True), torch.cat(both)
