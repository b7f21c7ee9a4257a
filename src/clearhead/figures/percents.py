"""Shares of a whole as whole percentages that sum to 100.

Each is cut to a whole number, and those with the largest remainders get one more until the sum is right (Hamilton's
method): rounded one by one, three thirds would be 33 % each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["whole_percents"]

_WHOLE = 0.5  # percent that a sum may be away from 100: more, and the shares are no parts of one whole
_SAME = 1e-9  # percent: remainders this near are the same, and the first goes before


def whole_percents(shares: Sequence[float]) -> list[int | None]:
    """Whole percentages of shares, None for one that is not finite.

    Shares that are not parts of one whole (one is negative, the sum is not 1) are rounded one by one.
    """
    percents = [100 * share for share in shares]
    if not all(map(math.isfinite, percents)):
        return [round(percent) if math.isfinite(percent) else None for percent in percents]
    if min(percents, default=0) < 0 or abs(sum(percents) - 100) > _WHOLE:
        return [round(percent) for percent in percents]
    cut = [math.floor(percent + _SAME) for percent in percents]
    order = sorted(range(len(cut)), key=lambda i: (-round((percents[i] - cut[i]) / _SAME), i))
    more = set(order[: max(0, 100 - sum(cut))])
    return [whole + (i in more) for i, whole in enumerate(cut)]
