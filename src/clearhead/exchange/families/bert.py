"""BERT: an encoder after whose parts the norms stand, with kinds of texts (Devlin et al., 2019)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Always, Classes, ConfigRule, Field, Must, Named
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderConfig
from clearhead.models.encoder import Encoder

__all__ = ["ACTIVATIONS", "BERT", "BODY", "NO_POOLER", "POOLED", "POOLER", "UNTIED", "WEIGHTS"]

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu-tanh",
    "gelu_pytorch_tanh": "gelu-tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
BODY: list[ConfigRule] = [
    Field("hidden_size", "d_model"),
    Field("num_hidden_layers", "layers"),
    Field("num_attention_heads", "attention.heads"),
    Field("intermediate_size", "feed_forward.d_ff"),
    Field("layer_norm_eps", "norm.eps", 1e-12),
    Field("type_vocab_size", "types", 2),
    Field("hidden_dropout_prob", "dropout", 0.1),
    Field("attention_probs_dropout_prob", "attention.dropout", 0.1),
    Named("hidden_act", "feed_forward.kind", ACTIVATIONS, "gelu"),
    Must("is_decoder", False),
    Must("add_cross_attention", False),
    Must("position_embedding_type", "absolute"),
    Always("positions.kind", "learned"),
    Always("wiring", "post"),
    Always("embedded_norm", True),
]
_BLOCK = {
    "attention.self.query": "self_attention.q_proj",
    "attention.self.key": "self_attention.k_proj",
    "attention.self.value": "self_attention.v_proj",
    "attention.output.dense": "self_attention.o_proj",
    "attention.output.LayerNorm": "self_attention_norm",
    "intermediate.dense": "feed_forward.up",
    "output.dense": "feed_forward.down",
    "output.LayerNorm": "feed_forward_norm",
}
WEIGHTS = [
    WeightRule("embeddings.word_embeddings", ["embedding"]),
    WeightRule("embeddings.position_embeddings", ["encoder.positions"]),
    WeightRule("embeddings.token_type_embeddings", ["type_embedding"]),
    WeightRule("embeddings.LayerNorm", ["encoder.embedded_norm"]),
    *(WeightRule(f"encoder.layer.{{}}.{theirs}", [f"encoder.blocks.{{}}.{ours}"]) for theirs, ours in _BLOCK.items()),
]
UNTIED: ConfigRule = Must("tie_word_embeddings", True, False)  # of what has no output matrix
POOLED: list[ConfigRule] = [Always("readout.activation", "tanh"), Always("readout.norm", False)]
_MASKED = Kind(
    ["fill"],
    config=[
        Named("hidden_act", "readout.activation", ACTIVATIONS, "gelu"),
        Must("tie_word_embeddings", True),  # else files hold two biases, of which one counts
        Always("readout.kind", "tokens"),
    ],
    weights=[
        WeightRule("cls.predictions.transform.dense", ["readout.dense"]),
        WeightRule("cls.predictions.transform.LayerNorm", ["readout.norm"]),
        WeightRule("cls.predictions.bias", ["readout.head.bias"], kinds=[""]),
    ],
    copies={
        "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    unused=["cls.seq_relationship.", "pooler."],
)
POOLER = Kind(
    ["embed"],
    config=[*POOLED, Always("readout.kind", "pooled"), UNTIED],
    body=[WeightRule("pooler.dense", ["readout.dense"])],
    unused=["cls.", "classifier.", "lm_head."],
    bare=True,
    needs="pooler.dense.weight",
)
NO_POOLER = Kind(["embed"], config=[Always("readout.kind", "none"), UNTIED], unused=POOLER.unused, bare=True)
BERT = Family(
    name="bert",
    arch=EncoderConfig,
    make=Encoder,
    kinds={
        "BertModel": [POOLER, NO_POOLER],
        "BertForMaskedLM": [_MASKED],
        "BertForPreTraining": [_MASKED],
        "BertForSequenceClassification": [
            Kind(
                ["classify"],
                config=[*POOLED, Always("readout.kind", "classes"), Classes(), UNTIED],
                body=[WeightRule("pooler.dense", ["readout.dense"])],
                weights=[WeightRule("classifier", ["readout.head"])],
                unused=["cls."],
            )
        ],
    },
    config=[*BODY, Field("max_position_embeddings", "max_len")],
    weights=WEIGHTS,
    prefix="bert.",
    ignored=[r"embeddings\.position_ids"],
)
