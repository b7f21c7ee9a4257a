"""Built-in numbers for worksheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clearhead.data.numbers import AttentionNumbers, GivenWeights

__all__ = ["TRANSLATOR", "WORKSHEETS", "ToyTranslator"]

Rows = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class ToyTranslator:
    """Words and weights of a translator that is small enough for paper: [words, 2], [2, 2], [2, words]."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    source_embedding: Rows
    target_embedding: Rows
    encoder: GivenWeights
    decoder: GivenWeights
    cross: GivenWeights
    output: Rows
    output_bias: tuple[float, ...]


def _poem(masked: bool) -> AttentionNumbers:
    return AttentionNumbers(
        title="Write a poem: masked self-attention" if masked else "Write a poem: self-attention",
        tokens=["Write", "a", "poem"],
        encodings=[[1.16, 0.23], [0.57, 1.36], [4.41, -2.16]],
        weights=GivenWeights(seed=42),
        mask="causal" if masked else "none",
    )


def _car() -> AttentionNumbers:
    return AttentionNumbers(
        title="The car is red: values weighed by given percentages",
        tokens=["The", "car", "is", "red"],
        percentages=[[0.7, 0.2, 0.05, 0.05], [0.1, 0.5, 0.1, 0.3], [0.05, 0.45, 0.3, 0.2], [0.0, 0.6, 0.1, 0.3]],
        v=[[0.1, 0.0, 0.2], [1.0, -0.5, 2.0], [0.0, 0.3, 0.1], [-1.0, 2.0, 0.5]],
    )


def _two_heads() -> AttentionNumbers:
    return AttentionNumbers(
        title="Seven tokens through two heads, and their concatenation",
        tokens=["the", "cat", "sat", "on", "the", "red", "mat"],
        encodings=[
            [0.2, 0.1, -0.1, 0.0],
            [1.3, -0.4, 0.9, 0.5],
            [-0.6, 1.1, 0.4, -0.8],
            [0.0, 0.3, -0.2, 0.1],
            [0.2, 0.1, -0.1, 0.0],
            [0.7, 0.9, -1.2, 0.6],
            [1.1, -0.7, 0.8, 0.2],
        ],
        positions=True,
        weights=GivenWeights(seed=7),
        heads=2,
    )


WORKSHEETS: dict[str, Callable[[], AttentionNumbers]] = {
    "poem": lambda: _poem(masked=False),
    "poem-masked": lambda: _poem(masked=True),
    "car": _car,
    "two-heads": _two_heads,
}

# Trained on "let's go" and "to go", then rounded to what fits on paper; it still translates both.
TRANSLATOR = ToyTranslator(
    source=("let's", "to", "go", "<EOS>"),
    target=("ir", "vamos", "y", "<EOS>"),
    source_embedding=((0.94, 0.6), (-1.3, 0.24), (1.21, -1.99), (0.0, 0.0)),
    target_embedding=((-0.48, 0.26), (-0.28, 0.73), (0.0, 0.0), (0.46, -1.26)),
    encoder=GivenWeights(
        q=[[0.18, -0.08], [-0.81, 0.34]], k=[[-0.38, 0.16], [0.74, -0.31]], v=[[0.41, -1.2], [0.97, 1.51]]
    ),
    decoder=GivenWeights(
        q=[[0.44, 1.68], [-2.97, -0.11]], k=[[-1.43, -0.75], [-0.74, 1.52]], v=[[-0.03, -0.16], [-0.59, 0.16]]
    ),
    cross=GivenWeights(
        q=[[-0.24, 0.49], [0.32, -0.63]], k=[[0.26, -0.51], [0.3, -0.6]], v=[[-1.94, 0.43], [0.04, 1.33]]
    ),
    output=((1.53, -0.68, 0.43, -0.9), (-0.61, -0.94, 0.36, 1.11)),
    output_bias=(-0.03, 0.34, -0.23, -0.04),
)
