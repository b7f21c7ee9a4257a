"""Every number of a page explains itself: its operands, read and computed by the page, make the number PyTorch has.

Both sides compute in float64, so that a formula that is almost right is wrong.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import torch

from clearhead.attention import Attention
from clearhead.edits import Edit
from clearhead.explorer import page as page_module
from clearhead.explorer.document import values
from clearhead.explorer.page import page as page_of
from clearhead.explorer.questions import Values
from clearhead.explorer.stations import stations
from clearhead.look import Trace, watch
from clearhead.models.architecture import SEQ2SEQ
from clearhead.models.seq2seq import make_seq2seq

INPUTS = {"source": [5, 6, 7, 8, 2], "target": [1, 4, 9, 12]}
SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"family": "lstm", "d_model": 6, "max_len": 16},
    "gru": {"family": "gru", "d_model": 6, "max_len": 16},
    "encoder-decoder": {"d_model": 8, "d_ff": 6, "heads": 2, "layers": 1, "max_len": 16},
}
CONFIGS: list[dict[str, Any]] = [
    {"family": "lstm", "layers": 2},
    {"family": "lstm", "attention": "luong", "heads": 2},
    {"family": "lstm", "attention": "luong", "input_feeding": False, "layers": 2},
    {"family": "lstm", "attention": "none"},
    {"family": "gru", "layers": 2, "score": "cosine"},
    {"family": "gru", "attention": "none", "layers": 2},
    {"score": "bilinear", "kv_heads": 1},
    {"score": "additive", "kv_heads": 1, "positions": "rotary"},
    {"score": "cosine", "activation": "swiglu", "norm": "rms"},
    {"score": "dot", "positions": "alibi", "norm_order": "post"},
]

# Explains cells of a file's document and answers [what its operands make, what the page says the number is] of each.
EXPLAIN = """async ([given, question, wanted]) => {
    const names = ["host-file", "asking", "explain"];
    const [{ FileHost }, { Asking }, { explain }] = await Promise.all(names.map((name) => import(`/${name}.js`)));
    const asking = new Asking(await FileHost.open(given));
    const answers = (...questions) => asking.ask(question, questions);
    const page = { answers, doc: await asking.document(question) };
    const found = [];
    for (const [path, step, head, cells] of wanted) {
        for (const [row, column] of cells) {
            const want = { kind: "values", path, step, head, rows: [row, row + 1], columns: [column, column + 1] };
            const told = await explain(page, { path, step, head }, [row, column]);
            const [{ data }] = await answers(want);
            const links = told.terms.filter(({ from, factors = [{ from }] }) => factors.some((one) => one.from?.path));
            const total = told.total === null ? null : String(told.total);
            found.push([total, String(data[0]), told.formula, told.terms.length, links.length]);
        }
    }
    return found;
}"""


def traced(config: dict[str, Any], edits: list[Edit] | None = None) -> Trace:
    torch.manual_seed(0)
    family = config.get("family", "encoder-decoder")
    model = make_seq2seq(SEQ2SEQ[family].model_validate({**SMALL[family], **config}), 20, 20).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        with watch(model, edits=edits or []) as trace:
            model(*(torch.tensor([ids]) for ids in INPUTS.values()))
    trace.token_ids, trace.module = INPUTS, model
    trace.labels = {name: [str(token) for token in ids] for name, ids in INPUTS.items()}
    trace.name_of = str
    return trace


def given(trace: Trace) -> Any:
    """What a file of the trace embeds."""
    found = re.search(r'id="given">(.*?)</script>', page_of(trace).html, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def cells(rows: int, columns: int) -> list[tuple[int, int]]:
    """Every row - the edges are where recurrent networks differ - and a column of its own for each, at least."""
    return [(row, column % columns) for row in range(rows) for column in {row, row + columns // 2}]


def asked(trace: Trace) -> list[tuple[str, str, int, list[tuple[int, int]]]]:
    found = []
    for station in stations(trace):
        act = station.kind == "act"
        steps = ("q", "k", "v", "similarities", "scaled", "masked", "weights", "context") if act else ("",)
        for step in steps:
            for head in range(station.shape[0] if len(station.shape) > 2 else 1):
                shape = values(trace, Values(station.path, step, head)).shape
                found.append((station.path, step, head, cells(shape[0], shape[1])))
    return found


@pytest.mark.parametrize("edited", [False, True], ids=["", "edited"])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: "-".join(str(v) for v in c.values()))
def test_a_cell_s_operands_make_it(config: dict[str, Any], edited: bool, page: Any, site: str) -> None:
    trace = traced(config)
    edits = changes(trace) if edited else []
    data, true = given(trace), traced(config, edits)
    wanted = asked(trace)
    page.goto(site)
    question = {"edits": [edit.to_json() for edit in edits], "temperature": 1.0, "texts": {}, "token_ids": None}
    found = iter(page.evaluate(EXPLAIN, [data, question, wanted]))
    touched, untold = {(edit.path, edit.step) for edit in edits}, []
    for path, step, head, places in wanted:
        numbers = values(true, Values(path, step, head))
        for row, column in places:
            total, said, formula, terms, links = next(found)
            assert float(said) == pytest.approx(float(numbers[row, column]), rel=1e-9, abs=1e-11), (path, step, row)
            if (path, step) in touched:
                continue
            if total is None:
                untold.append((path, step))
                continue
            assert float(total) == pytest.approx(float(said), rel=1e-9, abs=1e-11), (path, step, row, column)
            assert formula and terms
            if step in ("", "similarities") and "embed" not in path:
                assert links or (step and config["score"] == "additive"), (path, step, row, column)
    # What only words tell: q and k that were turned by their positions.
    assert {step for _, step in untold} <= {"q", "k"}
    assert not untold or config.get("positions") == "rotary"


def changes(trace: Trace) -> list[Edit]:
    """In the middle of each network, so that what lies behind has to follow."""
    acts = [path for path in trace if isinstance(trace.calls(path)[0], Attention)]
    gates = [path for path in trace if path.endswith(("forget_gate", "update_gate"))]
    found = [Edit(acts[-1], (0, 0, 0, 1), "add", 1.0, "similarities", 0)] if acts else []
    return found + [Edit(path, (0, 0, 1), "set", 2.0, call=1) for path in gates]


@pytest.mark.parametrize("score", ["bilinear", "additive"])
def test_without_the_model_s_weights_a_score_still_has_its_own(
    score: str, page: Any, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "_MOST_WEIGHTS", 0)
    trace = traced({"score": score})
    path = trace.find("cross_attention.attention")[0]
    wanted = [(path, "similarities", 1, [(0, 0), (3, 4)])]
    page.goto(site)
    question = {"edits": [], "temperature": 1.0, "texts": {}, "token_ids": None}
    numbers = values(trace, Values(path, "similarities", 1))
    found = page.evaluate(EXPLAIN, [given(trace), question, wanted])
    for (row, column), (total, *_) in zip(wanted[0][3], found, strict=True):
        assert float(total) == pytest.approx(float(numbers[row, column]), rel=1e-5)
