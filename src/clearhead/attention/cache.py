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
    """Keys and values of the tokens so far; `length` is how many, which is the position of the next one."""

    def __init__(self) -> None:
        self.length = 0
        self._k: Tensor | None = None
        self._v: Tensor | None = None

    def update(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append the new tokens' k and v; returns all of them, the new ones last."""
        self._k, self._v = self._appended(self._k, k), self._appended(self._v, v)
        self.length += k.size(2)
        return self._k[:, :, : self.length], self._v[:, :, : self.length]

    def select(self, rows: Tensor) -> None:
        """Go on with these rows of the batch, in this order (a row may be taken several times)."""
        if self._k is not None and self._v is not None:
            self._k, self._v = (x[:, :, : self.length].index_select(0, rows) for x in (self._k, self._v))

    def keep(self, places: Tensor) -> None:
        """Go on with these of each row's tokens [batch, kept], in this order."""
        if self._k is not None and self._v is not None:
            self._k, self._v = (self._picked(x, places) for x in (self._k, self._v))
            self.length = places.size(1)

    @staticmethod
    def _picked(x: Tensor, places: Tensor) -> Tensor:
        batch, heads, room, width = x.shape
        first = torch.arange(batch * heads, device=x.device).view(batch, heads, 1) * room
        rows = (first + places[:, None]).flatten()  # whole rows are copied, many times faster than gather
        return x.view(-1, width).index_select(0, rows).view(batch, heads, -1, width)

    def _appended(self, old: Tensor | None, new: Tensor) -> Tensor:
        stop = self.length + new.size(2)
        if old is None or stop > old.size(2):
            batch, heads, _, width = new.shape
            room = new.new_empty(batch, heads, max(16, 2 * stop), width)
            if old is not None:
                room[:, :, : self.length] = old[:, :, : self.length]
            old = room
        old[:, :, self.length : stop] = new
        return old


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
