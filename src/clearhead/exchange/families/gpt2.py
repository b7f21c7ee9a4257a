"""GPT-2: learned positions, norms before the parts, matrices kept as [inputs, outputs] (Radford et al., 2019)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Always, Derived, Field, Must, Named, Repeats, value_of
from clearhead.exchange.families.bert import ACTIVATIONS
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.parsing import Json

__all__ = ["GPT2"]

_QKV = [f"decoder.blocks.{{}}.self_attention.{name}_proj" for name in "qkv"]
_TURNED = {"attn.c_proj": "self_attention.o_proj", "mlp.c_fc": "feed_forward.up", "mlp.c_proj": "feed_forward.down"}


def _inner(theirs: Json) -> Json:
    return {"feed_forward.d_ff": theirs.get("n_inner") or 4 * value_of(theirs, "n_embd")}


GPT2 = Family(
    name="gpt2",
    arch=DecoderConfig,
    make=Decoder,
    kinds={
        "GPT2LMHeadModel": [
            Kind(
                ["language", "chat"], weights=[WeightRule("lm_head", ["head"])], copies={"lm_head.weight": "wte.weight"}
            )
        ]
    },
    config=[
        Field("n_embd", "d_model"),
        Field("n_layer", "layers"),
        Field("n_head", "attention.heads"),
        Field("n_positions", "max_len"),
        Field("layer_norm_epsilon", "norm.eps", 1e-5),
        Field("tie_word_embeddings", "tied", True),
        Field("resid_pdrop", "dropout", 0.1),
        Field("attn_pdrop", "attention.dropout", 0.1),
        Named("activation_function", "feed_forward.kind", {"gelu_new": "gelu-tanh", **ACTIVATIONS}, "gelu_new"),
        Derived(["n_inner"], _inner, lambda ours: {"n_inner": ours["feed_forward.d_ff"]}),
        Must("scale_attn_weights", True),
        Repeats("n_ctx"),
        Always("preset", "gpt2"),
    ],
    weights=[
        WeightRule("wte", ["embedding"]),
        WeightRule("wpe", ["decoder.positions"]),
        WeightRule("ln_f", ["decoder.norm"]),
        WeightRule("h.{}.ln_1", ["decoder.blocks.{}.self_attention_norm"]),
        WeightRule("h.{}.ln_2", ["decoder.blocks.{}.feed_forward_norm"]),
        WeightRule("h.{}.attn.c_attn", _QKV, turned=True),
        *(
            WeightRule(f"h.{{}}.{theirs}", [f"decoder.blocks.{{}}.{ours}"], turned=True)
            for theirs, ours in _TURNED.items()
        ),
    ],
    prefix="transformer.",
    ignored=[r"h\.\d+\.attn\.(bias|masked_bias)"],
)
