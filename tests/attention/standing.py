"""Queries and keys that stand anywhere on a line, for tests of what a pass never has: keys before and after them."""

from __future__ import annotations

import torch

from clearhead.attention import Where


def standing(queries: int, keys: int, *, start: int = 0, first: int = 0) -> Where:
    """Queries from `start` on and keys from `first` on, of one text in each row."""
    asks, asked = torch.arange(start, start + queries)[None], torch.arange(first, first + keys)[None]
    return Where(asks, asked, begins=start, whole=True, row=start, column=first)
