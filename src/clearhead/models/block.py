"""A block: self-attention [, cross-attention], feed-forward, each with a residual and a norm.

    pre-norm:  x + part(norm(x))  (Xiong et al., 2020)       post-norm:  norm(x + part(x))  (Vaswani et al., 2017)

Axes: batch, tokens, d_model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from clearhead.attention import Bias, Cache, FirstValues, Mask, MemoryCache, Rotation, Where
from clearhead.attention.dropout import add_dropped
from clearhead.formula import Formula, Place, Value, copy, norm
from clearhead.look import see
from clearhead.models.architecture import TransformerConfig

__all__ = ["Block", "Surroundings"]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a pass makes once and every block is given: masks, biases, positions, and the memory to ask.

    Args:
        where: where the tokens stand.
        mask: who of the tokens may look at whom.
        bias: what is added to their similarities.
        rotation: the turns of the tokens' positions, where positions are rotary.
        values: the first block's values, where later ones mix them into theirs.
        memory: the encoder's output, [batch, keys, d_model].
        memory_where: where its tokens stand, and which are real.
        memory_mask: which of them each token may look at.
        memory_bias: what is added to the similarities with them.
    """

    where: Where | None = None
    mask: Mask | None = None
    bias: Bias | None = None
    rotation: Rotation | None = None
    values: FirstValues | None = None
    memory: Tensor | None = None
    memory_where: Where | None = None
    memory_mask: Mask | None = None
    memory_bias: Bias | None = None


class Block(nn.Module):
    """One block of an encoder or of a decoder-only model, or with `cross` of a decoder that reads a memory.

    Args:
        config: sizes and choices.
        cross: whether it attends to a memory too.
        value_residual: whether it mixes the first block's values into its own.
        first: whether it is the first one.
    """

    def __init__(self, config: TransformerConfig, *, cross: bool, value_residual: bool = False, first: bool = False):
        super().__init__()
        d, self.dropout, self.pre = config.d_model, config.dropout, config.wiring == "pre"
        parts = {
            "self_attention": "self-attention",
            **({"cross_attention": "cross-attention"} if cross else {}),
            "feed_forward": "the feed-forward network",
        }
        residuals = {
            "resid_in": "residual stream, as it comes in",
            "resid_mid": "residual stream, after self-attention",
            **({"resid_cross": "residual stream, after cross-attention"} if cross else {}),
            "resid_out": "residual stream, as it goes on",
        }
        shown = residuals | (
            {f"{part}_normed": f"normed, for {name}" for part, name in parts.items()} if self.pre else {}
        )
        self.sees = {name: ("batch tokens d_model", title) for name, title in shown.items()}

        eps = config.norm.eps or 1e-6
        self.self_attention = config.attention.build(d, norm_eps=eps, value_residual=value_residual)
        bare = first and self.pre and not config.first_norm
        self.self_attention_norm = nn.Identity() if bare else config.norm.build(d)
        self.cross_attention = config.attention.build(d, norm_eps=eps) if cross else None
        self.cross_attention_norm = config.norm.build(d) if cross else None
        self.feed_forward = config.feed_forward.build(d, config.dropout)
        self.feed_forward_norm = config.norm.build(d)

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
        own: dict[str, object] = {
            name: getattr(around, name) for name in ("mask", "bias", "rotation", "values", "where")
        }
        x = self._add(
            x,
            "self_attention",
            self.self_attention_norm,
            lambda h: self.self_attention(h, cache=cache, **own),
        )
        x = see("resid_mid", x)
        if self.cross_attention is not None and self.cross_attention_norm is not None:
            cross = self.cross_attention
            x = self._add(
                x,
                "cross_attention",
                self.cross_attention_norm,
                lambda h: cross(
                    h,
                    around.memory,
                    mask=around.memory_mask,
                    bias=around.memory_bias,
                    cache=memory_cache,
                    where=around.memory_where,
                ),
            )
            x = see("resid_cross", x)
        x = self._add(x, "feed_forward", self.feed_forward_norm, self.feed_forward)
        return see("resid_out", x)

    def _add(self, x: Tensor, name: str, norm: nn.Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """The residual connection around one part."""
        if self.pre:
            return add_dropped(x, part(see(f"{name}_normed", norm(x))), self.dropout, self.training)
        out: Tensor = norm(add_dropped(x, part(x), self.dropout, self.training))
        return out

    def formulas(self, place: Place, x: Value, memory: Value | None = None) -> Value:
        """How what it shows comes about."""
        x = place.see("resid_in", copy("what comes before it", x), text=x.text)
        x = place.see("resid_mid", self._sum(place, "self_attention", x), text=x.text)
        if memory is not None:
            x = place.see("resid_cross", self._sum(place, "cross_attention", x, memory), text=x.text)
        return place.see("resid_out", self._sum(place, "feed_forward", x), text=x.text)

    def _sum(self, place: Place, name: str, x: Value, *memory: Value) -> Formula:
        """The formula of the stream after one part."""
        part, normed = getattr(self, name), getattr(self, f"{name}_norm")
        own, words = place.under(name, part=name), name.replace("_", "-")
        if not self.pre:
            added = own.state(part, x, *memory)
            return norm(place, f"{name}_norm", normed, [x, added], f"norm(what came + {words})")
        bare = copy("as it comes in: this block does not normalise before it", x)
        as_given = bare if isinstance(normed, nn.Identity) else norm(place, f"{name}_norm", normed, [x])
        given = place.see(f"{name}_normed", as_given, text=x.text)
        return Formula("sum", f"what came + what {words} adds", [x.path, own.state(part, given, *memory).path])
