"""What a model looks like, as data: sizes and choices, without torch.

One object is a section of a TOML file, the `--arch.*` flags and a part of a model folder's config.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from clearhead.ranges import Base, Blocks, Divisor, Heads, Length, Moments, Rate, Share, Width

__all__ = [
    "PRESETS",
    "SEQ2SEQ",
    "DecoderConfig",
    "EncoderDecoderConfig",
    "LoRAConfig",
    "RecurrentConfig",
    "Seq2SeqConfig",
    "TransformerConfig",
    "WordVectorsConfig",
    "models_in",
    "seq2seq_family",
    "still_holds",
]


class TransformerConfig(BaseModel):
    """What every transformer has (Vaswani et al., 2017)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["encoder-decoder", "decoder"] = Field(description="which kind of model")
    d_model: Width = Field(256, description="width of the residual stream")
    d_ff: Width = Field(1024, description="width inside the feed-forward layers")
    heads: Heads = Field(8, description="heads of each attention")
    kv_heads: Heads | None = Field(None, description="key/value heads (fewer than heads: grouped or multi-query)")
    head_dim: Width | None = Field(
        None,
        description="width of a head's queries and keys (default: d_model / heads; d_model: full-width heads)",
    )
    v_head_dim: Width | None = Field(None, description="width of a head's values (default: head_dim)")
    o_proj: bool = Field(True, description="project the joined heads; without it they simply stand side by side")
    score: Literal["scaled-dot", "dot", "cosine", "bilinear", "additive"] = Field(
        "scaled-dot", description="how a query and a key are compared"
    )
    qk_norm: bool = Field(False, description="normalise each head's queries and keys before they are compared")
    biases: bool = Field(True, description="projections add a bias")
    norm: Literal["layer", "rms"] = Field("layer", description="which normalisation")
    norm_eps: Share | None = Field(None, gt=0, description="what a norm adds below its root (default: 1e-5, rms 1e-6)")
    norm_order: Literal["pre", "post"] = Field("pre", description="normalise before each part, or after its residual")
    activation: Literal["relu", "relu2", "gelu", "gelu-tanh", "swiglu"] = Field(
        "relu", description="of the feed-forward layers"
    )
    positions: Literal["sinusoidal", "learned", "rotary", "alibi", "relative", "none"] = Field(
        "sinusoidal", description="kind of positions"
    )
    rotary_base: Base = Field(1e4, description="rotary positions: about how long the slowest pair takes to turn once")
    dropout: Share = Field(0.1, description="share of activations dropped in training")
    attention_dropout: Share = Field(0.0, description="share of attention weights dropped in training")
    max_len: Length = Field(256, gt=1, description="most tokens of a text")

    @model_validator(mode="after")
    def _divides(self) -> TransformerConfig:
        if self.head_dim is None and self.d_model % self.heads:
            good = [str(n) for n in range(1, 33) if self.d_model % n == 0]
            raise ValueError(f"d_model {self.d_model} does not divide into {self.heads} heads; take {', '.join(good)}")
        width, values = self.head_widths
        if not self.o_proj and self.heads * values != self.d_model:
            raise ValueError(
                f"without o_proj the heads stand side by side, and {self.heads} of {values} are not d_model "
                f"{self.d_model}; take v_head_dim {max(1, self.d_model // self.heads)}"
            )
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads do not divide into groups for {self.kv_heads} key/value heads")
        if self.positions == "rotary" and width % 2:
            raise ValueError(f"rotary positions need an even head width, not {width}")
        return self

    @property
    def head_widths(self) -> tuple[int, int]:
        """(width of a head's queries and keys, width of its values)."""
        width = self.head_dim or self.d_model // self.heads
        return width, self.v_head_dim or width


class EncoderDecoderConfig(TransformerConfig):
    """An encoder-decoder transformer (Vaswani et al., 2017)."""

    family: Literal["encoder-decoder"] = Field("encoder-decoder", description="which kind of model")
    layers: Blocks = Field(3, description="blocks of the encoder, and of the decoder unless decoder_layers is given")
    decoder_layers: Blocks | None = Field(None, description="blocks of the decoder")
    tied: Literal["all", "target", "none"] = Field(
        "all", description="share one matrix among source and target embeddings and output, or target and output"
    )


# What known families chose; the sizes are everybody's own. In `modern`, all from embedding_norm on is in no family of
# the ecosystem: it cannot be exported.
PRESETS: dict[str, dict[str, Any]] = {
    "modern": {
        "norm": "rms",
        "activation": "relu2",
        "positions": "rotary",
        "biases": False,
        "qk_norm": True,
        "tied": False,
        "embedding_norm": True,
        "x0_shortcut": True,
        "value_residual": True,
        "soft_cap": 15.0,
        "zero_init": True,
    },
    "gpt2": {"norm": "layer", "activation": "gelu-tanh", "positions": "learned", "biases": True, "tied": True},
    "llama": {"norm": "rms", "activation": "swiglu", "positions": "rotary", "biases": False, "tied": False},
    "qwen3": {
        "norm": "rms",
        "activation": "swiglu",
        "positions": "rotary",
        "rotary_base": 1e6,
        "biases": False,
        "qk_norm": True,
        "tied": True,
    },
}


class DecoderConfig(TransformerConfig):
    """A decoder-only transformer: it continues a text (Radford et al., 2018)."""

    family: Literal["decoder"] = Field("decoder", description="which kind of model")
    preset: Literal["modern", "gpt2", "llama", "qwen3"] = Field(
        "modern", description="whose choices hold where nothing else is said (sizes are not among them)"
    )
    layers: Blocks = Field(6, description="blocks")
    tied: bool = Field(True, description="embeddings and output share one matrix")
    window: Length | None = Field(None, description="how many tokens a token sees, itself the last (default: all)")
    full_every: Blocks | None = Field(None, gt=1, description="with a window: every so manieth block sees all")
    embedding_norm: bool = Field(False, description="normalise the embeddings")
    x0_shortcut: bool = Field(False, description="each block is also given the embeddings, in a learned mix")
    value_residual: bool = Field(
        False, description="later blocks mix the first one's values into theirs (Zhou et al., 2024)"
    )
    soft_cap: Divisor | None = Field(None, description="logits stay between minus and plus this, by a tanh")
    zero_init: bool = Field(False, description="what a block adds begins at zero, and all tokens equally likely")

    @model_validator(mode="before")
    @classmethod
    def _chooses(cls, values: Any) -> Any:
        return (
            {**PRESETS.get(str(values.get("preset", "modern")), {}), **values} if isinstance(values, dict) else values
        )

    @model_validator(mode="after")
    def _has_a_window(self) -> DecoderConfig:
        if self.full_every is not None and self.window is None:
            raise ValueError("full_every tells which blocks see all in spite of a window; give window too")
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
    """A recurrent encoder-decoder, with attention (Bahdanau et al., 2015; Luong et al., 2015) or without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: Literal["lstm", "gru"] = Field("lstm", description="which kind of model")
    d_model: Width = Field(256, description="width of embeddings, states and what is read off them")
    layers: Blocks = Field(1, description="recurrent layers of the encoder (from both ends), and of the decoder")
    attention: Literal["bahdanau", "luong", "none"] = Field(
        "bahdanau", description="look at the source before each step, after it, or have one fixed vector of it"
    )
    heads: Heads = Field(1, description="heads of the attention")
    score: Literal["scaled-dot", "dot", "cosine", "bilinear", "additive"] | None = Field(
        None,
        description="how a state and a source token are compared (default: additive before a step, bilinear after)",
    )
    input_feeding: bool = Field(True, description="a step is told what the one before has read (luong)")
    tied: Literal["all", "target", "none"] = Field(
        "all", description="share one matrix among source and target embeddings and output, or target and output"
    )
    dropout: Share = Field(0.2, description="share of activations dropped in training")
    max_len: Length = Field(256, gt=1, description="most tokens of a sentence")

    @model_validator(mode="after")
    def _divides(self) -> RecurrentConfig:
        if self.d_model % self.heads:
            good = [str(n) for n in range(1, 33) if self.d_model % n == 0]
            raise ValueError(f"d_model {self.d_model} does not divide into {self.heads} heads; take {', '.join(good)}")
        if self.attention == "none" and (self.score is not None or self.heads != 1):
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


def seq2seq_family(arch: Any) -> str:
    """The family that a configuration, or the values of one, is of: the transformer where nothing is said."""
    return str(arch.get("family", "encoder-decoder") if isinstance(arch, Mapping) else getattr(arch, "family", ""))


def still_holds(section: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen in a section of a configuration that still says something once `changed` is laid over it.

    Choices for one kind of model say nothing of another; of a decoder with another preset, only its sizes hold.
    """
    before = section.get("family")
    if SEQ2SEQ.get(str(before)) is not SEQ2SEQ.get(str(changed.get("family", before))):
        return {}
    if changed.get("preset", section.get("preset")) == section.get("preset"):
        return dict(section)
    chosen = {name for choices in PRESETS.values() for name in choices}
    return {name: value for name, value in section.items() if name not in chosen}


def models_in(annotation: Any) -> list[type[BaseModel]]:
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
