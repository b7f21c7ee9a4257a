"""Qwen3: Llama whose queries and keys are normalised (Yang et al., 2025)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Field
from clearhead.exchange.families.llama import llama_like
from clearhead.exchange.families.qwen2 import WINDOWS
from clearhead.exchange.weight_rules import WeightRule

__all__ = ["QWEN3"]

QWEN3 = llama_like(
    "qwen3",
    "Qwen3ForCausalLM",
    [Field("attention_bias", "attention.biases", False), WINDOWS],
    [
        WeightRule(f"layers.{{}}.self_attn.{norm}", [f"decoder.blocks.{{}}.self_attention.{norm}"])
        for norm in ("q_norm", "k_norm")
    ],
    preset="qwen3",
)
