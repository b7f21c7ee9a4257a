"""Built-in numbers for worksheets."""

from __future__ import annotations

from collections.abc import Callable

from clearhead.data.numbers import AttentionNumbers, Weights

__all__ = ["WORKSHEETS"]


def _poem(masked: bool) -> AttentionNumbers:
    return AttentionNumbers(
        title="Write a poem: masked self-attention" if masked else "Write a poem: self-attention",
        tokens=["Write", "a", "poem"],
        encodings=[[1.16, 0.23], [0.57, 1.36], [4.41, -2.16]],
        weights=Weights(seed=42),
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
        weights=Weights(seed=7),
        heads=2,
    )


WORKSHEETS: dict[str, Callable[[], AttentionNumbers]] = {
    "poem": lambda: _poem(masked=False),
    "poem-masked": lambda: _poem(masked=True),
    "car": _car,
    "two-heads": _two_heads,
}
