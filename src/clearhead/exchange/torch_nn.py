"""PyTorch's own attention modules, seen inside: the same weights, calls and outputs; and back.

    inside = from_torch(nn.TransformerEncoder(...))     with watch(inside) as trace: inside(x, src_key_padding_mask=m)
    drop_in(model)                                      every such module of any model, replaced where it stands
    to_torch(inside)                                    PyTorch's module again

A row of attention that may look nowhere gives zeros here and NaN there; weights that are asked for are those before
dropout. Their polarity ends at this file: there, bool masks say who may *not* look.

Axes: batch, tokens, d_model; tokens before batch in modules made with batch_first=False; a text may come alone, without
the batch axis.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearhead.attention import Added, Bias, Causal, Mask, Matrix, MultiHead, ScaledDot
from clearhead.errors import ConfigError
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block, Surroundings

__all__ = [
    "MultiheadAttention",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "drop_in",
    "from_torch",
    "to_torch",
]


def from_torch(module: nn.Module) -> nn.Module:
    """A module that is called as PyTorch's is, with a copy of its weights.

    Raises:
        ConfigError: it is none of PyTorch's attention modules, or has a part that ours have not.
    """
    make = _FROM.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _FROM)
        raise ConfigError(f"a {type(module).__name__} is no attention module of PyTorch", f"the modules are {known}")
    return make(module).train(module.training)


def drop_in(model: nn.Module) -> int:
    """Replace every attention module of PyTorch in `model` by ours, where it stands; returns how many.

    Other people's subclasses of them stay as they are: what these do with their parts, only they know.

    Raises:
        ConfigError: `model` is such a module itself, or one in it has a part that ours have not.
    """
    if isinstance(model, tuple(_FROM)):
        raise ConfigError(f"a {type(model).__name__} cannot be replaced where it stands", "take from_torch(model)")
    count = 0
    for name, child in list(model.named_children()):
        if type(child) in _FROM:
            setattr(model, name, from_torch(child))
            count += 1
        elif not isinstance(child, tuple(_FROM)):
            count += drop_in(child)
    return count


def to_torch(module: nn.Module) -> nn.Module:
    """PyTorch's module with a copy of the weights, called as `module` is.

    Raises:
        ConfigError: `module` is none of this file's, or PyTorch's has no such part; the message names it.
    """
    make = _TO.get(type(module))
    if make is None:
        known = ", ".join(kind.__name__ for kind in _TO)
        raise ConfigError(f"a {type(module).__name__} has no counterpart in torch.nn", f"these have: {known}")
    return make(module).train(module.training)


# PyTorch's calls around our bricks -----------------------------------------------------------------------------------


class MultiheadAttention(MultiHead):
    """`nn.MultiheadAttention`."""

    batch_first: bool

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
        mask, bias = _allowed(attn_mask, key_padding_mask, self.n_heads, is_causal)
        x, memory, values = (_turned(given, self.batch_first) for given in (query, key, value))
        act = self.act(x, memory, values, mask=mask, bias=bias)
        out = _like(query, self.join(act), self.batch_first)
        if not need_weights:
            return out, None
        weights = act.weights().mean(1) if average_attn_weights else act.weights()
        return out, weights[0] if query.dim() == 2 else weights


class _Blocks(nn.Module):
    """Blocks in turn, and a norm behind them where there is one."""

    def __init__(self, blocks: Iterable[Block], norm: nn.Module | None, *, batch_first: bool):
        super().__init__()
        self.blocks, self.norm, self.batch_first = nn.ModuleList(blocks), norm, batch_first

    @property
    def n_heads(self) -> int:
        first: Any = self.blocks[0]
        heads: int = first.self_attention.n_heads
        return heads

    def _pass(self, given: Tensor, around: Surroundings) -> Tensor:
        x = _turned(given, self.batch_first)
        for block in self.blocks:
            x = block(x, around)
        return _like(given, x if self.norm is None else self.norm(x), self.batch_first)


class TransformerEncoder(_Blocks):
    """`nn.TransformerEncoder`."""

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The output, in the shape of `src`."""
        allowed, bias = _allowed(mask, src_key_padding_mask, self.n_heads, is_causal)
        return self._pass(src, Surroundings(mask=allowed, bias=bias))


class TransformerEncoderLayer(_Blocks):
    """`nn.TransformerEncoderLayer`: one block."""

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The output, in the shape of `src`."""
        mask, bias = _allowed(src_mask, src_key_padding_mask, self.n_heads, is_causal)
        return self._pass(src, Surroundings(mask=mask, bias=bias))


class TransformerDecoder(_Blocks):
    """`nn.TransformerDecoder`."""

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
        mask, bias = _allowed(tgt_mask, tgt_key_padding_mask, self.n_heads, tgt_is_causal)
        across = _allowed(memory_mask, memory_key_padding_mask, self.n_heads, memory_is_causal)
        states = _turned(memory, self.batch_first)
        around = Surroundings(mask=mask, bias=bias, memory=states, memory_mask=across[0], memory_bias=across[1])
        return self._pass(tgt, around)


class TransformerDecoderLayer(TransformerDecoder):
    """`nn.TransformerDecoderLayer`: one block."""


class Transformer(nn.Module):
    """`nn.Transformer`."""

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


def _turned(x: Tensor, batch_first: bool) -> Tensor:
    """With the batch first."""
    return x[None] if x.dim() == 2 else x if batch_first else x.transpose(0, 1)


def _like(given: Tensor, x: Tensor, batch_first: bool) -> Tensor:
    """x with its axes as in what was given."""
    return x[0] if given.dim() == 2 else x if batch_first else x.transpose(0, 1)


def _allowed(
    mask: Tensor | None, padding: Tensor | None, heads: int, is_causal: bool | None
) -> tuple[Mask | None, Bias | None]:
    """PyTorch's masks as ours: bool ones (True = may *not* look) as a mask, numbers as a bias.

    Args:
        mask: [queries, keys], or [batch * heads, queries, keys].
        padding: [batch, keys], or [keys] of a text that came alone.
        is_causal: where a mask is given, only a hint that it is the causal one.
    """
    given = [] if mask is None else [mask[None, None] if mask.dim() == 2 else mask.unflatten(0, (-1, heads))]
    if padding is not None:
        given.append(padding.reshape(-1, 1, 1, padding.size(-1)))
    together: Mask | None = Causal() if mask is None and is_causal else None
    bias: Tensor | None = None
    for x in given:
        if x.dtype == torch.bool:
            together = Matrix(~x) if together is None else together & Matrix(~x)
        else:
            bias = x if bias is None else bias + x
    return together, None if bias is None else Added(bias)


# From PyTorch --------------------------------------------------------------------------------------------------------


def _attention_from(theirs: Any, kind: type[MultiHead] = MultiheadAttention) -> MultiHead:
    if theirs.bias_k is not None or theirs.add_zero_attn:
        raise ConfigError("add_bias_kv and add_zero_attn have no counterpart here", "make the module without them")
    ours = kind(
        theirs.embed_dim,
        theirs.num_heads,
        memory_dim=theirs.kdim,
        values_dim=theirs.vdim,
        projections_bias=theirs.in_proj_bias is not None,
        dropout=theirs.dropout,
    ).to(theirs.out_proj.weight)
    if isinstance(ours, MultiheadAttention):
        ours.batch_first = theirs.batch_first
    with torch.no_grad():
        for our, their in _pairs(ours, theirs):
            our.copy_(their)
    return ours


def _pairs(ours: MultiHead, theirs: Any) -> Iterator[tuple[Tensor, Tensor]]:
    """Each weight of ours, and its counterpart, which may be a part of a larger one."""
    projections = ours.q_proj, ours.k_proj, ours.v_proj
    if theirs.in_proj_weight is None:
        weights = theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight
    else:
        weights = theirs.in_proj_weight.chunk(3)
    yield from zip((p.weight for p in projections), weights, strict=True)
    if theirs.in_proj_bias is not None:
        yield from zip((p.bias for p in projections), theirs.in_proj_bias.chunk(3), strict=True)
    assert ours.o_proj is not None
    yield ours.o_proj.weight, theirs.out_proj.weight
    if theirs.out_proj.bias is not None:
        yield ours.o_proj.bias, theirs.out_proj.bias


def _block_from(theirs: Any) -> Block:
    if type(theirs) not in (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer):
        raise ConfigError(f"a layer is a {type(theirs).__name__}", "only PyTorch's own layers have a counterpart")
    cross = isinstance(theirs, nn.TransformerDecoderLayer)
    config = EncoderDecoderConfig(
        d_model=theirs.self_attn.embed_dim,
        d_ff=theirs.linear1.out_features,
        heads=theirs.self_attn.num_heads,
        norm_order="pre" if theirs.norm_first else "post",
        activation=_activation(theirs.activation),
        dropout=theirs.dropout1.p,
    )
    ours = Block(config, cross=cross)
    ours.self_attention = _attention_from(theirs.self_attn, MultiHead)
    ours.self_attention_norm = copy.deepcopy(theirs.norm1)
    if cross:
        ours.cross_attention = _attention_from(theirs.multihead_attn, MultiHead)
        ours.cross_attention_norm = copy.deepcopy(theirs.norm2)
    ours.feed_forward.up, ours.feed_forward.down = copy.deepcopy(theirs.linear1), copy.deepcopy(theirs.linear2)
    ours.feed_forward.dropout = theirs.dropout.p
    ours.feed_forward_norm = copy.deepcopy(theirs.norm3 if cross else theirs.norm2)
    return ours


def _activation(found: Any) -> Literal["relu", "gelu"]:
    if found is F.relu or isinstance(found, nn.ReLU):
        return "relu"
    if found is F.gelu or (isinstance(found, nn.GELU) and found.approximate == "none"):
        return "gelu"
    raise ConfigError(f"the activation {found!r} has no counterpart here", "the activations are relu and gelu")


def _layer_from(kind: Callable[..., nn.Module]) -> Callable[[Any], nn.Module]:
    return lambda theirs: kind([_block_from(theirs)], None, batch_first=theirs.self_attn.batch_first)


def _stack_from(kind: Callable[..., nn.Module]) -> Callable[[Any], nn.Module]:
    def make(theirs: Any) -> nn.Module:
        blocks = [_block_from(layer) for layer in theirs.layers]
        return kind(blocks, copy.deepcopy(theirs.norm), batch_first=theirs.layers[0].self_attn.batch_first)

    return make


def _transformer_from(theirs: Any) -> nn.Module:
    encoder, decoder = from_torch(theirs.encoder), from_torch(theirs.decoder)
    assert isinstance(encoder, TransformerEncoder) and isinstance(decoder, TransformerDecoder)
    return Transformer(encoder, decoder)


_FROM: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.MultiheadAttention: _attention_from,
    nn.TransformerEncoderLayer: _layer_from(TransformerEncoderLayer),
    nn.TransformerDecoderLayer: _layer_from(TransformerDecoderLayer),
    nn.TransformerEncoder: _stack_from(TransformerEncoder),
    nn.TransformerDecoder: _stack_from(TransformerDecoder),
    nn.Transformer: _transformer_from,
}


# To PyTorch ----------------------------------------------------------------------------------------------------------


def _attention_to(ours: MultiHead, *, batch_first: bool | None = None) -> nn.Module:
    width, o_proj = ours.q_proj.in_features, ours.o_proj
    missing = {
        "fewer heads of keys and values than of queries": ours.n_kv_heads != ours.n_heads,
        f"the score {type(ours.score).__name__}": not isinstance(ours.score, ScaledDot),
        "attention without an output projection": o_proj is None,
        "heads that do not share d_model": {ours.q_proj.out_features, ours.v_proj.out_features} != {width},
    }
    for what, there in missing.items():
        if there:
            raise ConfigError(f"nn.MultiheadAttention knows no {what}", "keep it in clearhead's own form")
    assert o_proj is not None
    theirs: Any = nn.MultiheadAttention(
        width,
        ours.n_heads,
        dropout=ours.dropout,
        bias=ours.q_proj.bias is not None,
        kdim=ours.k_proj.in_features,
        vdim=ours.v_proj.in_features,
        batch_first=ours.batch_first if isinstance(ours, MultiheadAttention) else bool(batch_first),
    ).to(o_proj.weight)
    with torch.no_grad():
        for our, their in _pairs(ours, theirs):
            their.copy_(our)
    return theirs


def _layer_to(ours: Any, *, batch_first: bool) -> nn.Module:
    """The layer of a block."""
    forward, cross = ours.feed_forward, ours.cross_attention is not None
    norms = [ours.self_attention_norm, *([ours.cross_attention_norm] if cross else []), ours.feed_forward_norm]
    if forward.activation not in ("relu", "gelu") or not all(isinstance(norm, nn.LayerNorm) for norm in norms):
        raise ConfigError(
            f"PyTorch's layers know layer norm, relu and gelu, not {type(norms[0]).__name__} and {forward.activation}",
            "keep the model in clearhead's own form",
        )
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    theirs: Any = kind(
        forward.up.in_features,
        ours.self_attention.n_heads,
        forward.up.out_features,
        dropout=ours.dropout,
        activation=forward.activation,
        batch_first=batch_first,
        norm_first=ours.pre,
    )
    theirs.self_attn = _attention_to(ours.self_attention, batch_first=batch_first)
    if cross:
        theirs.multihead_attn = _attention_to(ours.cross_attention, batch_first=batch_first)
    theirs.linear1, theirs.linear2 = copy.deepcopy(forward.up), copy.deepcopy(forward.down)
    theirs.dropout.p = forward.dropout
    for number, norm in enumerate(norms, 1):
        setattr(theirs, f"norm{number}", copy.deepcopy(norm))
    return theirs


def _stack_to(ours: _Blocks) -> nn.Module:
    layers = [_layer_to(block, batch_first=ours.batch_first) for block in ours.blocks]
    norm = copy.deepcopy(ours.norm)
    if isinstance(ours, TransformerDecoder):
        stack: nn.Module = nn.TransformerDecoder(layers[0], len(layers), norm)  # type: ignore[arg-type]
    else:
        stack = nn.TransformerEncoder(layers[0], len(layers), norm, enable_nested_tensor=False)  # type: ignore[arg-type]
    stack.layers = nn.ModuleList(layers)
    return stack


def _transformer_to(ours: Transformer) -> nn.Module:
    encoder: Any = _stack_to(ours.encoder)
    first = encoder.layers[0].self_attn
    theirs = nn.Transformer(
        first.embed_dim,
        first.num_heads,
        custom_encoder=nn.Identity(),
        custom_decoder=nn.Identity(),
        batch_first=first.batch_first,
    )
    # The constructor would draw their weights anew.
    theirs.encoder, theirs.decoder = encoder, _stack_to(ours.decoder)
    return theirs


_TO: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    MultiheadAttention: _attention_to,
    TransformerEncoderLayer: lambda ours: _layer_to(ours.blocks[0], batch_first=ours.batch_first),
    TransformerDecoderLayer: lambda ours: _layer_to(ours.blocks[0], batch_first=ours.batch_first),
    TransformerEncoder: _stack_to,
    TransformerDecoder: _stack_to,
    Transformer: _transformer_to,
}
