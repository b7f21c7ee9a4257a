"""MultiHead against torch's own, and what it does besides."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from clearhead.attention import (
    Bilinear,
    Cache,
    Causal,
    Mask,
    Matrix,
    MemoryCache,
    MultiHead,
    Padding,
    Rotary,
    Sinusoidal,
    Where,
)
from clearhead.errors import ConfigError

LENGTHS = torch.tensor([5, 3])


def pair(memory_dim: int = 8, bias: bool = True) -> tuple[MultiHead, nn.MultiheadAttention]:
    """Ours and torch's with the same numbers."""
    ours = MultiHead(8, 2, memory_dim=memory_dim, projections_bias=bias)
    theirs = nn.MultiheadAttention(8, 2, kdim=memory_dim, vdim=memory_dim, bias=bias, batch_first=True)
    parts = [ours.q_proj, ours.k_proj, ours.v_proj]
    with torch.no_grad():
        for p in ours.parameters():
            p.normal_(std=0.5)
        if theirs.in_proj_weight is None:
            for name, part in zip("qkv", parts, strict=True):
                getattr(theirs, f"{name}_proj_weight").copy_(part.weight)
        else:
            theirs.in_proj_weight.copy_(torch.cat([p.weight for p in parts]))
        assert ours.o_proj is not None
        theirs.out_proj.weight.copy_(ours.o_proj.weight)
        if bias:
            theirs.in_proj_bias.copy_(torch.cat([p.bias for p in parts]))
            theirs.out_proj.bias.copy_(ours.o_proj.bias)
    return ours, theirs


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masked", ["nothing", "causal", "padding"])
@pytest.mark.parametrize("memory_dim", [None, 8, 6])
def test_torch_gives_the_same(memory_dim: int | None, masked: str, bias: bool) -> None:
    ours, theirs = pair(memory_dim or 8, bias)
    x = torch.randn(2, 5, 8, requires_grad=True)
    memory = None if memory_dim is None else torch.randn(2, 5, memory_dim)
    mask: Mask | None = {"nothing": None, "causal": Causal(), "padding": Padding(LENGTHS)}[masked]
    not_allowed = torch.ones(5, 5).triu(1).bool() if masked == "causal" else None  # theirs: True = may not
    padded = (torch.arange(5) >= LENGTHS[:, None]) if masked == "padding" else None
    source = x if memory is None else memory
    wanted, _ = theirs(x, source, source, attn_mask=not_allowed, key_padding_mask=padded, need_weights=False)
    found = ours(x, memory, mask=mask)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
    one, other = (torch.autograd.grad(out.square().sum(), x)[0] for out in (found, wanted))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_grouped_heads_are_whole_heads_with_shared_keys() -> None:
    grouped, whole = MultiHead(8, 4, n_kv_heads=2), MultiHead(8, 4)
    state = grouped.state_dict()
    for name in ("k_proj.weight", "k_proj.bias", "v_proj.weight", "v_proj.bias"):
        state[name] = state[name].unflatten(0, (2, 2)).repeat_interleave(2, 0).flatten(0, 1)
    whole.load_state_dict(state)
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(grouped(x, mask=Causal()), whole(x, mask=Causal()))


def test_sizes_are_free() -> None:
    heads = MultiHead(8, 2, head_dim=3, v_head_dim=5, memory_dim=6)
    assert heads(torch.randn(2, 4, 8), torch.randn(2, 7, 6)).shape == (2, 4, 8)
    side_by_side = MultiHead(8, 2, v_head_dim=5, o_proj=False)
    assert side_by_side(torch.randn(2, 4, 8)).shape == (2, 4, 10)
    assert not [name for name in side_by_side.state_dict() if "o_proj" in name]
    assert "score.weight" in MultiHead(8, 2, score=Bilinear(4, 4)).state_dict()


@torch.no_grad()
def test_without_positions_order_means_nothing() -> None:
    heads, x, order = MultiHead(8, 2), torch.randn(1, 6, 8), torch.randperm(6)
    torch.testing.assert_close(heads(x[:, order]), heads(x)[:, order])
    torch.testing.assert_close(heads(x, x[:, order]), heads(x, x))
    positions = Sinusoidal(8, 6)
    assert not torch.allclose(heads(positions(x[:, order])), heads(positions(x))[:, order])
    turns = Rotary(4)(Where.line(6))
    assert not torch.allclose(heads(x[:, order], rotation=turns), heads(x, rotation=turns)[:, order])


@torch.no_grad()
def test_a_memory_is_projected_once() -> None:
    heads, x, memory = MultiHead(8, 2), torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    mask, cache = Padding(LENGTHS), MemoryCache()
    wanted = heads(x, memory, mask=mask)
    torch.testing.assert_close(heads(x[:, :1], memory, mask=mask, cache=cache), wanted[:, :1])
    torch.testing.assert_close(heads(x[:, 1:], memory.new_zeros(2, 5, 8), mask=mask, cache=cache), wanted[:, 1:])


@torch.no_grad()
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_cached_is_uncached(chunk: int) -> None:
    heads, rotary, x = MultiHead(8, 4, n_kv_heads=2), Rotary(2), torch.randn(2, 10, 8)
    mask, cache = Causal() & Matrix(torch.rand(10, 10) > 0.3), Cache()
    turns = [rotary(Where.line(chunk, start=i)) for i in range(0, 10, chunk)]
    steps = [
        heads(part, mask=mask, rotation=turn, cache=cache) for part, turn in zip(x.split(chunk, 1), turns, strict=True)
    ]
    torch.testing.assert_close(torch.cat(steps, 1), heads(x, mask=mask, rotation=rotary(Where.line(10))))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"d_model": 10, "n_heads": 4}, "choose 1, 2, 5, 10 heads, or give head_dim"),
        ({"d_model": 12, "n_heads": 6, "n_kv_heads": 4}, "choose 1, 2, 3, 6 key/value heads"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MultiHead(**sizes)  # type: ignore[arg-type]
