"""A block: self-attention [, cross-attention], feed-forward, each with a residual and a norm.

    pre-norm:  x + part(norm(x))  (Xiong et al., 2020)       post-norm:  norm(x + part(x))  (Vaswani et al., 2017)

Axes: batch, tokens, d_model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from clearhead.attention import Bias, Cache, Mask, MemoryCache, MultiHead, Rotation, make_score
from clearhead.attention.dropout import add_dropped
from clearhead.look import see
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.layers import FeedForward, make_norm

__all__ = ["Block", "Surroundings"]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a pass makes once and every block is given: masks, biases, positions, and the memory to ask.

    Args:
        mask: who of the tokens may look at whom.
        bias: what is added to their similarities.
        rotation: the turns of the tokens' positions, where positions are rotary.
        memory: the encoder's output, [batch, keys, d_model].
        memory_mask: which of its tokens are real.
        memory_bias: what is added to the similarities with them.
    """

    mask: Mask | None = None
    bias: Bias | None = None
    rotation: Rotation | None = None
    memory: Tensor | None = None
    memory_mask: Mask | None = None
    memory_bias: Bias | None = None


class Block(nn.Module):
    """One block of an encoder, or with `cross` of a decoder."""

    sees = {
        "resid_in": "batch tokens d_model",
        "resid_mid": "batch tokens d_model",
        "resid_out": "batch tokens d_model",
    }

    def __init__(self, config: EncoderDecoderConfig, *, cross: bool):
        super().__init__()
        d, self.dropout, self.pre = config.d_model, config.dropout, config.norm_order == "pre"

        def attention() -> MultiHead:
            width, values = config.head_widths
            return MultiHead(
                d,
                config.heads,
                n_kv_heads=config.kv_heads,
                head_dim=width,
                v_head_dim=values,
                o_proj=config.o_proj,
                score=make_score(config.score, width, width),
                dropout=config.attention_dropout,
            )

        self.self_attention = attention()
        self.self_attention_norm = make_norm(config.norm, d)
        self.cross_attention = attention() if cross else None
        self.cross_attention_norm = make_norm(config.norm, d) if cross else None
        self.feed_forward = FeedForward(d, config.d_ff, config.activation, config.dropout)
        self.feed_forward_norm = make_norm(config.norm, d)

    def forward(
        self,
        x: Float[Tensor, "batch tokens d_model"],
        around: Surroundings,
        *,
        cache: Cache | None = None,
        memory_cache: MemoryCache | None = None,
    ) -> Float[Tensor, "batch tokens d_model"]:
        """x after this block."""
        x = see("resid_in", x)
        x = self._add(
            x,
            self.self_attention_norm,
            lambda h: self.self_attention(h, mask=around.mask, bias=around.bias, rotation=around.rotation, cache=cache),
        )
        x = see("resid_mid", x)
        if self.cross_attention is not None and self.cross_attention_norm is not None:
            cross = self.cross_attention
            x = self._add(
                x,
                self.cross_attention_norm,
                lambda h: cross(h, around.memory, mask=around.memory_mask, bias=around.memory_bias, cache=memory_cache),
            )
        x = self._add(x, self.feed_forward_norm, self.feed_forward)
        return see("resid_out", x)

    def _add(self, x: Tensor, norm: nn.Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """The residual connection around one part."""
        if self.pre:
            return add_dropped(x, part(norm(x)), self.dropout, self.training)
        out: Tensor = norm(add_dropped(x, part(x), self.dropout, self.training))
        return out
