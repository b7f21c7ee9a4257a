"""Dropout (Srivastava et al., 2014): each number is zeroed with probability p, the others grow by 1 / (1 - p).

On a CPU, drawing one Bernoulli number an entry costs half as much as all matrix products of a small model. There one
64-bit draw decides four entries, 16 bits each: a third of the time (benchmarks/parts.py), p exact to 2^-17.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["dropout"]


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """`x` with a share p of its entries dropped in training; `x` itself otherwise. Any shape."""
    if not training or p == 0.0:
        return x
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.dropout(x, p)
    draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= round(p * 2**16) - 2**15
    return x * (kept.to(x.dtype) * (1.0 / (1.0 - p)))
