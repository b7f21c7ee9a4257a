"""From pieces to words: weights of tokens as weights of words.

    a word is attended with the sum of its pieces' weights, and attends with the mean of its pieces' rows
    (Clark et al., 2019)

Words are what white space separates, counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["by_word", "word_table", "words_of"]


def words_of(pieces: Sequence[str]) -> list[int | None]:
    """The word each piece of a running text belongs to, the pieces' own spaces telling where words begin.

    White space alone and marks such as `<eos>` are nobody's word (None).
    """
    words: list[int | None] = []
    number, inside = -1, False
    for piece in pieces:
        if not piece.strip() or piece in ("<bos>", "<eos>"):
            words.append(None)
            inside = False
            continue
        number += not inside or piece[0].isspace()
        words.append(number)
        number += len(piece.split()) - 1
        inside = not piece[-1].isspace()
    return words


def word_table(weights: Tensor, asks: Sequence[int | None], asked: Sequence[int | None]) -> Tensor:
    """[heads, words that ask, words asked] of weights [heads, rows, keys]; what is nobody's word is left out.

    Args:
        asks, asked: the word of each row and of each key.
    """
    rows = [i for i, word in enumerate(asks) if word is not None]
    keys = [i for i, word in enumerate(asked) if word is not None]
    inner = weights[:, rows][:, :, keys]
    inner = by_word(inner, [word for word in asked if word is not None], dim=2)
    return by_word(inner, [word for word in asks if word is not None], dim=1, mean=True)


def by_word(x: Tensor, words: Sequence[int], *, dim: int, mean: bool = False) -> Tensor:
    """Sum (or mean) of the entries of each word along one axis."""
    index = torch.tensor(list(words), dtype=torch.long)
    shape = list(x.shape)
    shape[dim] = int(index.max()) + 1 if len(index) else 0
    out = x.new_zeros(shape).index_add_(dim, index, x)
    if mean:
        counts = torch.bincount(index, minlength=shape[dim]).clamp(min=1).to(x.dtype)
        out = out / counts.view([-1 if i == dim else 1 for i in range(x.ndim)])
    return out
