"""The page's own arithmetic: arrays against numpy, packing and its inverse, edits and programs of acts against ours."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from clearhead.attention import (
    Added,
    Additive,
    ALiBi,
    Attention,
    Bias,
    Bilinear,
    Causal,
    Cosine,
    Dot,
    Mask,
    Padding,
    ScaledDot,
    Score,
    Window,
)
from clearhead.attention.act import STEPS
from clearhead.edits import Edit
from clearhead.program.packing import packed
from clearhead.program.program import program_of_act

RNG = np.random.default_rng(0)


@pytest.fixture
def ask(page: Any, site: str) -> Any:
    """`ask(script, data)`: evaluates a function of data in a page that has all modules as `m`."""
    page.goto(site)
    page.evaluate("""async () => {
        const modules = ["arrays", "matmul", "operations", "unpack", "edits", "program"];
        window.m = Object.assign({}, ...(await Promise.all(modules.map((name) => import(`/${name}.js`)))));
    }""")
    return page.evaluate


def close(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(np.array(found, dtype=float), np.array(wanted, dtype=float), rtol=1e-12, atol=1e-12)


# Arrays ---------------------------------------------------------------------------------------------------------------


def test_windows_show_what_numpys_do(ask: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    script = """(x) => {
        const a = m.NDArray.from(x);
        const windows = [a.permute([2, 0, 1]), a.T, a.slice(1, 1, 3).slice(2, 1, 2), a.reshape([4, 6]),
            a.T.reshape([6, 4]), a.slice(0, 1, 2).expand([3, 3, 4]), a.slice(2, 0, 1).T.expand([5, 2, 3, 3])];
        return [...windows.map((w) => w.toNested()), a.T.slice(2, 1, 2).at(1, 3, 0), m.NDArray.from(7).toNested()];
    }"""
    found = ask(script, x.tolist())
    turned = x.transpose(0, 2, 1)
    wanted = [x.transpose(2, 0, 1), turned, x[:, 1:3, 1:2], x.reshape(4, 6), turned.reshape(6, 4)]
    wanted += [np.broadcast_to(x[1:], (3, 3, 4)), np.broadcast_to(x[:, :, :1].transpose(0, 2, 1), (5, 2, 3, 3))]
    for shown, ours in zip(found, [*wanted, x[1, 1, 3], 7.0], strict=True):
        assert np.array_equal(shown, ours)


SHAPES = [([2, 3], [2, 3]), ([2, 3], [3]), ([2, 1, 3], [4, 1]), ([], [2, 2]), ([3, 1], [1, 4])]


def test_numbers_are_broadcast(ask: Any) -> None:
    pairs = [(RNG.normal(size=a), RNG.normal(size=b)) for a, b in SHAPES]
    script = """(pairs) => pairs.map(([x, y]) =>
        m.elementwise((a, b) => 2 * a - b, m.NDArray.from(x), m.NDArray.from(y)).toNested())"""
    for found, (x, y) in zip(ask(script, [[x.tolist(), y.tolist()] for x, y in pairs]), pairs, strict=True):
        close(found, 2 * x - y)
    nothing = (
        "() => m.elementwise((a, b) => a + b, m.NDArray.from([]).reshape([0, 3]), m.NDArray.from([1, 2, 3])).shape"
    )
    assert ask(nothing) == [0, 3]


def test_shapes_that_do_not_go_together_are_named(ask: Any) -> None:
    script = """() => [() => m.broadcastShape([2, 3], [2]), () => m.NDArray.from([[1, 2], [3]]),
        () => m.matmul(m.NDArray.from([[1, 2]]), m.NDArray.from([[1, 2]])), () => m.NDArray.from([1, 2]).reshape([3])
    ].map((f) => { try { f(); return null; } catch (error) { return error.message; } })"""
    assert ask(script) == [
        "[2, 3] and [2] do not go together",
        "rows of unequal length do not make an array of [2, 2]",
        "a product of [1, 2] and [1, 2] does not exist",
        "[2] cannot become [3]",
    ]


@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
def test_products_are_numpys(ask: Any, turned: tuple[bool, bool]) -> None:
    """However the numbers lie, with batches that are broadcast, and rows that do and do not come by fours."""
    shapes = [((1, 1), (1, 1)), ((5, 3), (3, 7)), ((9, 2), (2, 1)), ((2, 3, 4, 5), (3, 5, 2)), ((1, 8, 3), (2, 3, 3))]
    pairs = [(RNG.normal(size=a), RNG.normal(size=b)) for a, b in shapes]
    script = """([pairs, turned]) => pairs.map((pair) => {
        const [x, y] = pair.map((nested, i) => turned[i] ? m.NDArray.from(nested).T : m.NDArray.from(nested));
        return m.matmul(x, y).toNested();
    })"""
    laid = [[(z.swapaxes(-1, -2) if t else z).tolist() for z, t in zip(p, turned, strict=True)] for p in pairs]
    for found, (x, y) in zip(ask(script, [laid, turned]), pairs, strict=True):
        close(found, x @ y)


def test_the_error_function_is_pythons(ask: Any) -> None:
    """gelu(x) = x (1 + erf(x / sqrt 2)) / 2: what erf is off by, some 1e-15, counts up to 9 times."""
    x = [*np.linspace(-9, 9, 181), 1e-9, -1e-300]
    found = ask("(x) => [...m.OPERATIONS.gelu([m.NDArray.from(x)]).flat()]", [float(a) for a in x])
    np.testing.assert_allclose(found, [a * (1 + math.erf(a / math.sqrt(2))) / 2 for a in x], rtol=0, atol=9e-15)


def test_operations_along_axes(ask: Any) -> None:
    x = RNG.normal(size=(2, 3, 4))
    for axis in range(3):
        script = f"""(x) => ["mean", "norm", "softmax", "all"].map((word) =>
            m.OPERATIONS[word]([m.NDArray.from(x)], [{axis}]).toNested())"""
        mean, norm, softmax, every = ask(script, x.tolist())
        close(mean, x.mean(axis, keepdims=True))
        close(norm, np.sqrt((x**2).sum(axis, keepdims=True)))
        close(softmax, np.exp(x) / np.exp(x).sum(axis, keepdims=True))
        assert np.array(every).all() and np.array(every).shape == mean_shape(x, axis)
    joined = ask(
        "([x, y]) => m.concatenate([m.NDArray.from(x), m.NDArray.from(y).T], 0).toNested()", [[[1, 2]], [[3], [4]]]
    )
    assert joined == [[1, 2], [3, 4]]
    picked = ask(
        "([x, i, j]) => m.OPERATIONS.index([m.NDArray.from(x), m.NDArray.from(i), m.NDArray.from(j)]).toNested()",
        [x.tolist(), [[0], [1]], [[2, 0], [1, 1]]],
    )
    close(picked, x[[[0], [1]], [[2, 0], [1, 1]]])


def mean_shape(x: Any, axis: int) -> tuple[int, ...]:
    return x.mean(axis, keepdims=True).shape


# Packing --------------------------------------------------------------------------------------------------------------


def test_what_is_packed_comes_out_exactly(ask: Any) -> None:
    arrays = {
        "weights": torch.randn(7, 3),
        "exact": torch.tensor([0.1, 1e300, float("inf"), -0.0], dtype=torch.float64),
        "narrow": torch.tensor([0.5, float("-inf"), 2.0**127], dtype=torch.float64),
        "half": torch.tensor([1.5, -3.0], dtype=torch.bfloat16),
        "mask": torch.tensor([[True, False]]),
        "ids": torch.tensor([[-1], [2**31 - 1]]),
        "one": torch.tensor(2.5),
        "none": torch.zeros(0, 3),
    }
    description, data = packed(arrays)
    kinds = {name: kind for name, (kind, _, _) in description["arrays"].items()}
    assert kinds == {
        **{"weights": "float32", "exact": "float64", "narrow": "float32", "mask": "uint8"},
        **{"ids": "int32", "half": "float32", "one": "float32", "none": "float32"},
    }
    script = """async ([description, bytes]) => Object.entries(await m.unpack(description, bytes)).map(
        ([name, x]) => [name, x.shape, [...x.flat()].map(String), Object.is(x.flat()[3], -0)])"""
    for name, shape, numbers, below in ask(script, [description, base64.b64encode(data).decode()]):
        assert shape == list(arrays[name].shape)
        assert [float(x.replace("Infinity", "inf")) for x in numbers] == arrays[name].double().flatten().tolist()
        assert below == (name == "exact")


def test_an_array_without_numbers_can_be_alone_in_its_kind(ask: Any) -> None:
    description, data = packed({"none": torch.zeros(0, 3), "ids": torch.tensor([7])})
    script = "async (given) => Object.values(await m.unpack(...given)).map((x) => x.toNested())"
    assert ask(script, [description, base64.b64encode(data).decode()]) == [[], [7]]


def test_packing_costs_less_than_the_numbers() -> None:
    """Sign and exponent of normal weights are known to about 3 of their 9 bits: nearly a sixth of 32 is spared."""
    weights = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) * 0.05
    assert len(packed({"weights": weights})[1]) < 0.87 * 4 * weights.numel()


def test_whole_numbers_beyond_32_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond 32 bits"):
        packed({"ids": torch.tensor([2**31])})


# Edits ----------------------------------------------------------------------------------------------------------------


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[int], Edit]:
    """(shape, an edit of a value of this shape)."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    where: list[Any] = []
    for size in shape[: draw(st.integers(0, len(shape)))]:
        low = draw(st.integers(0, size - 1))
        where.append(draw(st.sampled_from([None, low, (low, draw(st.integers(low + 1, size)))])))
    sizes = [1 if isinstance(p, int) else p[1] - p[0] if p else s for p, s in zip(where, shape, strict=False)]
    sizes += shape[len(where) :]
    kept = [draw(st.sampled_from([1, n])) for n in sizes][draw(st.integers(0, len(sizes))) :]
    numbers = draw(st.permutations([float(i) - 2 for i in range(math.prod(kept))])) if kept else [0.5]
    value = np.array(numbers).reshape(kept).tolist() if kept else draw(st.sampled_from([2.5, float("-inf")]))
    return shape, Edit("x", tuple(where), draw(st.sampled_from(["set", "add", "multiply"])), value)


@given(edited())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_edits_change_what_ours_change(ask: Any, case: tuple[list[int], Edit]) -> None:
    shape, edit = case
    x = torch.arange(1.0, 1 + math.prod(shape), dtype=torch.float64).reshape(shape)
    script = """([x, edit]) => {
        const value = m.NDArray.from(x);
        m.mustFit(edit, value.shape);
        return [m.applied(edit, value).toNested(), value.toNested()];
    }"""
    changed, kept = ask(script, [x.tolist(), edit.to_json()])
    assert changed == edit.apply(x).tolist()
    assert kept == x.tolist()


# One act --------------------------------------------------------------------------------------------------------------

SCORES: dict[str, Score] = {
    "scaled dot": ScaledDot(),
    "dot": Dot(),
    "cosine": Cosine(0.5),
    "bilinear": Bilinear(4, 4),
    "additive": Additive(4, 4, 3),
    "additive, projected": Additive(4, 4),
}
MASKS: dict[str, tuple[Mask | None, Bias | None]] = {
    "open": (None, None),
    "causal": (Causal() & Window(2), ALiBi(4)),
    "nowhere": (Padding(torch.tensor([3, 0])), Added(torch.linspace(-1, 1, 20).view(1, 1, 4, 5))),
}
EDITS = [
    Edit("", (0, 1, 1, 2), "set", 2.0, "q"),
    Edit("", (None, 0, (1, 3)), "multiply", -1.0, "k"),
    Edit("", (1, 1, 2), "add", [1.0, 2.0], "v"),
    Edit("", (0, 1, 1, 3), "set", 2.0, "similarities"),
    Edit("", (0, 0, (1, 3)), "multiply", [[2.0], [3.0]], "scaled"),
    Edit("", (0, 2, 3), "add", -1.0, "biased"),
    Edit("", (0, 1, 2), "set", float("-inf"), "masked"),
    Edit("", (None, 3, 1), "multiply", 0.0, "weights"),
    Edit("", (0, 0, (0, 2), 1), "add", 0.5, "context"),
]
ACT = "block.attention"
# All steps of all calls of an act, of each run with edits.
RUN = """async ([program, blob, runs, steps]) => {
    const opened = await m.Program.open(program, blob);
    return runs.map((edits) => {
        const values = opened.run(edits);
        return opened.calls("block.attention").map((_, call) =>
            steps.map((step) => [...values.get("block.attention", step, call).flat()].map(String)));
    });
}"""


def ran(ask: Any, calls: Sequence[Attention], *runs: Sequence[Edit]) -> Any:
    program = program_of_act(ACT, calls)
    blob = base64.b64encode(program.blob()).decode()
    edits = [[replace(edit, path=ACT).to_json() for edit in run] for run in runs]
    return ask(RUN, [program.to_json(), blob, edits, list(STEPS)])


def steps(act: Attention) -> list[Tensor]:
    return [getattr(act, name) if name in ("q", "k", "v") else getattr(act, name)() for name in STEPS]


def agree(found: Sequence[Sequence[str]], act: Attention) -> None:
    for numbers, step in zip(found, steps(act), strict=True):
        close([float(x.replace("Infinity", "inf")) for x in numbers], step.flatten().tolist())


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("where", MASKS)
@torch.no_grad()
def test_the_program_of_an_act_has_our_steps(score: str, where: str, ask: Any) -> None:
    """Grouped heads, every mask and bias, edits of every step; and without them again."""
    mask, bias = MASKS[where]
    draw = torch.Generator().manual_seed(0)
    shapes = ((2, 4, 4, 4), (2, 2, 5, 4), (2, 2, 5, 2))
    q, k, v = (torch.randn(s, generator=draw, dtype=torch.float64).float().double() for s in shapes)
    module = SCORES[score].double() if isinstance(SCORES[score], torch.nn.Module) else SCORES[score]  # type: ignore[attr-defined]
    act = Attention(q, k, v, mask=mask, bias=bias, score=module)
    runs = [[], EDITS, [], *([edit] for edit in EDITS)]
    for (found,), edits in zip(ran(ask, [act], *runs), runs, strict=True):
        agree(found, act.edited(edits))


@torch.no_grad()
def test_calls_of_an_act_are_edited_each_for_itself(ask: Any) -> None:
    """A recurrent network's: one query each, the same keys and values, which are packed once."""
    k, queries = torch.randn(1, 2, 5, 4), [torch.randn(1, 2, 1, 4) for _ in range(3)]
    calls = [Attention(q, k, k, score=Dot()) for q in queries]
    edit = Edit(ACT, (0, 1, 0, 3), "set", 2.0, "masked", call=1)
    exact = [Attention(q.double(), k.double(), k.double(), score=Dot()) for q in queries]
    plain, changed = ran(ask, calls, [], [edit])
    for number, act in enumerate(exact):
        agree(plain[number], act)
        agree(changed[number], act.edited([edit]) if number == 1 else act)
    held = program_of_act(ACT, calls).constants.values()
    assert sum(x.shape == k.shape for x in held) == 1


@torch.no_grad()
def test_the_weights_of_a_score_are_called_as_the_model_calls_them(ask: Any) -> None:
    act = Attention(torch.randn(1, 1, 2, 4), torch.randn(1, 1, 3, 4), torch.randn(1, 1, 3, 4), score=Bilinear(4, 4))
    program = program_of_act(ACT, [act])
    script = """async ([program, blob]) => {
        const opened = await m.Program.open(program, blob);
        return [opened.holds("block.score.weight"), opened.holds("head.weight"),
            opened.weight("block.score.weight").toNested()];
    }"""
    own, other, weight = ask(script, [program.to_json(), base64.b64encode(program.blob()).decode()])
    assert own and not other and weight == act.score.weight.tolist()
