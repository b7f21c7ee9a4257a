"""The weights of blocks and of a decoder as a learner is given them, and clearhead's own blocks with these in them.

They are named tuples, so that a part is handed over with a star: `feed_forward(x, *w.feed_forward)`. All matrices are
[in, out], so that x @ w projects. Only feed-forward and norms have biases. Axes: d_model, d_ff, vocab.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from clearhead.attention import MultiHead
from clearhead.check.learner_models import fill, filled
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.block import Block
from clearhead.models.stack import Stack

__all__ = [
    "AttentionWeights",
    "DecoderBlockWeights",
    "DecoderWeights",
    "EncoderBlockWeights",
    "FeedForwardWeights",
    "NormWeights",
    "block_of",
    "stack_of",
]


class AttentionWeights(NamedTuple):
    """Of a multi-head attention: four matrices, each [d_model, d_model]."""

    w_q: Tensor
    w_k: Tensor
    w_v: Tensor
    w_o: Tensor


class NormWeights(NamedTuple):
    """Of a layer norm: weight and bias, each [d_model]; eps is 1e-5."""

    weight: Tensor
    bias: Tensor


class FeedForwardWeights(NamedTuple):
    """Of a feed-forward: w_up [d_model, d_ff], b_up [d_ff], w_down [d_ff, d_model], b_down [d_model]."""

    w_up: Tensor
    b_up: Tensor
    w_down: Tensor
    b_down: Tensor


class EncoderBlockWeights(NamedTuple):
    """Of an encoder's block, in the order of their use."""

    self_attention: AttentionWeights
    self_attention_norm: NormWeights
    feed_forward: FeedForwardWeights
    feed_forward_norm: NormWeights


class DecoderBlockWeights(NamedTuple):
    """Of a decoder's block, in the order of their use."""

    self_attention: AttentionWeights
    self_attention_norm: NormWeights
    cross_attention: AttentionWeights
    cross_attention_norm: NormWeights
    feed_forward: FeedForwardWeights
    feed_forward_norm: NormWeights


class DecoderWeights(NamedTuple):
    """Of a decoder: embedding [vocab, d_model], its blocks, and the output's matrix [d_model, vocab]."""

    embedding: Tensor
    blocks: tuple[DecoderBlockWeights, ...]
    output: Tensor


# clearhead's own, with these in them ---------------------------------------------------------------------------


def _config(
    w: EncoderBlockWeights | DecoderBlockWeights, n_heads: int, *, order: str = "post", positions: str = "none"
) -> EncoderDecoderConfig:
    d_model, d_ff = w.feed_forward.w_up.shape
    sizes = {"d_model": d_model, "d_ff": d_ff, "heads": n_heads, "dropout": 0.0}
    return EncoderDecoderConfig.model_validate({**sizes, "norm_order": order, "positions": positions})


def _put(block: Block, w: EncoderBlockWeights | DecoderBlockWeights) -> Block:
    """Put the weights into a block; their names are those of its parts."""
    for name, weights in w._asdict().items():
        part = getattr(block, name)
        if isinstance(part, MultiHead):
            filled(part, *weights)
        elif isinstance(weights, FeedForwardWeights):
            fill(part.up, weights.w_up, weights.b_up)
            fill(part.down, weights.w_down, weights.b_down)
        else:
            part.load_state_dict(weights._asdict())
    return block


def block_of(w: EncoderBlockWeights | DecoderBlockWeights, n_heads: int, order: str = "post") -> Block:
    """An encoder's or a decoder's block with these weights."""
    config = _config(w, n_heads, order=order)
    return _put(Block(config, cross=isinstance(w, DecoderBlockWeights)), w)


def stack_of(blocks: tuple[DecoderBlockWeights, ...], n_heads: int, positions: str = "sinusoidal") -> Stack:
    """A decoder's positions and blocks."""
    config = _config(blocks[0], n_heads, positions=positions)
    stack = Stack(config, len(blocks), cross=True)
    for block, weights in zip(stack.blocks, blocks, strict=True):
        assert isinstance(block, Block)
        _put(block, weights)
    return stack
