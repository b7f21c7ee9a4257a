"""Mistral: Llama whose tokens see near ones only (Jiang et al., 2023)."""

from __future__ import annotations

from clearhead.exchange.config_rules import Field, Must
from clearhead.exchange.families.llama import llama_like

__all__ = ["MISTRAL"]

MISTRAL = llama_like(
    "mistral",
    "MistralForCausalLM",
    [Field("sliding_window", "window", None), Must("attention_bias", False), Must("mlp_bias", False)],
)
