"""Which entries of a vocabulary are special: it is the tokenizer that knows.

A label that is `IGNORED` predicts nothing (padding, what a person said in a chat); no token has such an id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from clearhead.errors import ConfigError

__all__ = ["IGNORED", "Specials"]

IGNORED = -100  # as PyTorch's cross_entropy has it

_SPELLINGS = {
    "pad": ("<pad>", "[PAD]", "<|padding|>"),
    "bos": ("<bos>", "<s>", "[BOS]", "<|startoftext|>", "<|begin_of_text|>"),
    "eos": ("<eos>", "</s>", "[EOS]", "<|endoftext|>", "<|end_of_text|>"),
    "unk": ("<unk>", "[UNK]", "<|unk|>"),
    "mask": ("<mask>", "[MASK]"),
    "cls": ("[CLS]", "<cls>"),
    "sep": ("[SEP]", "<sep>"),
}


@dataclass(frozen=True)
class Specials:
    """The ids of a vocabulary's special tokens; None where it has none of a kind.

    Args:
        pad: fills rows of unequal length.
        bos, eos: begins and ends a text.
        unk: stands for what the vocabulary does not hold.
        mask: stands where a token is to be guessed.
        cls, sep: begins a text, and ends each of its parts (Devlin et al., 2019).
    """

    pad: int | None = None
    bos: int | None = None
    eos: int | None = None
    unk: int | None = None
    mask: int | None = None
    cls: int | None = None
    sep: int | None = None

    @classmethod
    def named(cls, ids: Mapping[str, int]) -> Specials:
        """Those that a vocabulary spells as the field does."""
        found = {kind: [ids[name] for name in names if name in ids] for kind, names in _SPELLINGS.items()}
        return cls(**{kind: some[0] for kind, some in found.items() if some})

    @property
    def end(self) -> int:
        """What ends a text.

        Raises:
            ConfigError: nothing does; so it is with `begin` and `fill`.
        """
        return _first(self.eos, self.sep)

    @property
    def begin(self) -> int:
        """What a text begins with; where nothing is meant for it, what ended the one before."""
        return _first(self.bos, self.cls, self.eos, self.sep)

    @property
    def fill(self) -> int:
        """What stands after the shorter texts of a batch, which nobody reads."""
        return _first(self.pad, self.eos, self.sep)


def _first(*ids: int | None) -> int:
    found = next((number for number in ids if number is not None), None)
    if found is None:
        known = ", ".join(_SPELLINGS["eos"] + _SPELLINGS["sep"][:1])
        raise ConfigError("this vocabulary has no token that ends a text", f"take a tokenizer with one of {known}")
    return found
