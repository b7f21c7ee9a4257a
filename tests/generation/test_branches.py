"""Trees of texts by hand."""

from __future__ import annotations

import torch

from clearhead.attention import Attention, Causal
from clearhead.generation.branches import Branches


def table(tree: Branches, row: int = 0) -> str:
    """Which tokens each newest one of a row may look at, as text: 1 = may."""
    where = tree.where()
    dense = Causal().dense(where).expand(len(tree.positions), 1, where.n, where.m)[row, 0]
    return " ".join("".join(str(int(x)) for x in line) for line in dense)


def test_a_tree_by_hand() -> None:
    """a grows b and c; then b grows d and e. Slots: a b c d e; the second sentence has both grow from c."""
    tree = Branches.root(2)
    assert table(tree) == "1" and tree.where().queries.tolist() == [[0]]
    tree = tree.grown(torch.tensor([[0, 0], [0, 0]]))
    assert table(tree) == "110 101" and tree.where().queries.tolist() == [[1, 1]] * 2
    tree = tree.grown(torch.tensor([[0, 0], [1, 1]]))
    assert table(tree) == "11010 11001" and tree.where().queries.tolist() == [[2, 2]] * 2
    assert table(tree, row=1) == "10110 10101"
    assert tree.ancestors is not None
    assert tree.select(torch.tensor([1])).ancestors.equal(tree.ancestors[1:])  # type: ignore[union-attr]


def test_one_branch_alone_is_a_line() -> None:
    """Nothing is asked of its masks, as nothing is of a text that is written greedily."""
    tree = Branches.root(2).grown(torch.zeros(2, 1, dtype=torch.long)).grown(torch.zeros(2, 1, dtype=torch.long))
    where = tree.where()
    assert where.kin is None and where.begins == 2 and Causal().allows_all(where)
    assert tree.grown(torch.zeros(2, 2, dtype=torch.long)).where().kin is not None


def test_dead_branches_are_cut_off() -> None:
    """0 - (1, 2), 1 - (3, 4), then 4 - (5, 6): 2 and 3 are dead. In the other row 2 and 4 are alive: 0 - 2 - 4."""
    tree = Branches.root(2).grown(torch.tensor([[0, 0], [0, 0]])).grown(torch.tensor([[0, 0], [1, 1]]))
    tree = tree.grown(torch.tensor([[1, 1], [0, 1]]))
    assert tree.pruned(0.7) is None  # four of five are alive in the second row
    found = tree.pruned(0.8)
    assert found is not None
    cut, places = found
    assert places.tolist() == [[0, 1, 2, 4], [0, 2, 3, 4]]
    assert table(cut) == "110110 110101"
    assert table(cut, row=1) == "111010 110101"
    assert tree.positions.tolist() == [[0, 1, 1, 2, 2, 3, 3]] * 2
    assert cut.positions.tolist() == [[0, 1, 1, 2, 3, 3], [0, 1, 2, 2, 3, 3]]
    assert cut.select(torch.tensor([1])).positions.tolist() == [[0, 1, 2, 2, 3, 3]]


def test_one_branch_that_is_left_does_not_see_the_dead_one() -> None:
    tree = Branches.root(1).grown(torch.tensor([[0, 0]])).grown(torch.tensor([[0]]))
    assert table(tree) == "1101"
    q, k, v = torch.randn(1, 2, 1, 3), torch.randn(1, 2, 4, 3), torch.randn(1, 2, 4, 3)
    act = Attention(q, k, v, mask=Causal(), where=tree.where())
    torch.testing.assert_close(act.context(), act.weights() @ v)
    assert not act.weights()[..., 2].any()


def test_texts_of_unequal_length_begin_after_their_padding() -> None:
    tree = Branches.of_texts([3, 1])
    assert tree.positions.tolist() == [[0, 1, 2], [-1, -1, 0]]
    assert table(tree) == "111" and table(tree, row=1) == "001"
    tree = tree.grown(torch.tensor([[0, 0], [0, 0]]))
    assert table(tree, row=1) == "00110 00101" and tree.where().queries.tolist() == [[3, 3], [1, 1]]
