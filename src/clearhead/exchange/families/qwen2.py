"""Qwen2: Llama with biases of queries, keys and values (Yang et al., 2024)."""

from __future__ import annotations

from clearhead.errors import ConfigError, given
from clearhead.exchange.config_rules import Always, Derived
from clearhead.exchange.families.llama import llama_like
from clearhead.parsing import Json

__all__ = ["QWEN2", "WINDOWS"]


def _window(theirs: Json) -> Json:
    """A window that is named is not used unless `use_sliding_window` says so."""
    kinds = theirs.get("layer_types") or []
    if theirs.get("use_sliding_window") or any(kind != "full_attention" for kind in kinds):
        problem = f"use_sliding_window is {given(theirs.get('use_sliding_window'))}, layer_types {given(kinds)}"
        raise ConfigError(problem, "take a model whose blocks all see everything before")
    return {}


WINDOWS = Derived(
    ["use_sliding_window", "sliding_window", "max_window_layers", "layer_types"],
    _window,
    lambda _: {"use_sliding_window": False},
)
QWEN2 = llama_like("qwen2", "Qwen2ForCausalLM", [Always("attention.biases", "qkv"), WINDOWS])
