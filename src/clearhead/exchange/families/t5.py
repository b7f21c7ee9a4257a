"""T5: an encoder-decoder with learned distances for positions and unscaled products (Raffel et al., 2020)."""

from __future__ import annotations

from clearhead.errors import ConfigError, given
from clearhead.exchange.config_rules import Always, Derived, Field, Must, value_of
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.parsing import Json

__all__ = ["T5"]

_KINDS = {
    "relu": "relu",
    "gelu": "gelu",
    "gated-gelu": "geglu-tanh",
    "gated-silu": "swiglu",
    "gated-relu": "reglu",
}


def _feed_forward(theirs: Json) -> Json:
    """`dense_act_fn` and `is_gated_act` repeat what `feed_forward_proj` says."""
    kind = value_of(theirs, "feed_forward_proj", "relu")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ConfigError(f"feed_forward_proj is {given(kind)}", f"known are {', '.join(_KINDS)}")
    return {"feed_forward.kind": _KINDS[kind]}


def _their_feed_forward(ours: Json) -> Json:
    names = [name for name, kind in _KINDS.items() if kind == ours["feed_forward.kind"]]
    return {"feed_forward_proj": names[0]} if names else {}


def _tied(theirs: Json) -> Json:
    """With one matrix for all, what goes into it is scaled; newer versions say so apart."""
    tied = value_of(theirs, "tie_word_embeddings", True)
    return {"tied": "all" if tied else "embeddings", "output_scale": value_of(theirs, "scale_decoder_outputs", tied)}


def _their_tied(ours: Json) -> Json:
    return {"tie_word_embeddings": ours["tied"] == "all", "scale_decoder_outputs": ours["output_scale"]}


def _attention(stack: str, number: int, name: str, ours: str) -> list[WeightRule]:
    layer, block = f"{stack}.block.{{}}.layer.{number}", f"{stack}.blocks.{{}}"
    return [
        *(WeightRule(f"{layer}.{name}.{p}", [f"{block}.{ours}.{p}_proj"]) for p in "qkvo"),
        WeightRule(f"{layer}.layer_norm", [f"{block}.{ours}_norm"]),
    ]


def _stack(stack: str, last: int) -> list[WeightRule]:
    layer, block = f"{stack}.block.{{}}.layer.{last}", f"{stack}.blocks.{{}}"
    up, gate = [f"{block}.feed_forward.up"], f"{block}.feed_forward.gate"
    return [
        *_attention(stack, 0, "SelfAttention", "self_attention"),
        WeightRule(f"{layer}.DenseReluDense.wi", up, alone=gate),
        WeightRule(f"{layer}.DenseReluDense.wi_0", [gate]),
        WeightRule(f"{layer}.DenseReluDense.wi_1", up, beside=gate),
        WeightRule(f"{layer}.DenseReluDense.wo", [f"{block}.feed_forward.down"]),
        WeightRule(f"{layer}.layer_norm", [f"{block}.feed_forward_norm"]),
        WeightRule(f"{stack}.final_layer_norm", [f"{stack}.norm"]),
        WeightRule(f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias", [f"{stack}.bias"]),
    ]


T5 = Family(
    name="t5",
    arch=EncoderDecoderConfig,
    make=lambda config, vocab_size: EncoderDecoder(config, vocab_size, vocab_size),
    kinds={
        "T5ForConditionalGeneration": [
            Kind(
                ["translate", "summarize"],
                weights=[WeightRule("lm_head", ["head"])],
                copies=dict.fromkeys(("encoder.embed_tokens.weight", "decoder.embed_tokens.weight"), "shared.weight")
                | {"lm_head.weight": "shared.weight"},
            )
        ]
    },
    config=[
        Field("d_model", "d_model"),
        Field("d_kv", "attention.head_dim"),
        Field("d_ff", "feed_forward.d_ff"),
        Field("num_layers", "layers"),
        Field("num_decoder_layers", "decoder_layers", None),
        Field("num_heads", "attention.heads"),
        Field("relative_attention_num_buckets", "positions.buckets", 32),
        Field("relative_attention_max_distance", "positions.max_distance", 128),
        Field("dropout_rate", "dropout", 0.1),
        Field("layer_norm_epsilon", "norm.eps", 1e-6),
        Field("n_positions", "max_len", 512),  # older versions name it; the positions have no end
        Derived(["feed_forward_proj", "dense_act_fn", "is_gated_act"], _feed_forward, _their_feed_forward),
        Derived(["tie_word_embeddings", "scale_decoder_outputs"], _tied, _their_tied),
        Must("is_encoder_decoder", True),
        Must("is_decoder", False),
        Always("positions.kind", "relative"),
        Always("attention.kind", "dot"),
        Always("attention.biases", False),
        Always("feed_forward.biases", False),
        Always("norm.kind", "rms"),
        Always("wiring", "pre"),
        Always("embedding_scale", False),
    ],
    weights=[
        WeightRule("shared", ["tgt_embedding"]),
        *_stack("encoder", 1),
        *_attention("decoder", 1, "EncDecAttention", "cross_attention"),
        *_stack("decoder", 2),
    ],
    ignored=[r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight"],
)
