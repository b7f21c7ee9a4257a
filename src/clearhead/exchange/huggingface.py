"""Models in the form of the `transformers` library: a config.json and tensors as ours, and back.

    module = from_huggingface(config, tensors)
    config, tensors = to_huggingface(module)

What is known of each family stands in `exchange/families/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from clearhead.errors import ConfigError
from clearhead.exchange.families import find_family

__all__ = ["from_huggingface", "to_huggingface"]

_CLASSES = {  # which of their classes a model of a preset is
    "gpt2": ("gpt2", "GPT2LMHeadModel"),
    "llama": ("llama", "LlamaForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
}


def from_huggingface(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> nn.Module:
    """Our model of their configuration and tensors, in float32.

    Raises:
        ConfigError: the family is another, or uses parts that we do not have.
    """
    family = find_family(config.get("model_type"))
    return family.read(family.configure(config, tensors), tensors)


def to_huggingface(module: Any, *, eos: int = 2) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """(their config.json, their tensors) of a model whose preset is one of their families.

    Args:
        eos: the token that ends a text (default: that of the tokenizers trained here); their generation stops there.

    Raises:
        ConfigError: a part of the model is in no such family.
    """
    preset = getattr(module.config, "preset", "")
    if preset not in _CLASSES:
        raise ConfigError(f"no family of theirs has the parts of {preset}", f"train with one of {', '.join(_CLASSES)}")
    name, class_name = _CLASSES[preset]
    config, tensors = find_family(name).write(module, class_name, {}, module.head.out_features)
    return {**config, "bos_token_id": None, "eos_token_id": eos}, tensors
