"""A word in two sentences: one vector at the embedding, two different ones after every layer that has looked around."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from statistics import mean
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clearhead.insight.findings import Chart, Curve, Findings, Table
from clearhead.studies.small import made, sample
from clearhead.tasks.translator import Translator

__all__ = ["run"]

_STEPS, _TRAIN, _SENTENCES, _LAYERS, _SEED = 500, 8000, 200, 3, 0
_EXAMPLE = ("The old dog sees the red house.", "The red car is near the school.", "red")


@torch.no_grad()
def run(say: Callable[[str], None]) -> Findings:
    """Cosine distances between the states of one word in two sentences, and of two words in one, layer by layer."""
    say("training a translator")
    with torch.enable_grad():
        arch = {"d_model": 64, "d_ff": 128, "heads": 4, "layers": _LAYERS, "positions": "none"}
        model = made(arch, sample("train", _TRAIN), seed=_SEED, steps=_STEPS).model
    say("looking")
    states = [_states(model, source) for source, _ in sample("test", _SENTENCES)]
    same, other = _distances(states)
    one, two = (_states(model, text) for text in _EXAMPLE[:2])
    pair = [float(_far(one[1][layer][_at(one, 2)], two[1][layer][_at(two, 2)])) for layer in range(_LAYERS + 1)]
    names = ["embedding", *(f"layer {i}" for i in range(1, _LAYERS + 1))]
    table = Table(
        "Cosine distance of two states (0: the same direction, 1: at right angles)",
        [
            "after",
            f'"{_EXAMPLE[2]}" in the two sentences',
            "one word, two sentences (mean)",
            "two words, one sentence (mean)",
        ],
        [list(row) for row in zip(names, pair, same, other, strict=True)],
    )
    return Findings(
        "context",
        "When does a word become the word of its sentence?",
        f"the encoder of an English-Spanish translator ({_LAYERS} + {_LAYERS} layers of d_model 64, {_STEPS} steps, "
        f"seed {_SEED}, no positions, so that only the words around differ); "
        f'"{_EXAMPLE[0]}" and "{_EXAMPLE[1]}", and all words that stand in several of {_SENTENCES} test sentences',
        [table],
        [
            Chart(
                "The same word moves apart",
                "after",
                "cosine distance",
                [
                    Curve(f'"{_EXAMPLE[2]}" in the two sentences', names, pair),
                    Curve("one word, two sentences (mean)", names, same),
                ],
            ),
            Chart(
                "Two words of one sentence, on a scale of their own",
                "after",
                "cosine distance",
                [Curve("two words, one sentence (mean)", names, other)],
            ),
        ],
        [
            f'At the embedding "{_EXAMPLE[2]}" is one vector (distance {abs(pair[0]):.2f}), after {_LAYERS} layers its '
            f"two states are {pair[-1]:.2f} apart.",
            f"Over all words: one word in two sentences {same[0]:.2f} at the embedding, {same[-1]:.2f} at the end; "
            f"two words of one sentence {other[0]:.2f} and {other[-1]:.2f}: "
            + ("still farther apart." if other[-1] > same[-1] else "by then nearer than one word in two sentences."),
        ],
    )


def _states(model: Translator, text: str) -> tuple[list[str], list[Tensor]]:
    """(tokens, their states [tokens, d_model] at the embedding and after each layer)."""
    trace = model.trace(text, ".")  # the encoder does not read the target: none needs to be written
    found: list[Any] = [
        trace["encoder.embedded"],
        *(trace[p] for p in trace.find("resid_out") if p.startswith("encoder")),
    ]
    return [token.strip() for token in trace.labels["source"]], [state[0] for state in found]


def _distances(states: list[tuple[list[str], list[Tensor]]]) -> tuple[list[float], list[float]]:
    """For each layer: mean distance of a word to itself in the next sentence with it, and to the word after it."""
    seen: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, (tokens, _) in enumerate(states):
        for place, token in enumerate(tokens):
            if token.isalpha():
                seen[token].append((number, place))
    twice = [both for places in seen.values() for both in itertools.pairwise(places) if both[0][0] != both[1][0]]
    beside = [
        (n, p) for n, (tokens, _) in enumerate(states) for p in range(len(tokens) - 2) if tokens[p] != tokens[p + 1]
    ]
    same, other = [], []
    for layer in range(_LAYERS + 1):
        same.append(mean(float(_far(states[a][1][layer][i], states[b][1][layer][j])) for (a, i), (b, j) in twice))
        other.append(mean(float(_far(states[n][1][layer][p], states[n][1][layer][p + 1])) for n, p in beside))
    return same, other


def _far(x: Tensor, y: Tensor) -> Tensor:
    return (1 - F.cosine_similarity(x, y, dim=-1)).clamp(min=0)  # equal vectors: not a rounding error below


def _at(states: tuple[list[str], list[Tensor]], word: int) -> int:
    return states[0].index(_EXAMPLE[word])
