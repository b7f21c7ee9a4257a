"""DistilBERT: a smaller BERT without kinds of texts (Sanh et al., 2019)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Always, Classes, Field, Must, Named
from clearhead.exchange.families.bert import ACTIVATIONS, NO_POOLER, UNTIED
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderConfig
from clearhead.models.encoder import Encoder

__all__ = ["DISTILBERT"]

_BLOCK = {
    "attention.q_lin": "self_attention.q_proj",
    "attention.k_lin": "self_attention.k_proj",
    "attention.v_lin": "self_attention.v_proj",
    "attention.out_lin": "self_attention.o_proj",
    "sa_layer_norm": "self_attention_norm",
    "ffn.lin1": "feed_forward.up",
    "ffn.lin2": "feed_forward.down",
    "output_layer_norm": "feed_forward_norm",
}
DISTILBERT = Family(
    name="distilbert",
    arch=EncoderConfig,
    make=Encoder,
    kinds={
        "DistilBertModel": [NO_POOLER],
        "DistilBertForMaskedLM": [
            Kind(
                ["fill"],
                config=[
                    Named("activation", "readout.activation", ACTIVATIONS, "gelu"),
                    Field("tie_word_embeddings", "tied", True),
                    Always("readout.kind", "tokens"),
                ],
                weights=[
                    WeightRule("vocab_transform", ["readout.dense"]),
                    WeightRule("vocab_layer_norm", ["readout.norm"]),
                    WeightRule("vocab_projector", ["readout.head"]),
                ],
                copies={"vocab_projector.weight": "embeddings.word_embeddings.weight"},
            )
        ],
        "DistilBertForSequenceClassification": [
            Kind(
                ["classify"],
                config=[
                    Always("readout.kind", "classes"),
                    Always("readout.activation", "relu"),
                    Always("readout.norm", False),
                    Classes(),
                    UNTIED,
                ],
                weights=[WeightRule("pre_classifier", ["readout.dense"]), WeightRule("classifier", ["readout.head"])],
                unused=["vocab_"],
            )
        ],
    },
    config=[
        Field("dim", "d_model"),
        Field("n_layers", "layers"),
        Field("n_heads", "attention.heads"),
        Field("hidden_dim", "feed_forward.d_ff"),
        Field("max_position_embeddings", "max_len"),
        Field("dropout", "dropout", 0.1),
        Field("attention_dropout", "attention.dropout", 0.1),
        Named("activation", "feed_forward.kind", ACTIVATIONS, "gelu"),
        Must("sinusoidal_pos_embds", False, True),  # true only says how the table was begun
        Always("norm.eps", 1e-12),
        Always("positions.kind", "learned"),
        Always("wiring", "post"),
        Always("embedded_norm", True),
    ],
    weights=[
        WeightRule("embeddings.word_embeddings", ["embedding"]),
        WeightRule("embeddings.position_embeddings", ["encoder.positions"]),
        WeightRule("embeddings.LayerNorm", ["encoder.embedded_norm"]),
        *(
            WeightRule(f"transformer.layer.{{}}.{theirs}", [f"encoder.blocks.{{}}.{ours}"])
            for theirs, ours in _BLOCK.items()
        ),
    ],
    prefix="distilbert.",
    ignored=[r"embeddings\.position_ids"],
)
