"""Which heads join one word of a sentence with each other word.

    weight of the word on each other word in each head, beside 1 / words; rollout and flow over all layers

Weights are those of words (see `words.py`): what goes to marks is left out, so a row may sum to less than 1.

Axes: heads (of all layers), words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from clearhead.errors import ConfigError, nearest
from clearhead.insight.findings import Cell, Findings, Table
from clearhead.insight.flow import flow, mean_layers, rollout
from clearhead.insight.looks import attentions, kind_of, layer_of, look_at, sides
from clearhead.insight.word_weights import word_table
from clearhead.look import Trace

__all__ = ["Joins", "joins"]


@dataclass(frozen=True, eq=False)
class Joins:
    """Where one word looks.

    Args:
        words: of the sentence.
        word: which of them looks, from 0.
        heads: their names, in the order of the layers.
        weights: of each head, from the word to each word.
        towards: the other way round, from each word to the word.
        chances: what a head that looks everywhere alike would give each word.
        rolled, flowing: attention rollout and flow from the word, over all layers.
    """

    words: list[str]
    word: int
    heads: list[str]
    weights: Float[Tensor, "heads words"]
    towards: Float[Tensor, "heads words"]
    chances: Float[Tensor, " words"]
    rolled: Float[Tensor, " words"]
    flowing: Float[Tensor, " words"]

    def rows(self) -> list[tuple[str, list[float]]]:
        """(name, a number for each word): chance, each head, rollout and flow (which does not sum to 1)."""
        names = ["chance", *self.heads, "all layers: rollout", "all layers: flow"]
        rows = [self.chances, *self.weights, self.rolled, self.flowing]
        return [(name, row.tolist()) for name, row in zip(names, rows, strict=True)]

    def findings(self) -> Findings:
        """As a table."""
        rows: list[list[Cell]] = [[name, *row] for name, row in self.rows()]
        said = f'"{self.words[self.word]}"'
        answers = []
        for i in (i for i in range(len(self.words)) if i != self.word):
            head = int(self.weights[:, i].argmax())
            weight = float(self.weights[head, i])
            times = f"{weight / float(self.chances[i]):.1f} times chance" if self.chances[i] else "it cannot look there"
            answers.append(f'"{self.words[i]}": most in {self.heads[head]}, {weight:.2f} ({times})')
        setting = f'"{" ".join(self.words)}"; what is given to marks is left out, a word has the sum of its tokens'
        columns = ["layer.head", *self.words]
        back: list[list[Cell]] = [[h, *row.tolist()] for h, row in zip(self.heads, self.towards, strict=True)]
        tables = [Table(f"Weight of {said} on each word", columns, rows)]
        tables += [Table(f"Weight of each word on {said}", columns, back)]
        return Findings("word", f"Which heads join {said} with which words?", setting, tables, (), answers)


def joins(trace: Trace, word: str) -> Joins:
    """Where a word looks in every head of the encoder (of the decoder, where there is no encoder that attends).

    Args:
        trace: of a pass over the sentence.
        word: the word, or its number from 0.

    Raises:
        ConfigError: the sentence has no such word, or nothing looks at it from within.
    """
    own = [path for path in attentions(trace) if kind_of(path) != "cross"]
    kind = kind_of(own[0]) if own else ""
    paths = [path for path in own if kind_of(path) == kind]
    if not paths:
        raise ConfigError("no layer of this model looks at its own text", "name a transformer")
    side = sides(trace, paths[0])[0]
    belongs = trace.words[side]
    words = _spelled(trace.labels[side], belongs)
    number = _find(word, words)
    looks = [look_at(trace, path) for path in paths]
    tables = [word_table(look.weights, belongs, belongs) for look in looks]
    asks = [i for i, belonging in enumerate(belongs) if belonging == number]
    layers = mean_layers(trace, kind)
    rolled = word_table(rollout(layers)[-1:], belongs, belongs)[0, number]
    flows = torch.stack([flow(layers, token) for token in asks]).mean(0)
    flowing = word_table(flows.expand(1, len(belongs), -1), belongs, belongs)[0, number]
    names = [f"{kind} {layer_of(p)}.{h}" for p, t in zip(paths, tables, strict=True) for h in range(len(t))]
    even = looks[0].allowed / looks[0].allowed.sum(-1, keepdim=True)
    chances = word_table(even[None], belongs, belongs)[0, number]
    both = torch.cat(tables)
    return Joins(words, number, names, both[:, number], both[:, :, number], chances, rolled, flowing)


def _spelled(labels: Sequence[str], belongs: Sequence[int | None]) -> list[str]:
    words: dict[int, str] = {}
    for label, word in zip(labels, belongs, strict=True):
        if word is not None:
            words[word] = words.get(word, "") + label.strip()
    return [words.get(i, "") for i in range(max(words, default=-1) + 1)]


def _find(word: str, words: Sequence[str]) -> int:
    """The number of a word, given itself (without case and punctuation if need be) or its number."""
    bare = [one.strip(".,;:!?¿¡\"'").casefold() for one in words]
    for known in (list(words), bare):
        if (asked := word if known is words else word.casefold()) in known:
            return known.index(asked)
    if word.isdigit() and int(word) < len(words):
        return int(word)
    raise ConfigError(f"the sentence has no word {word!r}", nearest(word, words) or f"its words are {', '.join(words)}")
