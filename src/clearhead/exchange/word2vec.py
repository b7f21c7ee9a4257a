"""Word vectors in word2vec's text form: "words d_model", then a line for each word, its numbers after it.

GloVe's form is the same without the first line; a word may have spaces in it. Other libraries (gensim, fastText, spaCy)
read and write it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.data.sources.files import Line, form_of, open_file, read_lines
from clearhead.disk import write_text
from clearhead.errors import DataError

__all__ = ["read_vectors", "write_vectors"]

_LOOKED_AT = 100  # lines that tell how many numbers a word has, where the first does not say
_SPACES = re.compile(r"[ \t]+")


def read_vectors(file: str | os.PathLike[str]) -> tuple[list[str], Float[Tensor, "words d_model"]]:
    """(words, their vectors) of a text file (.gz and .xz unpacked).

    Raises:
        DataError: the file cannot be read, or a line of it is no vector of the same width.
    """
    path = Path(file)
    if form_of(path) == ".bin":
        fix = "write it as text, e.g. with gensim's load_word2vec_format(FILE, binary=True) and save_word2vec_format"
        raise DataError("a .bin file holds vectors in binary form, which is not read", fix, file=file)
    places: dict[str, int] = {}
    rows: list[np.ndarray] = []
    with open_file(path) as stream:
        lines = (
            (number, _SPACES.sub(" ", line).rstrip(" ")) for number, line in read_lines(stream, path) if line.strip()
        )
        first = list(islice(lines, _LOOKED_AT))
        stated = _stated(first)
        width = stated[1] if stated else _usual(line.count(" ") for _, line in first)
        for number, line in chain(first[1:] if stated else first, lines):
            word, row = _word_and_row(line, width, file, number)
            if word in places:
                problem = f"the word {word!r} stands in the file twice, first in line {places[word]}"
                raise DataError(problem, "leave one of its vectors out", file=file, line=number)
            places[word] = number
            rows.append(row)
    if not rows or (stated is not None and stated[0] != len(rows)):
        wanted = f", {stated[0]} were announced" if stated else ""
        raise DataError(f"{len(rows)} vectors stand in the file{wanted}", "fetch it again, it is cut off", file=file)
    return list(places), torch.from_numpy(np.stack(rows))


def _stated(lines: Sequence[Line]) -> tuple[int, int] | None:
    """(words, width), where the first line says so."""
    found = re.fullmatch(r"([0-9]{1,12}) ([0-9]{1,9})", lines[0][1]) if lines else None
    return (int(found[1]), int(found[2])) if found else None


def _usual(counts: Iterable[int]) -> int:
    """The most frequent count, of several the smallest: a word with spaces in it has more."""
    frequency = Counter(counts)
    return min(frequency, key=lambda count: (-frequency[count], count), default=0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _word_and_row(line: str, width: int, file: str | os.PathLike[str], number: int) -> tuple[str, np.ndarray]:
    """The word of a line, which may have spaces in it, and the numbers after it."""
    word, *values = line.rsplit(" ", width) if width else [line]
    if len(values) != width or not width or not word or all(map(_is_number, word.split(" ")[1:] or [""])):
        some = f"{line.count(' ')} numbers after {line.partition(' ')[0]!r}, not {width or 'some'}"
        problem = some if word else "there is no word before the numbers"
        raise DataError(problem, "write a word and its numbers, one space between them", file=file, line=number)
    try:
        with np.errstate(over="ignore"):
            row = np.array(values, dtype=np.float32)
    except ValueError as error:
        raise DataError(f"not a number: {error}", "write it as 0.25", file=file, line=number) from None
    if not np.isfinite(row).all():
        problem = f"{values[int(np.argmin(np.isfinite(row)))]} is not a finite number"
        raise DataError(problem, "leave the word out, or train again", file=file, line=number)
    return word, row


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
