"""Biases by hand, and T5's buckets beside those of transformers."""

from __future__ import annotations

import pytest
import torch
from transformers.models.t5.modeling_t5 import T5Attention

from clearhead.attention import ALiBi, Attention, Causal, Grid, OfPass, Relative, Tree

CPU = torch.device("cpu")
DISTANCES = torch.arange(-300, 301)


def test_alibi_by_hand() -> None:
    """Two heads: slopes 2^-4 and 2^-8; the query at position 2 asks the keys 0 to 2."""
    found = ALiBi(2).dense(Grid(2, 3, 3, CPU))
    assert found.tolist() == [[[[-2 / 16, -1 / 16, 0.0]], [[-2 / 256, -1 / 256, 0.0]]]]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize(("buckets", "most"), [(32, 128), (8, 20), (64, 256)])
def test_buckets_are_those_of_t5(ahead: bool, buckets: int, most: int) -> None:
    wanted = T5Attention._relative_position_bucket(
        DISTANCES, bidirectional=ahead, num_buckets=buckets, max_distance=most
    )
    assert Relative(1, buckets=buckets, max_distance=most, ahead=ahead).bucket(DISTANCES).equal(wanted)


def test_relative_by_hand() -> None:
    """Four buckets: at the query, before it, behind it by one; the query at 1 asks the keys 0 to 2."""
    bias = Relative(2, buckets=4, max_distance=4)
    with torch.no_grad():
        bias.weight.copy_(torch.tensor([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0], [3.0, 13.0]]))
    assert bias.dense(Grid(1, 2, 3, CPU)).tolist() == [[[[1.0, 0.0, 3.0]], [[11.0, 10.0, 13.0]]]]


@pytest.mark.parametrize("bias", [ALiBi(2), Relative(2, buckets=6, max_distance=4, ahead=False)], ids=["alibi", "t5"])
def test_in_a_tree_a_token_stands_where_it_stands_in_its_text(bias: ALiBi | Relative) -> None:
    """a grows b and c, c grows d and e: both newest tokens stand at 2, their ancestors a and c at 0 and 1."""
    tree = Tree.root(1).grown(torch.tensor([[0, 0]])).grown(torch.tensor([[1, 1]]))
    found = OfPass(bias, tree).dense(Grid(3, 5, 5, CPU))
    line = bias.dense(Grid(2, 3, 3, CPU))
    assert found[..., [0, 2, 4]].equal(line.expand(-1, -1, 2, -1))
    assert found[..., 1].equal(found[..., 2]) and found[..., 3].equal(found[..., 4])
    assert OfPass(bias, tree).dense(Grid(4, 5, 5, CPU)).equal(found[:, :, 1:])


def test_a_pass_makes_it_once() -> None:
    bias = Relative(2)
    once = OfPass(bias)
    grid = Grid(0, 4, 4, CPU)
    assert once.dense(grid) is not once.dense(grid)  # with gradients
    with torch.no_grad():
        assert once.dense(grid) is once.dense(grid)
        bias.weight.add_(1.0)
    assert not OfPass(bias).dense(grid).equal(once.dense(grid))


def test_what_is_kept_stays() -> None:
    """An optimizer step later changes nothing of what was seen."""
    bias, x = Relative(1), torch.randn(1, 1, 4, 2)
    act = Attention(x, x, x, mask=Causal(), bias=OfPass(bias)).kept(grad=False)
    before = act.weights()
    with torch.no_grad():
        bias.weight[0] += 3.0
    assert act.weights().equal(before)
    assert not any(w.requires_grad for w in act.bias.bias.parameters())  # type: ignore[union-attr]
