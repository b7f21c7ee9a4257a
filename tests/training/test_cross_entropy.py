"""The loss over a vocabulary beside PyTorch's, in value and gradients."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from clearhead.training import cross_entropy as module
from clearhead.training.cross_entropy import cross_entropy, perplexity


def both(dtype: torch.dtype, smoothing: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """(loss, two gradients) of ours, and of PyTorch's in float64."""
    torch.manual_seed(0)
    x, weight = torch.randn(50, 16).to(dtype).requires_grad_(), torch.randn(33, 16).to(dtype).requires_grad_()
    labels = torch.randint(0, 33, (50,))
    ours = cross_entropy(x, weight, labels, smoothing)
    theirs = F.cross_entropy(x.double() @ weight.double().T, labels, label_smoothing=smoothing, reduction="sum")
    return [ours, *torch.autograd.grad(3 * ours, (x, weight))], [theirs, *torch.autograd.grad(3 * theirs, (x, weight))]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("block", [2**25, 33 * 7])
@pytest.mark.parametrize("columns", [2**13, 5])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-6), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_equal_to_torch(
    smoothing: float, block: int, columns: int, dtype: torch.dtype, error: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_COLUMNS", columns)
    for ours, theirs in zip(*both(dtype, smoothing), strict=True):
        assert (ours.double() - theirs).norm() / theirs.norm() < error


def test_the_loss_stays_precise_in_bfloat16() -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(2000, 64).bfloat16(), (0.3 * torch.randn(500, 64)).bfloat16()
    labels = torch.randint(0, 500, (2000,))
    wanted = F.cross_entropy(x.double() @ weight.double().T, labels, label_smoothing=0.1)
    assert abs(cross_entropy(x, weight, labels, 0.1) / 2000 - wanted) < 1e-3


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("far", [80.0, 100.0, 1000.0])
def test_a_label_held_impossible_costs_what_it_costs(dtype: torch.dtype, far: float) -> None:
    """Logits of far and 0: the loss of the other is log(1 + e^far), which is far."""
    x, weight = torch.ones(3, 1, dtype=dtype).requires_grad_(), torch.tensor([[far], [0.0]], dtype=dtype)
    loss = cross_entropy(x, weight, torch.tensor([1, 0, 1]))
    assert loss.item() == pytest.approx(2 * float(weight[0]), rel=1e-5 if dtype.itemsize > 2 else 1e-3)
    assert torch.autograd.grad(loss, x)[0].flatten().tolist() == [weight[0], 0.0, weight[0]]
    capped = cross_entropy(x, weight, torch.tensor([1, 0, 1]), cap=500.0)
    assert capped.item() == pytest.approx(2 * 500 * math.tanh(float(weight[0]) / 500), rel=4e-3)


def test_no_tokens_cost_nothing() -> None:
    x, weight = torch.ones(0, 3).requires_grad_(), torch.ones(4, 3).requires_grad_()
    loss = cross_entropy(x, weight, torch.zeros(0, dtype=torch.long), 0.1)
    assert loss.item() == 0.0 and not torch.autograd.grad(loss, weight)[0].any()


def test_perplexity_has_no_end() -> None:
    assert perplexity(math.log(7)) == pytest.approx(7)
    assert perplexity(800.0) == math.inf and math.isnan(perplexity(math.nan))


def test_without_gradients_only_the_loss() -> None:
    with torch.no_grad():
        loss = cross_entropy(torch.randn(4, 3), torch.randn(5, 3), torch.tensor([0, 1, 2, 3]))
    assert not loss.requires_grad
    with pytest.raises(RuntimeError):
        loss.backward()
