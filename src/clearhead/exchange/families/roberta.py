"""RoBERTa: BERT whose positions begin after that of padding, with heads of its own (Liu et al., 2019)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Always, Classes, Derived, Must, value_of
from clearhead.exchange.families.bert import BODY, NO_POOLER, POOLED, POOLER, UNTIED, WEIGHTS
from clearhead.exchange.family import Family, Kind
from clearhead.exchange.weight_rules import WeightRule
from clearhead.models.architecture import EncoderConfig
from clearhead.models.encoder import Encoder
from clearhead.parsing import Json

__all__ = ["ROBERTA"]


def _positions(theirs: Json) -> Json:
    """The first position is the row after that of padding, so there are as many positions less."""
    offset = value_of(theirs, "pad_token_id", 1) + 1
    return {"positions.offset": offset, "max_len": value_of(theirs, "max_position_embeddings") - offset}


def _their_positions(ours: Json) -> Json:
    offset = ours["positions.offset"]
    return {"pad_token_id": offset - 1, "max_position_embeddings": ours["max_len"] + offset}


ROBERTA = Family(
    name="roberta",
    arch=EncoderConfig,
    make=Encoder,
    kinds={
        "RobertaModel": [POOLER, NO_POOLER],
        "RobertaForMaskedLM": [
            Kind(
                ["fill"],
                config=[
                    Always("readout.kind", "tokens"),
                    Always("readout.activation", "gelu"),
                    Must("tie_word_embeddings", True),  # else files hold two biases, of which one counts
                ],
                weights=[
                    WeightRule("lm_head.dense", ["readout.dense"]),
                    WeightRule("lm_head.layer_norm", ["readout.norm"]),
                    WeightRule("lm_head.bias", ["readout.head.bias"], kinds=[""]),
                ],
                copies={
                    "lm_head.decoder.weight": "embeddings.word_embeddings.weight",
                    "lm_head.decoder.bias": "lm_head.bias",
                },
                unused=["pooler."],
            )
        ],
        "RobertaForSequenceClassification": [
            Kind(
                ["classify"],
                config=[*POOLED, Always("readout.kind", "classes"), Classes(), UNTIED],
                weights=[
                    WeightRule("classifier.dense", ["readout.dense"]),
                    WeightRule("classifier.out_proj", ["readout.head"]),
                ],
                unused=["lm_head.", "pooler."],
            )
        ],
    },
    config=[*BODY, Derived(["pad_token_id", "max_position_embeddings"], _positions, _their_positions)],
    weights=WEIGHTS,
    prefix="roberta.",
    ignored=[r"embeddings\.position_ids"],
)
