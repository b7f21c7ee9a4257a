"""ModernBERT: norms before the parts, rotary positions, most blocks seeing near tokens only (Warner et al., 2024)."""

from __future__ import annotations

from clearhead.errors import ConfigError
from clearhead.exchange.config_rules import Always, Classes, ConfigRule, Derived, Field, Must, Named, value_of
from clearhead.exchange.families.bert import ACTIVATIONS, UNTIED
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderConfig
from clearhead.models.encoder import Encoder
from clearhead.parsing import Json

__all__ = ["MODERNBERT"]

_GATED = {
    "gelu": "geglu",
    "gelu_pytorch_tanh": "geglu-tanh",
    "gelu_new": "geglu-tanh",
    "silu": "swiglu",
    "relu": "reglu",
}
_ROPES = ["rope_parameters", "global_rope_theta", "local_rope_theta"]
_FULL, _NEAR = "full_attention", "sliding_attention"


def _windows(theirs: Json) -> Json:
    """Which blocks see near tokens only, how far, and the bases of their rotary positions."""
    layers, every = value_of(theirs, "num_hidden_layers"), theirs.get("global_attn_every_n_layers")
    kinds = theirs.get("layer_types") or [_NEAR if i % (every or 3) else _FULL for i in range(layers)]
    near = [i for i, kind in enumerate(kinds) if kind == _NEAR]
    full = [i for i, kind in enumerate(kinds) if kind == _FULL]
    every = full[1] if len(full) > 1 else max(layers, 2)
    if len(near) + len(full) != layers or (near and any((i % every == 0) != (i in full) for i in range(layers))):
        raise ConfigError("layer_types: the first and every n-th block must see all", "take a model without it")
    rope = theirs.get("rope_parameters") or {}
    bases = {
        _FULL: rope.get(_FULL, {}).get("rope_theta", theirs.get("global_rope_theta", 160_000.0)),
        _NEAR: rope.get(_NEAR, {}).get("rope_theta", theirs.get("local_rope_theta", 10_000.0)),
    }
    for kind in rope:
        if (
            kind not in bases
            or set(rope[kind]) - {"rope_type", "rope_theta"}
            or rope[kind].get("rope_type") != "default"
        ):
            raise ConfigError(f"rope_parameters has {kind} {rope[kind]}", "take a model of plain rotary positions")
    ours = {"positions.base": bases[_FULL], "positions.near_base": bases[_NEAR] if near else None}
    window = value_of(theirs, "local_attention", 128) // 2 + 1 if near else None
    return {**ours, "window": window, "full_every": every if near else None}


def _their_windows(ours: Json) -> Json:
    every, layers = ours["full_every"] or 1, ours["layers"]
    near = ours["positions.base"] if ours["positions.near_base"] is None else ours["positions.near_base"]
    rope = {_FULL: ours["positions.base"], _NEAR: near}
    return {
        "layer_types": [_NEAR if i % every and ours["window"] else _FULL for i in range(layers)],
        "local_attention": 2 * (ours["window"] - 1) if ours["window"] else 128,
        "rope_parameters": {kind: {"rope_type": "default", "rope_theta": base} for kind, base in rope.items()},
    }


_HEAD: list[ConfigRule] = [
    Named("classifier_activation", "readout.activation", ACTIVATIONS, "gelu"),
    Field("classifier_bias", "readout.bias", False),
]
_UNREAD = [Must("classifier_pooling", "cls", "mean"), Must("decoder_bias", True, False)]
_DENSE = [WeightRule("head.dense", ["readout.dense"]), WeightRule("head.norm", ["readout.norm"])]
MODERNBERT = Family(
    name="modernbert",
    arch=EncoderConfig,
    make=Encoder,
    kinds={
        "ModernBertModel": [
            Kind(
                ["embed"],
                config=[
                    *_UNREAD,
                    Always("readout.kind", "none"),
                    Must("classifier_activation", "gelu", *ACTIVATIONS),
                    Must("classifier_bias", False, True),
                    UNTIED,
                ],
                unused=["head.", "decoder.", "classifier."],
                bare=True,
            )
        ],
        "ModernBertForMaskedLM": [
            Kind(
                ["fill"],
                config=[
                    *_HEAD,
                    Always("readout.kind", "tokens"),
                    Field("tie_word_embeddings", "tied", True),
                    Must("decoder_bias", True),
                    _UNREAD[0],
                ],
                weights=[*_DENSE, WeightRule("decoder", ["readout.head"])],
                copies={"decoder.weight": "embeddings.tok_embeddings.weight"},
            )
        ],
        "ModernBertForSequenceClassification": [
            Kind(
                ["classify"],
                config=[
                    *_HEAD,
                    Always("readout.kind", "classes"),
                    Named("classifier_pooling", "readout.pooling", {"cls": "first", "mean": "mean"}, "cls"),
                    Classes(),
                    _UNREAD[1],
                    UNTIED,
                ],
                weights=[*_DENSE, WeightRule("classifier", ["readout.head"])],
                unused=["decoder."],
            )
        ],
    },
    config=[
        Field("hidden_size", "d_model"),
        Field("num_hidden_layers", "layers"),
        Field("num_attention_heads", "attention.heads"),
        Field("intermediate_size", "feed_forward.d_ff"),
        Field("max_position_embeddings", "max_len", 8192),
        Field("norm_eps", "norm.eps", 1e-5),
        Field("norm_bias", "norm.bias", False),
        Field("attention_bias", "attention.biases", False),
        Field("mlp_bias", "feed_forward.biases", False),
        Field("attention_dropout", "attention.dropout", 0.0),
        Field("mlp_dropout", "dropout", 0.0),
        Named("hidden_activation", "feed_forward.kind", _GATED, "gelu"),
        Derived(
            [*_ROPES, "layer_types", "local_attention", "global_attn_every_n_layers", "sliding_window"],
            _windows,
            _their_windows,
        ),
        Must("position_embedding_type", "absolute", "rope"),
        Always("positions.kind", "rotary"),
        Always("wiring", "pre"),
        Always("embedded_norm", True),
        Always("first_norm", False),
    ],
    weights=[
        WeightRule("embeddings.tok_embeddings", ["embedding"]),
        WeightRule("embeddings.norm", ["encoder.embedded_norm"]),
        WeightRule("final_norm", ["encoder.norm"]),
        WeightRule("layers.{}.attn_norm", ["encoder.blocks.{}.self_attention_norm"]),
        WeightRule("layers.{}.attn.Wqkv", [f"encoder.blocks.{{}}.self_attention.{p}_proj" for p in "qkv"]),
        WeightRule("layers.{}.attn.Wo", ["encoder.blocks.{}.self_attention.o_proj"]),
        WeightRule("layers.{}.mlp_norm", ["encoder.blocks.{}.feed_forward_norm"]),
        WeightRule("layers.{}.mlp.Wi", ["encoder.blocks.{}.feed_forward.gate", "encoder.blocks.{}.feed_forward.up"]),
        WeightRule("layers.{}.mlp.Wo", ["encoder.blocks.{}.feed_forward.down"]),
    ],
    prefix="model.",
    ignored=[r"rotary_emb\..*"],
)
