"""BART: an encoder-decoder after whose parts the norms stand, with learned positions (Lewis et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from clearhead.errors import ConfigError, given
from clearhead.exchange.config_rules import Always, ConfigRule, Derived, Field, Must, Named, Repeats, value_of
from clearhead.exchange.families.bert import ACTIVATIONS
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder
from clearhead.parsing import Json

__all__ = ["BART", "bart_like"]

_ATTENTION = {"q_proj": "q_proj", "k_proj": "k_proj", "v_proj": "v_proj", "out_proj": "o_proj"}
_BOTH = {"attention_heads": "attention.heads", "ffn_dim": "feed_forward.d_ff"}
_STACKS = ("encoder", "decoder")
_COPIES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight")


def _both(theirs: Json) -> Json:
    """Encoder and decoder have blocks of one kind here."""
    for name in _BOTH:
        one, other = value_of(theirs, f"encoder_{name}"), value_of(theirs, f"decoder_{name}")
        if one != other:
            problem = f"encoder_{name} is {given(one)} and decoder_{name} {given(other)}"
            raise ConfigError(problem, "take a model where they are one: clearhead has one of both")
    return {ours: theirs[f"encoder_{name}"] for name, ours in _BOTH.items()}


def _their_both(ours: Json) -> Json:
    return {f"{stack}_{name}": ours[own] for name, own in _BOTH.items() for stack in _STACKS}


def _attention(stack: str, name: str, ours: str) -> list[WeightRule]:
    layer, block = f"{stack}.layers.{{}}", f"{stack}.blocks.{{}}"
    return [
        *(WeightRule(f"{layer}.{name}.{theirs}", [f"{block}.{ours}.{own}"]) for theirs, own in _ATTENTION.items()),
        WeightRule(f"{layer}.{name}_layer_norm", [f"{block}.{ours}_norm"]),
    ]


def _stack(stack: str) -> list[WeightRule]:
    layer, block = f"{stack}.layers.{{}}", f"{stack}.blocks.{{}}"
    return [
        *_attention(stack, "self_attn", "self_attention"),
        WeightRule(f"{layer}.fc1", [f"{block}.feed_forward.up"]),
        WeightRule(f"{layer}.fc2", [f"{block}.feed_forward.down"]),
        WeightRule(f"{layer}.final_layer_norm", [f"{block}.feed_forward_norm"]),
        WeightRule(f"{stack}.embed_positions", [f"{stack}.positions"]),
        WeightRule(f"{stack}.layernorm_embedding", [f"{stack}.embedded_norm"]),
        WeightRule(f"{stack}.layer_norm", [f"{stack}.norm"]),
    ]


def bart_like(name: str, class_name: str, config: Sequence[ConfigRule], *, waves: bool = False) -> Family:
    """A family whose names are BART's, with rules of its own; `waves`: its positions are computed."""
    copies = {copy.removeprefix("model."): "shared.weight" for copy in _COPIES}
    return Family(
        name=name,
        arch=EncoderDecoderConfig,
        make=lambda arch, vocab_size: EncoderDecoder(arch, vocab_size, vocab_size),
        kinds={
            class_name: [
                Kind(
                    ["translate", "summarize"],
                    weights=[WeightRule("final_logits_bias", ["head.bias"], kinds=[""], row=True)],
                    copies=copies,
                )
            ]
        },
        config=[
            Field("d_model", "d_model"),
            Field("encoder_layers", "layers"),
            Field("decoder_layers", "decoder_layers"),
            Field("max_position_embeddings", "max_len"),
            Field("dropout", "dropout", 0.1),
            Field("attention_dropout", "attention.dropout", 0.0),
            Field("scale_embedding", "embedding_scale", False),
            Named("activation_function", "feed_forward.kind", ACTIVATIONS, "gelu"),
            Derived([f"{stack}_{key}" for key in _BOTH for stack in _STACKS], _both, _their_both),
            Must("is_encoder_decoder", True),
            Must("is_decoder", False),
            Must("tie_word_embeddings", True),
            Repeats("num_hidden_layers"),
            Always("tied", "all"),
            Always("output_bias", True),
            *config,
        ],
        weights=[
            WeightRule("shared", ["tgt_embedding"]),
            *_stack("encoder"),
            *_attention("decoder", "encoder_attn", "cross_attention"),
            *_stack("decoder"),
        ],
        prefix="model.",
        waves={f"{stack}.embed_positions.weight": f"{stack}.positions.table" for stack in _STACKS} if waves else {},
    )


BART = bart_like(
    "bart",
    "BartForConditionalGeneration",
    [
        Always("positions.kind", "learned"),
        Always("positions.offset", 2),
        Always("embedded_norm", True),
        Always("wiring", "post"),
        Must("normalize_before", False),
        Must("normalize_embedding", None, True),
        Must("add_final_layer_norm", False),
        Must("static_position_embeddings", False),
        Must("add_bias_logits", None, False),
        Must("extra_pos_embeddings", None, 2),
    ],
)
