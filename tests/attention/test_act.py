"""An act of attention: its steps by hand, every way to its context, and what edits do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from math import e, inf
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearhead.attention import (
    Added,
    Additive,
    ALiBi,
    Attention,
    Bilinear,
    Causal,
    Cosine,
    Documents,
    Dot,
    Mask,
    Matrix,
    Padding,
    Prefix,
    Relative,
    ScaledDot,
    Score,
    Where,
    Window,
)
from clearhead.attention import act as module
from clearhead.edits import Edit
from clearhead.errors import ConfigError, EditError
from tests.attention.standing import standing

STEPS = ["similarities", "scaled", "biased", "masked", "weights"]


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def some_act(**fields: object) -> Attention:
    """Two sentences, four heads in two groups, three queries, five keys."""
    qkv = {"q": numbers(2, 4, 3, 6, seed=1), "k": numbers(2, 2, 5, 6, seed=2), "v": numbers(2, 2, 5, 7, seed=3)}
    return Attention(**{**qkv, **fields})  # type: ignore[arg-type]


def opened(act: Attention) -> Tensor:
    """The definition, with keys and values repeated for each head of a group."""
    return act.weights() @ act.v.repeat_interleave(act.q.size(1) // act.v.size(1), 1)


def every_score(dim: int) -> dict[str, Score]:
    torch.manual_seed(0)
    additive = Additive(dim, dim, 3)
    return {s.__class__.__name__: s for s in (Dot(), ScaledDot(), Cosine(0.5), Bilinear(dim, dim), additive)}


SCORES = list(every_score(1))


# By hand


def test_two_keys_one_of_them_liked() -> None:
    q, k, v = torch.tensor([[[[1.0]]]]), torch.tensor([[[[0.0], [1.0]]]]), torch.tensor([[[[10.0], [20.0]]]])
    act = Attention(q, k, v)
    assert act.shape == (1, 1, 1, 2)
    torch.testing.assert_close(act.weights().flatten(), torch.tensor([1, e]) / (1 + e))
    torch.testing.assert_close(act.context().flatten(), torch.tensor([(10 + 20 * e) / (1 + e)]))


def test_every_step_of_a_small_act() -> None:
    # q . k = 4 and 8 with head_dim 4, so scaled 2 and 4; the bias makes them equal; the third key is masked.
    q, k = torch.ones(1, 1, 1, 4), torch.tensor([1.0, 2.0, 9.0])[:, None].expand(1, 1, 3, 4)
    bias, mask = Added(torch.tensor([[[[2.0, 0.0, 0.0]]]])), Matrix(torch.tensor([[True, True, False]]))
    act = Attention(q, k, torch.tensor([[[[1.0], [3.0], [99.0]]]]), bias=bias, mask=mask)
    expected = {
        "similarities": [4.0, 8.0, 36.0],
        "scaled": [2.0, 4.0, 18.0],
        "biased": [4.0, 4.0, 18.0],
        "masked": [4.0, 4.0, -inf],
        "weights": [0.5, 0.5, 0.0],
        "context": [2.0],
    }
    for step, wanted in expected.items():
        torch.testing.assert_close(getattr(act, step)().flatten(), torch.tensor(wanted))


# Every way to the context is the same


@st.composite
def acts(draw: st.DrawFn, dtype: torch.dtype) -> Callable[[], Attention]:
    """A maker of a random act: the shape checker draws random numbers, which a strategy may not."""
    small = st.integers(1, 4)
    batch, kv_heads, groups, dim, v_dim = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(small), 3, draw(small)
    queries, keys, start = draw(st.integers(1, 5)), draw(st.integers(1, 6)), draw(st.integers(0, 3))
    layout = draw(st.sampled_from(["a line", "a memory", "padded at the beginning"]))
    keys = queries if layout == "padded at the beginning" else keys
    rows, heads = max(start + queries, keys), kv_heads * groups
    lengths = torch.tensor(draw(st.lists(st.integers(0, keys), min_size=batch, max_size=batch)))
    seed = draw(st.integers(0, 99))
    leaf: st.SearchStrategy[Mask] = st.sampled_from(
        [
            Causal(),
            Padding(lengths),
            Window(draw(small)),
            Prefix(lengths),
            Documents(numbers(batch, rows, seed=seed).gt(0).long()),
            Matrix(numbers(batch, 1, rows, keys, seed=seed) > 0.5),
            Matrix(numbers(heads, rows, keys, seed=seed) > 0),
        ]
    )
    pairs = st.tuples(leaf, leaf)
    mask = draw(st.none() | leaf | pairs.map(lambda p: p[0] & p[1]) | pairs.map(lambda p: p[0] | p[1]))
    biases = [None, ALiBi(heads), Relative(heads, buckets=6, max_distance=4), Relative(heads, ahead=False)]
    bias = draw(st.sampled_from([*biases, Added(numbers(1, heads, rows, keys, seed=seed))]))
    score = every_score(dim)[draw(st.sampled_from(SCORES))]
    if isinstance(score, nn.Module):
        score.to(dtype)
    shapes = [(batch, heads, queries, dim), (batch, kv_heads, keys, dim), (batch, kv_heads, keys, v_dim)]
    q, k, v = ((0.7 * numbers(*s, seed=seed + i)).to(dtype).requires_grad_() for i, s in enumerate(shapes))
    where = {
        "a line": standing(queries, keys, start=start),
        "a memory": Where.across(queries, keys, lengths),
        "padded at the beginning": Where.texts(lengths.clamp(max=queries), queries, left=True),
    }[layout]
    return partial(Attention, q, k, v, mask=mask, bias=bias, score=score, where=where)


def with_gradients(act: Attention, context: Tensor) -> list[Tensor]:
    return [context, *torch.autograd.grad(context, (act.q, act.k, act.v), numbers(*context.shape).to(context.dtype))]


def assert_all_close(found: list[Tensor], wanted: list[Tensor], tolerance: float) -> None:
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


WAYS = {
    "chosen": Attention.context,
    "fused": lambda act: act._context_fused(*act.score.fold(act.q, act.k)),
    "short": lambda act: act._context_short(*act.score.fold(act.q, act.k)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-10), (torch.bfloat16, 6e-2)], ids=str
)
@settings(max_examples=60)
@given(data=st.data())
def test_open_is_fused(way: str, dtype: torch.dtype, tolerance: float, data: st.DataObject) -> None:
    act = data.draw(acts(dtype))()
    if way != "chosen" and act.score.fold(act.q, act.k) is None:
        way = "chosen"
    wanted = with_gradients(act, opened(act))
    found = with_gradients(act, WAYS[way](act))
    assert not any(x.isnan().any() for x in found + wanted)
    assert_all_close(found, wanted, tolerance)
    nowhere = (act.masked() == -inf).all(-1)
    for x in (*found[:2], *wanted[:2]):  # contexts and gradients of q: a row that may look nowhere gives zeros
        assert not x[nowhere].any()


@settings(max_examples=40)
@given(make=acts(torch.float32))
def test_blocks_of_rows_are_the_whole(make: Callable[[], Attention]) -> None:
    act = make()
    with patch.object(module, "_BLOCK", 1):
        found = with_gradients(act, act._context_by_rows())
    assert_all_close(found, with_gradients(act, opened(act)), 2e-5)


@settings(max_examples=40)
@given(make=acts(torch.float32), data=st.data())
def test_rows_of_a_step_are_a_slice_of_the_whole(make: Callable[[], Attention], data: st.DataObject) -> None:
    act = make()
    i = data.draw(st.integers(0, act.shape[2] - 1))
    rows = slice(i, data.draw(st.integers(i + 1, act.shape[2])))
    for step in STEPS:
        torch.testing.assert_close(getattr(act, step)(rows), getattr(act, step)()[:, :, rows])


def test_blocks_reach_the_parameters_of_a_score() -> None:
    score = every_score(6)["Additive"]
    assert isinstance(score, Additive)
    act, weights = some_act(score=score, mask=Causal()), list(score.parameters())
    wanted = torch.autograd.grad(opened(act).square().sum(), weights)
    with patch.object(module, "_BLOCK", 100):
        found = torch.autograd.grad(act.context().square().sum(), weights)
    assert_all_close(list(found), list(wanted), 1e-5)


@pytest.mark.parametrize(
    ("dtype", "queries", "keys", "score", "edits", "way"),
    [
        (torch.float32, module._FEW, 1000, "ScaledDot", (), "_context_short"),
        (torch.float32, module._FEW + 1, 8, "ScaledDot", (), "_context_fused"),
        (torch.bfloat16, module._FEW + 1, module._SHORT, "ScaledDot", (), "_context_short"),
        (torch.bfloat16, module._FEW + 1, module._SHORT + 1, "ScaledDot", (), "_context_fused"),
        (torch.float32, 1, 8, "Additive", (), "_context_by_rows"),
        (torch.float32, 1, 8, "ScaledDot", (Edit("a", step="weights"),), "_context_by_rows"),
    ],
)
def test_which_way_is_taken(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    queries: int,
    keys: int,
    score: str,
    edits: tuple[Edit, ...],
    way: str,
) -> None:
    monkeypatch.setattr(module, "bfloat16_cost", lambda device: 0.3)  # on a processor that is quick at it
    q, kv = (torch.ones(1, 1, n, 2, dtype=dtype) for n in (queries, keys))
    act = Attention(q, kv, kv, score=every_score(2)[score]).edited(edits)
    with patch.object(Attention, way, side_effect=NotImplementedError), pytest.raises(NotImplementedError):
        act.context()


@pytest.mark.parametrize("score", SCORES)
def test_gradients_are_those_of_finite_differences(score: str) -> None:
    by_name = every_score(3)[score]
    weights = list(by_name.double().parameters()) if isinstance(by_name, nn.Module) else []
    q, k, v = numbers(1, 2, 3, 3).double(), numbers(1, 1, 3, 3, seed=1).double(), numbers(1, 1, 3, 2, seed=2).double()
    mask = Causal() & Matrix(torch.tensor([[True] * 3, [False] * 3, [True] * 3]))

    def context(q: Tensor, k: Tensor, v: Tensor, *_: Tensor) -> Tensor:
        return Attention(q, k, v, mask=mask, score=by_name).context()

    assert torch.autograd.gradcheck(context, [*(x.requires_grad_() for x in (q, k, v)), *weights])


@pytest.mark.parametrize("keys", [3, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_bias_may_close_a_row_too(dtype: torch.dtype, keys: int) -> None:
    bias = torch.zeros(1, 1, 3, keys)
    bias[:, :, 1] = -inf
    q, k, v = (numbers(1, 1, n, 2, dtype=dtype).requires_grad_() for n in (3, keys, keys))
    act = Attention(q, k, v, bias=Added(bias))
    found = with_gradients(act, act.context())
    assert not any(x.isnan().any() for x in found)
    assert not found[0][:, :, 1].any() and not found[1][:, :, 1].any() and found[0][:, :, 0].any()


@pytest.mark.parametrize("start", range(3))
@pytest.mark.parametrize("first", range(3))
def test_a_window_holds_for_keys_beyond_the_queries(start: int, first: int) -> None:
    for queries, keys, size in ((1, 3, 1), (2, 5, 2), (9, 12, 3), (3, 1, 1), (1, 6, 4)):
        q, k, v = (numbers(1, 2, n, 3, seed=n) for n in (queries, keys, keys))
        near = Window(size)
        for mask in (near, near & near, near | near, near & Causal(), near | Causal()):
            act = Attention(q, k, v, mask=mask, where=standing(queries, keys, start=start, first=first))
            torch.testing.assert_close(act.context(), opened(act))
    alone = Attention(numbers(1, 1, 1, 4), numbers(1, 1, 3, 4), numbers(1, 1, 3, 4, seed=1), mask=Window(1))
    assert alone.context()[0, 0, 0].equal(alone.v[0, 0, 0]) and alone.gap(alone.context()) == 0.0


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize(
    ("batch", "queries", "keys", "width"),
    [(0, 3, 5, 2), (2, 0, 5, 2), (2, 3, 0, 2), (2, 3, 5, 0), (0, 0, 0, 0), (2, 0, 0, 2)],
)
def test_nothing_has_a_shape_too(score: str, kv_heads: int, batch: int, queries: int, keys: int, width: int) -> None:
    q, k, v = numbers(batch, 4, queries, 3), numbers(batch, kv_heads, keys, 3), numbers(batch, kv_heads, keys, width)
    lengths = torch.full((batch,), 2)
    masks = (None, Causal(), Padding(lengths), Window(2) | Prefix(lengths))
    for mask, bias in [*((mask, None) for mask in masks), (Causal(), ALiBi(4)), (None, Relative(4))]:
        act = Attention(q.requires_grad_(), k, v, mask=mask, bias=bias, score=every_score(3)[score])
        assert all(getattr(act, step)().shape == act.shape for step in STEPS)
        context = act.context()
        assert context.shape == (batch, 4, queries, width)
        assert keys or not context.any()  # who may look nowhere takes nothing home
        assert act.gap(context) < 1e-6 and act.to_json()["start"] == 0
        torch.testing.assert_close(act.edited([Edit("a", step="weights", op="multiply", value=1.0)]).context(), context)
        assert torch.autograd.grad(context.sum(), q)[0].shape == q.shape
    assert Attention(numbers(1, 2, 3, 0), numbers(1, 2, 5, 0), numbers(1, 2, 5, 2)).context().shape == (1, 2, 3, 2)


# What an act promises


@pytest.mark.parametrize("score", SCORES)
def test_the_gap_is_proven(score: str) -> None:
    q = some_act().q.requires_grad_()
    act = some_act(q=q, score=every_score(6)[score], mask=Causal())
    assert act.gap(act.context()) < 1e-6
    assert act.gap(act.context() + 0.25) == pytest.approx(0.25, abs=1e-5)
    with patch.object(module, "_BLOCK", 1):
        assert act.gap(act.context()) < 1e-6


def test_softmax_is_in_float32_for_half_the_bits() -> None:
    act = some_act(**{n: getattr(some_act(), n).bfloat16() for n in "qkv"}, bias=ALiBi(4), mask=Causal())
    assert {getattr(act, step)().dtype for step in ("scaled", "biased", "masked")} == {torch.float32}
    assert act.weights().dtype == act.context().dtype == torch.bfloat16


def test_groups_are_keys_and_values_repeated() -> None:
    act = some_act(mask=Causal())
    k, v = (x.repeat_interleave(2, 1) for x in (act.k, act.v))
    whole = some_act(k=k, v=v, mask=Causal())
    torch.testing.assert_close(act.context(), whole.context())
    torch.testing.assert_close(act.weights(), whole.weights())


@pytest.mark.parametrize(
    ("dtype", "score"), [(torch.float32, "ScaledDot"), (torch.bfloat16, "ScaledDot"), (torch.float32, "Additive")]
)
def test_dropout_is_in_the_context_alone(dtype: torch.dtype, score: str) -> None:
    # With one key the weight is 1: a context is either dropped or, to keep the mean, doubled.
    ones = torch.ones(1, 1, 400, 2, dtype=dtype)
    act = Attention(ones, ones[:, :, :1], ones[:, :, :1], dropout=0.5, score=every_score(2)[score])
    assert act.weights().eq(1).all()
    context = act.context()
    assert set(context.flatten().tolist()) == {0.0, 2.0}
    assert 0.8 < context.float().mean() < 1.2
    assert act.gap(ones) == 0.0


def test_a_kept_act_is_not_changed_by_a_later_step() -> None:
    score, bias = every_score(6)["Additive"], torch.zeros(1, 1, 3, 5)
    assert isinstance(score, Additive)
    act = some_act(q=some_act().q.requires_grad_(), score=score, bias=Added(bias), mask=Causal())
    kept, before = act.kept(grad=False), act.weights().detach()
    with torch.no_grad():
        score.v_weight.add_(1.0)
        bias.add_(torch.arange(5.0))
    torch.testing.assert_close(kept.weights(), before)
    assert not torch.allclose(act.weights(), before)
    assert not kept.q.requires_grad and not kept.weights().requires_grad
    assert act.kept(grad=True) is act


# Edits


@pytest.mark.parametrize("op", ["set", "add", "multiply"])
@pytest.mark.parametrize("step", ["q", "k", "v", *STEPS, "context"])
def test_every_step_is_edited_in_its_place_alone(step: str, op: str) -> None:
    act, place = some_act(mask=Causal()), (1, 1, 2, 0)
    edited = act.edited([Edit("a", place, op, 2.0, step=step)])  # type: ignore[arg-type]

    def value(act: Attention) -> Tensor:
        found: Tensor = getattr(act, step) if step in "qkv" else getattr(act, step)()
        return found

    expected = (act._context_by_rows() if step == "context" else value(act)).clone()
    expected[place] = {"set": 2.0, "add": expected[place] + 2.0, "multiply": expected[place] * 2.0}[op]
    torch.testing.assert_close(value(edited), expected)
    assert not torch.allclose(edited.context(), act.context())


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ((), (...,)),
        ((1,), (1,)),
        ((None, 3), (slice(None), 3)),
        ((0, (1, 3), None, 4), (0, slice(1, 3), slice(None), 4)),
        ((None, None, (0, 2), (2, 5)), (slice(None), slice(None), slice(0, 2), slice(2, 5))),
    ],
)
def test_where_is_an_index_a_range_or_everything(where: tuple[object, ...], index: tuple[object, ...]) -> None:
    edited = some_act().edited([Edit("a", where, "set", 7.0, step="scaled")])  # type: ignore[arg-type]
    expected = some_act().scaled()
    expected[index] = 7.0  # type: ignore[index]
    torch.testing.assert_close(edited.scaled(), expected)
    torch.testing.assert_close(edited.scaled(slice(1, 3)), expected[:, :, 1:3])
    torch.testing.assert_close(edited.weights(), expected.softmax(-1))
    torch.testing.assert_close(edited.context(), opened(edited))


def test_edits_follow_one_another() -> None:
    edits = [Edit("a", (0,), "set", 1.0, step="scaled"), Edit("a", (0,), "multiply", 3.0, step="scaled")]
    assert some_act().edited(edits).scaled()[0].eq(3.0).all()
    assert some_act().edited(edits[:1]).edited(edits[1:]).scaled()[0].eq(3.0).all()


def test_rows_are_absolute_behind_a_cache() -> None:
    act = some_act(where=Where.line(3, start=2))  # rows 2, 3, 4

    def edit(rows: int | tuple[int, int], step: str = "weights") -> Edit:
        return Edit("a", (None, None, rows), "set", 0.0, step=step)

    assert [act.touches(edit(row)) for row in range(6)] == [False, False, True, True, True, False]
    assert act.edited([edit(3)]).weights().sum(-1)[0, 0].tolist() == pytest.approx([1.0, 0.0, 1.0])
    assert act.edited([edit((0, 9))]).context().eq(0).all()
    assert act.edited([edit(4, "q")]).q[:, :, 2].eq(0).all()
    assert act.edited([edit(0, "k")]).k[:, :, 0].eq(0).all()  # keys are counted from the first one always
    torch.testing.assert_close(act.edited([edit(0)]).context(), act.context())


@pytest.mark.parametrize("where", [Where.line(3), Where.line(4, start=1), Where.texts(torch.tensor([1, 2, 3]), 5)])
def test_positions_of_other_tokens_are_refused(where: Where) -> None:
    with pytest.raises(ConfigError, match="give positions"):
        some_act(where=where)


@pytest.mark.parametrize("where", [(), (0,), (0, 1, (0, 3))])
def test_a_value_for_each_row_is_cut_with_the_rows(where: tuple[object, ...]) -> None:
    rows = [[float(10 * i + j) for j in range(5)] for i in range(3)]
    edited = some_act().edited([Edit("a", where, "set", rows, step="weights")])  # type: ignore[arg-type]
    assert edited.weights()[0, 1].tolist() == rows
    assert edited.weights(slice(1, 3))[0, 1].tolist() == rows[1:]
    with patch.object(module, "_BLOCK", 1):
        torch.testing.assert_close(edited.context(), opened(edited))


def test_edits_reach_the_context_in_blocks_with_gradients() -> None:
    q = some_act().q.requires_grad_()
    act = some_act(q=q).edited([Edit("a", (None, None, 1, 0), "set", -inf, step="masked")])
    wanted = torch.autograd.grad(opened(act).square().sum(), q)
    with patch.object(module, "_BLOCK", 1):
        found = torch.autograd.grad(act.context().square().sum(), q)
    assert_all_close(list(found), list(wanted), 1e-5)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("a", step="wieghts"), "did you mean 'weights'"),
        (Edit("a", step="zzz"), "its steps are q, k, v"),
        (Edit("a", (0, 0, 3), step="weights"), "asks for 3 on axis 2, which has 3 entries"),
        (Edit("a", (-1,), step="weights"), "indices count from 0"),
        (Edit("a", (0, 0, (1, 1)), step="weights"), "ranges are \\[start, stop\\)"),
        (Edit("a", (0, 0, 0, 0, 0), step="weights"), "names 5 axes, the value has 4"),
        (Edit("a", (0, 3), step="k"), "axis 1, which has 2 entries"),
    ],
)
def test_impossible_places_are_refused(edit: Edit, words: str) -> None:
    with pytest.raises(EditError, match=words):
        some_act().touches(edit)


def test_impossible_values_are_refused() -> None:
    edited = some_act().edited([Edit("a", (0, 0, 0), "add", [1.0, 2.0], step="weights")])
    with pytest.raises(EditError, match=r"has shape \(2,\), its place \(1, 1, 1, 5\)"):
        edited.weights()
    with pytest.raises(EditError, match="set, add or multiply, not 'replace'"):
        Edit("a", op="replace")  # type: ignore[arg-type]


def test_an_edit_is_json_and_back() -> None:
    edit = Edit("a.b", (0, (1, 3), None), "add", [[-inf, 0.5], [inf, 1.0]], step="masked", call=2)
    text = json.dumps(edit.to_json(), allow_nan=False)
    assert Edit.from_json(json.loads(text)) == edit
    assert torch.equal(Edit.from_json({"path": "x", "value": "-inf"}).apply(torch.ones(2)), torch.full((2,), -inf))
    with pytest.raises(EditError, match="no field 'steps'"):
        Edit.from_json({"path": "a", "steps": "q"})
    for where in (None, 3, (0, 1.5), ((0, 1, 2),), [[0, 1]], "all"):
        with pytest.raises(EditError, match="is not a place"):
            Edit("a", where)  # type: ignore[arg-type]
    for where in (None, 3, [0, "1"], [[0]], {"0": 1}):
        with pytest.raises(EditError, match="is not a place"):
            Edit.from_json({"path": "a", "where": where})


@pytest.mark.parametrize("bias", [None, ALiBi(4)])
@pytest.mark.parametrize("score", ["scaled", "additive"])
def test_one_head_alone_is_that_head_of_all(bias: ALiBi | None, score: str) -> None:
    """Also where masks and biases differ between heads, and edits touch some of them."""
    torch.manual_seed(0)
    mask = Matrix(torch.tensor([1, 0, 1, 1] * 15).view(1, 4, 3, 5) > 0)
    kind = ScaledDot() if score == "scaled" else Additive(6, 6, 3)
    edits = [
        Edit("", (0, 2, 1, 3), "set", 4.0, step="scaled"),
        Edit("", (0, (1, 3)), "add", [[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]], step="weights"),
        Edit("", (None, 1), "multiply", 0.5, step="context"),
        Edit("", (0, 1, 4), "set", 0.25, step="v"),
    ]
    act = some_act(mask=mask, bias=bias, score=kind).edited(edits)
    for head in range(4):
        alone = act.of_head(head)
        assert alone.shape == (2, 1, 3, 5)
        for step in STEPS:
            torch.testing.assert_close(getattr(alone, step)()[:, 0], getattr(act, step)()[:, head])
        torch.testing.assert_close(alone.context()[:, 0], act.context()[:, head])
        torch.testing.assert_close(alone.weights(slice(1, 3))[:, 0], act.weights()[:, head, 1:3])


@pytest.mark.parametrize(("cost", "kernel"), [(0.3, False), (24.0, True)])
def test_a_processor_without_bfloat16_takes_the_kernel(
    monkeypatch: pytest.MonkeyPatch, cost: float, kernel: bool
) -> None:
    """There the plain steps of a short text take up to nine times as long; the context is the same."""
    used: list[bool] = []
    fused = module.F.scaled_dot_product_attention

    def counted(*given: object, **named: object) -> Tensor:
        used.append(True)
        return fused(*given, **named)

    monkeypatch.setattr(module, "bfloat16_cost", lambda device: cost)
    monkeypatch.setattr(module.F, "scaled_dot_product_attention", counted)
    q, k, v = torch.randn(3, 2, 4, 16, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    act = Attention(q, k, v, mask=Causal())
    assert act.gap(act.context()) < 2e-2
    assert bool(used) == kernel
