"""A whole translator on paper: two numbers a token, one head each, no norms; from the words of a sentence to the next.

    source -> embedding + position -> self-attention + residual -> memory
    <EOS>  -> embedding + position -> masked self-attention + residual -> cross-attention to the memory + residual
           -> fully connected -> softmax -> the most likely word, which is read again

Everything is computed once more by clearhead's own attention, and the difference stands under the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from clearhead.attention import Attention, Causal, sinusoids
from clearhead.data.numbers import AttentionNumbers, GivenMemory, GivenWeights
from clearhead.errors import ConfigError
from clearhead.worksheet.copies import Picked
from clearhead.worksheet.operations import Plus, Product, Softmax, Waves
from clearhead.worksheet.paper import Paper, Section, given_table, linear, projected, shares
from clearhead.worksheet.samples import ToyTranslator
from clearhead.worksheet.tables import NumberTable

__all__ = ["translator_paper"]

_END = "<EOS>"
_MOST = 5  # tokens that are written


def translator_paper(toy: ToyTranslator, words: Sequence[str]) -> Paper:
    """The translation of `words`, greedily: each word that is written is read again until the end is written.

    Raises:
        ConfigError: a word is none of the translator's.
    """
    if unknown := [word for word in words if word not in toy.source]:
        raise ConfigError(f"{unknown[0]!r} is not a word of this translator", f"it knows {', '.join(toy.source)}")
    written = [_END]
    while True:
        paper = _pass(toy, list(words), written)
        last = paper.tables[-1]
        word = last.columns[int(last.values[-1].argmax())]
        if word == _END or len(written) == _MOST:
            return paper
        written.append(word)


def _pass(toy: ToyTranslator, words: list[str], written: list[str]) -> Paper:
    told = "The source: each word is a row of the embedding."
    encoder = _embedded(words, toy.source, toy.source_embedding, "_s", told)
    x = encoder.tables[-1]
    looks, memory = _attended("The encoder looks at itself", "_e", x, x, toy.encoder)
    told = "The decoder begins with <EOS>. Each word it writes is read again; the mask lets no row see a later one."
    decoder = _embedded(written, toy.target, toy.target_embedding, "_t", told)
    y = decoder.tables[-1]
    masked, y = _attended("The decoder looks at what is written", "_d", y, y, toy.decoder, causal=True)
    across, y = _attended("The decoder looks at the source", "_c", y, memory, toy.cross)
    scores = linear("scores", y, toy.output, toy.output_bias, "fully connected: a score for each word", toy.target)
    told = "The largest share of the last row is the next word."
    columns = tuple(toy.target)
    chances = NumberTable("next", y.rows, columns, Softmax(scores[-1]), "how likely each word is next", percent=True)
    output = Section("The next word", told, (*scores, chances))
    found = [*written[1:], columns[int(chances.values[-1].argmax())]]
    title = f"{' '.join(words).capitalize()} -> {' '.join(found)}"
    gap = float(np.abs(_computed(toy, words, written) - chances.values).max())
    return Paper(title, (encoder, looks, decoder, masked, across, output), gap)


def _embedded(words: list[str], known: Sequence[str], embedding: object, tail: str, told: str) -> Section:
    table = given_table(f"E{tail}", tuple(known), embedding, "embedding")
    places = tuple(known.index(word) for word in words)
    picked = NumberTable(f"x{tail}", tuple(words), table.columns, Picked(table, places), "the words' rows")
    waves = NumberTable(f"p{tail}", tuple(words), table.columns, Waves(len(words), len(table.columns)), "positions")
    placed = NumberTable(f"e{tail}", tuple(words), table.columns, Plus(picked, waves), "words with positions")
    return Section("Embedding and position", told, (table, picked, waves, placed))


def _attended(
    title: str, tail: str, x: NumberTable, memory: NumberTable, weights: GivenWeights, *, causal: bool = False
) -> tuple[Section, NumberTable]:
    """An attention with its residual connection: the section, and what goes on. Where `memory` is x, x asks itself."""
    numbers = AttentionNumbers(
        tokens=list(x.rows),
        encodings=x.values.tolist(),
        memory=None if memory is x else GivenMemory(tokens=list(memory.rows), encodings=memory.values.tolist()),
        mask="causal" if causal else "none",
    )
    tables: list[NumberTable] = []
    made = {}
    for name, source in (("q", x), ("k", memory), ("v", memory)):
        tables += projected(name, source, numbers, weights, tail)
        made[name] = tables[-1]
    tables += shares(made["q"], made["k"], numbers, weights, tail)
    taken = Product(tables[-1], made["v"])
    context = NumberTable(f"context{tail}", x.rows, made["v"].columns, taken, "what each word takes home")
    added = NumberTable(f"r{tail}", x.rows, x.columns, Plus(context, x), "with the residual connection")
    told = "How like queries and keys are, as shares; what each word takes home is added to what it was."
    return Section(title, told, (*tables, context, added)), added


def _computed(toy: ToyTranslator, words: list[str], written: list[str]) -> np.ndarray:
    """The chances of the next words by clearhead's own attention."""

    def embedded(known: Sequence[str], embedding: object, tokens: list[str]) -> torch.Tensor:
        rows = torch.tensor(embedding, dtype=torch.float64)[[known.index(t) for t in tokens]]
        return rows + sinusoids(*rows.shape)

    def attended(
        x: torch.Tensor, memory: torch.Tensor, weights: GivenWeights, mask: Causal | None = None
    ) -> torch.Tensor:
        q, k, v = (
            (source @ torch.tensor(weight, dtype=torch.float64))[None, None]
            for source, weight in ((x, weights.q), (memory, weights.k), (memory, weights.v))
        )
        return x + Attention(q, k, v, mask=mask).context()[0, 0]

    x = embedded(toy.source, toy.source_embedding, words)
    y = embedded(toy.target, toy.target_embedding, written)
    memory = attended(x, x, toy.encoder)
    y = attended(attended(y, y, toy.decoder, Causal()), memory, toy.cross)
    scores = y @ torch.tensor(toy.output, dtype=torch.float64) + torch.tensor(toy.output_bias, dtype=torch.float64)
    chances: np.ndarray = scores.softmax(-1).numpy()
    return chances
