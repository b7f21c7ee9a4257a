"""mBART: BART with norms before the parts, for many languages (Liu et al., 2020)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Always, Must
from clearhead.exchange.families.bart import bart_like

__all__ = ["MBART"]

MBART = bart_like(
    "mbart",
    "MBartForConditionalGeneration",
    [
        Always("positions.kind", "learned"),
        Always("positions.offset", 2),
        Always("embedded_norm", True),
        Always("wiring", "pre"),
        Must("normalize_before", None, True),
        Must("normalize_embedding", None, True),
        Must("add_final_layer_norm", None, True),
        Must("static_position_embeddings", False),
        Must("add_bias_logits", None, False),
        Must("extra_pos_embeddings", None, 2),
    ],
)
