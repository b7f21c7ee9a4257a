"""`clearhead export MODEL --to FORM --out PLACE`: a model in the form of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["export"]


def export(model: str, *, to: Literal["word2vec"], out: Path) -> None:
    """Write a model in the form of other libraries.

    Example: clearhead export models/words --to word2vec --out vectors.txt

    Parameters
    ----------
    model
        a model folder
    to
        word2vec: word vectors as text, which gensim, spaCy and fastText read
    out
        the file to make
    """
    from clearhead.exchange.word2vec import write_vectors
    from clearhead.tasks.load import load_for

    vectors = load_for("nearest", model)
    write_vectors(out, vectors.words, vectors.vectors)
    print(f"saved {out}: {len(vectors.words):,} words of {vectors.vectors.size(1)} numbers")
