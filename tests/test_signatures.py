"""What every test relies on: a call with other types or axes than its signature names is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import TypeCheckError
from torch import Tensor

from clearhead.attention import Attention, Dot, MultiHead, make_score

X = torch.zeros(2, 4, 6, 8)


@dataclass(frozen=True)
class Flat(Dot):
    """A score of no axes."""

    def similarities(self, q: Tensor, k: Tensor) -> Tensor:
        return super().similarities(q, k).flatten()


def test_types() -> None:
    number: Any = 3
    with pytest.raises(BeartypeCallHintViolation, match="name"):
        make_score(number, 8, 8)
    with pytest.raises(BeartypeCallHintViolation, match="n_heads"):
        MultiHead(8, "two")  # type: ignore[arg-type]


def test_axes_of_parameters() -> None:
    heads = MultiHead(8, 2)
    with pytest.raises(TypeCheckError, match="batch tokens d_model"):
        heads(torch.zeros(6, 8))
    with pytest.raises(TypeCheckError, match="memory"):
        heads(torch.zeros(2, 6, 8), torch.zeros(3, 6, 8))
    with pytest.raises(TypeCheckError, match="batch kv_heads keys k_dim"):
        Attention(X, X[0], X)
    assert heads(torch.zeros(2, 6, 8), torch.zeros(2, 3, 8)).shape == (2, 6, 8)


def test_axes_of_what_comes_back() -> None:
    with pytest.raises(TypeCheckError, match="return value"):
        Attention(X, X, X, score=Flat()).similarities()
    assert Attention(X, X, X, score=Dot()).similarities().shape == (2, 4, 6, 6)
