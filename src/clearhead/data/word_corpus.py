"""Running text as words: the vocabulary, a corpus of word ids, and batches of stretches of it.

Words are letters and digits, with apostrophes inside ("don't"); what stands between them is left out. Frequent words
are dropped at random, others in every epoch, which brings the words around them closer together:

    p(keep w) = sqrt(t / f(w)) + t / f(w)        f its share of all words        (Mikolov et al., 2013, their code)

Axes: blocks, words (of a block), around (a block and `window` words on either side of it), drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clearhead.data.parts import hold_out
from clearhead.data.sources.files import form_of
from clearhead.data.sources.records import Column
from clearhead.data.text import read_pieces
from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError, DataError

__all__ = ["WordSet", "WordStretch", "encode_words", "read_text", "split_lines"]

_MARKED = (".json", ".tmx", ".po", ".conllu", ".xml", ".html", ".htm")
_LONGEST = 2**16  # characters of a line that is not cut
_NEVER = 1e-3  # words kept, in the mean: none, ever
_AT_ONCE = 2**22  # characters that are cut into words at once
BLOCK = 32  # words that are compared with what stands around them in one product
Key = tuple[int, int]  # epoch, number of the stretch in it


@dataclass(frozen=True, eq=False)
class WordStretch:
    """A stretch of text: word ids in blocks, what stands around each block, who belongs together, words drawn."""

    words: Tensor  # [blocks, words]
    around: Tensor  # [blocks, around]
    pairs: Tensor  # [blocks, words, around], bool
    drawn: Tensor  # [drawn]


def read_text(files: Sequence[str], column: Column | None = None) -> list[str]:
    """The lines of running text that are not empty, of whatever `read_pieces` reads; `column`: of tables.

    Raises:
        DataError: a file cannot be read, holds marks between its words, or none holds text.
    """
    for file in files:
        if (form := form_of(Path(file))) in _MARKED:
            fix = "write its text alone into a file, or a column of JSON lines, CSV or Parquet"
            raise DataError(f"a {form} file holds names and marks that are not words of its text", fix, file=file)
    pieces = read_pieces(files, column=column)
    return [part for piece in pieces for line in piece.text.split("\n") for part in _parts(line)]


def _parts(line: str) -> Iterator[str]:
    """A line that is not empty; one without end in parts, cut between words, which tokenizers hold much of."""
    while len(line) > _LONGEST:
        cut = line.rfind(" ", _LONGEST // 2, _LONGEST)
        cut = _LONGEST if cut < 0 else cut
        yield line[:cut]
        line = line[cut:]
    if line and not line.isspace():
        yield line


def split_lines(lines: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """(training, validation): one line of each 1 / share is held out; of fewer, the last is trained on too."""
    train, held = hold_out(lines, share)
    return train, held or list(lines[-1:])


class WordSet:
    """A corpus cut into stretches of some thousand words that are kept.

    Args:
        rows: word ids of each line.
        vocab_size: how many words there are.
        window: how far around a word is looked; 0: only at the next word.
        sample: share above which a word is dropped now and then.
        drawn: how many words are drawn by chance for each stretch, by their counts to the power of 3/4.
        seed: of what is dropped and drawn.
    """

    def __init__(
        self, rows: Sequence[np.ndarray], vocab_size: int, *, window: int, sample: float, drawn: int, seed: int
    ):
        lengths = np.array([len(row) for row in rows])
        self.ids = np.concatenate(rows).astype(np.int32)
        self.lines = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        self.counts = np.bincount(self.ids, minlength=vocab_size)
        self.window, self.drawn, self.seed = window, drawn, seed
        shares = self.counts / max(1, len(self.ids))
        with np.errstate(divide="ignore", invalid="ignore"):
            keep = np.sqrt(sample / shares) + sample / shares
        self._keep = np.where(self.counts > 0, np.minimum(keep, 1.0), 0.0) if sample else np.ones(vocab_size)
        weights = self.counts.astype(np.float64) ** 0.75
        self._cumulative = np.cumsum(weights) / max(1.0, weights.sum())
        self._latest: tuple[int, np.ndarray] = (-1, np.arange(0))
        if sample and len(self.ids) and self._keep[self.ids].sum() < _NEVER:
            raise ConfigError(
                f"vocabulary.sample {sample} drops every one of {len(self.ids):,} words", "give more, or 0: none"
            )

    @property
    def words(self) -> int:
        """How many words are kept in the first epoch."""
        return len(self._kept(0))

    @property
    def has_pairs(self) -> bool:
        """Whether two words stand in one line anywhere."""
        return bool((np.diff(self.lines) == 0).any())

    def epoch(self, epoch: int, size: int) -> list[Key]:
        """The stretches of an epoch, of about `size` kept words each, in training order; where no two words stand
        together there is nothing to learn, and no stretch."""
        kept = self._kept(epoch)
        order = np.random.default_rng([self.seed, epoch, 1]).permutation(_count(kept, size))
        return [(epoch, int(i)) for i in order if self._together(kept[slice(*_bounds(kept, int(i), size))]).any()]

    def in_order(self, size: int) -> list[Key]:
        """All stretches as they stand, for validation."""
        return sorted(self.epoch(0, size))

    def stretch(self, key: Key, size: int) -> WordStretch:
        """The tensors of a stretch; the same whenever asked for."""
        epoch, number = key
        kept = self._kept(epoch)
        places = kept[slice(*_bounds(kept, number, size))]
        random = np.random.default_rng([self.seed, epoch, 2, number])
        reach = random.integers(1, max(1, self.window), size=len(places), endpoint=True)
        drawn = np.searchsorted(self._cumulative, random.random(self.drawn)).clip(max=len(self.counts) - 1)
        return _blocks(self.ids[places], self.lines[places], reach, self.window, drawn)

    def _kept(self, epoch: int) -> np.ndarray:
        """Places of the words that are not dropped in this epoch."""
        if self._latest[0] != epoch:
            chance = np.random.default_rng([self.seed, epoch]).random(len(self.ids), dtype=np.float32)
            kept = np.flatnonzero(chance < self._keep[self.ids])
            if not self._together(kept).any():  # a tiny text: all of it is little enough
                kept = np.arange(len(self.ids))
            self._latest = epoch, kept
        return self._latest[1]

    def _together(self, places: np.ndarray) -> np.ndarray:
        """Whether each of these words but the last stands in one line with the next."""
        return np.diff(self.lines[places]) == 0


def _count(kept: np.ndarray, size: int) -> int:
    """How many stretches of about `size` words there are."""
    return max(1, round(len(kept) / size))


def _bounds(kept: np.ndarray, number: int, size: int) -> tuple[int, int]:
    """Where a stretch begins and ends among the words that are kept."""
    count = _count(kept, size)
    return number * len(kept) // count, (number + 1) * len(kept) // count


def _blocks(ids: np.ndarray, lines: np.ndarray, reach: np.ndarray, window: int, drawn: np.ndarray) -> WordStretch:
    """Words in blocks beside what stands around them; words of one line within reach belong together."""
    behind = window or 1
    blocks = -(-len(ids) // BLOCK)
    padded = np.zeros((2, blocks * BLOCK + window + behind), dtype=np.int32)
    padded[1] = -1  # nobody's line
    padded[0, window : window + len(ids)], padded[1, window : window + len(ids)] = ids, lines
    far = torch.zeros(blocks * BLOCK, dtype=torch.int32)
    far[: len(ids)] = torch.from_numpy(reach)
    around, line = torch.from_numpy(padded).unfold(1, BLOCK + window + behind, BLOCK)
    words, own = around[:, window : window + BLOCK], line[:, window : window + BLOCK]
    away = torch.arange(BLOCK + window + behind)[None] - window - torch.arange(BLOCK)[:, None]
    near = (away == 1) if not window else (away != 0) & (away.abs() <= far.view(blocks, BLOCK, 1))
    pairs = near & (own[:, :, None] == line[:, None]) & (own >= 0)[:, :, None]
    return WordStretch(words, around, pairs, torch.from_numpy(drawn))


def encode_words(tokenizer: Tokenizer, lines: Sequence[str], *, known: bool = True) -> Iterator[np.ndarray]:
    """Word ids of each line; if only the known are wanted, words without a vector left out."""
    start = 0
    while start < len(lines):
        sizes = np.cumsum([len(line) for line in lines[start : start + 10_000]])
        stop = start + max(1, int(np.searchsorted(sizes, _AT_ONCE)))
        for ids in tokenizer.encode(lines[start:stop]):
            row = np.array(ids, dtype=np.int32)
            yield row[row != tokenizer.specials.unk] if known else row
        start = stop
