"""Llama: norms by the root mean square, rotary positions, gated feed-forward, fewer key and value heads
(Touvron et al., 2023; Grattafiori et al., 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearhead.errors import ConfigError, given
from clearhead.exchange.config_rules import Always, ConfigRule, Derived, Field, Must, Named, value_of
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.parsing import Json

__all__ = ["LLAMA", "llama_like"]

_GATED = {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu", "gelu_pytorch_tanh": "geglu-tanh", "relu": "reglu"}
_PLAIN = {"rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"}
_SCALED = {
    "default": {},
    "linear": {"factor": "factor"},
    "llama3": {"factor": "factor", "low_freq_factor": "low", "high_freq_factor": "high"},
}
_OTHER = "take a model without it"


def _rotary(theirs: Json) -> Json:
    """Base and scaling, which newer versions have in `rope_parameters`, older ones beside `rope_scaling`."""
    base, ours = theirs.get("rope_theta"), dict[str, object]()
    for key in ("rope_parameters", "rope_scaling"):
        rope = theirs.get(key) or {}
        if not isinstance(rope, Mapping):
            raise ConfigError(f"{key} is {given(rope)}, which is not an object", "take an intact config.json")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind not in _SCALED:
            raise ConfigError(f"{key} has rope_type {given(kind)}: known are {', '.join(_SCALED)}", _OTHER)
        for name, value in rope.items():
            if name not in _PLAIN | set(_SCALED[kind]) or (name == "partial_rotary_factor" and value != 1):
                raise ConfigError(f"{key} has {name} {given(value)}, which is not known here", _OTHER)
        if kind != "default":
            ours["positions.scaling.kind"] = kind
            ours |= {f"positions.scaling.{name}": value_of(rope, key) for key, name in _SCALED[kind].items()}
        if kind == "llama3":
            length = "original_max_position_embeddings"
            ours["positions.scaling.original_len"] = rope.get(length) or value_of(theirs, "max_position_embeddings")
        base = rope.get("rope_theta") or base
    return {"positions.base": base or 1e4, **ours}


def _their_rotary(ours: Json) -> Json:
    scaling = ours["positions.scaling.kind"]
    kind = "default" if scaling == "none" else scaling
    rope = {"rope_type": kind, "rope_theta": ours["positions.base"]}
    rope |= {theirs: ours[f"positions.scaling.{name}"] for theirs, name in _SCALED[kind].items()}
    if kind == "llama3":
        rope["original_max_position_embeddings"] = ours["positions.scaling.original_len"]
    return {"rope_parameters": rope}


def _heads(theirs: Json) -> Json:
    return {"attention.kv_heads": theirs.get("num_key_value_heads"), "attention.head_dim": theirs.get("head_dim")}


def _their_heads(ours: Json) -> Json:
    heads = ours["attention.heads"]
    width = ours["attention.head_dim"] or ours["d_model"] // heads
    return {"num_key_value_heads": ours["attention.kv_heads"] or heads, "head_dim": width}


def llama_like(
    name: str,
    class_name: str,
    config: Sequence[ConfigRule],
    weights: Sequence[WeightRule] = (),
    *,
    preset: str = "llama",
) -> Family:
    """A family whose bodies are Llama's, with rules of its own."""
    block = {f"self_attn.{p}_proj": f"self_attention.{p}_proj" for p in "qkvo"}
    block |= {f"mlp.{p}_proj": f"feed_forward.{p}" for p in ("gate", "up", "down")}
    block |= {"input_layernorm": "self_attention_norm", "post_attention_layernorm": "feed_forward_norm"}
    lm_head = WeightRule("lm_head", ["head"])
    return Family(
        name=name,
        arch=DecoderConfig,
        make=Decoder,
        kinds={
            class_name: [
                Kind(["language", "chat"], weights=[lm_head], copies={"lm_head.weight": "embed_tokens.weight"})
            ]
        },
        config=[
            Field("hidden_size", "d_model"),
            Field("num_hidden_layers", "layers"),
            Field("num_attention_heads", "attention.heads"),
            Field("intermediate_size", "feed_forward.d_ff"),
            Field("max_position_embeddings", "max_len"),
            Field("rms_norm_eps", "norm.eps", 1e-6),
            Field("tie_word_embeddings", "tied", False),
            Field("attention_dropout", "attention.dropout", 0.0),
            Named("hidden_act", "feed_forward.kind", _GATED, "silu"),
            Derived(["num_key_value_heads", "head_dim"], _heads, _their_heads),
            Derived(["rope_parameters", "rope_scaling", "rope_theta"], _rotary, _their_rotary),
            Must("partial_rotary_factor", None, 1),
            Must("clip_qkv", None),
            Always("preset", preset),
            Always("dropout", 0.0),
            *config,
        ],
        weights=[
            WeightRule("embed_tokens", ["embedding"]),
            WeightRule("norm", ["decoder.norm"]),
            *(WeightRule(f"layers.{{}}.{theirs}", [f"decoder.blocks.{{}}.{ours}"]) for theirs, ours in block.items()),
            *weights,
        ],
        prefix="model.",
        ignored=[r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq"],
    )


LLAMA = llama_like(
    "llama",
    "LlamaForCausalLM",
    [Field("attention_bias", "attention.biases", False), Field("mlp_bias", "feed_forward.biases", False)],
)
