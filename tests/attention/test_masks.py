"""Masks as tables a hand can write, and what a kernel is told of them."""

from __future__ import annotations

from itertools import product
from math import inf

import pytest
import torch

from clearhead.attention import Attention, Causal, Documents, Grid, Mask, Matrix, Padding, Prefix, Tree, Window
from clearhead.errors import ConfigError

CPU = torch.device("cpu")
LENGTHS = torch.tensor([2, 0])


def table(mask: Mask, *, start: int = 0, stop: int = 3, keys: int = 3, row: int = 0) -> str:
    """The rows of one sentence as text: 1 = may look."""
    dense = mask.dense(Grid(start, stop, keys, CPU))
    assert dense.dtype == torch.bool and dense.ndim == 4
    dense = dense.expand(2, 1, stop - start, keys)[row, 0]
    return " ".join("".join(str(int(x)) for x in line) for line in dense)


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (Causal(), "100 110 111"),
        (Padding(LENGTHS), "110 110 110"),
        (Padding(LENGTHS, left=3), "011 011 011"),
        (Window(1), "100 010 001"),
        (Window(2), "110 111 011"),
        (Prefix(torch.tensor([1, 3])), "100 100 100"),
        (Documents(torch.tensor([[0, 0, 1], [0, 1, 1]])), "110 110 001"),
        (Matrix(torch.tensor([[True, False, True]])), "101 101 101"),
        (Matrix(torch.eye(3).bool()), "100 010 001"),
        (Matrix(torch.tensor([[True], [False], [True]])), "111 000 111"),
        (Causal() & Padding(LENGTHS), "100 110 110"),
        (Causal() & Padding(LENGTHS, left=3), "000 010 011"),
        (Causal() | Prefix(LENGTHS), "110 110 111"),
        (Causal() & Window(2) | Prefix(torch.tensor([1, 1])), "100 110 111"),
    ],
    ids=repr,
)
def test_tables(mask: Mask, wanted: str) -> None:
    assert table(mask) == wanted


def test_the_second_sentence_has_its_own_table() -> None:
    assert table(Padding(LENGTHS), row=1) == "000 000 000"
    assert table(Documents(torch.tensor([[0, 0, 1], [0, 1, 1]])), row=1) == "100 011 011"


@pytest.mark.parametrize("mask", [Causal(), Window(2), Matrix(torch.eye(5).bool()), Documents(torch.arange(5)[None])])
def test_positions_are_absolute_behind_a_cache(mask: Mask) -> None:
    whole = table(mask, stop=5, keys=5).split()
    assert table(mask, start=3, stop=5, keys=5).split() == whole[3:]


def test_dead_branches_are_cut_off() -> None:
    """0 - (1, 2), 1 - (3, 4), then 4 - (5, 6): 2 and 3 are dead. In the other row 2 and 4 are alive: 0 - 2 - 4."""
    tree = Tree.root(2).grown(torch.tensor([[0, 0], [0, 0]])).grown(torch.tensor([[0, 0], [1, 1]]))
    tree = tree.grown(torch.tensor([[1, 1], [0, 1]]))
    assert tree.pruned(0.7) is None  # four of five are alive in the second row
    cut, places = tree.pruned(0.8)
    assert places.tolist() == [[0, 1, 2, 4], [0, 2, 3, 4]]
    assert table(cut, start=4, stop=6, keys=6) == "110110 110101"
    assert table(cut, start=4, stop=6, keys=6, row=1) == "111010 110101"
    assert cut.depth == tree.depth == 3
    assert tree.positions.tolist() == [[0, 1, 1, 2, 2, 3, 3]] * 2
    assert cut.positions.tolist() == [[0, 1, 1, 2, 3, 3], [0, 1, 2, 2, 3, 3]]
    assert cut.select(torch.tensor([1])).positions.tolist() == [[0, 1, 2, 2, 3, 3]]


def test_a_tree_by_hand() -> None:
    """a grows b and c; then b grows d and e. Slots: a b c d e; the second sentence has both grow from c."""
    tree = Tree.root(2)
    assert table(tree, start=0, stop=1, keys=1) == "1" and tree.depth == 0
    tree = tree.grown(torch.tensor([[0, 0], [0, 0]]))
    assert table(tree, start=1, stop=3, keys=3) == "110 101" and tree.depth == 1
    tree = tree.grown(torch.tensor([[0, 0], [1, 1]]))
    assert table(tree, start=3, stop=5, keys=5) == "11010 11001" and tree.depth == 2
    assert table(tree, start=3, stop=5, keys=5, row=1) == "10110 10101"
    assert tree.select(torch.tensor([1])).ancestors.equal(tree.ancestors[1:])
    assert not tree.allows_all(Grid(3, 5, 5, CPU))
    assert Tree.root(2).grown(torch.zeros(2, 1, dtype=torch.long)).allows_all(Grid(1, 2, 2, CPU))


def test_one_branch_that_is_left_does_not_see_the_dead_one() -> None:
    tree = Tree.root(1).grown(torch.tensor([[0, 0]])).grown(torch.tensor([[0]]))
    assert table(tree, start=3, stop=4, keys=4) == "1101"
    q, k, v = torch.randn(1, 2, 1, 3), torch.randn(1, 2, 4, 3), torch.randn(1, 2, 4, 3)
    act = Attention(q, k, v, mask=tree, start=3)
    torch.testing.assert_close(act.context(), act.weights() @ v)


def test_a_flag_never_says_more_than_the_table() -> None:
    masks: list[Mask] = [Causal(), Causal() & Causal(), Causal() | Causal(), Window(9), Causal() & Window(2)]
    masks += [Window(1), Window(3), Window(2) | Causal(), Window(4) & Window(2)]
    for mask in masks:
        for start, first in product(range(4), range(3)):
            for queries, keys in product(range(1, 4), range(1, 7)):
                grid = Grid(start, start + queries, keys, CPU, first)
                dense = mask.dense(grid).expand(1, 1, queries, keys)[0, 0]
                if mask.allows_all(grid):
                    assert dense.all()
                if mask.is_causal(grid):
                    assert torch.equal(dense, torch.ones(queries, keys).tril().bool())
    assert Causal().is_causal(Grid(0, 3, 3, CPU)) and Causal().allows_all(Grid(2, 3, 3, CPU))


def test_rows_that_may_look_nowhere_are_opened_and_told() -> None:
    grid = Grid(0, 2, 3, CPU)
    opened, nowhere = Padding(LENGTHS).opened(grid)
    assert nowhere is not None and nowhere.flatten().tolist() == [False, True]
    assert opened[1].all() and opened[0].flatten().tolist() == [True, True, False]
    added, _ = Padding(LENGTHS).added(grid, torch.float64)
    assert added.dtype == torch.float64 and added[0].flatten().tolist() == [0.0, 0.0, -inf]
    assert Causal().opened(grid)[1] is None


def test_a_tensor_is_made_once_and_not_kept() -> None:
    mask, grid = Causal() & Padding(LENGTHS), Grid(0, 3, 3, CPU)
    assert mask.opened(grid)[0] is mask.opened(grid)[0]
    for keys in range(1, 40):
        mask.opened(Grid(0, 3, keys, CPU))
    assert len(mask._memo) < 20
    kept = mask.kept()
    assert not kept._memo and kept.dense(grid).equal(mask.dense(grid))


def test_a_mask_used_in_inference_serves_training_after() -> None:
    mask, x = Padding(LENGTHS), torch.randn(2, 1, 3, 2, requires_grad=True)
    with torch.inference_mode():
        Attention(x, x, x, mask=mask).context()
    Attention(x, x, x, mask=mask).context().sum().backward()
    assert x.grad is not None and not x.grad.isnan().any()


def test_a_matrix_of_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"write matrix\.bool\(\); True = may look"):
        Matrix(torch.ones(2, 2))
