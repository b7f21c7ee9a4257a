"""PyTorch's attention modules as ours."""

from __future__ import annotations

from functools import singledispatch
from typing import Literal, TypeAlias, TypeVar

import torch
import torch.nn.functional as F
from torch import nn

from clearhead.attention import MultiHead
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
    CALLED,
    ModuleParts,
    check_nothing_more,
    plain,
    set_linear,
    weight_and_bias,
    with_hooks,
)
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block
from clearhead.models.bricks import AttentionConfig, FeedForwardConfig

__all__ = ["THEIRS", "to_ours"]

Heads = TypeVar("Heads", bound=MultiHead)
Stack = TypeVar("Stack", TransformerEncoderLayer, TransformerDecoderLayer, TransformerEncoder, TransformerDecoder)
Layer: TypeAlias = nn.TransformerEncoderLayer | nn.TransformerDecoderLayer

THEIRS = (
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.Transformer,
)


def to_ours(module: nn.Module, parts: ModuleParts) -> nn.Module:
    """Our counterpart of one of PyTorch's attention modules, made of `parts`, with its hooks.

    Raises:
        ConfigError: it is none of these modules, or has a part that ours have not.
    """
    if type(module) not in THEIRS:
        known = ", ".join(kind.__name__ for kind in THEIRS)
        raise ConfigError(
            f"a {type(module).__name__} is not an attention module of PyTorch", f"the modules are {known}"
        )
    return parts.once(("module", id(module)), lambda: with_hooks(_made(module, parts), module, parts))


@singledispatch
def _made(theirs: nn.Module, parts: ModuleParts) -> nn.Module:
    """Our module of one of theirs, without hooks; one function for each of their kinds."""
    raise NotImplementedError(type(theirs))


# An attention --------------------------------------------------------------------------------------------------------


@_made.register
def _attention(theirs: nn.MultiheadAttention, parts: ModuleParts) -> MultiheadAttention:
    ours = _heads(theirs, parts, MultiheadAttention, called=True)
    ours.batch_first = theirs.batch_first
    return ours


def _heads(theirs: nn.Module, parts: ModuleParts, kind: type[Heads], *, called: bool = False) -> Heads:
    """The heads of an attention; `called`: as theirs are."""
    if not isinstance(theirs, nn.MultiheadAttention) or type(theirs) is not nn.MultiheadAttention:
        raise ConfigError(f"an attention is a {type(theirs).__name__}", "only PyTorch's own has a counterpart")
    if theirs.bias_k is not None or theirs.add_zero_attn:
        raise ConfigError("add_bias_kv and add_zero_attn have no counterpart here", "make the module without them")
    projections = "in_proj_weight q_proj_weight k_proj_weight v_proj_weight in_proj_bias out_proj"
    check_nothing_more(theirs, projections, called=called)
    with torch.device("meta"):  # nothing is drawn for weights that are there
        ours = kind(
            theirs.embed_dim,
            theirs.num_heads,
            memory_dim=theirs.kdim,
            values_dim=theirs.vdim,
            projections_bias=theirs.in_proj_bias is not None,
            dropout=theirs.dropout,
        ).train(theirs.training)
    _project(ours, theirs, parts)
    return ours


def _project(ours: MultiHead, theirs: nn.MultiheadAttention, parts: ModuleParts) -> None:
    """Give heads the projections of theirs; in_proj is cut into three."""
    held = theirs._parameters
    if (joined := held["in_proj_weight"]) is not None:
        weights = parts.thirds(joined)
    else:
        weights = [parts.of(theirs.get_parameter(f"{name}_proj_weight")) for name in "qkv"]
    joined_bias = held["in_proj_bias"]
    biases = [None] * 3 if joined_bias is None else parts.thirds(joined_bias)
    for projection, weight, bias in zip((ours.q_proj, ours.k_proj, ours.v_proj), weights, biases, strict=True):
        set_linear(projection, weight, bias)
    weight, bias = weight_and_bias(plain(theirs.out_proj))
    set_linear(plain(ours.o_proj), parts.of(weight), parts.of(bias))


# A layer -------------------------------------------------------------------------------------------------------------


@_made.register
def _encoder_layer(theirs: nn.TransformerEncoderLayer, parts: ModuleParts) -> TransformerEncoderLayer:
    return _one_block(TransformerEncoderLayer, theirs, parts)


@_made.register
def _decoder_layer(theirs: nn.TransformerDecoderLayer, parts: ModuleParts) -> TransformerDecoderLayer:
    return _one_block(TransformerDecoderLayer, theirs, parts)


def _one_block(kind: type[Stack], theirs: Layer, parts: ModuleParts) -> Stack:
    ours = kind([_block(theirs, parts, called=True)], None, batch_first=theirs.self_attn.batch_first)
    return _in_training_as(theirs, ours)


def _in_training_as(theirs: nn.Module, ours: Stack) -> Stack:
    ours.training = ours.blocks.training = theirs.training
    return ours


def _layer(module: nn.Module) -> Layer:
    kinds = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
    if not isinstance(module, kinds) or type(module) not in kinds:
        raise ConfigError(f"a layer is a {type(module).__name__}", "only PyTorch's own layers have a counterpart")
    return module


def _block(theirs: Layer, parts: ModuleParts, *, called: bool = False) -> Block:
    """The block of a layer, the same one each time; `called`: as the layer is."""
    return parts.once(("block", id(theirs)), lambda: _new_block(theirs, parts, called=called))


def _new_block(theirs: Layer, parts: ModuleParts, *, called: bool) -> Block:
    known = "self_attn multihead_attn linear1 linear2 norm1 norm2 norm3 dropout dropout1 dropout2 dropout3 activation"
    check_nothing_more(theirs, known, called=called)
    between = {_dropped(part) for name, part in theirs.named_children() if name[:-1] == "dropout"}
    if len(between) > 1:
        raise ConfigError("dropout1, dropout2, ... of a layer differ", "a block here has one for all its residuals")
    config = EncoderDecoderConfig(
        d_model=theirs.self_attn.embed_dim,
        attention=AttentionConfig(heads=theirs.self_attn.num_heads),
        feed_forward=FeedForwardConfig(kind=_activation(theirs.activation), d_ff=1),  # what is made is replaced below
        wiring="pre" if theirs.norm_first else "post",
    )
    with torch.device("meta"):
        ours = Block(config, cross=isinstance(theirs, nn.TransformerDecoderLayer)).train(theirs.training)
    ((ours.dropout, ours.training),) = between
    ours.self_attention = _heads(theirs.self_attn, parts, MultiHead)
    ours.self_attention_norm = parts.of(theirs.norm1)
    if isinstance(theirs, nn.TransformerDecoderLayer):
        ours.cross_attention = _heads(theirs.multihead_attn, parts, MultiHead)
        ours.cross_attention_norm = parts.of(theirs.norm2)
    ours.feed_forward.up, ours.feed_forward.down = parts.of(theirs.linear1), parts.of(theirs.linear2)
    ours.feed_forward.dropout, ours.feed_forward.training = _dropped(theirs.dropout)
    last = theirs.norm3 if isinstance(theirs, nn.TransformerDecoderLayer) else theirs.norm2
    ours.feed_forward_norm = parts.of(last)
    return ours


def _dropped(module: nn.Module) -> tuple[float, bool]:
    """(the share that a dropout drops, whether it is in training)."""
    if type(module) not in (nn.Dropout, nn.Identity):
        raise ConfigError(f"a dropout is a {type(module).__name__}", "only nn.Dropout has a counterpart")
    check_nothing_more(module, "", called=False)
    return getattr(module, "p", 0.0), module.training


def _activation(found: object) -> Literal["relu", "gelu"]:
    if isinstance(found, nn.Module):
        check_nothing_more(found, "", called=False)
    if found in (F.relu, torch.relu) or type(found) is nn.ReLU:
        return "relu"
    if found is F.gelu or (type(found) is nn.GELU and found.approximate == "none"):
        return "gelu"
    raise ConfigError(f"the activation {found!r} has no counterpart here", "the activations are relu and gelu")


# Stacks --------------------------------------------------------------------------------------------------------------


@_made.register
def _encoder(theirs: nn.TransformerEncoder, parts: ModuleParts) -> TransformerEncoder:
    return _stack(TransformerEncoder, theirs, parts)


@_made.register
def _decoder(theirs: nn.TransformerDecoder, parts: ModuleParts) -> TransformerDecoder:
    return _stack(TransformerDecoder, theirs, parts)


def _stack(kind: type[Stack], theirs: nn.TransformerEncoder | nn.TransformerDecoder, parts: ModuleParts) -> Stack:
    check_nothing_more(theirs, "layers norm", called=True)
    for module in theirs.layers:  # also where the same layer stands elsewhere, and was made there
        if any(getattr(module, name) for name in CALLED):
            check_nothing_more(module, " ".join(module._modules), called=False)
    layers = [_layer(module) for module in theirs.layers]
    blocks = [_block(layer, parts) for layer in layers]
    batch_first = len(layers) > 0 and layers[0].self_attn.batch_first
    return _in_training_as(theirs, kind(blocks, parts.of(theirs.norm), batch_first=batch_first))


@_made.register
def _transformer(theirs: nn.Transformer, parts: ModuleParts) -> Transformer:
    check_nothing_more(theirs, "encoder decoder", called=True)
    encoder, decoder = to_ours(theirs.encoder, parts), to_ours(theirs.decoder, parts)
    if not isinstance(encoder, TransformerEncoder) or not isinstance(decoder, TransformerDecoder):
        raise ConfigError(
            f"its halves are a {type(theirs.encoder).__name__} and a {type(theirs.decoder).__name__}",
            "they are nn.TransformerEncoder and nn.TransformerDecoder",
        )
    ours = Transformer(encoder, decoder)
    ours.training = theirs.training
    return ours
