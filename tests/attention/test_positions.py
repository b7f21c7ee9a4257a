"""Positions: the waves by their formula, the turns by what they must keep."""

from __future__ import annotations

from math import cos, sin

import pytest
import torch

from clearhead.attention import Learned, Rotary, Sinusoidal, Where, sinusoids
from clearhead.errors import ConfigError


def test_waves_by_hand() -> None:
    # d = 4: frequencies 1 and 10000^(-2/4) = 1/100.
    wanted = [[sin(p), cos(p), sin(p / 100), cos(p / 100)] for p in range(5)]
    torch.testing.assert_close(sinusoids(5, 4), torch.tensor(wanted))
    torch.testing.assert_close(sinusoids(2, 4, start=3), torch.tensor(wanted[3:]))
    assert sinusoids(2, 3).shape == (2, 3)


def test_waves_are_added_from_the_start_and_grow_with_the_text() -> None:
    positions = Sinusoidal(6, max_len=4)
    x = torch.zeros(1, 9, 6)
    torch.testing.assert_close(positions(x)[0], sinusoids(9, 6))
    torch.testing.assert_close(positions(x[:, :2], Where.line(2, start=20))[0], sinusoids(2, 6, start=20))
    assert not list(positions.parameters()) and not positions.state_dict()


def test_learned_positions_are_a_table_with_an_end() -> None:
    positions = Learned(4, max_len=3)
    torch.testing.assert_close(positions(torch.zeros(2, 2, 4), Where.line(2, start=1))[1], positions.weight[1:])
    with pytest.raises(ConfigError, match="4 tokens are more than the 3 positions"):
        positions(torch.zeros(1, 2, 4), Where.line(2, start=2))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_tokens_have_positions_too(shape: tuple[int, int]) -> None:
    x, at = torch.zeros(*shape, 4), torch.zeros(shape, dtype=torch.long)
    for positions in (Sinusoidal(4, 8), Learned(4, 8)):
        assert positions(x).shape == positions(x, Where(at, at)).shape == x.shape


def test_a_turn_by_hand() -> None:
    # head_dim 2: one pair, frequency 1: (1, 0) at position p becomes (cos p, sin p).
    turned = Rotary(2)(Where.line(4))(torch.tensor([1.0, 0.0]).expand(1, 1, 4, 2))[0, 0]
    torch.testing.assert_close(turned, torch.tensor([[cos(p), sin(p)] for p in range(4)]))


def test_turned_similarities_depend_on_the_difference_alone() -> None:
    rotary, q, k = Rotary(8), torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def similarity(i: int, j: int) -> torch.Tensor:
        return (rotary(Where.line(1, start=i))(q) * rotary(Where.line(1, start=j))(k)).sum()

    torch.testing.assert_close(similarity(2, 5), similarity(12, 15), atol=1e-4, rtol=1e-4)
    assert not torch.isclose(similarity(2, 5), similarity(5, 2), atol=1e-3)


def test_turns_keep_lengths_and_may_start_anywhere() -> None:
    rotary, x = Rotary(6), torch.randn(2, 3, 7, 6)
    whole = rotary(Where.line(7))(x)
    torch.testing.assert_close(whole.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(rotary(Where.line(3, start=4))(x[:, :, 4:]), whole[:, :, 4:])
    torch.testing.assert_close(whole[:, :, 0], x[:, :, 0])


def test_turns_need_pairs() -> None:
    with pytest.raises(ConfigError, match="choose an even head_dim"):
        Rotary(5)
