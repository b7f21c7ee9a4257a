"""BPE dropout: in every epoch words are cut anew, so that a model also meets them in smaller pieces.

Algorithm 1 of Provilkov et al. (2020), for one word, beginning with its bytes: of the adjacent pairs that have a merge
each is passed over with probability p, anew in every round; of the others the pair whose merge was learnt first is
merged, the leftmost if there are several; the word is done when no pair is left.

The library's own dropout draws from a generator that nobody can seed, so a resumed run could not repeat it. Here all
chance comes from the generator that is handed in. What makes it fast is exact, too: a round that does not pass over the
lowest merge does what it does without dropout, so the number of calm rounds before the first other one is geometric. A
word with no more merges than that keeps its plain cut; the others (a third of them at p = 0.1) are played through, all
words of one length at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np

from clearhead.data.tokenizers import Tokenizer
from clearhead.errors import ConfigError

__all__ = ["SubwordDropout", "recut_pairs"]

_NO_MERGE = np.iinfo(np.int32).max  # the rank of a pair that has no merge
_ENDLESS = np.iinfo(np.int64).max
_CELLS = 1 << 18  # letters that are played through at once: so many stay in the processor's cache


class SubwordDropout:
    """Texts that are cut anew as often as asked.

    Args:
        tokenizer: of kind bpe.
        texts: what is cut.
        p: probability that a merge is passed over, 0 <= p <= 1.

    Raises:
        ConfigError: the tokenizer has no merges.
    """

    def __init__(self, tokenizer: Tokenizer, texts: Sequence[str], p: float):
        self.p = p
        self._merges = _Merges(tokenizer)
        words: dict[str, int] = {}
        split, normal = tokenizer.backend.pre_tokenizer.pre_tokenize_str, tokenizer.backend.normalizer.normalize_str
        rows = [[words.setdefault(word, len(words)) for word, _ in split(normal(text))] for text in texts]
        self._ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
        self._words = np.array([word for row in rows for word in row], dtype=np.int64)
        letters = [[self._merges.vocab[letter] for letter in word] for word in words]
        self._letters = np.array([letter for word in letters for letter in word], dtype=np.int64)
        self._sizes = np.array([len(word) for word in letters], dtype=np.int64)
        self._starts = np.cumsum(self._sizes) - self._sizes
        every = np.arange(len(words))
        self._plain, self._pieces = self._play(every, np.full(len(words), _ENDLESS), np.random.default_rng(0))
        self._plain_starts = np.cumsum(self._pieces) - self._pieces

    def cut(self, random: np.random.Generator) -> list[np.ndarray]:
        """Token ids of each text; a function of the texts and the generator's state."""
        words = self._words
        calm = random.geometric(self.p, len(words)) - 1 if self.p else np.full(len(words), _ENDLESS)
        disturbed = np.flatnonzero(calm < (self._sizes - self._pieces)[words])
        ids, pieces = self._play(words[disturbed], calm[disturbed], random)
        counts, starts = self._pieces[words], self._plain_starts[words]
        counts[disturbed] = pieces
        starts[disturbed] = len(self._plain) + np.cumsum(pieces) - pieces
        ids = _gather(np.concatenate([self._plain, ids]), starts, counts)
        ends = np.concatenate([[0], np.cumsum(counts)])[self._ends].tolist()
        return [ids[low:high] for low, high in zip([0, *ends], ends, strict=False)]

    def _play(self, words: np.ndarray, calm: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Token ids of all these words, one after the other, and how many each has."""
        sizes = self._sizes[words]
        starts = np.cumsum(sizes) - sizes
        out = np.empty(sizes.sum(), dtype=np.int64)
        for size in np.unique(sizes).tolist():
            same = np.flatnonzero(sizes == size)
            for rows in np.array_split(same, len(same) * size // _CELLS + 1):
                steps = np.arange(size)
                letters = self._letters[self._starts[words[rows], None] + steps]
                out[starts[rows, None] + steps] = self._merges.apply(letters, calm[rows], self.p, random)
        kept = out >= 0
        return out[kept].astype(np.int32), np.add.reduceat(kept, starts, dtype=np.int64) if len(words) else sizes


class _Merges:
    """The merges of a BPE tokenizer, applied to many words at once."""

    def __init__(self, tokenizer: Tokenizer):
        model = json.loads(tokenizer.to_json())["model"]
        if model["type"] != "BPE":
            raise ConfigError(
                f"BPE dropout skips merges, and a {model['type']} tokenizer has none",
                "train with --tokenizer.kind bpe, or set --tokenizer.dropout 0",
            )
        self.vocab: dict[str, int] = model["vocab"]
        left, right = (np.array([self.vocab[pair[i]] for pair in model["merges"]], dtype=np.int64) for i in (0, 1))
        self._merged = np.array([self.vocab[a + b] for a, b in model["merges"]], dtype=np.int64)
        self._end = len(self.vocab)  # stands before and after a word, merges with nothing
        pairs = np.append(left * self._end + right, _ENDLESS)  # the last: whatever is looked up finds a place before it
        self._order = np.argsort(pairs)
        self._pairs = pairs[self._order]

    def ranks(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Which merge each pair has: 0 is the one learnt first."""
        pairs = np.where((left < self._end) & (right < self._end), left * self._end + right, -1)
        places = np.searchsorted(self._pairs, pairs)
        return np.where(self._pairs[places] == pairs, self._order[places], _NO_MERGE)

    def apply(self, letters: np.ndarray, calm: np.ndarray, p: float, random: np.random.Generator) -> np.ndarray:
        """Merge words of one size, [words, letters]: `calm` rounds as without dropout, one that passes over the lowest
        merge, then by chance. A piece stands where its first letter stood, -1 in the places of the others.
        """
        count, size = letters.shape
        ids = np.concatenate([letters, np.full((count, 1), self._end)], axis=1)
        ranks = np.full(ids.shape, _NO_MERGE)
        ranks[:, :-2] = self.ranks(ids[:, :-2], ids[:, 1:-1])
        after, before = (np.tile(np.roll(np.arange(size + 1), by), (count, 1)) for by in (-1, 1))
        live, turn = np.arange(count), 0
        while len(live):
            place, rank = _choose(ranks[live], calm[live] - turn, p, random)
            going = rank < _NO_MERGE
            live, place, rank = live[going], place[going], rank[going]
            gone, previous = after[live, place], before[live, place]
            following = after[live, gone]
            after[live, place], before[live, following] = following, place
            ids[live, place], ids[live, gone], ranks[live, gone] = self._merged[rank], -1, _NO_MERGE
            ranks[live, place] = self.ranks(ids[live, place], ids[live, following])
            ranks[live, previous] = self.ranks(ids[live, previous], ids[live, place])
            turn += 1
        return ids[:, :-1]


def _choose(
    ranks: np.ndarray, calm: np.ndarray, p: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Where each row's lowest rank stands that is not passed over, and that rank; `calm`: rounds until one must be."""
    rows, lowest = np.arange(len(ranks)), ranks.argmin(1)
    drawing = np.flatnonzero(calm <= 0)
    passed = np.zeros(ranks.shape, dtype=bool)
    passed[drawing] = random.random((len(drawing), ranks.shape[1]), dtype=np.float32) < p
    passed[rows[calm == 0], lowest[calm == 0]] = True
    ranks[passed] = _NO_MERGE
    place = ranks.argmin(1)
    return place, ranks[rows, place]


def _gather(values: np.ndarray, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """values[start : start + count] for each, one after the other."""
    ends = np.cumsum(counts)
    return values[np.arange(counts.sum()) + np.repeat(starts - ends + counts, counts)]


def recut_pairs(
    sources: Sequence[str], targets: Sequence[str], tokenizers: tuple[Tokenizer, Tokenizer], p: float, seed: int
) -> Callable[[int], tuple[list[np.ndarray], list[np.ndarray]]]:
    """What gives the token ids of both sides in an epoch: a function of seed and epoch alone (see `PairSet`)."""
    src, tgt = (SubwordDropout(t, texts, p) for t, texts in zip(tokenizers, (sources, targets), strict=True))

    def recut(epoch: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        random = np.random.default_rng([seed, epoch, 1])  # [seed, epoch] orders the rows
        return src.cut(random), tgt.cut(random)

    return recut
