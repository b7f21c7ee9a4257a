"""The tokenizers of a model on pairs of texts: of the sources and of the targets, one and the same where joint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearhead.data.pairs import Pair
from clearhead.data.tokenizers import Tokenizer, TokenizerConfig, train_tokenizers
from clearhead.errors import FolderError
from clearhead.folder import Folder
from clearhead.ranges import Entries

__all__ = ["TokenizerPair", "open_tokenizer"]

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
    def joint(self) -> bool:
        """Whether both sides share one vocabulary."""
        return self.source is self.target

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the vocabularies, as config.json has them."""
        target = {"vocab_size": self.target.vocab_size}
        return target if self.joint else {**target, "source_vocab_size": self.source.vocab_size}


def open_tokenizer(folder: Folder, of: str, name: str = _TARGET, size: str = "vocab_size") -> Tokenizer:
    """A tokenizer of a model folder, as large as config.json says under the name `size`; `of` is what the folder holds.

    Raises:
        FolderError: a file is missing or damaged, or belongs to another model.
    """
    entries: int = folder.part(size, Entries, of)
    tokenizer = Tokenizer.from_json(folder.text(name), file=str(folder.path / name))
    if tokenizer.vocab_size != entries:
        raise FolderError(
            f"the tokenizer has {tokenizer.vocab_size} entries, the model {entries}",
            "the files are of two models; copy one model folder whole",
            file=folder.path / name,
        )
    return tokenizer
