"""Trained word vectors: neighbours, and analogies ("king - man + woman")."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self
from unicodedata import normalize

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.data.sources.files import open_file, read_lines
from clearhead.data.tokenizer_training import listed_words
from clearhead.data.tokenizers import Tokenizer
from clearhead.devices import find_device
from clearhead.errors import ConfigError, DataError, nearest
from clearhead.exchange.word2vec import read_vectors
from clearhead.folder import Folder
from clearhead.models.architecture import WordVectorsConfig
from clearhead.models.word_vectors import WordVectors
from clearhead.ranges import Count, Device, check
from clearhead.tasks.metrics import Metric
from clearhead.tasks.model_repr import describe_model, model_repr
from clearhead.tasks.reading import refuse_string
from clearhead.tasks.room import fitted
from clearhead.tasks.run_folder import module_at
from clearhead.tasks.session import say
from clearhead.tasks.tokenizer_pair import open_tokenizer

__all__ = ["FIRST", "Neighbour", "Words"]

FIRST = 4  # the entries before are no words: the special tokens of clearhead's tokenizers


@dataclass(frozen=True)
class Neighbour:
    """A word and the cosine of the angle between its vector and the one asked for."""

    word: str
    cosine: float


class Words:
    """Trained word vectors.

    Args:
        module: the network.
        tokenizer: of its words.
        folder: where it was loaded from or trained into.
        words: that have a vector, where they are not the entries of the tokenizer.
    """

    name: ClassVar[str] = "words"
    verbs: ClassVar[tuple[str, ...]] = ("nearest",)
    inside: None = None  # it attends to nothing
    __repr__ = model_repr

    def __init__(
        self,
        module: WordVectors,
        tokenizer: Tokenizer,
        folder: Folder | None = None,
        words: Sequence[str] | None = None,
    ):
        self.module, self.tokenizer, self.folder, self._listed = module.eval(), tokenizer, folder, words
        self._device = torch.device("cpu")

    # Training and loading --------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, folder: Folder) -> Self:
        """Open trained word vectors.

        Raises:
            FolderError: a file of the folder is missing, damaged or of another model.
        """
        arch: WordVectorsConfig = folder.part("arch", WordVectorsConfig, "word vectors")
        tokenizer = open_tokenizer(folder, "word vectors")
        return cls(fitted(folder, arch, lambda: WordVectors(arch, tokenizer.vocab_size)), tokenizer, folder)

    @classmethod
    def of_file(cls, file: str | os.PathLike[str]) -> Self:
        """Vectors in word2vec's text form, from wherever they come; they are read and not predicted with.

        Raises:
            DataError: the file cannot be read, or holds a word twice.
        """
        words, vectors = read_vectors(file)
        module = WordVectors(WordVectorsConfig(d_model=vectors.size(1)), len(words) + FIRST)
        with torch.no_grad():
            module.reads.weight.zero_()[FIRST:] = vectors
        return cls(module, listed_words([]), words=words)

    def at_step(self, step: int) -> Self:
        """The vectors at a moment of the training that was kept.

        Raises:
            FolderError: it was not.
        """
        return type(self)(module_at(self.folder, self.module, step), self.tokenizer, self.folder, self._listed)

    # Asking ----------------------------------------------------------------------------------------------------------

    def write_on(self, device: Device) -> None:
        """Compare and measure there from now on.

        Raises:
            ConfigError: there is no such device.
        """
        self._device = find_device(device)

    @property
    def words(self) -> list[str]:
        """All words that have a vector, the most frequent first."""
        if self._listed is not None:
            return list(self._listed)
        backend = self.tokenizer.backend
        return [str(backend.id_to_token(i)) for i in range(FIRST, self.tokenizer.vocab_size)]

    @property
    def vectors(self) -> Tensor:
        """[words, d_model], in the order of `words`."""
        return self.module.reads.weight.detach()[FIRST:]

    def stacked(self, words: Sequence[str]) -> Tensor:
        """[words, d_model]: the vectors of these words.

        Raises:
            ConfigError: one has none.
        """
        return self.vectors[[self._place(word) for word in words]]

    def nearest(self, queries: Sequence[str], *, n: int = 10) -> list[list[Neighbour]]:
        """The `n` words whose vectors point most nearly the same way as each query, those of the query left out.

        A query is a word or a sum of words: "king - man + woman" (Mikolov et al., 2013).

        Raises:
            ConfigError: a word has no vector, there is none, or what is asked for points nowhere.
        """
        refuse_string("nearest", queries=queries)
        check(Count, "n", n)
        names, unit = self.words, _unit(self.vectors.to(self._device))
        found = []
        for query in queries:
            terms = self._sum(query)
            wanted = _unit(torch.stack([sign * unit[place] for sign, place in terms]).sum(0))
            if not wanted.any():
                raise ConfigError(f"{query!r} comes to nothing: its vector is zero everywhere", "ask for other words")
            cosines, asked = unit @ wanted, {place for _, place in terms}
            cosines[list(asked)] = float("-inf")
            best = cosines.topk(min(n, len(names) - len(asked)))
            found.append(
                [Neighbour(names[i], c) for c, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)]
            )
        return found

    # Measuring -------------------------------------------------------------------------------------------------------

    def evaluate(self, files: Sequence[str]) -> dict[str, Metric]:
        """Agreement with people, or analogies solved.

        A file holds, on each line, two words and how alike people find them (TAB or comma between them: Spearman's rank
        correlation), or four words of which the last is to be found ("man king woman queen": per cent right).

        Raises:
            DataError: a file holds neither, or no word of it has a vector.
        """
        scores: dict[str, Metric] = {}
        for file in files:
            rows = list(_rows(file))
            if all(len(row) == 3 for _, row in rows):
                scores[f"{Path(file).name}: rank correlation"] = self._similarity(rows, file)
            else:
                scores[f"{Path(file).name}: analogies"] = self._analogies(rows, file)
        return scores

    def describe(self) -> dict[str, object]:
        """What is in the model."""
        return describe_model(self, self.module.config.model_dump(mode="json"), {"words": len(self.words)})

    # ------------------------------------------------------------------------------------------------------------------

    @cached_property
    def _places(self) -> dict[str, int]:
        """Where each word stands; one that is written with marks of its own also where it is composed (NFC)."""
        places = {word: place for place, word in enumerate(self.words)}
        for word, place in list(places.items()):
            places.setdefault(normalize("NFC", word), place)
        return places

    def _known(self, word: str) -> int | None:
        place = self._places.get(word)
        return self._places.get(self.tokenizer.normalized(word)) if place is None else place

    def _sum(self, query: str) -> list[tuple[float, int]]:
        """(1 or -1, place) of each word of a query; a word may have blanks in it."""
        if (place := self._known(query)) is not None:
            return [(1.0, place)]
        terms = [(sign, self._place(word)) for sign, word in _terms(query)]
        if not terms:
            raise ConfigError(f"{query!r} asks for no word", 'give one, or a sum: "king - man + woman"')
        return terms

    def _place(self, word: str) -> int:
        place = self._known(word)
        if place is None:
            raise ConfigError(
                f"there is no vector of {word!r}", nearest(word, self.words) or "it is too rare in the text"
            )
        return place

    def _similarity(self, rows: list[tuple[int, list[str]]], file: str) -> Metric:
        pairs = []
        for number, (one, other, value) in rows:
            places = self._known(one), self._known(other)
            if places[0] is not None and places[1] is not None:
                pairs.append((places, _number(value, file, number)))
        _say_unscored(len(rows) - len(pairs), "pair", file)
        if len(pairs) < 2:
            raise DataError("fewer than two of its pairs have vectors of both words", "take another file", file=file)
        unit = _unit(self.vectors)
        ours = [float(unit[a] @ unit[b]) for (a, b), _ in pairs]
        theirs = [value for _, value in pairs]
        correlation = float(np.corrcoef(_ranks(ours), _ranks(theirs))[0, 1])
        return Metric(100 * correlation, f"Spearman, {len(pairs)} of {len(rows)} pairs have vectors")

    def _analogies(self, rows: list[tuple[int, list[str]]], file: str) -> Metric:
        asked, right = 0, 0
        for number, row in rows:
            if len(row) != 4:
                raise DataError(f"{len(row)} words, not 4", "write: man king woman queen", file=file, line=number)
            if all(self._known(word) is not None for word in row):
                one, other, third, wanted = row
                best = self.nearest([f"{other} - {one} + {third}"], n=1)[0][0]
                asked, right = asked + 1, right + (best.word == self.tokenizer.normalized(wanted))
        _say_unscored(len(rows) - asked, "analogy", file)
        if not asked:
            raise DataError("of none of its analogies all words have vectors", "take another file", file=file)
        return Metric(100 * right / asked, f"{asked} of {len(rows)} analogies have vectors, the nearest word counts")


def _unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1, however long or short they were; those that are zero stay so."""
    largest = vectors.abs().amax(-1, keepdim=True)
    return F.normalize(vectors / largest.where(largest > 0, 1.0), dim=-1)


def _terms(query: str) -> Iterator[tuple[float, str]]:
    """(1 or -1, word) of "king - man + woman"."""
    sign = 1.0
    for part in re.findall(r"(?<!\S)[+-](?!\S)|[^\s]+", query):
        if part in "+-":
            sign = 1.0 if part == "+" else -1.0
        else:
            yield sign, part


def _rows(file: str) -> Iterator[tuple[int, list[str]]]:
    """(line, its fields): cut at TABs, else at commas, else at spaces; ": section" and "# comment" are left out."""
    with open_file(Path(file)) as stream:
        for number, text in read_lines(stream, Path(file)):
            if text.strip() and not text.startswith((":", "#")):
                cut = "\t" if "\t" in text else "," if "," in text else None
                yield number, [field.strip() for field in text.split(cut)]


def _say_unscored(count: int, what: str, file: str) -> None:
    if count:
        many = {"pair": "pairs are", "analogy": "analogies are"}[what]
        say(f"{file}: {count:,} {f'{what} is' if count == 1 else many} not scored: a word has no vector")


def _number(text: str, file: str, line: int) -> float:
    with suppress(ValueError):
        if math.isfinite(value := float(text)):
            return value
    raise DataError(f"{text!r} is not a number", "write two words and how alike they are", file=file, line=line)


def _ranks(values: Sequence[float]) -> np.ndarray:
    """From 0; equal values share the mean of their ranks."""
    _, places, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[places]
