"""Running text as words: the vocabulary, a corpus of word ids, and batches of stretches of it.

Words are letters and digits, with apostrophes inside ("don't"); what stands between them is left out. Frequent words
are dropped at random, anew in every epoch, which brings the words around them closer together:

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

from clearhead.data.files import open_file, read_lines
from clearhead.data.parts import spacing
from clearhead.data.tokenizers import UNK, Tokenizer
from clearhead.errors import ConfigError, DataError

__all__ = ["Stretch", "WordSet", "encode_words", "read_text", "split_lines"]

BLOCK = 32  # words that are compared with what stands around them in one product
Key = tuple[int, int]  # epoch, number of the stretch in it


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of text: word ids in blocks, what stands around each block, who belongs together, words drawn."""

    words: Tensor  # [blocks, words]
    around: Tensor  # [blocks, around]
    pairs: Tensor  # [blocks, words, around], bool
    drawn: Tensor  # [drawn]


def read_text(files: Sequence[str]) -> list[str]:
    """The lines of text files (.gz and .xz unpacked) that are not empty.

    Raises:
        DataError: a file cannot be read, or none holds text.
    """
    lines: list[str] = []
    for file in files:
        with open_file(Path(file)) as stream:
            lines += [text for _, text in read_lines(stream, Path(file)) if text.strip()]
    if not lines:
        raise DataError("there is no text in it", "name a file of running text", file=", ".join(files))
    return lines


def split_lines(lines: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """(training, validation): one line of each 1 / share is held out; of fewer, the last is trained on too."""
    each = spacing(share)
    held = [line for i, line in enumerate(lines) if i % each == each - 1]
    return [line for i, line in enumerate(lines) if i % each != each - 1], held or list(lines[-1:])


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
        self.window, self.drawn, self.seed, self._sample = window, drawn, seed, sample
        shares = self.counts / max(1, len(self.ids))
        with np.errstate(divide="ignore", invalid="ignore"):
            keep = np.sqrt(sample / shares) + sample / shares
        self._keep = np.where(self.counts > 0, np.minimum(keep, 1.0), 0.0) if sample else np.ones(vocab_size)
        weights = self.counts.astype(np.float64) ** 0.75
        self._cumulative = np.cumsum(weights) / max(1.0, weights.sum())
        self._latest: tuple[int, np.ndarray] = (-1, np.arange(0))

    def epoch(self, epoch: int, size: int) -> list[Key]:
        """The stretches of an epoch, of about `size` kept words each, in training order."""
        kept = len(self._kept(epoch))
        if not kept:
            raise ConfigError(
                f"vocabulary.sample {self._sample} drops every one of {len(self.ids):,} words", "give more, or 0: none"
            )
        count = max(1, round(kept / size))
        return [(epoch, int(i)) for i in np.random.default_rng([self.seed, epoch, 1]).permutation(count)]

    def in_order(self, size: int) -> list[Key]:
        """All stretches as they stand, for validation."""
        return sorted(self.epoch(0, size))

    def stretch(self, key: Key, size: int) -> Stretch:
        """The tensors of a stretch; the same whenever asked for."""
        epoch, number = key
        kept = self._kept(epoch)
        count = max(1, round(len(kept) / size))
        places = kept[number * len(kept) // count : (number + 1) * len(kept) // count]
        random = np.random.default_rng([self.seed, epoch, 2, number])
        reach = random.integers(1, max(1, self.window), size=len(places), endpoint=True)
        drawn = np.searchsorted(self._cumulative, random.random(self.drawn)).clip(max=len(self.counts) - 1)
        return _blocks(self.ids[places], self.lines[places], reach, self.window, drawn)

    def _kept(self, epoch: int) -> np.ndarray:
        """Places of the words that are not dropped in this epoch."""
        if self._latest[0] != epoch:
            chance = np.random.default_rng([self.seed, epoch]).random(len(self.ids), dtype=np.float32)
            self._latest = epoch, np.flatnonzero(chance < self._keep[self.ids])
        return self._latest[1]


def _blocks(ids: np.ndarray, lines: np.ndarray, reach: np.ndarray, window: int, drawn: np.ndarray) -> Stretch:
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
    return Stretch(words, around, pairs, torch.from_numpy(drawn))


def encode_words(tokenizer: Tokenizer, lines: Sequence[str]) -> Iterator[np.ndarray]:
    """Word ids of each line, words without a vector left out."""
    for start in range(0, len(lines), 10_000):
        for ids in tokenizer.encode(lines[start : start + 10_000]):
            row = np.array(ids, dtype=np.int32)
            yield row[row != UNK]
