"""Caches: keys and values that were computed once and are asked again at every decoding step.

A `Cache` grows with the text that is being written; a `MemoryCache` holds what does not change (the encoder's output as
keys and values). Both are append-only: what an act was given is never overwritten; `select` allocates anew.

Axes: batch, kv_heads, tokens, head_dim.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Cache", "MemoryCache"]


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
            self._k, self._v = (self._picked(x, places) for x in (self._k, self._v))
            self.length = places.size(1)

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
            self._kv = (self._kv[0].index_select(0, rows), self._kv[1].index_select(0, rows))
