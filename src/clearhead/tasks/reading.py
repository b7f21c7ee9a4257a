"""What a model reads of the texts that it is given."""

from __future__ import annotations

from dataclasses import dataclass

from clearhead.errors import ConfigError

__all__ = ["Reading", "refuse_string"]


@dataclass(frozen=True)
class Reading:
    """The texts as they are read, their tokens by label, and notes: what of them is not known, cut or not ended."""

    texts: dict[str, str]
    token_ids: dict[str, list[int]]
    notes: list[str]


def refuse_string(verb: str, **given: object) -> None:
    """One string is no list of texts, though Python would take its letters for one.

    Raises:
        ConfigError: an argument is one.
    """
    for name, value in given.items():
        if isinstance(value, str):
            raise ConfigError(f"{verb} takes a list of {name}, not one string", f'write {name}=["..."]')
