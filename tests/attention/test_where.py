"""Where tokens stand: laid out in any way, the same texts have the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearhead.attention import (
    NOBODY,
    ALiBi,
    Anywhere,
    Cache,
    Causal,
    Learned,
    Mask,
    MultiHead,
    Prefix,
    Relative,
    Rotary,
    Sinusoidal,
    Where,
    Window,
    make_score,
)
from clearhead.errors import ConfigError
from clearhead.generation.branches import Branches

WIDTH, HEADS, VOCAB, LONGEST = 16, 4, 12, 24
POSITIONS = ("none", "sinusoidal", "learned", "rotary")
BIASES = ("none", "alibi", "relative", "relative, none ahead")
SCORES = ("scaled-dot", "dot", "cosine", "bilinear", "additive")
ONE_WAY: dict[str, Mask] = {
    "causal": Causal(),
    "causal and window": Causal() & Window(3),
    "causal and prefix": Causal() & Prefix(torch.tensor([4])),
}
BOTH_WAYS: dict[str, Mask | None] = {
    "none": None,
    "anywhere": Anywhere(),
    "window": Window(2),
    "causal or prefix": Causal() | Prefix(torch.tensor([2])),
    "window or causal": Window(2) | Causal(),
    **ONE_WAY,
}


class Layer(nn.Module):
    """Embeddings, one kind of positions, and one layer of attention."""

    def __init__(self, positions: str, bias: str, score: str, mask: Mask | None):
        super().__init__()
        torch.manual_seed(0)
        width = WIDTH // HEADS
        self.mask = mask
        self.embedding = nn.Embedding(VOCAB, WIDTH)
        self.added = {"sinusoidal": Sinusoidal, "learned": Learned}.get(positions)
        self.positions = None if self.added is None else self.added(WIDTH, LONGEST)
        self.rotary = Rotary(width) if positions == "rotary" else None
        relative = {"relative": Relative(HEADS, buckets=8, max_distance=9)}
        relative["relative, none ahead"] = Relative(HEADS, buckets=6, max_distance=7, ahead=False)
        self.bias = {"none": None, "alibi": ALiBi(HEADS), **relative}[bias]
        self.heads = MultiHead(WIDTH, HEADS, n_kv_heads=2, score=make_score(score, width, width))

    def forward(self, ids: Tensor, where: Where, cache: Cache | None = None, mask: Mask | None = None) -> Tensor:
        x = self.embedding(ids)
        x = x if self.positions is None else self.positions(x, where)
        rotation = None if self.rotary is None else self.rotary(where)
        out: Tensor = self.heads(x, mask=mask or self.mask, bias=self.bias, rotation=rotation, cache=cache, where=where)
        return out


Found = dict[tuple[int, int], Tensor]  # (text, place in it): the layer's output there


@dataclass
class Texts:
    """Texts that begin with the same tokens, and the layouts of them."""

    shared: list[int]
    rests: list[list[int]]
    order: int = 0  # a seed of the order of slots
    chunk: int = 1

    @property
    def all(self) -> list[list[int]]:
        return [self.shared + rest for rest in self.rests]

    @property
    def joined(self) -> Tensor:
        return torch.tensor([[token for text in self.all for token in text]])

    def alone(self, layer: Layer) -> Found:
        found = {}
        for number, text in enumerate(self.all):
            out = layer(torch.tensor([text]), Where.line(len(text)))[0]
            found |= {(number, place): out[place] for place in range(len(text))}
        return found

    def padded(self, layer: Layer, *, left: bool) -> Found:
        lengths = torch.tensor([len(text) for text in self.all])
        width = int(lengths.max()) + 1  # a column that is padding in every row
        ids, begins = torch.zeros(len(self.all), width, dtype=torch.long), [0] * len(self.all)
        for number, text in enumerate(self.all):
            begins[number] = width - len(text) if left else 0
            ids[number, begins[number] : begins[number] + len(text)] = torch.tensor(text)
        out = layer(ids, Where.texts(lengths, width, left=left))
        return {(i, place): out[i, begins[i] + place] for i, text in enumerate(self.all) for place in range(len(text))}

    def packed(self, layer: Layer, *, in_order: bool = False) -> Found:
        """All in one row, one after the other."""
        places = torch.tensor([[place for text in self.all for place in range(len(text))]])
        texts = torch.tensor([[number for number, text in enumerate(self.all) for _ in text]])
        out = layer(self.joined, Where.packed(places, texts, in_order=in_order))[0]
        return dict(zip(zip(texts[0].tolist(), places[0].tolist(), strict=True), out, strict=True))

    def slots(self, layer: Layer) -> Found:
        """All in the slots of one row in any order, with empty ones between; the queries in another order."""
        cells = [(number, place) for number, text in enumerate(self.all) for place in range(len(text))]
        cells += [(NOBODY, NOBODY)] * 3
        random = torch.Generator().manual_seed(self.order)
        keys = [cells[i] for i in torch.randperm(len(cells), generator=random).tolist()]
        texts, places = (torch.tensor([column]) for column in zip(*keys, strict=True))
        asks = torch.randperm(len(cells), generator=random)
        ids = torch.tensor([[0 if number == NOBODY else self.all[number][place] for number, place in keys]])
        # The layer's queries are its keys; those in another order are asked of the same buffers by a second pass.
        out = layer(ids, Where.packed(places, texts))[0]
        shuffled = layer(ids[:, asks], Where.packed(places[:, asks], texts[:, asks]))[0]
        torch.testing.assert_close(shuffled, out[asks], atol=1e-5, rtol=1e-5)
        return {cell: out[slot] for slot, cell in enumerate(keys) if cell[0] != NOBODY}

    def cached(self, layer: Layer, *, window: int | None = None) -> Found:
        """Each alone through a cache that grows, or that forgets what a window no longer sees."""
        found = {}
        for number, text in enumerate(self.all):
            cache = Cache(window)
            for start in range(0, len(text), self.chunk):
                ids = torch.tensor([text[start : start + self.chunk]])
                first = 0 if window is None else max(0, start + 1 - window)
                out = layer(ids, Where.line(ids.size(1), start=start).since(first), cache)[0]
                found |= {(number, start + i): x for i, x in enumerate(out)}
        return found

    def ring_of_padded(self, layer: Layer, window: int) -> Found:
        """All in one batch padded at the beginning, their ends token by token through a cache that forgets."""
        begun = [len(text) - 1 for text in self.all]  # what is read at once; the last token comes alone
        width = max(max(begun), 1)
        ids = torch.zeros(len(begun), width, dtype=torch.long)
        for row, text, length in zip(ids, self.all, begun, strict=True):
            row[width - length :] = torch.tensor(text[:length])
        rows, cache = Branches.of_texts(begun), Cache(window)
        out = layer(ids, rows.whole(), cache)
        found = {(i, p): out[i, width - n + p] for i, n in enumerate(begun) for p in range(n)}
        last = torch.tensor([[text[-1]] for text in self.all])
        where = rows.grown(torch.zeros(len(begun), 1, dtype=torch.long)).where()
        out = layer(last, where.since(max(0, where.row + 1 - window)), cache)
        return found | {(i, n): out[i, 0] for i, n in enumerate(begun)}

    def tree(self, layer: Layer) -> Found:
        """What they share once, then a branch each, the shorter ones going on with any token."""
        count, cache, found = len(self.rests), Cache(), Found()
        tree = Branches.root(1)
        for place, token in enumerate(self.shared):
            tree = tree if not place else tree.grown(torch.zeros(1, 1, dtype=torch.long))
            out = layer(torch.tensor([[token]]), tree.where(), cache)[0]
            found |= {(number, place): out[0] for number in range(count)}
        for place in range(max(map(len, self.rests))):
            parents = torch.zeros(1, count, dtype=torch.long) if not place else torch.arange(count)[None]
            tree = tree.grown(parents)
            ids = [rest[place] if place < len(rest) else 0 for rest in self.rests]
            out = layer(torch.tensor([ids]), tree.where(), cache)[0]
            found |= {(i, len(self.shared) + place): out[i] for i, rest in enumerate(self.rests) if place < len(rest)}
        return found


@st.composite
def texts(draw: st.DrawFn) -> Texts:
    token = st.integers(0, VOCAB - 1)
    shared = draw(st.lists(token, min_size=1, max_size=5))
    rests = draw(st.lists(st.lists(token, min_size=1, max_size=8), min_size=1, max_size=4))
    return Texts(shared, rests, draw(st.integers(0, 99)), draw(st.integers(1, 4)))


AT_ONCE: dict[str, Callable[[Texts, Layer], Found]] = {
    "padded at the end": lambda texts, layer: texts.padded(layer, left=False),
    "padded at the beginning": lambda texts, layer: texts.padded(layer, left=True),
    "packed": Texts.packed,
    "packed in order": lambda texts, layer: texts.packed(layer, in_order=True),
    "slots in any order": Texts.slots,
}
STEP_BY_STEP: dict[str, Callable[[Texts, Layer], Found]] = {"a cache that grows": Texts.cached, "a tree": Texts.tree}


def assert_same(found: Found, wanted: Found, dtype: torch.dtype) -> None:
    near = {torch.float64: 1e-12, torch.float32: 1e-5}[dtype]
    assert found.keys() == wanted.keys()
    for cell, x in wanted.items():
        torch.testing.assert_close(found[cell], x, atol=near, rtol=near)


DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
KINDS: dict[str, Any] = {
    "positions": st.sampled_from(POSITIONS),
    "bias": st.sampled_from(BIASES),
    "score": st.sampled_from(SCORES),
}


@DTYPES
@pytest.mark.parametrize("layout", AT_ONCE)
@settings(max_examples=60)
@given(texts=texts(), mask=st.sampled_from(list(BOTH_WAYS)), **KINDS)
@torch.no_grad()
def test_laid_out_at_once(dtype: torch.dtype, layout: str, texts: Texts, mask: str, **kinds: str) -> None:
    layer = Layer(**kinds, mask=BOTH_WAYS[mask]).to(dtype)
    assert_same(AT_ONCE[layout](texts, layer), texts.alone(layer), dtype)


@DTYPES
@pytest.mark.parametrize("layout", STEP_BY_STEP)
@settings(max_examples=60)
@given(texts=texts(), mask=st.sampled_from(list(ONE_WAY)), **KINDS)
@torch.no_grad()
def test_step_by_step(dtype: torch.dtype, layout: str, texts: Texts, mask: str, **kinds: str) -> None:
    layer = Layer(**kinds, mask=ONE_WAY[mask]).to(dtype)
    assert_same(STEP_BY_STEP[layout](texts, layer), texts.alone(layer), dtype)


@DTYPES
@settings(max_examples=60)
@given(texts=texts(), window=st.integers(1, 6), mask=st.sampled_from(list(ONE_WAY)), **KINDS)
@torch.no_grad()
def test_a_ring_of_a_window(dtype: torch.dtype, texts: Texts, window: int, mask: str, **kinds: str) -> None:
    layer = Layer(**kinds, mask=ONE_WAY[mask] & Window(window)).to(dtype)
    wanted = texts.alone(layer)
    assert_same(texts.cached(layer, window=window), wanted, dtype)
    assert_same(texts.ring_of_padded(layer, window), wanted, dtype)


def test_every_layout_differs_from_plain_rows_where_positions_are_not_read() -> None:
    """The property could not fail if nothing depended on where tokens stand: here everything does."""
    texts = Texts([1, 2], [[3, 4, 5], [6]])
    layer = Layer("rotary", "alibi", "scaled-dot", Causal()).double()
    wanted = texts.alone(layer)
    out = layer(texts.joined, Where.line(8))[0]
    assert not torch.allclose(out[5], wanted[1, 0]) and torch.allclose(out[0], wanted[0, 0])


# The value itself


def test_a_part_of_the_queries_stands_where_it_stood() -> None:
    part = Where.line(5).of(slice(2, 4))
    assert part.queries.tolist() == [[2, 3]] and part.keys.tolist() == [[0, 1, 2, 3, 4]]
    assert (part.begins, part.row, part.square, part.stop) == (2, 2, False, 4)
    assert Where.line(5).of(slice(None)).square and Where.line(3).of(slice(2, 3)).last


def test_a_window_forgets_keys_by_their_place_in_the_buffers() -> None:
    where = Branches.of_texts([2, 4]).grown(torch.zeros(2, 1, dtype=torch.long)).where()
    late = where.since(3)
    assert late.keys.tolist() == [[1, 2], [3, 4]] and late.column == 3 and late.row == 4
    assert where.since(0) is where


def test_distances_of_texts_in_order_are_made_once_for_all_rows() -> None:
    """Padding at the end and texts one after the other: a bias need not be made for each row."""
    padded = Where.texts(torch.tensor([2, 4]), 4)
    places, texts = torch.tensor([[0, 1, 0, 1], [0, 0, 1, 2]]), torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]])
    packed = Where.packed(places, texts, in_order=True)
    line = Where.line(4).distance()
    for where in (padded, packed):
        assert where.distance().equal(line) and where.of(slice(1, 3)).distance().equal(line[:, :, 1:3])
    apart = Where.packed(places, texts).distance()
    assert apart.shape == (2, 1, 4, 4) and apart[packed.present().expand(apart.shape)].equal(
        line.expand(apart.shape)[packed.present().expand(apart.shape)]
    )


@pytest.mark.parametrize(("start", "first"), [(-1, 0), (0, 1), (10**9 + 1, 0), (2**63, 0), (3, -1)])
def test_positions_that_cannot_be_are_refused(start: Any, first: Any) -> None:
    with pytest.raises(ConfigError, match="positions are whole numbers from 0 to 1000000000"):
        Where.line(2, start=start, first=first)


def test_tensors_that_are_no_rows_of_positions_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[rows or 1, tokens\]"):
        Where(torch.arange(3), torch.arange(3)[None])
    with pytest.raises(ConfigError, match="whole numbers"):
        Where(torch.zeros(1, 3), torch.arange(3)[None])
