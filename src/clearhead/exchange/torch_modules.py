"""PyTorch's attention modules as they are called, read and masked, around our bricks.

What a person's code reads of theirs is there under its name (`num_heads`, `embed_dim`, `layers`, `self_attn`,
`linear1`, ...), to be read, not to be set. Two names are not: `in_proj_weight` and `in_proj_bias` are those of q_proj,
k_proj and v_proj. Their polarity ends at this file: there, bool masks say who may *not* look.

Axes: batch, tokens, d_model; tokens before batch in modules made with batch_first=False; a text may come alone, without
the batch axis.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.attention import Added, Bias, Causal, Mask, Matrix, MultiHead
from clearhead.errors import ConfigError
from clearhead.models.block import Block, Surroundings

__all__ = [
    "MultiheadAttention",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


class MultiheadAttention(MultiHead):
    """`nn.MultiheadAttention`."""

    batch_first = False
    bias_k = bias_v = None
    add_zero_attn = False

    def forward(  # type: ignore[override]
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(output, weights [batch, queries, keys] or with average_attn_weights=False [batch, heads, queries, keys])"""
        x, memory, values = (_turned(given, self.batch_first) for given in (query, key, value))
        mask, bias = _allowed(attn_mask, key_padding_mask, self.n_heads, is_causal, x, memory)
        act = self.act(x, memory, values, mask=mask, bias=bias)
        out = _like(query, self.join(act), self.batch_first)
        if not need_weights:
            return out, None
        weights = act.weights().mean(1) if average_attn_weights else act.weights()
        return out, weights[0] if query.dim() == 2 else weights

    @property
    def num_heads(self) -> int:
        return self.n_heads

    @property
    def embed_dim(self) -> int:
        return self.q_proj.in_features

    @property
    def head_dim(self) -> int:
        return self.q_proj.out_features // self.n_heads

    @property
    def kdim(self) -> int:
        return self.k_proj.in_features

    @property
    def vdim(self) -> int:
        return self.v_proj.in_features

    @property
    def out_proj(self) -> nn.Linear | None:
        return self.o_proj

    def __getattr__(self, name: str) -> Any:
        if name in ("in_proj_weight", "in_proj_bias"):
            part = name.removeprefix("in_proj_")
            raise AttributeError(f"{name} is q_proj.{part}, k_proj.{part} and v_proj.{part} here")
        if name in ("q_proj_weight", "k_proj_weight", "v_proj_weight"):  # PyTorch has them where widths differ
            alike = self.embed_dim == self.kdim == self.vdim
            return None if alike else getattr(self, name.removesuffix("_weight")).weight
        return super().__getattr__(name)


class _Blocks(nn.Module):
    """Blocks in turn, and a norm after them where there is one."""

    def __init__(self, blocks: Sequence[Block], norm: nn.Module | None, *, batch_first: bool):
        super().__init__()
        if not len(blocks):
            raise ConfigError("a stack without a layer does nothing", "give it one layer or more")
        self.blocks, self.norm, self.batch_first = nn.ModuleList(blocks), norm, batch_first

    @property
    def _first(self) -> Any:
        return self.blocks[0]

    def _pass(self, given: Tensor, x: Tensor, around: Surroundings) -> Tensor:
        for block in self.blocks:
            x = block(x, around)
        return _like(given, x if self.norm is None else self.norm(x), self.batch_first)

    def _allowed(
        self, mask: Tensor | None, padding: Tensor | None, is_causal: bool | None, x: Tensor, memory: Tensor
    ) -> tuple[Mask | None, Bias | None]:
        return _allowed(mask, padding, self._first.self_attention.n_heads, is_causal, x, memory)


class _Encoding(_Blocks):
    """Blocks that attend to themselves."""

    def _encoded(self, src: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool | None) -> Tensor:
        x = _turned(src, self.batch_first)
        allowed, bias = self._allowed(mask, padding, is_causal, x, x)
        return self._pass(src, x, Surroundings(mask=allowed, bias=bias))


class _Decoding(_Blocks):
    """Blocks that attend to themselves and to a memory."""

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The output, in the shape of `tgt`."""
        x, states = _turned(tgt, self.batch_first), _turned(memory, self.batch_first)
        mask, bias = self._allowed(tgt_mask, tgt_key_padding_mask, tgt_is_causal, x, x)
        across = self._allowed(memory_mask, memory_key_padding_mask, memory_is_causal, x, states)
        around = Surroundings(mask=mask, bias=bias, memory=states, memory_mask=across[0], memory_bias=across[1])
        return self._pass(tgt, x, around)


class _AsLayer(_Blocks):
    """What a layer of PyTorch's can be asked for."""

    @property
    def self_attn(self) -> MultiheadAttention:
        return _as_theirs(self._first.self_attention, self.batch_first)

    @property
    def linear1(self) -> nn.Module:
        found: nn.Module = self._first.feed_forward.up
        return found

    @property
    def linear2(self) -> nn.Module:
        found: nn.Module = self._first.feed_forward.down
        return found

    @property
    def norm1(self) -> nn.Module:
        found: nn.Module = self._first.self_attention_norm
        return found

    @property
    def norm2(self) -> nn.Module:
        found: nn.Module = self._first.cross_attention_norm or self._first.feed_forward_norm
        return found

    @property
    def norm_first(self) -> bool:
        return bool(self._first.pre)

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        found: Callable[[Tensor], Tensor] = getattr(F, self._first.feed_forward.activation)
        return found


class TransformerEncoderLayer(_AsLayer, _Encoding):
    """`nn.TransformerEncoderLayer`: one block."""

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The output, in the shape of `src`."""
        return self._encoded(src, src_mask, src_key_padding_mask, is_causal)


class TransformerDecoderLayer(_AsLayer, _Decoding):
    """`nn.TransformerDecoderLayer`: one block."""

    @property
    def multihead_attn(self) -> MultiheadAttention:
        return _as_theirs(self._first.cross_attention, self.batch_first)

    @property
    def norm3(self) -> nn.Module:
        found: nn.Module = self._first.feed_forward_norm
        return found


class TransformerEncoder(_Encoding):
    """`nn.TransformerEncoder`."""

    enable_nested_tensor = False

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The output, in the shape of `src`."""
        return self._encoded(src, mask, src_key_padding_mask, is_causal)

    @property
    def layers(self) -> tuple[TransformerEncoderLayer, ...]:
        """Each block as a layer that is called as PyTorch's is."""
        return _as_layers(self, TransformerEncoderLayer)

    @property
    def num_layers(self) -> int:
        return len(self.blocks)


class TransformerDecoder(_Decoding):
    """`nn.TransformerDecoder`."""

    @property
    def layers(self) -> tuple[TransformerDecoderLayer, ...]:
        """Each block as a layer that is called as PyTorch's is."""
        return _as_layers(self, TransformerDecoderLayer)

    @property
    def num_layers(self) -> int:
        return len(self.blocks)


class Transformer(nn.Module):
    """`nn.Transformer`."""

    generate_square_subsequent_mask = staticmethod(nn.Transformer.generate_square_subsequent_mask)

    def __init__(self, encoder: TransformerEncoder, decoder: TransformerDecoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The decoder's output, in the shape of `tgt`."""
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        paddings = tgt_key_padding_mask, memory_key_padding_mask
        out: Tensor = self.decoder(tgt, memory, tgt_mask, memory_mask, *paddings, tgt_is_causal, memory_is_causal)
        return out

    @property
    def batch_first(self) -> bool:
        return self.encoder.batch_first

    @property
    def d_model(self) -> int:
        return self.encoder.layers[0].self_attn.embed_dim

    @property
    def nhead(self) -> int:
        return self.encoder.layers[0].self_attn.num_heads


def _as_theirs(heads: MultiHead, batch_first: bool) -> MultiheadAttention:
    """The very heads of a block, called as PyTorch's module is."""
    found: Any = copy.copy(heads)
    found.__class__ = MultiheadAttention
    found.batch_first = batch_first
    theirs: MultiheadAttention = found
    return theirs


def _as_layers(stack: _Blocks, kind: Callable[..., Any]) -> tuple[Any, ...]:
    layers = tuple(kind([block], None, batch_first=stack.batch_first) for block in stack.blocks)
    for layer in layers:
        layer.training = layer.blocks[0].training
    return layers


def _turned(x: Tensor, batch_first: bool) -> Tensor:
    """With the batch first."""
    return x[None] if x.dim() == 2 else x if batch_first else x.transpose(0, 1)


def _like(given: Tensor, x: Tensor, batch_first: bool) -> Tensor:
    """x with its axes as in what was given."""
    return x[0] if given.dim() == 2 else x if batch_first else x.transpose(0, 1)


def _allowed(
    mask: Tensor | None, padding: Tensor | None, heads: int, is_causal: bool | None, x: Tensor, memory: Tensor
) -> tuple[Mask | None, Bias | None]:
    """PyTorch's masks as ours: bool ones (True = may *not* look) as a mask, numbers as a bias.

    Args:
        mask: [queries, keys], or [batch * heads, queries, keys].
        padding: [batch, keys], or [keys] of a text that came alone.
        is_causal: where a mask is given, only a hint that it is the causal one.
        x, memory: who asks and who is asked, the batch first.

    Raises:
        ConfigError: a mask is of another shape, or of whole numbers.
    """
    (batch, queries), keys = x.shape[:2], memory.size(1)
    given = []
    if mask is not None:
        _check(mask, [(queries, keys), (batch * heads, queries, keys)])
        given.append(mask[None, None] if mask.dim() == 2 else mask.unflatten(0, (batch, heads)))
    if padding is not None:
        _check(padding, [(batch, keys), *([(keys,)] if batch == 1 else [])])
        given.append(padding.reshape(batch, 1, 1, keys))
    together: Mask | None = Causal() if mask is None and is_causal else None
    bias: Tensor | None = None
    for one in given:
        if one.dtype == torch.bool:
            together = Matrix(~one) if together is None else together & Matrix(~one)
        else:
            bias = one if bias is None else bias + one
    return together, None if bias is None else Added(bias)


def _check(mask: Tensor, shapes: Sequence[tuple[int, ...]]) -> None:
    if mask.shape not in shapes:
        wanted = " or ".join(str(shape) for shape in shapes)
        raise ConfigError(f"a mask of shape {tuple(mask.shape)} does not fit these texts", f"its shape is {wanted}")
    if mask.dtype != torch.bool and not mask.is_floating_point():
        raise ConfigError(
            f"a mask of {mask.dtype} is neither obeyed nor added",
            "write mask.bool() (True = may not look), or give floating numbers that are added",
        )
