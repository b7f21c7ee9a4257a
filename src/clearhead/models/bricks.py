"""The bricks of a model, as data: each says its kind first, and `build()` makes what it says. Without torch.

"positions": "rotary"                      {"positions": {"kind": "rotary"}}
"rotary_base": 5e5                         {"positions": {"base": 5e5}}, by the name of before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.ranges import Base, Heads, Share, Width

if TYPE_CHECKING:
    from torch import nn

    from clearhead.attention import Bias, Learned, MultiHead, Rotary, Sinusoidal
    from clearhead.models.layers import FeedForward

__all__ = [
    "BRICKS",
    "OLD_NAMES",
    "OLD_RECURRENT_NAMES",
    "AttentionConfig",
    "Brick",
    "FeedForwardConfig",
    "NormConfig",
    "PositionsConfig",
    "RecurrentAttentionConfig",
    "nested",
    "old_names",
]


class Brick(BaseModel):
    """A part of a model with choices of its own, of which `kind` is the first: "rms" says {"kind": "rms"}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _by_its_kind(cls, values: Any) -> Any:
        return {"kind": values} if isinstance(values, str) else values


Similarity: TypeAlias = Literal["scaled-dot", "dot", "cosine", "bilinear", "additive"]


class PositionsConfig(Brick):
    """How a token says where it stands."""

    kind: Literal["sinusoidal", "learned", "rotary", "alibi", "relative", "none"] = Field(
        "sinusoidal", description="kind of positions"
    )
    base: Base = Field(1e4, description="rotary: about how long the slowest pair takes to turn once")

    def build(self, d_model: int, max_len: int) -> Sinusoidal | Learned | None:
        """What is added to the embeddings, if anything is."""
        from clearhead.attention import Learned, Sinusoidal

        kinds: dict[str, type[Sinusoidal | Learned]] = {"sinusoidal": Sinusoidal, "learned": Learned}
        return kinds[self.kind](d_model, max_len) if self.kind in kinds else None

    def rotation(self, head_dim: int) -> Rotary | None:
        """What turns queries and keys, if anything does."""
        from clearhead.attention import Rotary

        return Rotary(head_dim, self.base) if self.kind == "rotary" else None

    def bias(self, heads: int, *, ahead: bool) -> Bias | None:
        """What is added to similarities, if positions are told by distances; `ahead`: of keys after the query too."""
        from clearhead.attention import ALiBi, Relative

        if self.kind == "alibi":
            return ALiBi(heads)
        return Relative(heads, ahead=ahead) if self.kind == "relative" else None


class NormConfig(Brick):
    """How vectors are normalised."""

    kind: Literal["layer", "rms"] = Field("layer", description="which normalisation")
    eps: Share | None = Field(None, gt=0, description="what a norm adds below its root (default: 1e-5, rms 1e-6)")

    def build(self, d_model: int) -> nn.Module:
        """`layer` (Ba et al., 2016) or `rms` (Zhang and Sennrich, 2019)."""
        from torch import nn

        if self.kind == "rms":
            return nn.RMSNorm(d_model, eps=self.eps or 1e-6)
        return nn.LayerNorm(d_model, eps=self.eps or 1e-5)


class AttentionConfig(Brick):
    """How tokens look at others."""

    kind: Similarity = Field("scaled-dot", description="how a query and a key are compared")
    heads: Heads = Field(8, description="heads of each attention")
    kv_heads: Heads | None = Field(None, description="key/value heads (fewer than heads: grouped or multi-query)")
    head_dim: Width | None = Field(
        None,
        description="width of a head's queries and keys (default: d_model / heads; d_model: full-width heads)",
    )
    v_head_dim: Width | None = Field(None, description="width of a head's values (default: head_dim)")
    o_proj: bool = Field(True, description="project the joined heads; without it they simply stand side by side")
    qk_norm: bool = Field(False, description="normalise each head's queries and keys before they are compared")
    biases: bool = Field(True, description="projections add a bias")
    dropout: Share = Field(0.0, description="share of attention weights dropped in training")

    def widths(self, d_model: int) -> tuple[int, int]:
        """(width of a head's queries and keys, width of its values)."""
        width = self.head_dim or d_model // self.heads
        return width, self.v_head_dim or width

    def remembered(self, d_model: int) -> int:
        """How many numbers of a token its keys and values are."""
        return sum(self.widths(d_model)) * (self.kv_heads or self.heads)

    def build(self, d_model: int, *, norm_eps: float = 1e-6, value_residual: bool = False) -> MultiHead:
        """The heads of one attention.

        Args:
            norm_eps: of the norms of queries and keys.
            value_residual: whether values are mixed with an earlier layer's.
        """
        from clearhead.attention import MultiHead, make_score

        width, values = self.widths(d_model)
        return MultiHead(
            d_model,
            self.heads,
            n_kv_heads=self.kv_heads,
            head_dim=width,
            v_head_dim=values,
            projections_bias=self.biases,
            o_proj=self.o_proj,
            qk_norm=self.qk_norm,
            norm_eps=norm_eps,
            value_residual=value_residual,
            score=make_score(self.kind, width, width),
            dropout=self.dropout,
        )


class FeedForwardConfig(Brick):
    """What each token goes through alone."""

    kind: Literal["relu", "relu2", "gelu", "gelu-tanh", "swiglu"] = Field(
        "relu", description="activation of the feed-forward layers"
    )
    d_ff: Width = Field(1024, description="width inside the feed-forward layers")
    biases: bool = Field(True, description="projections add a bias")

    def build(self, d_model: int, dropout: float) -> FeedForward:
        """One feed-forward part."""
        from clearhead.models.layers import FeedForward

        return FeedForward(d_model, self.d_ff, self.kind, dropout, biases=self.biases)


class RecurrentAttentionConfig(Brick):
    """How a recurrent decoder looks at the source (Bahdanau et al., 2015; Luong et al., 2015)."""

    kind: Literal["bahdanau", "luong", "none"] = Field(
        "bahdanau", description="look at the source before each step, after it, or have one fixed vector of it"
    )
    heads: Heads = Field(1, description="heads of the attention")
    score: Similarity | None = Field(
        None,
        description="how a state and a source token are compared (default: additive before a step, bilinear after)",
    )
    input_feeding: bool = Field(True, description="a step is given what the one before has read (luong)")

    def build(self, d_model: int) -> MultiHead:
        """The heads, which ask a memory of both directions' states; an additive score projects nothing once more."""
        from clearhead.attention import Additive, MultiHead, make_score

        width = d_model // self.heads
        name = self.score or ("additive" if self.kind == "bahdanau" else "bilinear")
        score = Additive(width, width) if name == "additive" else make_score(name, width, width)
        return MultiHead(d_model, self.heads, memory_dim=2 * d_model, o_proj=False, score=score, projections_bias=False)


# Names that options and config.json had before bricks were nested, and where each stands now. They are read for good.
OLD_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "heads": (("attention", "heads"),),
    "kv_heads": (("attention", "kv_heads"),),
    "head_dim": (("attention", "head_dim"),),
    "v_head_dim": (("attention", "v_head_dim"),),
    "o_proj": (("attention", "o_proj"),),
    "qk_norm": (("attention", "qk_norm"),),
    "score": (("attention", "kind"),),
    "attention_dropout": (("attention", "dropout"),),
    "biases": (("attention", "biases"), ("feed_forward", "biases")),
    "d_ff": (("feed_forward", "d_ff"),),
    "activation": (("feed_forward", "kind"),),
    "norm_eps": (("norm", "eps"),),
    "norm_order": (("wiring",),),
    "rotary_base": (("positions", "base"),),
}
OLD_RECURRENT_NAMES: dict[str, tuple[tuple[str, ...], ...]] = {
    "heads": (("attention", "heads"),),
    "score": (("attention", "score"),),
    "input_feeding": (("attention", "input_feeding"),),
}
BRICKS = ("positions", "norm", "attention", "feed_forward")


def old_names(family: str | None) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The names of before of a family, and where each stands now."""
    return OLD_RECURRENT_NAMES if family in ("lstm", "gru") else OLD_NAMES


def nested(arch: Any, family: str | None = None) -> Any:
    """The values of an architecture by the names of today, bricks as mappings; what is no mapping stays as it is.

    Args:
        family: of the model, where the values do not say it.

    Raises:
        ValueError: the name of before says something else than that of today.
    """
    if not isinstance(arch, Mapping):
        return arch
    old = old_names(arch.get("family", family))
    made: dict[str, Any] = {}
    for name, value in arch.items():
        if name in BRICKS:
            given = value.model_dump(exclude_unset=True) if isinstance(value, Brick) else value
            brick = {"kind": given} if isinstance(given, str) else given
            made[name] = {**made.get(name, {}), **brick} if isinstance(brick, Mapping) else brick
        elif name not in old:
            made[name] = value
    for name, value in arch.items():
        for place in old.get(name, ()):
            brick, *inner = place
            section = made.setdefault(brick, {}) if inner else made
            leaf = inner[0] if inner else brick
            if isinstance(section, dict) and section.setdefault(leaf, value) != value:
                raise ValueError(f"{name} is {value} and {'.'.join(place)} {section[leaf]}: these are one choice")
    return made
