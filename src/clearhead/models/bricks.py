"""The bricks of a model, as data: each says its kind first, and `build()` makes what it says. Without torch.

"positions": "rotary"                      {"positions": {"kind": "rotary"}}
"rotary_base": 5e5                         {"positions": {"base": 5e5}}, by the name of before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clearhead.parsing import Json
from clearhead.ranges import Base, Count, Counted, Entries, Factor, Heads, Length, Share, Width

if TYPE_CHECKING:
    from torch import nn

    from clearhead.attention import Bias, Learned, MultiHead, Rotary, Sinusoidal
    from clearhead.models.layers import FeedForward
    from clearhead.models.readout import Readout

__all__ = [
    "BRICKS",
    "OLD_NAMES",
    "OLD_RECURRENT_NAMES",
    "AttentionConfig",
    "Brick",
    "FeedForwardConfig",
    "NormConfig",
    "PositionsConfig",
    "ReadoutConfig",
    "RecurrentAttentionConfig",
    "ScalingConfig",
    "nested",
    "old_names",
]


class Brick(BaseModel):
    """A part of a model with choices of its own, of which `kind` is the first: "rms" says {"kind": "rms"}."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _by_its_kind(cls, values: object) -> object:
        return {"kind": values} if isinstance(values, str) else values


Similarity: TypeAlias = Literal["scaled-dot", "dot", "cosine", "bilinear", "additive"]


class ScalingConfig(Brick):
    """How rotary positions are slowed down, so that a model reads longer texts than it was trained on at first.

    linear: all by the same factor (Chen et al., 2023); llama3: slow pairs by the factor, fast ones not at all, those
    between gradually (Grattafiori et al., 2024). A pair is slow if it takes more than original_len / low positions to
    turn once, and fast if less than original_len / high.
    """

    kind: Literal["none", "linear", "llama3"] = Field("none", description="which pairs are slowed down")
    factor: Factor = Field(1.0, description="how many times")
    low: Factor = Field(1.0, description="llama3: bound of slow pairs")
    high: Factor = Field(4.0, description="llama3: bound of fast pairs")
    original_len: Length = Field(8192, description="llama3: the length of the texts at first")


class PositionsConfig(Brick):
    """How a token says where it stands."""

    kind: Literal["sinusoidal", "learned", "rotary", "alibi", "relative", "none"] = Field(
        "sinusoidal", description="kind of positions"
    )
    base: Base = Field(1e4, description="rotary: about how long the slowest pair takes to turn once")
    near_base: Base | None = Field(None, description="rotary: the same in blocks with a window (default: base)")
    scaling: ScalingConfig = Field(default_factory=ScalingConfig, description="rotary: slowed down for longer texts")
    buckets: Entries = Field(32, ge=4, description="relative: how many distances are told apart")
    max_distance: Count = Field(128, ge=4, description="relative: from here on all is one distance")
    offset: Counted = Field(0, description="learned: rows of the table before that of the first position")
    halves: bool = Field(False, description="sinusoidal: all sines before all cosines")

    def build(self, d_model: int, max_len: int) -> Sinusoidal | Learned | None:
        """What is added to the embeddings, if anything is."""
        from clearhead.attention import Learned, Sinusoidal

        if self.kind == "learned":
            return Learned(d_model, max_len, offset=self.offset)
        return Sinusoidal(d_model, max_len, halves=self.halves) if self.kind == "sinusoidal" else None

    def rotation(self, head_dim: int, *, near: bool = False) -> Rotary | None:
        """What turns queries and keys, if anything does; `near`: in blocks with a window."""
        from clearhead.attention import Rotary

        base = self.near_base if near and self.near_base is not None else self.base
        if self.kind != "rotary":
            return None
        scaling = self.scaling
        if scaling.kind == "llama3":
            slow, fast = scaling.original_len / scaling.low, scaling.original_len / scaling.high
            return Rotary(head_dim, base, factor=scaling.factor, slow=slow, fast=fast)
        return Rotary(head_dim, base, factor=scaling.factor if scaling.kind == "linear" else 1.0)

    def bias(self, heads: int, *, ahead: bool) -> Bias | None:
        """What is added to similarities, if positions are told by distances; `ahead`: of keys after the query too."""
        from clearhead.attention import ALiBi, Relative

        if self.kind == "alibi":
            return ALiBi(heads)
        if self.kind != "relative":
            return None
        return Relative(heads, buckets=self.buckets, max_distance=self.max_distance, ahead=ahead)


class NormConfig(Brick):
    """How vectors are normalised."""

    kind: Literal["layer", "rms"] = Field("layer", description="which normalisation")
    eps: Share | None = Field(None, gt=0, description="what a norm adds below its root (default: 1e-5, rms 1e-6)")
    bias: bool = Field(True, description="layer: add a bias")

    def build(self, d_model: int) -> nn.Module:
        """`layer` (Ba et al., 2016) or `rms` (Zhang and Sennrich, 2019)."""
        from torch import nn

        if self.kind == "rms":
            return nn.RMSNorm(d_model, eps=self.eps or 1e-6)
        return nn.LayerNorm(d_model, eps=self.eps or 1e-5, bias=self.bias)


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
    biases: bool | Literal["qkv"] = Field(True, description="projections add a bias; qkv: all but the last")
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

    kind: Literal["relu", "relu2", "gelu", "gelu-tanh", "silu", "reglu", "geglu", "geglu-tanh", "swiglu"] = Field(
        "relu", description="activation of the feed-forward layers"
    )
    d_ff: Width = Field(1024, description="width inside the feed-forward layers")
    biases: bool = Field(True, description="projections add a bias")

    def build(self, d_model: int, dropout: float) -> FeedForward:
        """One feed-forward part."""
        from clearhead.models.layers import FeedForward

        return FeedForward(d_model, self.d_ff, self.kind, dropout, biases=self.biases)


class ReadoutConfig(Brick):
    """What is read off an encoder: its vectors through a small network, and a score for each answer."""

    kind: Literal["tokens", "classes", "pooled", "none"] = Field(
        "tokens", description="scores of the token at each place, of the classes of a text; its vector; or nothing"
    )
    activation: Literal["gelu", "gelu-tanh", "silu", "relu", "tanh"] = Field(
        "gelu", description="activation of the small network"
    )
    norm: bool = Field(True, description="normalise after it")
    bias: bool = Field(True, description="its projection adds a bias")
    pooling: Literal["first", "mean"] = Field("first", description="classes, pooled: the vector of a text")
    classes: Counted = Field(0, description="classes: how many")

    @model_validator(mode="after")
    def _has_classes(self) -> ReadoutConfig:
        if (self.kind == "classes") != (self.classes > 0):
            raise ValueError(f"kind {self.kind} and classes {self.classes} do not go together")
        return self

    def build(self, d_model: int, norm: NormConfig, vocab_size: int) -> Readout | None:
        """What reads off vectors of this width."""
        from clearhead.models.readout import Readout

        if self.kind == "none":
            return None
        return Readout(
            d_model,
            vocab_size if self.kind == "tokens" else self.classes,
            activation=self.activation,
            norm=norm.build(d_model) if self.norm else None,
            bias=self.bias,
            pooling="" if self.kind == "tokens" else self.pooling,
        )


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
BRICKS = ("positions", "norm", "attention", "feed_forward", "readout")


def old_names(family: str | None) -> dict[str, tuple[tuple[str, ...], ...]]:
    """The names of before of a family, and where each stands now."""
    return OLD_RECURRENT_NAMES if family in ("lstm", "gru") else OLD_NAMES


@overload
def nested(arch: Json, family: str | None = None) -> dict[str, Any]: ...
@overload
def nested(arch: object, family: str | None = None) -> object: ...
def nested(arch: object, family: str | None = None) -> object:
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
