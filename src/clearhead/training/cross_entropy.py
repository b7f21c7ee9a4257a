"""The loss over a vocabulary, and its gradient on the way.

    loss = - sum_n sum_v t[n, v] log p[n, v],   p = softmax(x W'),   t = (1 - s) onehot(label) + s / V
                                                                            (Szegedy et al., 2016, smooth the labels)
    d loss / d logits = p - t;   capped: softmax(c tanh(x W' / c)), and (p - t) (1 - tanh^2)

Logits of all tokens are most of a translator's numbers. Here they are turned into their own gradient where they stand,
and both products with it are done at once: nothing as large is ever kept (benchmarks/parts.py).

Axes: tokens, d_model, vocab.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["cross_entropy", "perplexity"]

_BLOCK = 2**25  # logits that are held at once (64 MB in bfloat16)
_COLUMNS = 2**13  # of these, whose gradient's product is done at once: a turned piece of them stays in the cache


def cross_entropy(
    x: Float[Tensor, "tokens d_model"],
    weight: Float[Tensor, "vocab d_model"],
    labels: Int[Tensor, " tokens"],
    smoothing: float = 0.0,
    cap: float | None = None,
) -> Float[Tensor, ""]:
    """The sum over tokens of the smoothed cross-entropy of softmax(x W'), in nats and float32; once differentiable.

    Logits stay between -cap and cap where that is given.
    """
    loss: Tensor = _CrossEntropy.apply(x, weight, labels, smoothing, cap)
    return loss


def perplexity(loss: float) -> float:
    """e^loss of a mean loss in nats; infinite where that is more than a float can hold."""
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, labels: Tensor, smoothing: float, cap: float | None) -> Tensor:
        vocab, wanted = weight.size(0), any(ctx.needs_input_grad)
        total = weight.sum(0, dtype=torch.float32) if smoothing else None  # x total' = a token's logits summed
        loss = torch.zeros((), device=x.device)
        x_grads: list[Tensor] = []
        weight_grad = torch.zeros((), device=x.device)
        block = max(1, _BLOCK // vocab)
        for part, label in zip(x.split(block), labels.split(block), strict=True):
            logits, bent = part @ weight.mT, None
            if cap is not None:
                bent = (logits / cap).tanh_()
                logits = bent * cap
            place = torch.arange(len(label), device=x.device), label
            at_label = logits[place].float()
            p = logits.softmax(-1)
            normaliser = _normaliser(logits, p, place)
            loss += normaliser.sum() - (1 - smoothing) * at_label.sum()
            if total is not None:
                summed = (part.float() @ total).sum() if bent is None else logits.sum(dtype=torch.float32)
                loss -= summed * (smoothing / vocab)
            if wanted:
                if smoothing:
                    p -= smoothing / vocab
                p[place] -= 1 - smoothing
                if bent is not None:
                    p -= p * bent.square_()
                x_grads.append(p @ weight)
                grad = _columns_times(p, part)
                weight_grad = weight_grad.float() + grad if len(x_grads) > 1 else grad
        if wanted:
            ctx.save_for_backward(torch.cat(x_grads), weight_grad.to(weight.dtype))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x_grad, weight_grad = ctx.saved_tensors
        return x_grad * grad, weight_grad * grad, None, None, None


def _normaliser(logits: Tensor, p: Tensor, place: tuple[Tensor, Tensor]) -> Tensor:
    """log sum exp of each row of logits, in float32.

    The label's own two numbers give it without a second sum over the vocabulary: logit - log p. Where its p is smaller
    than a float can be, those of the likeliest token do.
    """
    at_label = p[place].float()
    least = max(torch.finfo(p.dtype).tiny, torch.finfo(torch.float32).tiny)
    found = logits[place].float() - at_label.clamp(min=least).log()
    lost = at_label < least
    if logits.device.type == "cpu" and not lost.any():  # another device would have to be waited for
        return found
    return torch.where(lost, logits.amax(-1).float() - p.amax(-1).float().log(), found)


def _columns_times(p: Tensor, x: Tensor) -> Tensor:
    """p' x, [vocab, d_model]."""
    product = x.new_empty(p.size(1), x.size(1))
    for columns, out in zip(p.split(_COLUMNS, dim=1), product.split(_COLUMNS), strict=True):
        torch.mm(columns.mT, x, out=out)
    return product
