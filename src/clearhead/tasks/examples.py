"""Texts to look at a model with, and what is known of them: built in, or of a file.

translators        sentences of the built-in grammar, with gold links and dependencies
language models    the same sentences in one language, and random tokens said twice (for induction: Olsson et al.,
                   2022), the first half of a length of its own so that no fixed offset explains the second
FILE               pairs (with gold links where they have a column of them), plain text, or .conllu (dependencies)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol

import torch

from clearhead.data.pairs import Pair, read_pairs
from clearhead.data.samples.english_spanish import Sentence, sentences
from clearhead.data.sources.conllu import read_conllu
from clearhead.data.sources.files import form_of, open_file, read_lines
from clearhead.data.text import read_pieces
from clearhead.data.tokenizers import Tokenizer
from clearhead.folder import Folder
from clearhead.insight.alignment import Gold
from clearhead.insight.facts import Arc, Facts
from clearhead.tasks.run_folder import pair_data

__all__ = ["Example", "Examples", "PairExamples", "TextExamples"]

_ENGLISH = (None, 1, "english")
_SHORTEST, _LONGEST = 6, 16  # random tokens that are said twice


@dataclass(frozen=True)
class Example:
    """A text (or tokens), its target where it has one, and what is known of it."""

    text: str | tuple[int, ...]
    target: str | None = None
    facts: Facts = field(default_factory=Facts)


class Examples(Protocol):
    """The texts that a model is looked at with."""

    def built_in(self, count: int, *, seed: int = 0) -> list[Example]:
        """So many sentences of the built-in grammar's validation part, and what else the model can show itself on.

        Raises:
            DataError: the grammar has no such number of sentences.
        """
        ...

    def of_file(self, file: str, count: int) -> list[Example]:
        """The first `count` texts of a file.

        Raises:
            DataError: the file cannot be used.
        """
        ...


class PairExamples:
    """Those of a model on pairs; its folder says which language it reads, and which columns."""

    def __init__(self, folder: Folder | None):
        self._folder = folder

    def built_in(self, count: int, *, seed: int = 0) -> list[Example]:
        """Sentences in both languages, with gold links."""
        forward = pair_data(self._folder).source in _ENGLISH
        return [_pair_example(sentence, forward) for sentence in sentences("valid", count, seed=seed)]

    def of_file(self, file: str, count: int) -> list[Example]:
        """Pairs, unless the file holds text without columns, or dependencies."""
        if _is_parsed(file):
            return _parsed(file, count, "source")
        if _is_plain(file):
            return _texts(file, count)
        return [_linked(pair) for pair in read_pairs([file], pair_data(self._folder))[0][:count]]


class TextExamples:
    """Those of a language model that reads so many tokens at most."""

    def __init__(self, tokenizer: Tokenizer, max_len: int):
        self._tokenizer, self._max_len = tokenizer, max_len

    def built_in(self, count: int, *, seed: int = 0) -> list[Example]:
        """Sentences in one language, and a quarter as many times random tokens said twice."""
        made = [_one_side(sentence) for sentence in sentences("valid", count, seed=seed)]
        return made + self._repeated(count // 4, seed)

    def of_file(self, file: str, count: int) -> list[Example]:
        """Texts, with dependencies where the file has them."""
        return _parsed(file, count, "tokens") if _is_parsed(file) else _texts(file, count)

    def _repeated(self, count: int, seed: int) -> list[Example]:
        """Random tokens said twice, no token twice in the first half where the vocabulary is large enough."""
        rng = torch.Generator().manual_seed(seed)
        unwanted = {*self._tokenizer.marks.values(), self._tokenizer.specials.unk}
        tokens = [i for i in range(self._tokenizer.vocab_size) if i not in unwanted]
        longest = min(_LONGEST, self._max_len // 2, len(tokens))
        examples = []
        for _ in range(count if longest > 1 else 0):
            length = int(torch.randint(min(_SHORTEST, longest), longest + 1, (), generator=rng))
            half = [tokens[i] for i in torch.randperm(len(tokens), generator=rng)[:length].tolist()]
            examples.append(Example((*half, *half)))
        return examples


# Files


def _is_parsed(file: str) -> bool:
    return not file.startswith(("sample:", "hub:")) and form_of(Path(file)) == ".conllu"


def _parsed(file: str, count: int, side: str) -> list[Example]:
    return [
        Example(parsed.text, facts=Facts(arcs={side: [Arc(*arc) for arc in parsed.arcs]}, tags={side: parsed.tags}))
        for parsed in islice(read_conllu(file), count)
    ]


def _texts(file: str, count: int) -> list[Example]:
    return [Example(text) for text in islice(_lines(file), count)]


def _lines(file: str) -> Iterator[str]:
    for piece in read_pieces([file]):
        yield from filter(str.strip, piece.text.splitlines())


def _is_plain(file: str) -> bool:
    """Whether a file holds text and no columns."""
    path = Path(file)
    if file.startswith(("sample:", "hub:")) or form_of(path) not in (".txt", ".text", ".md", ""):
        return False
    with open_file(path) as stream:
        return "\t" not in next(read_lines(stream, path), (0, ""))[1]


def _linked(pair: Pair) -> Example:
    links = None if pair.sure is None else Gold(pair.sure, pair.possible or pair.sure)
    return Example(pair.source, pair.target, Facts(links))


# The built-in grammar


def _pair_example(sentence: Sentence, forward: bool) -> Example:
    english = _side(sentence.english, sentence.english_dependencies)
    spanish = _side(sentence.spanish, sentence.spanish_dependencies)
    sides = {"source": english, "target": spanish} if forward else {"source": spanish, "target": english}
    links = [
        frozenset(pairs if forward else [(j, i) for i, j in pairs]) for pairs in (sentence.sure, sentence.possible)
    ]
    facts = Facts(
        Gold(*links), {s: arcs for s, (arcs, _) in sides.items()}, {s: tags for s, (_, tags) in sides.items()}
    )
    texts = (sentence.english, sentence.spanish)
    return Example(*(texts if forward else texts[::-1]), facts)


def _one_side(sentence: Sentence) -> Example:
    arcs, tags = _side(sentence.english, sentence.english_dependencies)
    return Example(sentence.english, facts=Facts(arcs={"tokens": arcs}, tags={"tokens": tags}))


def _side(text: str, dependencies: Sequence[tuple[str, int, int]]) -> tuple[list[Arc], list[str]]:
    """(arcs, parts of speech as the arcs tell them) of one side: determiner, adjective, noun, verb."""
    tags = [""] * len(text.split())
    for kind, dependent, head in dependencies:
        tags[head] = "verb" if kind == "subject" else "noun"
        if kind != "subject":
            tags[dependent] = kind
    return [Arc(*arc) for arc in dependencies], tags
