"""What a model reads of the texts that it is given, and what a person is to be told about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clearhead.errors import ConfigError

__all__ = ["Reading", "TextWarning", "cut", "full", "not_known", "refuse_string", "stopped", "unknown_share"]

_NAMED = 8  # words


@dataclass(frozen=True)
class Reading:
    """The texts as they are read, their tokens by label, and remarks: what of them is not known, cut or not ended."""

    texts: dict[str, str]
    token_ids: dict[str, list[int]]
    remarks: list[str]


class TextWarning(UserWarning):
    """What is to be said of the text of this number (from 1)."""

    def __init__(self, number: int, said: str):
        self.number, self.said = number, said
        super().__init__(f"text {number} {said}")


def refuse_string(verb: str, **given: object) -> None:
    """One string is no list of texts, though Python would take its letters for one.

    Raises:
        ConfigError: an argument is one.
    """
    for name, value in given.items():
        if isinstance(value, str):
            raise ConfigError(f"{verb} takes a list of {name}, not one string", f'write {name}=["..."]')


def not_known(words: Sequence[str]) -> list[str]:
    """The remark on words of a text that a vocabulary does not hold; none where it holds them all."""
    if not words:
        return []
    named = [f"“{word}”" for word in words[:_NAMED]]
    if more := len(words) - len(named):
        named.append(f"{more} more")
    listed = " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
    return [f"the model does not know {listed}: it reads <unk>" + " for each" * (len(words) > 1)]


def unknown_share(rows: Iterable[Sequence[int] | np.ndarray], unk: int | None, what: str) -> list[str]:
    """The remark on how many of the tokens of texts are <unk>; none where all are known.

    Args:
        rows: token ids.
        unk: the token that stands for what is not known.
        what: the texts, in words.
    """
    count = unknown = 0
    for row in rows if unk is not None else ():
        count, unknown = count + len(row), unknown + int((np.asarray(row) == unk).sum())
    if not unknown:
        return []
    share = f"{unknown / count:.1%}".replace("%", " %") if unknown >= 0.001 * count else "less than 0.1 %"
    return [f"{share} of the tokens of {what} ({unknown:,} of {count:,}) are <unk>, which the vocabulary does not hold"]


def cut(tokens: int, kept: int, *, which: str = "") -> str:
    """What is said of a text that has more tokens than a model reads."""
    return f"has {tokens:,} tokens and was cut to {which}{kept:,}: the model's max_len"


def full(length: int) -> str:
    """What is said of a text that could not be written on."""
    return f"goes no further: the model's max_len, {length:,} tokens, is full"


def stopped(tokens: int) -> str:
    """The remark on a text that was written up to its limit."""
    return f"the model had not come to an end after {tokens:,} tokens, the most it may write here: the rest is missing"
