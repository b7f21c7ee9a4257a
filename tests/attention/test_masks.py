"""Masks as tables a hand can write, and what a kernel is told of them."""

from __future__ import annotations

from itertools import product
from math import inf

import pytest
import torch

from clearhead.attention import Anywhere, Attention, Causal, Documents, Mask, Matrix, Padding, Prefix, Where, Window
from clearhead.errors import ConfigError

LENGTHS = torch.tensor([2, 0])


def table(mask: Mask, where: Where | None = None, *, row: int = 0) -> str:
    """The rows of one sentence as text: 1 = may look."""
    where = where or Where.line(3)
    dense = mask.dense(where)
    assert dense.dtype == torch.bool and dense.ndim <= 4
    dense = dense.expand(2, 1, where.n, where.m)[row, 0]
    return " ".join("".join(str(int(x)) for x in line) for line in dense)


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (Causal(), "100 110 111"),
        (Padding(LENGTHS), "110 110 110"),
        (Window(1), "100 010 001"),
        (Window(2), "110 111 011"),
        (Prefix(torch.tensor([1, 3])), "100 100 100"),
        (Documents(torch.tensor([[0, 0, 1], [0, 1, 1]])), "110 110 001"),
        (Matrix(torch.tensor([[True, False, True]])), "101 101 101"),
        (Matrix(torch.eye(3).bool()), "100 010 001"),
        (Matrix(torch.tensor([[True], [False], [True]])), "111 000 111"),
        (Causal() & Padding(LENGTHS), "100 110 110"),
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
def test_positions_are_absolute_after_a_cache(mask: Mask) -> None:
    whole = table(mask, Where.line(5)).split()
    assert table(mask, Where.line(2, start=3)).split() == whole[3:]
    assert table(mask, Where.line(2, start=3, first=1)).split() == [line[1:] for line in whole[3:]]
    assert table(mask, Where.line(5).of(slice(3, 5))).split() == whole[3:]


def test_a_flag_never_says_more_than_the_table() -> None:
    masks: list[Mask] = [Causal(), Causal() & Causal(), Causal() | Causal(), Window(9), Causal() & Window(2)]
    masks += [Window(1), Window(3), Window(2) | Causal(), Window(4) & Window(2), Anywhere()]
    lines = [
        Where.line(n, start=start, first=first) for n, start in product(range(1, 4), range(4)) for first in {0, start}
    ]
    across = [Where.across(n, m, lengths) for n, m in product(range(1, 4), range(1, 5)) for lengths in (None, LENGTHS)]
    padded = [Where.texts(LENGTHS, 3, left=left) for left in (True, False)]
    wholes = [*lines, *across, *padded, Where.packed(torch.tensor([[0, 1, 0]]), torch.tensor([[0, 0, 1]]))]
    parts = [where.of(slice(i, j)) for where in wholes for i, j in ((0, 1), (1, 2), (2, 3), (0, 2)) if j <= where.n]
    parts += [where.since(where.column + 1) for where in wholes if where.m > 1]
    for mask, where in product(masks, [*wholes, *parts]):
        dense = mask.dense(where).expand(where.keys.size(0), 1, where.n, where.m)[:, 0]
        if mask.allows_all(where):
            assert dense.all()
        if mask.is_causal(where):
            assert torch.equal(dense[0], torch.ones(where.n, where.m).tril().bool())
    assert Causal().is_causal(Where.line(3)) and Causal().allows_all(Where.line(3).of(slice(2, 3)))
    assert Causal().allows_all(Where.line(1, start=7)) and Window(8).allows_all(Where.line(1, start=7))


def test_rows_that_may_look_nowhere_are_opened_and_reported() -> None:
    where = Where.across(2, 3)
    opened, nowhere = Padding(LENGTHS).opened(where)
    assert nowhere is not None and nowhere.flatten().tolist() == [False, True]
    assert opened[1].all() and opened[0].flatten().tolist() == [True, True, False]
    mask = Padding(LENGTHS)
    added, _ = mask.added(where, torch.float64)
    assert added.dtype == torch.float64 and added[0].flatten().tolist() == [0.0, 0.0, -inf]
    assert Causal().opened(Where.line(2))[1] is None


def test_a_tensor_is_made_once_a_pass() -> None:
    mask, where = Causal() & Padding(LENGTHS), Where.line(3)
    assert mask.opened(where)[0] is mask.opened(where)[0]
    assert mask.opened(Where.line(3))[0] is not mask.opened(where)[0]
    for size in range(1, 90):
        Window(size).opened(where)
    assert len(where._memo) < 40
    kept = where.kept()
    assert not kept._memo and mask.dense(kept).equal(mask.dense(where))


def test_a_mask_used_in_inference_serves_training_after() -> None:
    mask, x = Padding(LENGTHS), torch.randn(2, 1, 3, 2, requires_grad=True)
    with torch.inference_mode():
        Attention(x, x, x, mask=mask).context()
    Attention(x, x, x, mask=mask).context().sum().backward()
    assert x.grad is not None and not x.grad.isnan().any()


def test_a_matrix_of_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"write matrix\.bool\(\); True = may look"):
        Matrix(torch.ones(2, 2))
