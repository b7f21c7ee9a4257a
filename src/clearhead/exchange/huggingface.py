"""Models in the form of the `transformers` library: a config.json and tensors as ours, and back.

    module = from_huggingface(config, tensors)
    config, tensors = to_huggingface(module)

What is known of each family stands in `exchange/families/`.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from clearhead.exchange.families import find_family
from clearhead.exchange.leaving import find_class
from clearhead.parsing import Json

__all__ = ["from_huggingface", "to_huggingface"]


def from_huggingface(config: Json, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Our model of their configuration and tensors, in float32.

    Raises:
        ConfigError: the family is another, or uses parts that we do not have.
    """
    family = find_family(config.get("model_type"))
    return family.read(family.configure(config, tensors), tensors)


def to_huggingface(module: nn.Module, *, eos: int = 2) -> tuple[dict[str, object], dict[str, Tensor]]:
    """(their config.json, their tensors) of a model whose parts are all in one of their families.

    Args:
        eos: the token that ends a text (default: that of the tokenizers trained here); their generation stops there.

    Raises:
        ConfigError: a part of the model is in no such family.
    """
    _, _, config, tensors = find_class(module)
    return {**config, "bos_token_id": None, "eos_token_id": eos}, tensors
