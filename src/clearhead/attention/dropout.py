"""Dropout (Srivastava et al., 2014): each number is zeroed with probability p, the others grow by 1 / (1 - p).

On a CPU, drawing one Bernoulli number an entry costs half as much as all matrix products of a small model. There 16
random bits decide an entry, drawn by the fastest generator at hand (SFC64), in whole-number arithmetic: a
quarter of the time (benchmark `parts`), p in steps of 2^-16.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["add_dropped", "dropout"]


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """`x` with a share p of its entries dropped in training; `x` itself otherwise. Any shape."""
    if not training or p == 0.0:
        return x
    return F.dropout(x, p) if _torch_draws(x) else x * _factors(x, p)


def add_dropped(x: Tensor, part: Tensor, p: float, training: bool = True) -> Tensor:
    """x + dropout(part, p): a residual connection, in one pass. Equal shapes."""
    if not training or p == 0.0 or _torch_draws(part):
        return x + dropout(part, p, training)
    return torch.addcmul(x, part, _factors(part, p))


def _torch_draws(x: Tensor) -> bool:
    return x.device.type != "cpu" or torch.compiler.is_compiling()


def _factors(x: Tensor, p: float) -> Tensor:
    """What the entries of x are multiplied with: 0, or 1 / (1 - p)."""
    last = min(max(round(p * 2**16), 1), 2**16 - 1) - 2**15 - 1  # the greatest draw that drops
    draws = _bits((x.numel() + 3) // 4).view(torch.int16)[: x.numel()].view(x.shape)
    kept = draws.clamp_(last, last + 1).sub_(last)  # 0 or 1; a comparison would take ten times as long
    if x.element_size() == 2:  # the number's own bits, times 0 or 1
        return kept.mul_(int(torch.tensor(1.0 / (1.0 - p), dtype=x.dtype).view(torch.int16))).view(x.dtype)
    return kept.to(x.dtype).mul_(1.0 / (1.0 - p))


def _bits(n: int) -> Tensor:
    """n random words of 64 bits, governed by torch's random state."""
    if n < 2**12:  # seeding takes longer than drawing
        return torch.empty(n, dtype=torch.int64).random_(-(2**63), None)
    seed = int(torch.empty((), dtype=torch.int64).random_())
    return torch.from_numpy(np.random.SFC64(seed).random_raw(n).view(np.int64))
