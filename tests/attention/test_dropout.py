"""Dropout: the right share is zeroed, the rest grows, nothing happens outside of training."""

from __future__ import annotations

import pytest
import torch

from clearhead.attention.dropout import add_dropped, dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_share_p_is_zeroed_and_the_rest_scaled(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(1000, 1003, dtype=dtype)  # 1,003,000 draws: five standard deviations of the share are 5e-4 * 5
    y = dropout(x, p)
    assert abs((y == 0).double().mean().item() - p) < 2.5e-3
    assert set(y.float().unique().tolist()) == {0.0, torch.tensor(1 / (1 - p), dtype=dtype).float().item()}


def test_all_four_entries_of_a_draw_are_independent() -> None:
    torch.manual_seed(0)
    zero = (dropout(torch.ones(250_000, 4), 0.5) == 0).double()
    assert (zero.mean(0) - 0.5).abs().max() < 5e-3  # sd of each mean: 0.001
    assert (zero.T.cov() - 0.25 * torch.eye(4)).abs().max() < 5e-3


def test_the_gradient_passes_where_the_value_did() -> None:
    x = torch.randn(7, 5, requires_grad=True)
    y = dropout(x, 0.5)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.where(y == 0, 0.0, 2.0))


@pytest.mark.parametrize("rows", [7, 7000])
def test_added_to_a_residual_it_is_the_same(rows: int) -> None:
    x, part = torch.randn(rows, 5), torch.randn(rows, 5)
    torch.manual_seed(0)
    wanted = x + dropout(part, 0.3)
    torch.manual_seed(0)
    torch.testing.assert_close(add_dropped(x, part, 0.3), wanted)
    assert add_dropped(x, part, 0.3, training=False).equal(x + part)


@pytest.mark.parametrize("p", [1e-6, 1 - 1e-6])
def test_a_share_next_to_nothing_or_everything(p: float) -> None:
    y = dropout(torch.ones(300, 300), p)
    assert abs((y == 0).double().mean().item() - p) < 1e-3


@pytest.mark.parametrize("rows", [3, 3000])  # both ways to draw
def test_it_is_the_identity_in_evaluation_and_for_p_zero_and_repeats_with_the_seed(rows: int) -> None:
    x = torch.randn(rows, 9)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0) is x
    torch.manual_seed(3)
    first = dropout(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x, 0.5))
    assert not torch.equal(first, dropout(x, 0.5))


def test_no_entries() -> None:
    assert dropout(torch.empty(0, 3), 0.1).shape == (0, 3)
