"""A program run by a browser equals the model run by PyTorch, value by value, edited and not, for every family.

Both sides compute in float64; a value may differ by 1e-9 of its tensor's largest number.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clearhead.attention import Attention, Where
from clearhead.attention.act import STEPS
from clearhead.errors import ConfigError
from clearhead.look import Edit, Trace, see, watch
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq
from clearhead.program.program import Program, program_of

VOCAB = 19
GENERATOR = torch.Generator().manual_seed(0)
SRC, TGT = torch.randint(0, VOCAB, (2, 5), generator=GENERATOR), torch.randint(0, VOCAB, (2, 4), generator=GENERATOR)
LENGTHS = torch.tensor([5, 3])
DOCUMENTS = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 1, 2]])
PLACES = torch.tensor([[0, 1, 0, 1, 2], [0, 0, 1, 2, 0]])

# Opens the program and answers each run with all values, one behind the other, as the bytes of float64.
RUN = """async ([program, bytes, runs]) => {
    const { Program } = await import("/program.js");
    const opened = await Program.open(program, bytes);
    const steps = (call) => (typeof call === "number" ? [""] : Object.keys(call));
    const places = opened.paths.flatMap((path) =>
        opened.calls(path).flatMap((call, number) => steps(call).map((step) => [path, step, number])));
    const written = (numbers) => {
        const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
        return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    };
    return runs.map(({ edits, tokens }) => {
        const values = opened.run(edits, { tokens });
        return written(places.flatMap((place) => Array.from(values.get(...place).flat())));
    });
}"""

TRANSFORMERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "post-norm": {"norm_order": "post", "activation": "gelu", "positions": "learned", "tied": "none"},
    "grouped": {"kv_heads": 2, "norm": "rms", "activation": "swiglu", "positions": "rotary", "qk_norm": True},
    "alibi": {"positions": "alibi", "kv_heads": 1, "biases": False, "tied": "target"},
    "relative": {"positions": "relative", "score": "dot", "activation": "gelu-tanh"},
    "wide heads": {"head_dim": 6, "v_head_dim": 2, "o_proj": False, "score": "cosine", "positions": "none"},
    "bilinear": {"score": "bilinear", "kv_heads": 2, "norm": "rms"},
    "additive": {"score": "additive", "kv_heads": 2, "positions": "alibi", "norm_order": "post"},
}
DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": {"preset": "gpt2"},
    "llama": {"preset": "llama", "kv_heads": 2},
    "qwen3": {"preset": "qwen3", "kv_heads": 1},
    "modern": {"preset": "modern", "window": 2, "full_every": 2, "kv_heads": 2},
}
RECURRENT: dict[str, dict[str, Any]] = {
    "lstm": {"family": "lstm", "layers": 2},
    "lstm, luong": {"family": "lstm", "attention": "luong", "heads": 2},
    "lstm, luong, all at once": {"family": "lstm", "attention": "luong", "input_feeding": False, "score": "additive"},
    "lstm, none": {"family": "lstm", "attention": "none", "tied": "none"},
    "gru": {"family": "gru", "score": "cosine"},
    "gru, luong": {"family": "gru", "layers": 2, "attention": "luong", "score": "scaled-dot"},
    "gru, none": {"family": "gru", "attention": "none"},
    "gru, dot": {"family": "gru", "score": "dot", "heads": 2},
}
FAMILIES = [*TRANSFORMERS, *DECODERS, *RECURRENT]


def make(name: str) -> tuple[nn.Module, tuple[Any, ...]]:
    """A small model with weights large enough that everything in it is felt, and what it is given."""
    torch.manual_seed(0)
    sizes = {"d_model": 8, "d_ff": 12, "heads": 4, "layers": 2, "max_len": 16}
    model: nn.Module
    if name in DECODERS:
        where = Where.packed(PLACES, DOCUMENTS)
        model, inputs = Decoder(DecoderConfig.model_validate({**sizes, **DECODERS[name]}), VOCAB), (SRC, where)
    elif name in TRANSFORMERS:
        config = EncoderDecoderConfig.model_validate({**sizes, "layers": 1, **TRANSFORMERS[name]})
        model, inputs = make_seq2seq(config, VOCAB, VOCAB), (SRC, TGT, LENGTHS)
    else:
        model = make_seq2seq(RecurrentConfig.model_validate({"d_model": 8, **RECURRENT[name]}), VOCAB, VOCAB)
        inputs = (SRC, TGT, LENGTHS)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.4)
    return model.eval(), inputs


def traced(model: nn.Module, inputs: tuple[Any, ...], edits: Sequence[Edit] = ()) -> Trace:
    with torch.no_grad(), watch(model.double(), edits=edits) as trace:
        model(*inputs)
    return trace


def places(program: Program) -> Iterator[tuple[str, int, str]]:
    """(path, call, step) of every value, in the order in which the page answers."""
    for path, calls in program.values.items():
        for number, call in enumerate(calls):
            for step in call if isinstance(call, dict) else [""]:
                yield path, number, step


def value(trace: Trace, path: str, call: int, step: str) -> Tensor:
    seen = trace.calls(path)[call]
    if not isinstance(seen, Attention):
        return seen
    return getattr(seen, step) if step in ("q", "k", "v") else getattr(seen, step)()


def ran(page: Any, program: Program, *runs: tuple[Sequence[Edit], dict[str, Any]]) -> list[NDArray[np.float64]]:
    """All values of each run (edits, tokens) in the browser."""
    asked = [{"edits": [e.to_json() for e in edits], "tokens": tokens} for edits, tokens in runs]
    given = json.dumps(program.to_json()), base64.b64encode(program.blob()).decode(), asked
    return [np.frombuffer(base64.b64decode(answer)) for answer in page.evaluate(RUN, list(given))]


def agrees(found: NDArray[np.float64], program: Program, trace: Trace) -> bool:
    """Whether every value is the trace's; raises with the first that is not."""
    start = 0
    for path, call, step in places(program):
        wanted = value(trace, path, call, step).numpy().ravel()
        given = found[start : start + wanted.size]
        finite = np.isfinite(wanted)
        np.testing.assert_array_equal(given[~finite], wanted[~finite], err_msg=f"{path} {step} {call}")
        scale = np.abs(wanted[finite]).max(initial=0.0)
        np.testing.assert_allclose(
            given[finite], wanted[finite], rtol=0, atol=1e-9 * scale, err_msg=f"{path} {step} {call}"
        )
        start += wanted.size
    return start == found.size


def edits_of_tensors(trace: Trace) -> list[Edit]:
    """One of each op, among the embeddings, the residual stream or the states, and what a last norm gives."""
    inside = [*trace.find("resid_mid"), *trace.find("states")][0]
    width = trace.calls(inside)[0].size(-1)
    return [
        Edit(trace.find("embedded")[0], (None, 1), "multiply", -2.0),
        Edit(trace.find("embedded")[-1], (1, (1, 3), 2), "set", [[[0.5], [-1.5]]]),
        Edit(inside, (0, (0, 1)), "add", [i / 4 for i in range(width)]),
        Edit([*trace.find("decoder.out"), *trace.find("out")][0], (0, 0, (2, 5)), "set", [1.0, 2.0, -3.0]),
        Edit("logits", (1, 0, 3), "add", float("-inf")),
    ]


def edits_of_acts(trace: Trace) -> list[Edit]:
    """Every step of the acts, each op; a row that may then look nowhere; where there are calls, one of them alone."""
    paths = [path for path in trace if isinstance(trace.calls(path)[0], Attention)]
    first, last = (paths[0], paths[-1]) if paths else ("", "")
    call = len(trace.calls(last)) - 1 if paths else 0
    edits = [
        Edit(first, (0, None, 0, 1), "add", 1.5, "q"),
        Edit(first, (None, 0, (1, 3)), "multiply", -1.0, "k"),
        Edit(last, (1, 0, 2, (0, 2)), "set", [3.0, -3.0], "v"),
        Edit(first, (0, 0, 0, 1), "set", 2.0, "similarities"),
        Edit(first, (0, 0, 0), "multiply", 0.5, "scaled"),
        Edit(last, (1, 0, 0, (0, 2)), "add", [1.0, -1.0], "biased", call),
        Edit(last, (0, 0, 0), "set", float("-inf"), "masked"),
        Edit(last, (1, 0, 0, 1), "set", 0.75, "weights"),
        Edit(first, (1, 0), "multiply", 0.0, "weights", 0),
        Edit(last, (0, 0, 0), "add", 0.25, "context", call),
    ]
    return edits if paths else []


@pytest.mark.parametrize("name", FAMILIES)
def test_the_browser_computes_what_the_model_does(name: str, page: Any, site: str) -> None:
    model, inputs = make(name)
    program = program_of(model, inputs)
    trace = traced(model, inputs)
    token_name = next(iter(program.inputs))
    others = ((inputs[0] + 1) % VOCAB, *inputs[1:])
    plan = [
        [],
        edits_of_tensors(trace),
        edits_of_acts(trace),
        [*edits_of_tensors(trace)[:3], *edits_of_acts(trace)[3:7]],
    ]
    page.goto(site)
    found = ran(page, program, *((edits, {}) for edits in plan), (plan[2], {token_name: others[0].tolist()}), ([], {}))
    for answer, edits in zip(found, plan, strict=False):
        assert agrees(answer, program, traced(model, inputs, edits))
    assert agrees(found[4], program, traced(model, others, plan[2]))
    np.testing.assert_array_equal(found[5], found[0])


def test_rows_that_may_look_nowhere_give_zeros(page: Any, site: str) -> None:
    model, _ = make("plain")
    inputs = (SRC, TGT, torch.tensor([5, 0]))
    program, trace = program_of(model, inputs), traced(model, inputs)
    page.goto(site)
    assert agrees(ran(page, program, ([], {}))[0], program, trace)
    assert not value(trace, "decoder.blocks.0.cross_attention.attention", 0, "context")[1].any()


def test_what_an_edit_does_not_reach_is_not_computed_again(page: Any, site: str) -> None:
    """An edit in the second of two blocks: the first block's arrays are the same objects, what comes after is not."""
    model, inputs = make("llama")
    program = program_of(model, inputs)
    page.goto(site)
    script = """async ([program, bytes, edits, tokens]) => {
        const { Program } = await import("/program.js");
        const opened = await Program.open(program, bytes);
        const [before, after, undone] = [opened.run(), opened.run(edits), opened.run()];
        const other = opened.run([], { tokens });
        const same = (values) => opened.paths.filter((path) => {
            const step = typeof opened.calls(path)[0] === "number" ? "" : "context";
            return values.get(path, step) === before.get(path, step);
        });
        return [opened.paths, same(after), same(undone), same(other), opened.axes("logits")];
    }"""
    edits = [Edit("decoder.blocks.1.self_attention.k", (0, 0, 0), "add", 1.0).to_json()]
    tokens = {"token_ids": ((SRC + 1) % VOCAB).tolist()}
    given = [program.to_json(), base64.b64encode(program.blob()).decode(), edits, tokens]
    paths, kept, undone, other, axes = page.evaluate(script, given)
    place = paths.index("decoder.blocks.1.self_attention.k")
    # v is computed beside k, and not of it.
    assert kept == [*paths[:place], "decoder.blocks.1.self_attention.v"]
    assert undone == paths == list(program.values)
    assert other == []
    assert axes == ["batch", "tokens", "vocab"]


@pytest.mark.parametrize("name", ["plain", "modern", "lstm"])
def test_everything_seen_is_a_node_and_nothing_is_there_twice(name: str) -> None:
    model, inputs = make(name)
    program, trace = program_of(model, inputs), traced(model, inputs)
    assert list(program.values) == list(trace)
    assert {path: tuple(axes) for path, axes in program.axes.items()} == {path: trace.axes(path) for path in trace}
    for path, calls in program.values.items():
        for call, seen in zip(trace.calls(path), calls, strict=True):
            assert (list(seen) == list(STEPS)) if isinstance(call, Attention) else not isinstance(seen, dict)
    named = {name for name in program.constants if not name.startswith("#")}
    assert named <= set(model.state_dict())
    together = [program.constants[name].data_ptr() for name in named]
    assert len(together) == len(set(together))


def test_the_context_shown_is_the_one_the_model_goes_on_with() -> None:
    model, inputs = make("grouped")
    program = program_of(model, inputs)
    for path, (act,) in program.values.items():
        if isinstance(act, dict):
            (shown,) = program.values[path.removesuffix("attention") + "context"]
            assert shown.inputs == (act["context"],)  # type: ignore[union-attr]


def test_a_dead_operation_and_what_is_always_the_same_are_left_out() -> None:
    """see(x + 1) for x = table[ids]: what else is computed of x, and of the table, is no node."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.tensor([[1.0], [3.0]]))

        def forward(self, ids: Tensor) -> Tensor:
            x = nn.functional.embedding(ids, self.table)
            x.tanh()
            return see("out", x + (self.table * 2).sum())

    program = program_of(Model(), (torch.tensor([1, 0]),))
    data = program.to_json()
    assert data["nodes"] == [
        ["input", ["ids"]],
        ["constant", ["table"]],
        ["take", 1, 0],
        ["constant", ["#1"]],
        ["add", 2, 3],
        ["see", 4],
    ]
    assert data["inputs"] == {"ids": [[2], [1, 0]]}
    assert data["constants"]["arrays"] == {"table": ["float32", [2, 1], 0], "#1": ["float32", [], 2]}
    assert data["values"] == {"out": [5]}
    assert float(program.constants["#1"]) == 8.0  # (1 + 3) * 2


def test_a_pass_that_goes_by_numbers_it_computed_is_refused() -> None:
    class Model(nn.Module):
        def __init__(self, sort: bool) -> None:
            super().__init__()
            self.table, self.sort = nn.Embedding(3, 2), sort

        def forward(self, ids: Tensor) -> Tensor:
            x = self.table(ids)
            return see("out", x.sort().values if self.sort else x * float(x.sum()))

    for sort, word in ((True, "sort"), (False, "sum")):
        with pytest.raises(ConfigError, match=f"depends on '{word}'"):
            program_of(Model(sort), (torch.tensor([1, 0]),))


def test_ids_of_which_more_than_vectors_is_made_are_fixed() -> None:
    """Positions that are looked up and turned into a mask cannot be others: the mask would not follow."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(3, 2)

        def forward(self, ids: Tensor, at: Tensor) -> Tensor:
            real = (at != 0)[:, None]
            return see("out", (self.table(ids) + self.table(at)) * real)

    program = program_of(Model(), (torch.tensor([1, 0]), torch.tensor([0, 2])))
    assert list(program.inputs) == ["ids"]
    assert [node.op for node in program.nodes].count("input") == 1
    held = [value.tolist() for name, value in program.constants.items() if name.startswith("#")]
    assert [False, True] in held and len(held) == 2  # the mask, and the vectors of the positions


def test_a_text_too_long_for_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearhead.attention.act._BLOCK", 64)  # numbers that an opened act may hold at once
    with pytest.raises(ConfigError, match="a few rows at a time"):
        program_of(*make("plain"))


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        ({"path": "nowhere"}, 'nothing was seen under "nowhere"'),
        ({"path": "logits", "step": "q"}, 'has no step "q": it is a tensor'),
        ({"path": "decoder.blocks.0.self_attention.attention"}, 'has no step "": its steps are q, k, v'),
        ({"path": "logits", "where": [0, 0, 0, 0]}, "names 4 axes, the value has 3"),
        ({"path": "logits", "where": [2]}, "asks for 2 on axis 0, which has 2 entries"),
        ({"path": "logits", "op": "divide"}, 'not "divide"'),
        ({"path": "logits", "where": [0, 0], "value": [1, 2]}, "has shape [2], its place [1, 1, 19]"),
        ({"path": "logits", "call": 1}, "was seen 1 times"),
    ],
)
def test_an_edit_of_a_place_that_does_not_exist_is_refused(
    edit: dict[str, Any], complaint: str, page: Any, site: str
) -> None:
    model, inputs = make("plain")
    program = program_of(model, inputs)
    page.goto(site)
    script = """async ([program, bytes, edit]) => {
        const { Program } = await import("/program.js");
        const opened = await Program.open(program, bytes);
        try { opened.run([edit]); } catch (error) { return error.message; }
    }"""
    given = [program.to_json(), base64.b64encode(program.blob()).decode(), edit]
    assert complaint in page.evaluate(script, given)
