"""Which part of the data is held out for validation: never much more than was asked for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

__all__ = ["held_keys", "spacing"]

_RAREST = 2**62  # rows between two that are held out


def held_keys(keys: Sequence[bytes], share: float, rows: int) -> set[bytes]:
    """The keys whose rows are held out: `share` of the rows, at most `rows`, whole keys at a time, the smallest first.

    A key with more rows than are still to be held out is passed over; if even the rarest has more, it is taken.
    """
    sizes = Counter(keys)
    left = max(1, min(rows, round(share * len(keys)), len(keys) - 1))
    held: set[bytes] = set()
    for key in sorted(sizes):
        if sizes[key] <= left:
            held.add(key)
            left -= sizes[key]
    return held or {min(sizes, key=lambda key: (sizes[key], key))}


def spacing(share: float) -> int:
    """Each how many-th row is held out; of two at least one is trained on."""
    return max(2, math.ceil(min(1 / share - 1e-9, _RAREST)))
