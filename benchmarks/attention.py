"""Every call of clearhead's attention, for all cases: masks, biases, positions, acts, a search's cache.

What is called here by its inner names is what a change of that interface has to look at in the benchmarks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead import attention
from clearhead.attention import Attention, Where
from clearhead.attention.dropout import dropout
from clearhead.look import Trace
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.models.stack import Memory

Ways = tuple[Callable[[], object], Callable[[], object]]
sinusoids = attention.sinusoids


# Acts of a trace


def acts(trace: Trace) -> dict[str, Attention]:
    """Path -> act, of all acts of attention."""
    return {path: value for path in trace if isinstance(value := trace[path], Attention)}


def held(value: Attention | Tensor) -> list[Tensor]:
    """The tensors that a value of a trace holds."""
    return [value.q, value.k, value.v] if isinstance(value, Attention) else [value]


# An act's own choice of path, and the fused kernel


def causal_pass(tokens: int, dtype: torch.dtype) -> Ways:
    """Forward and backward of 4,096 tokens in texts of so many."""
    shape = (max(1, 4096 // tokens), 8, tokens, 32)
    q, k, v = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))

    def ours() -> None:
        Attention(q, k, v, mask=attention.Causal()).context().sum().backward()

    def plain() -> None:
        F.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()

    return ours, plain


def decoding_step(keys: int, dtype: torch.dtype) -> Ways:
    """The newest tokens of 16 beams of 4 ask those before them."""
    q, k, v = (torch.randn(16, 8, n, 64, dtype=dtype) for n in (4, keys, keys))
    allowed = torch.rand(16, 1, 4, keys) > 0.5
    allowed[..., -4:] = torch.eye(4, dtype=torch.bool)
    mask = attention.Matrix(allowed)  # of all layers of a step

    def ours() -> None:
        with torch.inference_mode():
            Attention(q, k, v, mask=mask).context()

    def plain() -> None:
        with torch.inference_mode():
            F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)

    return ours, plain


def drops() -> Ways:
    """Dropout of a batch of 64 sentences of 32 tokens, forward and backward."""
    x, g = torch.randn(64, 32, 256, requires_grad=True), torch.randn(64, 32, 256)
    return lambda: dropout(x, 0.1).backward(g), lambda: F.dropout(x, 0.1).backward(g)


# A search without a cache


class Uncached:
    """An EncoderDecoder that, for `search`, remembers only token ids and decodes every line of the tree anew."""

    def __init__(self, module: EncoderDecoder):
        self.module = module

    @property
    def device(self) -> torch.device:
        return self.module.device

    def new_cache(self, *, forgets: bool = True) -> _Ids:
        return _Ids()

    def decode(self, tgt: Tensor, memory: Memory, *, cache: _Ids, where: Where) -> Tensor:
        cache.append(tgt)
        ids = torch.cat(list(cache), dim=1)
        lines = torch.ones(len(ids), 1, where.m, dtype=torch.bool) if where.kin is None else where.kin
        sentences, beams, _ = lines.shape
        rows = ids[:, None].expand(lines.shape)[lines].view(sentences * beams, -1)
        owners = torch.arange(sentences).repeat_interleave(beams)
        return self.module.decode(rows, memory.select(owners))[:, -1].view(sentences, beams, -1)

    def logits(self, x: Tensor) -> Tensor:
        return self.module.logits(x)


class _Ids(list[Tensor]):
    """Tokens so far, as a cache that `search` can select from."""

    def select(self, rows: Tensor) -> None:
        self[:] = [torch.cat(self, dim=1).index_select(0, rows)]

    def keep(self, places: Tensor) -> None:
        self[:] = [torch.cat(self, dim=1).gather(1, places)]


# Calls with good arguments, to be spoiled: name -> (function, arguments by name)


def _act(q: Any, k: Any, v: Any, mask: Any, bias: Any, dropout: Any, start: Any, first: Any) -> Any:
    where = Where.line(q.size(2), start=start, first=first)
    act = Attention(q, k, v, mask=mask, bias=bias, dropout=dropout, where=where)
    return act.weights(), act.context()


def _numbers(*shape: int) -> Tensor:
    return torch.linspace(-1, 1, math.prod(shape)).view(shape)


def _positions(kind: str, width: int, length: int) -> Any:
    if kind == "Rotary":
        return attention.Rotary(width)(Where.line(length))
    return getattr(attention, kind)(width, length)(_numbers(1, 3, 8))


def _windowed(width: int) -> Any:
    x = _numbers(1, 2, 5, 4)
    return Attention(x, x, x, mask=attention.Window(width) & attention.Causal()).context()


_QKV: dict[str, Any] = {name: _numbers(1, 2, 3, 4) for name in "qkv"}
_ACT = {"mask": attention.Causal(), "bias": attention.ALiBi(2), "dropout": 0.0, "start": 0, "first": 0}
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Attention": (_act, {**_QKV, **_ACT}),
    "Window": (_windowed, {"width": 2}),
    "Sinusoidal": (partial(_positions, "Sinusoidal"), {"width": 8, "length": 4}),
    "Learned": (partial(_positions, "Learned"), {"width": 8, "length": 4}),
    "Rotary": (partial(_positions, "Rotary"), {"width": 8, "length": 4}),
    "sinusoids": (sinusoids, {"length": 4, "d_model": 8}),
    "make_score": (attention.make_score, {"name": "additive", "q_dim": 4, "k_dim": 4}),
    "MultiHead": (attention.MultiHead, {"d_model": 8, "n_heads": 2, "n_kv_heads": 1, "head_dim": 4}),
    "Relative": (attention.Relative, {"n_heads": 2, "buckets": 8, "max_distance": 16}),
}
