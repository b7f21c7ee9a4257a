"""Word vectors in word2vec's text form: "words d_model", then a line for each word, its numbers behind it.

GloVe's form is the same without the first line. Other libraries (gensim, fastText, spaCy) read and write it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.data.files import open_file, read_lines
from clearhead.disk import write_text
from clearhead.errors import DataError

__all__ = ["read_vectors", "write_vectors"]


def read_vectors(file: str | os.PathLike[str]) -> tuple[list[str], Float[Tensor, "words d_model"]]:
    """(words, their vectors) of a text file (.gz and .xz unpacked).

    Raises:
        DataError: the file cannot be read, or a line of it is no vector of the same width.
    """
    words: list[str] = []
    rows: list[np.ndarray] = []
    stated: tuple[int, int] | None = None
    with open_file(Path(file)) as stream:
        for number, line in read_lines(stream, Path(file)):
            word, *values = line.rstrip(" ").split(" ")
            if number == 1 and len(values) == 1 and word.isdigit() and values[0].isdigit():
                stated = int(word), int(values[0])
                continue
            width = len(rows[0]) if rows else stated[1] if stated else len(values)
            if not values or len(values) != width:
                raise DataError(
                    f"{len(values)} numbers behind {word!r}, not {width}",
                    "write a word and its numbers, one space between them",
                    file=file,
                    line=number,
                )
            try:
                rows.append(np.array(values, dtype=np.float32))
            except ValueError as error:
                raise DataError(f"not a number: {error}", "write it as 0.25", file=file, line=number) from None
            words.append(word)
    if not rows or (stated is not None and stated[0] != len(rows)):
        wanted = f", {stated[0]} were announced" if stated else ""
        raise DataError(f"{len(rows)} vectors stand in the file{wanted}", "fetch it anew, it is cut off", file=file)
    return words, torch.from_numpy(np.stack(rows))


def write_vectors(file: str | os.PathLike[str], words: Sequence[str], vectors: Float[Tensor, "words d_model"]) -> None:
    """Write them so that every number is read back to the bit.

    Raises:
        FolderError: the place cannot be written.
    """
    numbers = vectors.float().cpu().numpy()
    lines = [f"{len(numbers)} {vectors.size(1)}"]
    lines += [f"{word} {' '.join(map(_shortest, row))}" for word, row in zip(words, numbers, strict=True)]
    write_text(Path(file), "\n".join(lines) + "\n")


def _shortest(number: np.float32) -> str:
    """The fewest digits that are read back as the same number."""
    return np.format_float_positional(number, trim="-")
