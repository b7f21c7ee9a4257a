"""What attention knows of the order of words: nothing, unless positions or a causal mask tell it.

without positions: permute the words, and the outputs are permuted, no more      (permutation equivariance)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from clearhead.attention import Causal, Mask, Relative
from clearhead.insight.findings import Chart, Curve, Findings, Table
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.bricks import AttentionConfig, FeedForwardConfig, PositionsConfig
from clearhead.models.stack import Stack

__all__ = ["run"]

_SENTENCE = ("Tom", "ate", "pizza")
_KINDS = ("none", "sinusoidal", "learned", "rotary", "alibi", "relative")
_SEED = 0


@torch.no_grad()
def run(say: Callable[[str], None]) -> Findings:
    """How far each word's output moves when the sentence is turned round, for each kind of positions and mask."""
    torch.manual_seed(_SEED)
    words = torch.randn(1, 3, 64, dtype=torch.float64)
    rows: list[list[Any]] = []
    for kind in _KINDS:
        for name, mask in (("everywhere", None), ("backwards only (causal)", Causal())):
            say(f"positions {kind}, looking {name}")
            moved = _moved(kind, words, mask)
            rows.append([kind, name, *moved, "no" if max(moved) < 1e-9 else "yes"])
    turned = " ".join(reversed(_SENTENCE))
    table = Table(
        f'How far the output of a word moves from "{" ".join(_SENTENCE)}" to "{turned}" (distance over its length)',
        ["positions", "words look", *_SENTENCE, "is order known?"],
        rows,
    )
    charts = [
        Chart(
            f"Words look {name}",
            "positions",
            "distance moved / length of the output",
            [
                Curve(word, list(_KINDS), [row[2 + i] for row in rows if row[1] == name])
                for i, word in enumerate(_SENTENCE)
            ],
            form="bars",
        )
        for name in ("everywhere", "backwards only (causal)")
    ]
    blind = [row[0] for row in rows if row[1] == "everywhere" and row[-1] == "no"]
    seeing = [row[0] for row in rows if row[1] == "everywhere" and row[-1] == "yes"]
    causal = [row[0] for row in rows if row[1] != "everywhere" and row[-1] == "yes"]
    answers = [
        f"Words that look everywhere: with positions {_and(blind)} every word's output is the same in both "
        "sentences (to "
        f"{_largest(rows):.0e}): a bag of words. Positions {_and(seeing)} tell the two apart.",
        f"Under a causal mask {_and(causal)} tell them apart: the mask alone shows the first word one word and the "
        "last one three.",
    ]
    if "alibi" in blind:
        answers.append(
            "ALiBi knows how far words are from each other and not on which side: a sentence turned round is the same "
            "to it, until a causal mask says which side is meant."
        )
    return Findings(
        "order",
        f'Does attention know "{" ".join(_SENTENCE)}" from "{turned}"?',
        f"two blocks of d_model 64 and 4 heads with random weights (seed {_SEED}), float64, no training",
        [table],
        charts,
        answers,
    )


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _moved(kind: str, words: torch.Tensor, mask: Mask | None) -> list[float]:
    torch.manual_seed(_SEED)
    config = EncoderDecoderConfig(
        d_model=64,
        attention=AttentionConfig(heads=4),
        feed_forward=FeedForwardConfig(d_ff=128),
        layers=2,
        max_len=8,
        positions=PositionsConfig(kind=kind),
    )
    stack = Stack(config, 2, cross=False).double().eval()
    if isinstance(stack.bias, Relative):
        torch.nn.init.normal_(stack.bias.weight)  # a trained table is not all zeros
    before, after = stack(words, mask=mask)[0], stack(words.flip(1), mask=mask)[0].flip(0)
    return [float((a - b).norm() / b.norm()) for a, b in zip(after, before, strict=True)]


def _largest(rows: list[list[Any]]) -> float:
    return max(max(row[2:5]) for row in rows if row[-1] == "no")
