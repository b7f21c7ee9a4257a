"""Exercises that check themselves: `clearhead.check.NAME(my_function)` says what is right and shows what is not.

    def dot_product(q, k):
        return (q * k).sum()

    clearhead.check.dot_product(dot_product)        dot_product: 3 of 3 cases right

Each exercise's docstring says what to write. The notebooks in docs/practice go through them in order, from one dot
product to a whole decoder. A function may give torch tensors, numpy arrays, nested lists or numbers.
"""

from clearhead.check.acts import attention, context, cross_attention, self_attention
from clearhead.check.around_attention import feed_forward, layer_norm, sinusoidal_positions
from clearhead.check.blocks import decoder, decoder_block, encoder_block
from clearhead.check.exercise import Checked
from clearhead.check.multi_heads import join_heads, multi_head, split_heads
from clearhead.check.scores import additive, bilinear, cosine, dot_product, scaled, similarities
from clearhead.check.shares import causal_mask, masked, softmax

__all__ = [
    "Checked",
    "additive",
    "attention",
    "bilinear",
    "causal_mask",
    "context",
    "cosine",
    "cross_attention",
    "decoder",
    "decoder_block",
    "dot_product",
    "encoder_block",
    "feed_forward",
    "join_heads",
    "layer_norm",
    "masked",
    "multi_head",
    "scaled",
    "self_attention",
    "similarities",
    "sinusoidal_positions",
    "softmax",
    "split_heads",
]
