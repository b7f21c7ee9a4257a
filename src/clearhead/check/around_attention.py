"""Exercises of the bricks around attention: positions, norm, feed-forward.

Axes: tokens, d_model, d_ff.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clearhead.attention import sinusoids
from clearhead.check.cases import POEM, WIDE, X, matrix, table
from clearhead.check.exercise import Case, exercise
from clearhead.check.learner_models import feed_forward_of, feed_forward_tables, norm_of, norm_tables
from clearhead.worksheet.operations import Waves
from clearhead.worksheet.tables import NumberTable

__all__ = ["feed_forward", "layer_norm", "sinusoidal_positions"]


def _angles(n: int, d_model: int, *, first: int = 0, step: int = 2) -> Tensor:
    """p / 10000^(i/d), one column a pair (or a number)."""
    p = torch.arange(first, first + n)[:, None]
    return p / 10000.0 ** (torch.arange(0, d_model, step) / d_model)


def _in_turns(angles: Tensor) -> Tensor:
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _by_column(angles: Tensor) -> Tensor:
    return torch.stack([a.cos() if i % 2 else a.sin() for i, a in enumerate(angles.T)], dim=1)


def _waves(case: Case) -> list[NumberTable]:
    n, width = case.args
    labels = tuple(f"position {p}" for p in range(n))
    return [NumberTable("positions", labels, tuple(str(c) for c in range(1, width + 1)), Waves(n, width))]


@exercise(
    "tokens d_model",
    [Case("three tokens, two numbers", (3, 2), POEM), Case("four tokens, four numbers", (4, 4), tuple("1234"))],
    _waves,
    {
        "with cosine first; sine comes first": lambda n, d: torch.stack(
            [_angles(n, d).cos(), _angles(n, d).sin()], dim=-1
        ).flatten(1),
        "of all sines, then all cosines; they stand in turns": lambda n, d: torch.cat(
            [_angles(n, d).sin(), _angles(n, d).cos()], dim=1
        ),
        "of positions that count from 1; the first is 0": lambda n, d: _in_turns(_angles(n, d, first=1)),
        "with a frequency for each number; a sine and its cosine share one": lambda n, d: _by_column(
            _angles(n, d, step=1)
        ),
    },
)
def sinusoidal_positions(n: int, d_model: int) -> Tensor:
    """Where each token stands: sin(p / 10000^(2i/d)) and the cosine of the same, in turns (Vaswani et al., 2017).

    Shapes: n a number of tokens, d_model even -> [tokens, d_model].
    """
    return sinusoids(n, d_model)


_SCALE, _SHIFT = torch.tensor([1.0, 2.0, 0.5, -1.0]), torch.tensor([0.0, 1.0, -1.0, 0.5])


def _normed(x: Tensor, w: Tensor, b: Tensor, eps: float, *, axis: int = -1, unbiased: bool = False) -> Tensor:
    """Layer norm as usual mistakes do it: down the columns, or with another variance."""
    variance = x.var(axis, keepdim=True, unbiased=unbiased)
    return (x - x.mean(axis, keepdim=True)) / (variance + eps).sqrt() * w + b


@exercise(
    "tokens d_model",
    [
        Case("a scale of 1, a shift of 0", (WIDE, torch.ones(4), torch.zeros(4), 1e-5), POEM),
        Case("with scale and shift", (WIDE, _SCALE, _SHIFT, 1e-5), POEM),
        Case("a large eps", (WIDE, _SCALE, _SHIFT, 1.0), POEM),
    ],
    lambda case: norm_tables("norm", table("x", case.tokens, case.args[0]), *case.args[1:]),
    {
        "with mean and variance down the columns; each token is normed by itself": lambda x, w, b, eps: _normed(
            x, w, b, eps, axis=0
        ),
        "with the variance over d_model - 1; here it is over d_model": lambda x, w, b, eps: _normed(
            x, w, b, eps, unbiased=True
        ),
        "over the variance; take its root": lambda x, w, b, eps: (
            (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + eps) * w + b
        ),
        "without the mean taken away": lambda x, w, b, eps: (
            x / (x.var(-1, keepdim=True, unbiased=False) + eps).sqrt() * w + b
        ),
        "without scale and shift": lambda x, w, b, eps: _normed(x, torch.ones_like(w), torch.zeros_like(b), eps),
        "with eps outside the root; it stands beside the variance": lambda x, w, b, eps: (
            (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True, unbiased=False) + eps) * w + b
        ),
        "without the eps that was given": lambda x, w, b, eps: _normed(x, w, b, 0.0),
    },
)
def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Each token less its mean, over its spread, scaled and shifted: (x - mean) / √(variance + eps) * weight + bias
    (Ba et al., 2016).

    Shapes: x [tokens, d_model], weight and bias [d_model], eps a number -> [tokens, d_model].
    """
    return norm_of(weight, bias, eps)(x)


_UP, _DOWN = matrix(4, 3, 2), matrix(3, 4, 7)
_B_UP, _B_DOWN = torch.tensor([0.5, -0.5, 1.0]), torch.tensor([1.0, 0.0, -1.0, 0.25])


@exercise(
    "tokens d_model",
    [
        Case("four numbers, three between", (WIDE, _UP, _B_UP, _DOWN, _B_DOWN), POEM),
        Case("the poem", (X, matrix(2, 4, 1), torch.ones(4), matrix(4, 2, 2), torch.tensor([0.5, -1.0])), POEM),
    ],
    lambda case: feed_forward_tables(table("x", case.tokens, case.args[0]), *case.args[1:]),
    {
        "without the relu": lambda x, w_up, b_up, w_down, b_down: (x @ w_up + b_up) @ w_down + b_down,
        "with a relu at the end too": lambda x, w_up, b_up, w_down, b_down: (
            ((x @ w_up + b_up).relu() @ w_down) + b_down
        ).relu(),
        "with the relu at the end; it stands between": lambda x, w_up, b_up, w_down, b_down: (
            (x @ w_up + b_up) @ w_down + b_down
        ).relu(),
        "with the relu before the bias": lambda x, w_up, b_up, w_down, b_down: (
            ((x @ w_up).relu() + b_up) @ w_down + b_down
        ),
        "without the biases": lambda x, w_up, b_up, w_down, b_down: (x @ w_up).relu() @ w_down,
    },
)
def feed_forward(x: Tensor, w_up: Tensor, b_up: Tensor, w_down: Tensor, b_down: Tensor) -> Tensor:
    """Two projections with a bend between them, for each token alone: relu(x W_up + b_up) W_down + b_down
    (Vaswani et al., 2017).

    Shapes: x [tokens, d_model], w_up [d_model, d_ff], b_up [d_ff], w_down [d_ff, d_model], b_down [d_model] ->
    [tokens, d_model].
    """
    return feed_forward_of(w_up, b_up, w_down, b_down)(x[None])[0]
