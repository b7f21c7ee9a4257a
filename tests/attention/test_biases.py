"""Biases by hand, and T5's buckets beside those of transformers."""

from __future__ import annotations

import pytest
import torch

from clearhead.attention import ALiBi, Attention, Causal, Relative, Where
from clearhead.generation.branches import Branches

DISTANCES = torch.arange(-300, 301)


def test_alibi_by_hand() -> None:
    """Two heads: slopes 2^-4 and 2^-8; the query at position 2 asks the keys 0 to 2."""
    found = ALiBi(2).dense(Where.line(1, start=2))
    assert found.tolist() == [[[[-2 / 16, -1 / 16, 0.0]], [[-2 / 256, -1 / 256, 0.0]]]]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize(("buckets", "most"), [(32, 128), (8, 20), (64, 256)])
def test_buckets_are_those_of_t5(ahead: bool, buckets: int, most: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention  # takes seconds

    wanted = T5Attention._relative_position_bucket(
        DISTANCES, bidirectional=ahead, num_buckets=buckets, max_distance=most
    )
    assert Relative(1, buckets=buckets, max_distance=most, ahead=ahead).bucket(DISTANCES).equal(wanted)


def test_relative_by_hand() -> None:
    """Four buckets: at the query, before it, after it by one; the query at 1 asks the keys 0 to 2."""
    bias = Relative(2, buckets=4, max_distance=4)
    with torch.no_grad():
        bias.weight.copy_(torch.tensor([[0.0, 10.0], [1.0, 11.0], [2.0, 12.0], [3.0, 13.0]]))
    assert bias.dense(Where.across(2, 3).of(slice(1, 2))).tolist() == [[[[1.0, 0.0, 3.0]], [[11.0, 10.0, 13.0]]]]


@pytest.mark.parametrize("bias", [ALiBi(2), Relative(2, buckets=6, max_distance=4, ahead=False)], ids=["alibi", "t5"])
def test_in_a_tree_a_token_stands_where_it_stands_in_its_text(bias: ALiBi | Relative) -> None:
    """a grows b and c, c grows d and e: both newest tokens stand at 2, their ancestors a and c at 0 and 1."""
    tree = Branches.root(1).grown(torch.tensor([[0, 0]])).grown(torch.tensor([[1, 1]]))
    found, line = bias.dense(tree.where()), bias.dense(Where.line(1, start=2))
    assert found[..., [0, 2, 4]].equal(line.expand(-1, -1, 2, -1))
    assert found[..., 1].equal(found[..., 2]) and found[..., 3].equal(found[..., 4])
    assert bias.dense(tree.where().of(slice(1, 2))).equal(found[:, :, 1:])


def test_a_pass_makes_it_once() -> None:
    bias, where = Relative(2), Where.line(4)
    assert bias.dense(where) is not bias.dense(where)  # with gradients
    with torch.no_grad():
        once = bias.dense(where)
        assert bias.dense(where) is once
        bias.weight.add_(1.0)
    assert not bias.dense(Where.line(4)).equal(once)


def test_what_is_kept_stays() -> None:
    """An optimizer step later changes nothing of what was seen."""
    bias, x = Relative(1), torch.randn(1, 1, 4, 2)
    act = Attention(x, x, x, mask=Causal(), bias=bias).kept(grad=False)
    before = act.weights()
    with torch.no_grad():
        bias.weight[0] += 3.0
    assert act.weights().equal(before)
    assert not any(w.requires_grad for w in act.bias.parameters())  # type: ignore[union-attr]
