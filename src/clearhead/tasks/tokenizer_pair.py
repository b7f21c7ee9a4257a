"""The tokenizers of a model on pairs of texts: of the sources and of the targets, one and the same where joint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from clearhead.data.pairs import Pair
from clearhead.data.parts import digest_of
from clearhead.data.tokenizer_training import train_tokenizers
from clearhead.data.tokenizers import Tokenizer, TokenizerConfig
from clearhead.errors import FolderError
from clearhead.folder import Folder
from clearhead.ranges import Entries

__all__ = ["TokenizerPair", "open_tokenizer", "tokenizer_fields"]

_TARGET, _SOURCE = "tokenizer.json", "source_tokenizer.json"  # the second only where vocabularies are separate


@dataclass(frozen=True, eq=False)
class TokenizerPair:
    """Two tokenizers, or the same one twice."""

    source: Tokenizer
    target: Tokenizer

    @classmethod
    def train(cls, pairs: Sequence[Pair], config: TokenizerConfig) -> TokenizerPair:
        """Train on both sides of `pairs`, joint or separate as `config` says."""
        return cls(*train_tokenizers([p.source for p in pairs], [p.target for p in pairs], config))

    @classmethod
    def load(cls, folder: Folder, of: str = "a model on pairs") -> TokenizerPair:
        """Those of a model folder; `of` says what it holds.

        Raises:
            FolderError: a file is missing or damaged, or belongs to another model.
        """
        target = open_tokenizer(folder, of)
        joint = "source_vocab_size" not in folder.config()
        return cls(target if joint else open_tokenizer(folder, of, _SOURCE, "source_vocab_size"), target)

    def save(self, folder: Folder) -> None:
        """Write them into a model folder."""
        folder.write_text(_TARGET, self.target.to_json())
        if not self.joint:
            folder.write_text(_SOURCE, self.source.to_json())

    @property
    def frame(self) -> tuple[list[int], list[int]]:
        """What stands before and after a source: what its tokenizer says, or the end alone."""
        before, after = self.source.frame
        return (before, after) if before or after else ([], [self.source.specials.end])

    @property
    def joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.source is self.target

    @property
    def fields(self) -> dict[str, object]:
        """What config.json says of them."""
        return tokenizer_fields(self.target, None if self.joint else self.source)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the vocabularies, by their names in config.json."""
        target = {"vocab_size": self.target.vocab_size}
        return target if self.joint else {**target, "source_vocab_size": self.source.vocab_size}


def open_tokenizer(folder: Folder, of: str, name: str = _TARGET, size: str = "vocab_size") -> Tokenizer:
    """A tokenizer of a model folder, as large as config.json says under the name `size`; `of` is what the folder holds.

    Raises:
        FolderError: a file is missing or damaged, or belongs to another model.
    """
    entries: int = folder.part(size, Entries, of)
    text = folder.text(name)
    tokenizer = Tokenizer.from_json(text, file=str(folder.path / name))
    if tokenizer.vocab_size != entries:
        raise FolderError(
            f"the tokenizer has {tokenizer.vocab_size} entries, the model {entries}",
            "the files are of two models; copy one model folder whole",
            file=folder.path / name,
        )
    if _digest_of(text) != folder.config().get("tokenizers", {}).get(name, _digest_of(text)):
        raise FolderError(
            "this is not the tokenizer that the model was trained with: something in it was changed",
            "put back the model's own; copy the model folder whole",
            file=folder.path / name,
        )
    return tokenizer


def tokenizer_fields(target: Tokenizer, source: Tokenizer | None = None) -> dict[str, object]:
    """What config.json says of tokenizers: how large they are, and what each file hashes to."""
    sizes, files = {"vocab_size": target.vocab_size}, {_TARGET: _digest_of(target.to_json())}
    if source is not None:
        sizes["source_vocab_size"], files[_SOURCE] = source.vocab_size, _digest_of(source.to_json())
    return {**sizes, "tokenizers": files}


def _digest_of(text: str) -> str:
    """What a tokenizer's file hashes to, however it is laid out."""
    return digest_of([json.dumps(json.loads(text), sort_keys=True)])
