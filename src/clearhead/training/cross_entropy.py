"""The loss over a vocabulary, and its gradient on the way.

    loss = - sum_n sum_v t[n, v] log p[n, v],   p = softmax(x W'),   t = (1 - s) onehot(label) + s / V
                                                                            (Szegedy et al., 2016, smooth the labels)
    d loss / d logits = p - t;   capped: softmax(c tanh(x W' / c)), and (p - t) (1 - tanh^2)

Logits of all tokens are most of a translator's numbers. Here they are made for some tokens at a time, turned into their
own gradient where they stand, and both products with it are done at once. The same two buffers serve all blocks:
nothing as large is ever kept, and no pages of memory are asked of the system anew (benchmark `parts`).

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

_BLOCK = 2**24  # bytes of logits a processor makes at once: the fastest of 2**20 to 2**27, with 32 MB of cache
_LARGE = 2**25  # logits a GPU makes at once, and the most that a processor does
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
        block = _tokens(x, weight)
        wide = torch.promote_types(weight.dtype, torch.float32) if len(x) > block else weight.dtype  # sums of blocks
        weight_grad = weight.new_zeros(weight.shape if wanted else (), dtype=wide)
        buffers = x.new_empty(2, min(block, len(x)), vocab)
        for part, label in zip(x.split(block), labels.split(block), strict=True):
            logits, p = buffers[:, : len(label)]
            torch.mm(part, weight.mT, out=logits)
            if cap is not None:
                logits.div_(cap).tanh_().mul_(cap)
            place = torch.arange(len(label), device=x.device), label
            at_label = logits[place].float()
            torch.softmax(logits, -1, out=p)
            normaliser = _normaliser(logits, p, place)
            loss += normaliser.sum() - (1 - smoothing) * at_label.sum()
            if total is not None:
                summed = (part.float() @ total).sum() if cap is None else logits.sum(dtype=torch.float32)
                loss -= summed * (smoothing / vocab)
            if wanted:
                if smoothing:
                    p -= smoothing / vocab
                p[place] -= 1 - smoothing
                if cap is not None:
                    p.addcmul_(p, logits.square_(), value=-(cap**-2))
                x_grads.append(p @ weight)
                _add_product(weight_grad, p, part)
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


def _tokens(x: Tensor, weight: Tensor) -> int:
    """How many tokens are worked on at once.

    On a processor at least d_model, as far as _LARGE allows: each time the whole gradient of the weights is added to.
    """
    vocab, block = weight.size(0), _BLOCK // x.element_size() if x.device.type == "cpu" else _LARGE
    return max(1, block // vocab, min(x.size(1), _LARGE // vocab))


def _add_product(total: Tensor, p: Tensor, x: Tensor) -> None:
    """Add p' x, [vocab, d_model], to the total, which may be more precise."""
    for columns, out in zip(p.split(_COLUMNS, dim=1), total.split(_COLUMNS), strict=True):
        if x.dtype == total.dtype:
            out.addmm_(columns.mT, x)
        else:
            out += columns.mT @ x
