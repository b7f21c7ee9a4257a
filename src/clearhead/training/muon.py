"""Muon: momentum whose update is orthogonalised (Jordan et al., 2024), all matrices of one shape at once.

    B <- mu B + (1 - mu) g;    U = NewtonSchulz((1 - mu) g + mu B);
    W <- (1 - lr wd) W - 0.2 lr sqrt(max(rows, columns)) U

The scale makes a step as long as AdamW's, so that both share learning rates (Liu et al., 2025). Newton-Schulz iterates
an odd polynomial of the singular values, y <- (c0 + c1 y y^T + c2 (y y^T)^2 + ...) y, until all are near 1. In bfloat16
it is Jordan's, of degree 5, five times, as in torch.optim.Muon (a test holds them together). In float32, for processors
that multiply nothing faster, it is the best there is of degree 9 for values from 0.01 to 1, and then for what that one
leaves (0.64 to 1.36 after both; Chen and Chow, 2014; Amsel et al., 2025): 8 products of a square matrix instead of 15.
Its large coefficients would not outlast rounding to bfloat16. And there each head's part of a projection is a matrix of
its own, which costs a fraction of the products. The losses are the same (benchmark `parts` has the times).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

__all__ = ["Muon", "orthogonalised"]

_FIVE = (3.4445, -4.7750, 2.0315)
_FIRST = (13.91, -132.7782, 438.52, -561.6089, 243.8181)
_SECOND = (4.8237, -10.7107, 9.507, -3.3921, 0.4162)


class Muon(torch.optim.Optimizer):
    """For two-dimensional weights inside the blocks; embeddings, norms and biases belong to AdamW.

    Args:
        params: weights or groups of weights, all of two dimensions.
        heads: weights that are made of heads -> (how many, the axis on which they lie side by side).
        lr: learning rate, of AdamW's size.
        weight_decay: decoupled decay.
        momentum: how long gradients are remembered.
        precision: of the products that orthogonalise, "float32" or "bfloat16"; kept in each group.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        precision: str = "float32",
        heads: Mapping[Tensor, tuple[int, int]] | None = None,
    ):
        self.heads = heads or {}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "precision": precision})

    @torch.no_grad()
    def step(self, closure: Callable[[], object] | None = None) -> None:  # type: ignore[override]
        """One update of every weight that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[torch.Size, tuple[int, int]], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault((weight.shape, self.heads.get(weight, (1, 0))), []).append(weight)
            for (shape, heads), weights in alike.items():
                self._update(weights, group, 0.2 * math.sqrt(max(shape)), heads)

    def _update(self, weights: list[Tensor], group: dict[str, Any], scale: float, heads: tuple[int, int]) -> None:
        grads: list[Tensor] = [w.grad for w in weights if w.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[w]["momentum_buffer"] for w in weights]
        torch._foreach_lerp_(buffers, grads, 1 - group["momentum"])
        ahead = torch.stack(torch._foreach_lerp(grads, buffers, group["momentum"]))
        update = orthogonalised(ahead, group["precision"], *heads)
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(weights, list(update.to(weights[0].dtype).unbind()), alpha=-group["lr"] * scale)


def orthogonalised(x: Tensor, precision: str = "float32", heads: int = 1, axis: int = 0) -> Tensor:
    """The nearest (half-)orthogonal matrices of x [n, rows, columns], roughly, by Newton-Schulz in this precision.

    In float32 each of the `heads` that lie side by side on an axis of the matrices (0: rows) is one of its own.
    """
    if heads > 1 and precision == "float32":
        parts = (x.mT if axis else x).unflatten(1, (heads, -1))
        whole = orthogonalised(parts.flatten(0, 1)).view(parts.shape).flatten(1, 2)
        return whole.mT if axis else whole
    tall = x.size(-2) > x.size(-1)
    y = (x.mT if tall else x).to(getattr(torch, precision))
    y = y / _norm(y).clamp(min=1e-7)
    y = _by_five(y) if precision == "bfloat16" else _by_nine(y)
    return y.mT if tall else y


def _by_five(y: Tensor) -> Tensor:
    a, b, c = _FIVE
    for _ in range(5):
        gram = y @ y.mT
        y = torch.baddbmm(y, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y


def _by_nine(y: Tensor) -> Tensor:
    gram = y @ y.mT
    squared = gram @ gram
    # The largest singular value is at most |(y y^T)^2|^(1/4), which is near it: the polynomials begin where y ends.
    bound = _norm(squared).sqrt().sqrt().clamp(min=1e-7)
    y = _nine(y / bound, gram.div_(bound**2), squared.div_(bound**4), _FIRST)
    gram = y @ y.mT
    return _nine(y, gram, gram @ gram, _SECOND)


def _nine(y: Tensor, gram: Tensor, squared: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    """(c0 + c1 G + c2 G^2 + c3 G^3 + c4 G^4) y of G = gram, in two products."""
    c0, c1, c2, c3, c4 = coefficients
    factor = (c4 * squared).add_(gram, alpha=c3)
    factor.diagonal(dim1=-2, dim2=-1).add_(c2)
    return torch.baddbmm(y, torch.baddbmm(gram, squared, factor, beta=c1), y, beta=c0)


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=(-2, -1), keepdim=True)
