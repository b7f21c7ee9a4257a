"""Floors of a loss: what the plainest language models of the target side reach, in nats a token as the loss is.

    uniform   every token alike                         p(w) = 1 / V, the loss ln V
    unigram   how common each token is                  p(w) = (c(w) + T p_uniform(w)) / (N + T)
    bigram    which token follows which                 p(w | v) = (c(v w) + T(v) p_unigram(w)) / (c(v) + T(v))

Each is counted on the training part, judged on the validation part, and backed by the one before it: interpolated
Witten-Bell smoothing (Witten and Bell, 1991, in the form of Chen and Goodman, 1998). c counts, N is the number of
tokens, T(v) how many different tokens were seen after v, T how many at all. None of them sees a source sentence.
Kneser-Ney, the best of the classics, would set the bigram floor of Multi30k 0.07 nats lower, at some cost in plainness.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["floors"]


def floors(train: Sequence[np.ndarray], valid: Sequence[np.ndarray], vocab_size: int) -> dict[str, float]:
    """The three floors, the plainest first: mean of -ln p over all tokens of `valid` that are predicted.

    Args:
        train, valid: rows of token ids; the first token of a row is given, all others are predicted.
        vocab_size: V.
    """
    before, after = _steps(train)
    counts = np.bincount(after, minlength=vocab_size)
    unigram = _smoothed(counts, counts.sum(), int(np.count_nonzero(counts)), np.full(vocab_size, 1 / vocab_size))

    pairs, pair_counts = np.unique(before * vocab_size + after, return_counts=True)
    totals = np.bincount(before, minlength=vocab_size)
    kinds = np.bincount(pairs // vocab_size, minlength=vocab_size)
    context, word = _steps(valid)
    seen = _looked_up(context * vocab_size + word, pairs, pair_counts)
    bigram = _smoothed(seen, totals[context], kinds[context], unigram[word])
    return {
        "uniform": math.log(vocab_size),
        "unigram": float(-np.log(unigram[word]).mean()),
        "bigram": float(-np.log(bigram).mean()),
    }


def _steps(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(token, the one that follows it) for all neighbours within a row."""
    tokens = np.concatenate(rows).astype(np.int64)
    inside = np.ones(len(tokens), dtype=bool)
    inside[np.cumsum([len(row) for row in rows]) - 1] = False  # from the last of a row no step leads on
    at = np.flatnonzero(inside)
    return tokens[at], tokens[at + 1]


def _smoothed(count: np.ndarray, total: np.ndarray, kinds: np.ndarray | int, below: np.ndarray) -> np.ndarray:
    """(count + kinds below) / (total + kinds); `below` itself where nothing was counted."""
    weight = np.maximum(total + kinds, 1)
    return np.where(total > 0, (count + kinds * below) / weight, below)


def _looked_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where it is not among the (sorted) keys."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)
