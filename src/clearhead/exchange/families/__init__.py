"""The families of models of other libraries that open here, one file each."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from clearhead.errors import ConfigError, given, nearest

if TYPE_CHECKING:
    from clearhead.exchange.family import Family

__all__ = ["FAMILIES", "find_family"]

FAMILIES = (
    *("bert", "roberta", "distilbert", "modernbert"),
    *("gpt2", "llama", "mistral", "qwen2", "qwen3"),
    *("t5", "bart", "mbart", "marian"),
)


def find_family(model_type: object) -> Family:
    """The family of this `model_type`.

    Raises:
        ConfigError: it is not known here.
    """
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        fix = nearest(str(model_type), FAMILIES) or f"the families are {', '.join(FAMILIES)}"
        raise ConfigError(f"the model_type {given(model_type)} is not known here", fix)
    family: Family = getattr(import_module(f"clearhead.exchange.families.{model_type}"), model_type.upper())
    return family
