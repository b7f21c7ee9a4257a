"""What a model looks like, as data: sizes and choices, without torch.

One object is a section of a TOML file, the `--arch.*` flags and a part of a model folder's config.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from clearhead.models.bricks import (
    AttentionConfig,
    FeedForwardConfig,
    NormConfig,
    PositionsConfig,
    ReadoutConfig,
    RecurrentAttentionConfig,
    nested,
)
from clearhead.parsing import Json
from clearhead.ranges import Blocks, Counted, Divisor, Length, Moments, Rate, Share, Width

__all__ = [
    "PRESETS",
    "SEQ2SEQ",
    "DecoderConfig",
    "EncoderConfig",
    "EncoderDecoderConfig",
    "LoRAConfig",
    "RecurrentConfig",
    "Seq2SeqConfig",
    "TransformerConfig",
    "WordVectorsConfig",
    "laid_over",
    "models_in",
    "seq2seq_family",
    "still_holds",
]


class TransformerConfig(BaseModel):
    """What every transformer has (Vaswani et al., 2017)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["encoder-decoder", "decoder", "encoder"] = Field(description="which kind of model")
    d_model: Width = Field(256, description="width of the residual stream")
    positions: PositionsConfig = Field(default_factory=PositionsConfig, description="kind of positions")
    norm: NormConfig = Field(default_factory=NormConfig, description="which normalisation")
    attention: AttentionConfig = Field(default_factory=AttentionConfig, description="how tokens look at others")
    feed_forward: FeedForwardConfig = Field(
        default_factory=FeedForwardConfig, description="what each token goes through alone"
    )
    wiring: Literal["pre", "post"] = Field("pre", description="normalise before each part, or after its residual")
    embedded_norm: bool = Field(False, description="normalise what the first block reads, positions included")
    first_norm: bool = Field(True, description="wiring pre: normalise before the first attention too")
    dropout: Share = Field(0.1, description="share of activations dropped in training")
    max_len: Length = Field(256, gt=1, description="most tokens of a text")

    @model_validator(mode="before")
    @classmethod
    def _by_names_of_today(cls, values: object) -> object:
        return nested(values)

    @model_validator(mode="after")
    def _divides(self) -> TransformerConfig:
        d_model, attention = self.d_model, self.attention
        heads, kv_heads = attention.heads, attention.kv_heads
        if attention.head_dim is None and d_model % heads:
            good = [str(n) for n in range(1, 33) if d_model % n == 0]
            raise ValueError(f"d_model {d_model} does not divide into {heads} heads; take {', '.join(good)}")
        width, values = attention.widths(d_model)
        if not attention.o_proj and heads * values != d_model:
            raise ValueError(
                f"without o_proj the heads stand side by side, and {heads} of {values} are not d_model {d_model}; "
                f"take v_head_dim {max(1, d_model // heads)}"
            )
        if kv_heads is not None and heads % kv_heads:
            raise ValueError(f"{heads} heads do not divide into groups for {kv_heads} key/value heads")
        if self.positions.kind == "rotary" and width % 2:
            raise ValueError(f"rotary positions need an even head width, not {width}")
        return self


# What known families chose, as far as the sizes are everybody's own: models with these parts can be exported.
PAIR_PRESETS: dict[str, Json] = {
    "plain": {},
    "marian": {
        "positions": {"kind": "sinusoidal", "halves": True},
        "feed_forward": {"kind": "silu"},
        "wiring": "post",
        "output_bias": True,
    },
    "bart": {
        "positions": {"kind": "learned", "offset": 2},
        "feed_forward": {"kind": "gelu"},
        "wiring": "post",
        "embedded_norm": True,
        "embedding_scale": False,
        "output_bias": True,
    },
    "t5": {
        "positions": {"kind": "relative"},
        "norm": {"kind": "rms"},
        "attention": {"kind": "dot", "biases": False},
        "feed_forward": {"kind": "relu", "biases": False},
        "embedding_scale": False,
        "output_scale": True,
    },
}


class EncoderDecoderConfig(TransformerConfig):
    """An encoder-decoder transformer (Vaswani et al., 2017)."""

    family: Literal["encoder-decoder"] = Field("encoder-decoder", description="which kind of model")
    preset: Literal["plain", "marian", "bart", "t5"] = Field(
        "plain", description="whose choices hold where nothing else is said (sizes are not among them)"
    )
    layers: Blocks = Field(3, description="blocks of the encoder, and of the decoder unless decoder_layers is given")
    decoder_layers: Blocks | None = Field(None, description="blocks of the decoder")
    tied: Literal["all", "target", "embeddings", "none"] = Field(
        "all",
        description="share one matrix among source and target embeddings and output, or target and output, or both "
        "embeddings",
    )
    embedding_scale: bool = Field(True, description="multiply embeddings with the root of d_model")
    output_scale: bool = Field(False, description="divide by the root of d_model before the output matrix")
    output_bias: bool = Field(False, description="the output matrix adds a bias")

    @model_validator(mode="before")
    @classmethod
    def _chooses(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        return laid_over(PAIR_PRESETS.get(str(values.get("preset", "plain")), {}), nested(values))


class EncoderConfig(TransformerConfig):
    """An encoder alone: each token reads all others (Devlin et al., 2019)."""

    family: Literal["encoder"] = Field("encoder", description="which kind of model")
    layers: Blocks = Field(6, description="blocks")
    types: Counted = Field(0, description="kinds of texts that stand in one row, each with a vector (0: no vectors)")
    window: Length | None = Field(
        None, description="how far a token sees to either side, itself counted (default: all)"
    )
    full_every: Blocks | None = Field(None, gt=1, description="with a window: the first and every n-th block sees all")
    tied: bool = Field(True, description="embeddings and output share one matrix (readout of tokens)")
    readout: ReadoutConfig = Field(default_factory=ReadoutConfig, description="what is read off at the end")

    def window_of(self, block: int) -> int | None:
        """How far a token sees in a block; None: everywhere."""
        return None if self.full_every and block % self.full_every == 0 else self.window


# What known families chose; the sizes are everybody's own. In `modern`, all from embedding_norm on is in no family of
# the ecosystem: it cannot be exported.
PRESETS: dict[str, Json] = {
    "modern": {
        "norm": {"kind": "rms"},
        "feed_forward": {"kind": "relu2", "biases": False},
        "positions": {"kind": "rotary"},
        "attention": {"biases": False, "qk_norm": True},
        "tied": False,
        "embedding_norm": True,
        "x0_shortcut": True,
        "value_residual": True,
        "soft_cap": 15.0,
        "zero_init": True,
    },
    "gpt2": {
        "norm": {"kind": "layer"},
        "feed_forward": {"kind": "gelu-tanh", "biases": True},
        "positions": {"kind": "learned"},
        "attention": {"biases": True},
        "tied": True,
    },
    "llama": {
        "norm": {"kind": "rms"},
        "feed_forward": {"kind": "swiglu", "biases": False},
        "positions": {"kind": "rotary"},
        "attention": {"biases": False},
        "tied": False,
    },
    "qwen3": {
        "norm": {"kind": "rms"},
        "feed_forward": {"kind": "swiglu", "biases": False},
        "positions": {"kind": "rotary", "base": 1e6},
        "attention": {"biases": False, "qk_norm": True},
        "tied": True,
    },
}


def laid_over(chosen: Json, values: Json) -> Json:
    """Values over chosen ones, section by section."""
    both = dict(chosen)
    for name, value in values.items():
        inner = both.get(name)
        both[name] = laid_over(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return both


class DecoderConfig(TransformerConfig):
    """A decoder-only transformer: it continues a text (Radford et al., 2018)."""

    family: Literal["decoder"] = Field("decoder", description="which kind of model")
    preset: Literal["modern", "gpt2", "llama", "qwen3"] = Field(
        "modern", description="whose choices hold where nothing else is said (sizes are not among them)"
    )
    layers: Blocks = Field(6, description="blocks")
    tied: bool = Field(True, description="embeddings and output share one matrix")
    window: Length | None = Field(None, description="how many tokens a token sees, itself the last (default: all)")
    full_every: Blocks | None = Field(None, gt=1, description="with a window: every n-th block attends to everything")
    embedding_norm: bool = Field(False, description="normalise the embeddings")
    x0_shortcut: bool = Field(False, description="each block is also given the embeddings, in a learned mix")
    value_residual: bool = Field(
        False, description="later blocks mix the first one's values into theirs (Zhou et al., 2024)"
    )
    soft_cap: Divisor | None = Field(None, description="logits stay between minus and plus this, by a tanh")
    zero_init: bool = Field(False, description="what a block adds begins at zero, and all tokens equally likely")

    @model_validator(mode="before")
    @classmethod
    def _chooses(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        return laid_over(PRESETS.get(str(values.get("preset", "modern")), {}), nested(values))

    @model_validator(mode="after")
    def _has_a_window(self) -> DecoderConfig:
        if self.full_every is not None and self.window is None:
            raise ValueError("full_every says which blocks see all in spite of a window; give window too")
        return self

    def window_of(self, block: int) -> int | None:
        """How many tokens a token sees in a block; None: all."""
        return None if self.full_every and (block + 1) % self.full_every == 0 else self.window


class LoRAConfig(BaseModel):
    """Small matrices that are trained beside a model's own (Hu et al., 2022)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rank: Moments = Field(0, description="rank of the small matrices (0: the model itself is trained)")
    alpha: Rate = Field(16.0, description="how much they count: alpha / rank times")
    beside: Literal["all", "attention"] = Field("all", description="matrices of whole blocks, or of attention alone")
    tables: bool = Field(
        False, description="train embeddings and output matrix whole (else: only the marks of a chat in them)"
    )


class RecurrentConfig(BaseModel):
    """A recurrent encoder-decoder, with attention or without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["lstm", "gru"] = Field("lstm", description="which kind of model")
    d_model: Width = Field(256, description="width of embeddings, states and what is read off them")
    layers: Blocks = Field(1, description="recurrent layers of the encoder (from both ends), and of the decoder")
    attention: RecurrentAttentionConfig = Field(
        default_factory=RecurrentAttentionConfig, description="how the decoder looks at the source"
    )
    tied: Literal["all", "target", "none"] = Field(
        "all", description="share one matrix among source and target embeddings and output, or target and output"
    )
    dropout: Share = Field(0.2, description="share of activations dropped in training")
    max_len: Length = Field(256, gt=1, description="most tokens of a sentence")

    @model_validator(mode="before")
    @classmethod
    def _by_names_of_today(cls, values: object) -> object:
        if isinstance(values, Mapping):
            return nested({"family": "lstm", **values})
        return values

    @model_validator(mode="after")
    def _divides(self) -> RecurrentConfig:
        attention = self.attention
        if self.d_model % attention.heads:
            good = [str(n) for n in range(1, 33) if self.d_model % n == 0]
            raise ValueError(
                f"d_model {self.d_model} does not divide into {attention.heads} heads; take {', '.join(good)}"
            )
        if attention.kind == "none" and (attention.score is not None or attention.heads != 1):
            raise ValueError("attention none has no score and no heads; leave them out, or take bahdanau or luong")
        return self


class WordVectorsConfig(BaseModel):
    """A small network whose weights are word vectors (Mikolov et al., 2013)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objective: Literal["skip-gram", "cbow", "next"] = Field(
        "skip-gram",
        description="a word predicts each word around it, those around it predict a word, or it predicts the next one",
    )
    d_model: Width = Field(100, description="numbers of a word's vector")
    window: Length = Field(5, le=64, description="how far around a word is looked, on either side (not: next)")


SEQ2SEQ: dict[str, type[EncoderDecoderConfig | RecurrentConfig]] = {
    "encoder-decoder": EncoderDecoderConfig,
    "lstm": RecurrentConfig,
    "gru": RecurrentConfig,
}


def seq2seq_family(arch: object) -> str:
    """The family that a configuration, or the values of one, is of: the transformer where nothing is said."""
    return str(arch.get("family", "encoder-decoder") if isinstance(arch, Mapping) else getattr(arch, "family", ""))


def still_holds(section: Json, changed: Json) -> Json:
    """What was chosen in a section of a configuration that still says something once `changed` is laid over it.

    Choices for one kind of model say nothing of another; of a decoder with another preset, only its sizes hold.
    """
    before = section.get("family")
    if SEQ2SEQ.get(str(before)) is not SEQ2SEQ.get(str(changed.get("family", before))):
        return {}
    if changed.get("preset", section.get("preset")) == section.get("preset"):
        return dict(section)
    return _without(section, list(PRESETS.values()))


def _without(section: Json, presets: list[Json]) -> Json:
    """A section without what any of the presets chooses."""
    left: dict[str, object] = {}
    for name, value in section.items():
        choices = [preset[name] for preset in presets if name in preset]
        if isinstance(value, Mapping) and choices:
            left[name] = _without(value, choices)
        elif not choices:
            left[name] = value
    return left


def models_in(annotation: object) -> list[type[BaseModel]]:
    """The configurations that a field may hold: one, or one for each kind of model; [] for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return list(dict.fromkeys(model for part in get_args(annotation) for model in models_in(part)))


Seq2SeqConfig: TypeAlias = Annotated[
    Annotated[EncoderDecoderConfig, Tag("encoder-decoder")]
    | Annotated[RecurrentConfig, Tag("lstm")]
    | Annotated[RecurrentConfig, Tag("gru")],
    Discriminator(seq2seq_family),
]
