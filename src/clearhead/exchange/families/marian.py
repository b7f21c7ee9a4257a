"""Marian: the first transformer's way with waves for positions, as the OPUS translators have it
(Junczys-Dowmunt et al., 2018; Tiedemann and Thottingal, 2020).
"""

from __future__ import annotations

from clearhead.errors import ConfigError, given
from clearhead.exchange.config_rules import Always, Derived, Must
from clearhead.exchange.families.bart import bart_like
from clearhead.parsing import Json

__all__ = ["MARIAN"]


def _one_vocabulary(theirs: Json) -> Json:
    size = theirs.get("decoder_vocab_size")
    if size not in (None, theirs.get("vocab_size")):
        raise ConfigError(f"decoder_vocab_size is {given(size)}, not vocab_size", "take a model of one vocabulary")
    return {}


MARIAN = bart_like(
    "marian",
    "MarianMTModel",
    [
        Always("positions.kind", "sinusoidal"),
        Always("positions.halves", True),
        Always("wiring", "post"),
        Must("share_encoder_decoder_embeddings", True),
        Derived(["decoder_vocab_size"], _one_vocabulary, lambda _: {}),
        Must("normalize_before", False),
        Must("normalize_embedding", False),
        Must("add_final_layer_norm", False),
        Must("static_position_embeddings", None, True),
        Must("add_bias_logits", None, False),
        Must("extra_pos_embeddings", None, 2),
    ],
    waves=True,
)
