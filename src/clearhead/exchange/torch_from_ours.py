"""Our attention modules as PyTorch's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import TypeAlias, TypeVar, cast

import torch
from torch import nn

from clearhead.attention import MultiHead, ScaledDot
from clearhead.errors import ConfigError
from clearhead.exchange.torch_modules import (
    MultiheadAttention,
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from clearhead.exchange.torch_parts import (
    ModuleParts,
    check_nothing_more,
    plain,
    set_linear,
    weight_and_bias,
    with_hooks,
)
from clearhead.models.block import Block

__all__ = ["from_ours"]

Layer = TypeVar("Layer", nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
Stack = TypeVar("Stack", nn.TransformerEncoder, nn.TransformerDecoder)
OurStack: TypeAlias = TransformerEncoderLayer | TransformerDecoderLayer | TransformerEncoder | TransformerDecoder

_OURS = (
    MultiheadAttention,
    TransformerEncoderLayer,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerDecoder,
    Transformer,
)


def from_ours(module: nn.Module, parts: ModuleParts) -> nn.Module:
    """PyTorch's counterpart of one of our modules, made of `parts`, with its hooks.

    Raises:
        ConfigError: it is none of these modules, or PyTorch's has no such part; the message names it.
    """
    if type(module) not in _OURS:
        known = ", ".join(kind.__name__ for kind in _OURS)
        raise ConfigError(f"a {type(module).__name__} has no counterpart in torch.nn", f"these have: {known}")
    return with_hooks(_made(module, parts), module, parts)


@singledispatch
def _made(ours: nn.Module, parts: ModuleParts) -> nn.Module:
    """PyTorch's module of one of ours, without hooks; one function for each of our kinds."""
    raise NotImplementedError(type(ours))


# An attention --------------------------------------------------------------------------------------------------------


@_made.register
def _attention(ours: MultiheadAttention, parts: ModuleParts) -> nn.MultiheadAttention:
    return _heads(ours, parts, batch_first=ours.batch_first)


def _heads(ours: MultiHead, parts: ModuleParts, *, batch_first: bool) -> nn.MultiheadAttention:
    _check_counterpart(ours)
    q, k, v = (plain(linear) for linear in (ours.q_proj, ours.k_proj, ours.v_proj))
    with torch.device("meta"):
        theirs = nn.MultiheadAttention(
            q.in_features,
            ours.n_heads,
            dropout=ours.dropout,
            bias=q.bias is not None,
            kdim=k.in_features,
            vdim=v.in_features,
            batch_first=batch_first,
        ).train(ours.training)
    weights, biases = zip(*map(weight_and_bias, (q, k, v)), strict=True)
    if theirs._parameters["in_proj_weight"] is None:
        for name, weight in zip("qkv", weights, strict=True):
            setattr(theirs, f"{name}_proj_weight", parts.of(weight))
    else:
        theirs.in_proj_weight = parts.joined(weights)
    if q.bias is not None:
        theirs.in_proj_bias = parts.joined(biases)
    weight, bias = weight_and_bias(plain(ours.o_proj))
    set_linear(theirs.out_proj, parts.of(weight), parts.of(bias))
    return theirs


def _check_counterpart(ours: MultiHead) -> None:
    """That PyTorch's attention has each of these choices.

    Raises:
        ConfigError: it has not.
    """
    width = ours.q_proj.in_features
    missing = {
        "fewer heads of keys and values than of queries": ours.n_kv_heads != ours.n_heads,
        f"the score {type(ours.score).__name__}": not isinstance(ours.score, ScaledDot),
        "attention without an output projection": ours.o_proj is None,
        "heads that do not share d_model": {ours.q_proj.out_features, ours.v_proj.out_features} != {width},
        "norms of queries and keys": ours.q_norm is not None or ours.k_norm is not None,
        "values of an earlier layer": ours.value_share is not None,
    }
    for what, there in missing.items():
        if there:
            raise ConfigError(f"nn.MultiheadAttention knows no {what}", "keep it in clearhead's own form")


# A layer -------------------------------------------------------------------------------------------------------------


@_made.register
def _encoder_layer(ours: TransformerEncoderLayer, parts: ModuleParts) -> nn.TransformerEncoderLayer:
    return _layers(nn.TransformerEncoderLayer, ours, parts)[0]


@_made.register
def _decoder_layer(ours: TransformerDecoderLayer, parts: ModuleParts) -> nn.TransformerDecoderLayer:
    return _layers(nn.TransformerDecoderLayer, ours, parts)[0]


def _layers(kind: type[Layer], ours: OurStack, parts: ModuleParts) -> list[Layer]:
    """The layer of each block."""
    blocks = cast(list[Block], list(ours.blocks))
    return [_layer(kind, block, parts, batch_first=ours.batch_first) for block in blocks]


def _layer(kind: type[Layer], ours: Block, parts: ModuleParts, *, batch_first: bool) -> Layer:
    """The layer of a block, the same one each time."""
    return parts.once(("layer", id(ours)), lambda: _new_layer(kind, ours, parts, batch_first=batch_first))


def _new_layer(kind: type[Layer], ours: Block, parts: ModuleParts, *, batch_first: bool) -> Layer:
    forward, norms = ours.feed_forward, _plain_norms(ours)
    up, down = plain(forward.up), plain(forward.down)
    with torch.device("meta"):
        theirs = kind(
            up.in_features,
            ours.self_attention.n_heads,
            up.out_features,
            dropout=ours.dropout,
            activation=forward.activation,
            batch_first=batch_first,
            norm_first=ours.pre,
        ).train(ours.training)
    theirs.self_attn = _heads(ours.self_attention, parts, batch_first=batch_first)
    if ours.cross_attention is not None and isinstance(theirs, nn.TransformerDecoderLayer):
        theirs.multihead_attn = _heads(ours.cross_attention, parts, batch_first=batch_first)
    theirs.linear1, theirs.linear2 = parts.of(up), parts.of(down)
    theirs.dropout.p, theirs.dropout.training = forward.dropout, forward.training
    for number, norm in enumerate(norms, 1):
        setattr(theirs, f"norm{number}", parts.of(norm))
    return theirs


def _plain_norms(ours: Block) -> list[nn.Module]:
    """The norms of a block that PyTorch's layers can be.

    Raises:
        ConfigError: they cannot, or a part of the block holds more than they have.
    """
    norms = [n for n in (ours.self_attention_norm, ours.cross_attention_norm, ours.feed_forward_norm) if n is not None]
    activation = ours.feed_forward.activation
    if activation not in ("relu", "gelu") or not all(type(norm) is nn.LayerNorm for norm in norms):
        raise ConfigError(
            f"PyTorch's layers know layer norm, relu and gelu, not {type(norms[0]).__name__} and {activation}",
            "keep the model in clearhead's own form",
        )
    for part in (ours, ours.self_attention, ours.cross_attention, ours.feed_forward):
        if part is not None:
            check_nothing_more(part, " ".join([*part._modules, *part._parameters]), called=False)
    return norms


# Stacks --------------------------------------------------------------------------------------------------------------


@_made.register
def _encoder(ours: TransformerEncoder, parts: ModuleParts) -> nn.TransformerEncoder:
    layers = _layers(nn.TransformerEncoderLayer, ours, parts)
    stack = nn.TransformerEncoder(layers[0], 0, enable_nested_tensor=False)
    return _filled(stack, layers, ours, parts)


@_made.register
def _decoder(ours: TransformerDecoder, parts: ModuleParts) -> nn.TransformerDecoder:
    layers = _layers(nn.TransformerDecoderLayer, ours, parts)
    return _filled(nn.TransformerDecoder(layers[0], 0), layers, ours, parts)


def _filled(stack: Stack, layers: Sequence[nn.Module], ours: OurStack, parts: ModuleParts) -> Stack:
    """A stack with these layers, and the norm of ours."""
    stack.layers, stack.norm, stack.num_layers = nn.ModuleList(layers), parts.of(ours.norm), len(layers)
    stack.training = stack.layers.training = ours.training
    return stack


@_made.register
def _transformer(ours: Transformer, parts: ModuleParts) -> nn.Transformer:
    theirs = nn.Transformer(
        ours.d_model,
        ours.nhead,
        custom_encoder=nn.Identity(),
        custom_decoder=nn.Identity(),
        batch_first=ours.batch_first,
    )
    # The constructor would draw their weights anew.
    theirs.encoder = with_hooks(_encoder(ours.encoder, parts), ours.encoder, parts)
    theirs.decoder = with_hooks(_decoder(ours.decoder, parts), ours.decoder, parts)
    theirs.training = ours.training
    return theirs
