"""Scores: every formula by hand, one query and one key at a time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clearhead.attention import Additive, Bilinear, Cosine, Dot, ScaledDot, Score
from clearhead.errors import ConfigError

torch.manual_seed(0)
BILINEAR, ADDITIVE = Bilinear(4, 4), Additive(4, 4, 5)
FORMULAS: list[tuple[Score, Callable[[Tensor, Tensor], Tensor]]] = [
    (Dot(), lambda q, k: q @ k),
    (ScaledDot(), lambda q, k: q @ k / 2),
    (Cosine(), lambda q, k: q @ k / (q.norm() * k.norm())),
    (Cosine(0.1), lambda q, k: 10 * q @ k / (q.norm() * k.norm())),
    (BILINEAR, lambda q, k: q @ BILINEAR.weight @ k),
    (ADDITIVE, lambda q, k: (q @ ADDITIVE.q_weight + k @ ADDITIVE.k_weight).tanh() @ ADDITIVE.v_weight[:, 0]),
]


@pytest.mark.parametrize(("score", "formula"), FORMULAS, ids=lambda x: type(x).__name__)
def test_formulas(score: Score, formula: Callable[[Tensor, Tensor], Tensor]) -> None:
    q, k = torch.randn(2, 4, 3, 4), torch.randn(2, 2, 5, 4)  # two heads ask each key head
    found = score.similarities(q, k) * score.scale(4)
    assert found.shape == (2, 4, 3, 5)
    for b, h, i, j in [(0, 0, 0, 0), (1, 1, 2, 4), (0, 2, 1, 3), (1, 3, 0, 2)]:
        torch.testing.assert_close(found[b, h, i, j], formula(q[b, h, i], k[b, h // 2, j]))


@pytest.mark.parametrize("score", [Bilinear(4, 3), Additive(4, 3, 5)], ids=lambda x: type(x).__name__)
def test_widths_may_differ_where_a_matrix_stands_between(score: Score) -> None:
    assert score.similarities(torch.randn(1, 1, 2, 4), torch.randn(1, 1, 5, 3)).shape == (1, 1, 2, 5)


@pytest.mark.parametrize("score", [Dot(), ScaledDot(), Cosine()])
def test_widths_must_agree_elsewhere(score: Score) -> None:
    with pytest.raises(ConfigError, match="queries have 4, keys 3"):
        score.similarities(torch.randn(1, 1, 2, 4), torch.randn(1, 1, 5, 3))


def test_only_the_additive_score_is_no_dot_product() -> None:
    q, k = torch.randn(1, 1, 2, 4), torch.randn(1, 1, 5, 4)
    assert [score.fold(q, k) is None for score, _ in FORMULAS] == [False, False, False, False, False, True]
    assert [score.cost(q, k) for score, _ in FORMULAS] == [1, 1, 1, 1, 1, 5]


@pytest.mark.parametrize("score", [Bilinear(4, 4), Additive(4, 4, 5)], ids=lambda x: type(x).__name__)
def test_a_kept_score_is_a_copy(score: Score) -> None:
    q, k = torch.randn(1, 1, 2, 4), torch.randn(1, 1, 5, 4)
    kept, before = score.kept(), score.similarities(q, k).detach()
    with torch.no_grad():
        next(iter(score.parameters())).zero_()  # type: ignore[attr-defined]
    torch.testing.assert_close(kept.similarities(q, k), before)
    assert not kept.similarities(q, k).requires_grad and not torch.allclose(score.similarities(q, k), before)
