"""see, watch, Trace and Edit: nothing changes by being looked at, and nothing is left behind."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from torch.utils.checkpoint import checkpoint

from clearhead.atlas import atlas
from clearhead.attention import Added, Additive, Attention, Causal, MultiHead, Padding
from clearhead.edits import Edit
from clearhead.errors import EditError, NotSeenError
from clearhead.look import Trace, see, watch

X = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))


class Part(nn.Module):
    sees = {"hidden": "batch tokens d_model"}

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(4) * 2)

    def forward(self, x: Tensor) -> Tensor:
        return see("hidden", x @ self.weight).square()


class Model(nn.Module):
    """Attention and two parts, the second of which runs twice; perhaps with activation checkpointing."""

    sees = {"out": "batch tokens d_model"}

    def __init__(self, checkpointed: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads = MultiHead(4, 2)
        self.parts = nn.ModuleList([Part(), Part()])
        self.checkpointed = checkpointed

    def run(self, part: nn.Module, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(part, x, use_reentrant=False) if self.checkpointed else part(x)
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = self.run(self.heads, x)
        for part in (self.parts[0], self.parts[1], self.parts[1]):
            x = self.run(part, x)
        return see("out", x)


def seen(model: nn.Module, *edits: Edit, grad: bool = False) -> Trace:
    with watch(model, edits=edits, grad=grad) as trace:
        model(X)
    return trace


# Seeing


def test_nobody_watches_nothing_happens() -> None:
    assert see("x", X) is X


def test_watched_is_unwatched() -> None:
    model = Model()
    before = model(X)
    with watch(model):
        watched = model(X)
    assert torch.equal(before, watched) and torch.equal(before, model(X))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_paths_values_and_axes() -> None:
    model, heads = Model(), ["q", "k", "v", "attention", "context", "out"]
    trace = seen(model)
    assert list(trace) == [*(f"heads.{name}" for name in heads), "parts.0.hidden", "parts.1.hidden", "out"]
    assert {path: trace.axes(path) for path in trace} == atlas(model)
    assert trace.axes("parts.0.hidden") == ("batch", "tokens", "d_model")
    assert torch.equal(trace["out"], model(X)) and not trace["out"].requires_grad
    assert torch.equal(trace["parts.0.hidden"], trace["heads.out"] @ model.parts[0].weight)
    assert trace.find("hidden") == ["parts.0.hidden", "parts.1.hidden"] and trace.find("dden") == []
    assert isinstance(trace["heads.attention"], Attention) and len(trace) == 9


def test_a_name_seen_twice_has_two_calls() -> None:
    trace = seen(Model())
    first, second = trace.calls("parts.1.hidden")
    assert not torch.equal(first, second)
    with pytest.raises(NotSeenError, match=r"seen 2 times\n.*trace.calls\('parts.1.hidden'\)"):
        trace["parts.1.hidden"]


def test_values_are_asked_for_by_kind() -> None:
    trace = seen(Model())
    assert trace.value("out", Tensor) is trace["out"]
    assert all(isinstance(x, Tensor) for x in trace.calls("parts.1.hidden", Tensor))
    with pytest.raises(NotSeenError, match=r"'out' is no Attention: it is a Tensor\n.*trace.value\('out', Tensor\)"):
        trace.value("out", Attention)
    with pytest.raises(NotSeenError, match="seen 2 times"):
        trace.value("parts.1.hidden", Tensor)


def test_what_was_not_seen_names_what_was() -> None:
    trace = seen(Model())
    with pytest.raises(NotSeenError, match=r"no value 'heads.attenton'\n.*did you mean 'heads.attention'"):
        trace["heads.attenton"]
    with pytest.raises(NotSeenError, match="it holds 9 paths"):
        trace.axes("zzzzzz")
    assert "zzzzzz" not in trace and "parts.1.hidden" in trace


def test_a_watch_that_saw_nothing_says_so() -> None:
    with pytest.raises(NotSeenError, match="the watch saw nothing"), watch(Model()):
        pass


def test_the_inner_of_two_watches_has_its_own_trace() -> None:
    model = Model()
    with watch(model) as outer:
        model(X)
        with watch(model) as inner:
            model(X)
        model(X)
    assert len(outer.calls("out")) == 2 and len(inner.calls("out")) == 1
    assert see("x", X) is X


def test_only_the_watching_thread_is_seen() -> None:
    model = Model()
    with watch(model) as trace:
        other = threading.Thread(target=model, args=(X + 1,))
        other.start()
        other.join()
        assert not trace._stack
        model(X)
    assert len(trace.calls("out")) == 1 and torch.equal(trace["out"], model(X))


def test_leaving_in_another_thread_raises() -> None:
    model = Model()
    entered = watch(model)
    other = threading.Thread(target=entered.__enter__)
    other.start()
    other.join()
    with pytest.raises(RuntimeError, match="another thread"):
        entered.__exit__(None, None, None)
    assert see("x", X) is X and not any(m._forward_hooks for m in model.modules())


def test_an_error_inside_leaves_nothing_behind() -> None:
    model = Model()
    with watch(model) as trace:
        with pytest.raises(RuntimeError):  # of torch: a width that does not fit, deep in the model
            model(torch.ones(1, 2, 3))
        assert not trace._stack
        model(X)
    assert torch.equal(trace["out"], model(X))
    with pytest.raises(ZeroDivisionError), watch(model):
        raise ZeroDivisionError
    assert see("x", X) is X and not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("grad", [True, False])
def test_the_graph_is_kept_where_asked(grad: bool) -> None:
    model = Model()
    trace = seen(model, grad=grad)
    act = trace["heads.attention"]
    assert [trace["out"].requires_grad, act.q.requires_grad, act.weights().requires_grad] == [grad] * 3
    if grad:
        found = torch.autograd.grad(trace["out"].sum(), [trace["parts.0.hidden"], act.v])
        assert all(g.any() for g in found)


# Compiled, wrapped, checkpointed


@pytest.fixture
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("in_place", [False, True])
def test_compiled_models_are_whole_and_watched(in_place: bool) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = Part(), Part()

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.two(self.one(x))
            return out

    model, counter = Two(), CompileCounter()
    compiled: Any = model
    if in_place:
        model.compile(backend=counter, fullgraph=True)
    else:
        compiled = torch.compile(model, backend=counter, fullgraph=True)
    out = compiled(X)
    assert counter.frame_count == 1
    trace = seen(compiled)
    assert list(trace) == ["one.hidden", "two.hidden"] == list(atlas(compiled))
    torch.testing.assert_close(trace["two.hidden"].square(), out.detach())
    assert trace.notes == ([] if in_place else ["paths leave out the wrappers _orig_mod"])
    assert seen(compiled, Edit("one.hidden"))["two.hidden"].eq(0).all()
    assert torch.equal(compiled(X), out)
    assert counter.frame_count == 1  # what was compiled is still there afterwards


WHOLE = """
import torch
from torch._dynamo.testing import CompileCounter
from clearhead.atlas import atlas
from clearhead.look import watch
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.encoder_decoder import EncoderDecoder

model = EncoderDecoder(EncoderDecoderConfig(d_model=8, d_ff=8, heads=2, kv_heads=1, layers=1), 9, 9).eval()
counter, tokens = CompileCounter(), torch.randint(9, (2, 5))
compiled = torch.compile(model, backend=counter, fullgraph=True)
out = compiled(tokens, tokens, torch.tensor([5, 3]))
assert counter.frame_count == 1, counter.frame_count
with watch(compiled) as trace:
    compiled(tokens, tokens, torch.tensor([5, 3]))
assert set(trace) == set(atlas(model)), list(trace)
torch.testing.assert_close(trace["logits"], out.detach())
compiled(tokens, tokens, torch.tensor([5, 3]))
assert counter.frame_count == 1, counter.frame_count
"""


def test_a_whole_transformer_compiles_without_a_break() -> None:
    # In a process of its own: the compiler cannot read the shape checker that holds for tests.
    done = subprocess.run([sys.executable, "-c", WHOLE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # the compiler looks at it
@pytest.mark.usefixtures("fresh_compiler")
def test_a_compiled_part_is_watched() -> None:
    model = Model()
    model.parts[0] = torch.compile(model.parts[0], backend=CompileCounter())
    model(X)
    trace = seen(model)
    assert set(trace) == set(atlas(Model())) and trace.notes
    edited = seen(model, Edit("parts.0.hidden"))
    assert edited["out"].eq(0).all()


@pytest.mark.usefixtures("fresh_compiler")
def test_the_compiler_stance_of_the_user_is_given_back() -> None:
    counter = CompileCounter()
    double = torch.compile(lambda x: x * 2, backend=counter)
    with torch.compiler.set_stance("force_eager"):
        seen(Model())
        double(X)
    assert counter.frame_count == 0
    double(X)
    assert counter.frame_count == 1


def test_parallel_wrappers_are_left_out_of_paths() -> None:
    model = nn.DataParallel(Model())
    model.device_ids = []
    trace = seen(model)
    assert set(trace) == set(atlas(Model())) and trace.notes == ["paths leave out the wrappers module"]

    class Own(nn.Module):  # a child that merely has that name keeps it
        def __init__(self) -> None:
            super().__init__()
            self.module = Part()

    assert list(atlas(Own())) == ["module.hidden"]


HIDDEN = Edit("parts.0.hidden", (0,), "multiply", 3.0)


@pytest.mark.parametrize(
    "edit", [None, HIDDEN, Edit("parts.0.hidden", (0,), call=0), Edit("heads.attention", (0, 0), step="weights")]
)
def test_checkpointed_values_are_seen_once_and_edited_twice(edit: Edit | None) -> None:
    gradients = []
    for checkpointed in (False, True):
        model = Model(checkpointed)
        with watch(model, edits=[edit] if edit else [], grad=True) as trace:
            model(X).sum().backward()
        assert len(trace.calls("parts.0.hidden")) == 1 and len(trace.calls("parts.1.hidden")) == 2
        gradients.append([p.grad for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))  # type: ignore[arg-type]


def test_an_edit_that_checkpointing_cannot_repeat_is_refused() -> None:
    model = Model(checkpointed=True)
    with (
        pytest.raises(EditError, match="activation checkpointing computes 'hidden' again"),
        watch(model, edits=[Edit("parts.1.hidden", call=1)], grad=True),
    ):
        model(X).sum().backward()


# Editing


def test_an_edited_tensor_changes_what_follows() -> None:
    model, edit = Model(), Edit("parts.0.hidden", (1, (0, 2), 3), "set", 5.0)
    plain, trace = seen(model), seen(model, edit)
    expected = plain["parts.0.hidden"].clone()
    expected[1, 0:2, 3] = 5.0
    assert torch.equal(trace["parts.0.hidden"], expected)
    rest = expected.square()
    for _ in range(2):
        rest = (rest @ model.parts[1].weight).square()
    assert torch.equal(trace["out"], rest) and torch.equal(trace["heads.out"], plain["heads.out"])


def test_an_edited_act_changes_what_follows() -> None:
    model = Model()
    trace = seen(model, Edit("heads.attention", (None, None, None, 0), "set", -inf, step="masked"))
    act = trace["heads.attention"]
    assert act.weights()[..., 0].eq(0).all() and act.edits
    torch.testing.assert_close(trace["heads.context"], act.weights() @ act.v)
    assert not torch.equal(trace["out"], model(X))


def test_an_edit_of_one_call_leaves_the_others() -> None:
    plain, edited = (seen(Model(), *edits).calls("parts.1.hidden") for edits in ((), (Edit("parts.1.hidden", call=1),)))
    assert torch.equal(plain[0], edited[0]) and plain[1].any() and not edited[1].any()
    assert not any(x.any() for x in seen(Model(), Edit("parts.1.hidden")).calls("parts.1.hidden"))


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (Edit("parts.0.hiden"), "nothing was seen at the place .*did you mean 'parts.0.hidden'"),
        (Edit("parts.1.hidden", call=2), "nothing was seen at the place"),
        (Edit("out", (2,)), "asks for 2 on axis 0, which has 2 entries"),
        (Edit("out", step="weights"), "is a tensor and has no step 'weights'"),
        (Edit("heads.attention"), "has no step ''"),
        (Edit("out", (), "add", [1.0] * 3), r"has shape \(3,\), its place \(2, 3, 4\)"),
    ],
)
def test_edits_of_nothing_are_refused(edit: Edit, words: str) -> None:
    with pytest.raises(EditError, match=f"(?s){words}"):
        seen(Model(), edit)
    assert see("x", X) is X


def test_what_is_neither_tensor_nor_act_cannot_be_edited() -> None:
    class Counts(nn.Module):
        def forward(self) -> int:
            return see("count", 3)

    model = Counts()
    with watch(model) as trace:
        model()
    assert trace["count"] == 3 and trace.axes("count") == ()
    with pytest.raises(EditError, match="is a int, which cannot be edited"), watch(model, edits=[Edit("count")]):
        model()


# Keeping


def test_a_trace_of_some_names_holds_these_alone() -> None:
    trace = seen(Model())
    trace.labels["tokens"] = ["a", "b", "c"]
    few = trace.only("hidden", "nothing")
    assert list(few) == trace.find("hidden") and few.labels == trace.labels
    assert few["parts.0.hidden"] is trace["parts.0.hidden"] and few.axes("parts.0.hidden") == trace.axes(
        "parts.0.hidden"
    )
    assert "heads.attention" in trace and "heads.attention" not in few


def test_a_trace_is_json() -> None:
    edit = Edit("parts.0.hidden", (0, 0, 0), "set", -inf)
    trace = seen(Model(), edit)
    trace.labels["tokens"] = ["a", "b", "c"]
    data = json.loads(json.dumps(trace.to_json(), allow_nan=False))
    assert data["format"] == 1 and data["labels"] == {"tokens": ["a", "b", "c"]}
    assert [Edit.from_json(e) for e in data["edits"]] == [edit]
    by_path = {(v["path"], v["call"]): v for v in data["values"]}
    assert len(by_path) == 10
    assert by_path["parts.0.hidden", 0]["data"][0][0][0] == "-inf"
    assert by_path["heads.attention", 0]["kind"] == "attention"
    torch.testing.assert_close(torch.tensor(by_path["heads.attention", 0]["q"]), trace["heads.attention"].q)


def test_an_act_with_a_bias_of_infinity_is_json() -> None:
    class Biased(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            bias = Added(torch.tensor([[0.0, -inf]]))
            return see("act", Attention(x, x, x, mask=Causal(), bias=bias)).context()

    with watch(model := Biased()) as trace:
        model(torch.ones(1, 1, 2, 2))
    (act,) = json.loads(json.dumps(trace.to_json(), allow_nan=False))["values"]
    assert act["bias"] == [[0.0, "-inf"]]
    assert act["mask"] == [[[[True, False], [True, True]]]]


def numbers_reachable(thing: object) -> int:
    """How many numbers hang on a value: the storages of all tensors that its attributes lead to."""
    storages, known, todo = {}, set(), [thing]
    while todo:
        x = todo.pop()
        if id(x) in known:
            continue
        known.add(id(x))
        if isinstance(x, Tensor):
            storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes() // x.element_size()
        elif isinstance(x, (dict, tuple, list)):
            todo += gc.get_referents(x)
        else:
            todo.append(getattr(x, "__dict__", {}))
    return sum(storages.values())


@pytest.mark.parametrize("score", [None, Additive(4, 4, 2)], ids=["fused", "additive"])
def test_a_kept_act_is_linear_in_its_tokens(score: Additive | None) -> None:
    class Looking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mask = Causal() & Padding(torch.tensor([90]))
            more: dict[str, Any] = {} if score is None else {"score": score}
            act = Attention(x, x, x, mask=mask, **more)
            out = see("act", act).context()
            assert score is not None or act.where._memo  # the pass itself did need the square
            return out

    model = Looking()
    with watch(model) as trace:
        model(torch.ones(1, 1, 100, 4))
    assert 400 <= numbers_reachable(trace["act"]) < 1000  # q, k and v are one here; a square would be 10,000


def test_a_trace_shows_itself_in_five_lines() -> None:
    trace = Trace(labels={"source": ["the", "cat"], "target": ["<bos>", *["word"] * 100]})
    trace.note("encoder.attention", X)
    trace.note("logits", X)
    lines = repr(trace).splitlines()
    assert lines[:2] == ["Trace of 2 values", "  source: the cat"]
    assert lines[2].startswith("  target: <bos> word") and lines[2].endswith("…") and len(lines[2]) < 80
    assert lines[3] == "  open one: trace['encoder.attention']; list(trace) names all"
    assert lines[4:] == ["  see all: clearhead.show(trace)"]
    assert eval(lines[3].partition("open one: ")[2].partition(";")[0], {"trace": trace}) is not None
    assert "  tokens: a cat it" in repr(Trace(labels={"tokens": ["a", " cat", "\n", "it"]}))
    assert repr(Trace(edits=(Edit("x"),))) == "Trace of 0 values, 1 edit"


def test_acts_and_edits_show_no_walls_of_numbers() -> None:
    act = Attention(torch.randn(1, 4, 50, 8), torch.randn(1, 2, 60, 8), torch.randn(1, 2, 60, 8), mask=Causal())
    said = repr(act)
    assert said.startswith("Attention(batch=1, heads=4, queries=50, keys=60, ScaledDot, Causal): .similarities(), ")
    assert len(said) < 200 and "tensor" not in said
    edit = Edit("a.attention", (0, 1), "set", [[0.0] * 200] * 200, step="masked")
    assert repr(edit).startswith("Edit('a.attention', (0, 1), 'set', [[") and len(repr(edit)) < 300
    assert repr(edit).endswith(", step='masked')")
