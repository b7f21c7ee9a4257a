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
from typing import Any

import torch

from clearhead.data.pairs import Pair, read_pairs
from clearhead.data.samples.english_spanish import Sentence, sentences
from clearhead.data.sources.conllu import read_conllu
from clearhead.data.sources.files import form_of, open_file, read_lines
from clearhead.data.text import read_pieces
from clearhead.errors import ConfigError
from clearhead.insight.alignment import Gold
from clearhead.insight.facts import Arc, Facts
from clearhead.look import Trace
from clearhead.tasks.run_folder import pair_data

__all__ = ["Example", "built_in", "of_file", "trace_example"]

_ENGLISH = (None, 1, "english")
_SHORTEST, _LONGEST = 6, 16  # random tokens that are said twice


@dataclass(frozen=True)
class Example:
    """A text (or tokens), its target where it has one, and what is known of it."""

    text: str | tuple[int, ...]
    target: str | None = None
    facts: Facts = field(default_factory=Facts)


def trace_example(model: Any, example: Example, *, grad: bool = False) -> Trace:
    """One watched pass over an example.

    Raises:
        ConfigError: this model attends to nothing.
    """
    _check(model)
    given: Any = example.text
    if isinstance(given, str) and not _is_pair_model(model):  # its beginning, where the words are those of the facts
        given = model.tokenizer.encode([given])[0][: model.module.config.max_len] or given
    found: Trace = model.trace(given, *([] if example.target is None else [example.target]), grad=grad)
    return found


def built_in(model: Any, count: int, *, seed: int = 0) -> list[Example]:
    """So many sentences of the built-in grammar's validation part; for a language model a quarter as many random ones.

    Raises:
        ConfigError: this model attends to nothing.
        DataError: the grammar has no such number of sentences.
    """
    _check(model)
    made = sentences("valid", count, seed=seed)
    if _is_pair_model(model):
        forward = pair_data(model.folder).source in _ENGLISH
        return [_pair_example(sentence, forward) for sentence in made]
    return [_one_side(sentence) for sentence in made] + _repeated(model, count // 4, seed)


def of_file(model: Any, file: str, count: int) -> list[Example]:
    """The first `count` texts of a file.

    Raises:
        ConfigError: this model attends to nothing.
        DataError: the file cannot be used.
    """
    _check(model)
    side = "source" if _is_pair_model(model) else "tokens"
    if not file.startswith(("sample:", "hub:")) and form_of(Path(file)) == ".conllu":
        return [
            Example(
                parsed.text,
                facts=Facts(arcs={side: [Arc(*arc) for arc in parsed.arcs]}, tags={side: parsed.tags}),
            )
            for parsed in islice(read_conllu(file), count)
        ]
    if side == "source" and not _is_plain(file):
        return [_linked(pair) for pair in read_pairs([file], pair_data(model.folder))[0][:count]]
    return [Example(text) for text in islice(_lines(file), count)]


def _check(model: Any) -> None:
    if not hasattr(model, "trace"):
        raise ConfigError(f"a model for {model.name} has no heads", "name a translator or a language model")


def _is_pair_model(model: Any) -> bool:
    return hasattr(model, "tokenizers")


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


def _repeated(model: Any, count: int, seed: int) -> list[Example]:
    """Random tokens said twice, no token twice in the first half where the vocabulary is large enough."""
    rng = torch.Generator().manual_seed(seed)
    tokenizer = model.tokenizer
    tokens = [i for i in range(tokenizer.vocab_size) if i not in {*tokenizer.marks.values(), tokenizer.specials.unk}]
    longest = min(_LONGEST, model.module.config.max_len // 2, len(tokens))
    examples = []
    for _ in range(count if longest > 1 else 0):
        length = int(torch.randint(min(_SHORTEST, longest), longest + 1, (), generator=rng))
        half = [tokens[i] for i in torch.randperm(len(tokens), generator=rng)[:length].tolist()]
        examples.append(Example((*half, *half)))
    return examples
