"""Muon: momentum whose update is orthogonalised (Jordan et al., 2024), all matrices of one shape at once.

    B <- mu B + (1 - mu) g;    U = NewtonSchulz((1 - mu) g + mu B);
    W <- (1 - lr wd) W - 0.2 lr sqrt(max(rows, columns)) U

The scale makes a step as long as AdamW's, so that both share learning rates (Liu et al., 2025). It is torch.optim.Muon
to the letter (a test holds them together), which walks the matrices one by one: at d_model 128 that takes over a
quarter of a training step, the batched product a seventh (benchmarks/parts.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalised"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


class Muon(torch.optim.Optimizer):
    """For two-dimensional weights inside the blocks; embeddings, norms and biases belong to AdamW.

    Args:
        params: weights or groups of weights, all of two dimensions.
        lr: learning rate, of AdamW's size.
        weight_decay: decoupled decay.
        momentum: how long gradients are remembered.
    """

    def __init__(self, params: Any, lr: float, weight_decay: float = 0.0, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape, []).append(weight)
            for shape, weights in shapes.items():
                self._update(weights, group, 0.2 * math.sqrt(max(shape)))

    def _update(self, weights: list[Tensor], group: dict[str, Any], scale: float) -> None:
        grads: list[Tensor] = [w.grad for w in weights if w.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[w]["momentum_buffer"] for w in weights]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        update = orthogonalised(torch.stack(torch._foreach_lerp(grads, buffers, group["momentum"])))
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(update.to(weights[0].dtype).unbind()), alpha=-group["lr"] * scale)


def orthogonalised(x: Tensor, steps: int = 5) -> Tensor:
    """The nearest (half-)orthogonal matrices of x [n, rows, columns], roughly, by Newton-Schulz in bfloat16."""
    a, b, c = _COEFFICIENTS
    tall = x.size(-2) > x.size(-1)
    y = (x.mT if tall else x).bfloat16()
    y = y / y.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.mT if tall else y
