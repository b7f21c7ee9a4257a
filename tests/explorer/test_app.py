"""The explorer's application: who may ask, what is answered, and that its numbers are the model's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import clearhead
from clearhead.edits import Edit
from clearhead.explorer.bundle import page_files
from clearhead.explorer.document import values
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Values

HOST = {"host": "127.0.0.1:8000"}
ACT = "decoder.blocks.1.cross_attention.attention"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    pairs = "The red house is big.\tLa casa roja es grande.\nA dog is here.\tUn perro está aquí.\n" * 20
    (folder / "pairs.tsv").write_text(pairs)
    arch = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64}
    more: dict[str, Any] = {"arch": arch, "training": {"evaluations": 2}, "keep_checkpoints": 2, "quiet": True}
    return clearhead.train("translate", [str(folder / "pairs.tsv")], out=folder / "m", max_steps=4, **more).inside


@pytest.fixture(scope="module")
def ask(task: Any) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    from clearhead.explorer.app import explorer

    with TestClient(explorer(Inspector(task, "m"), "secret", 8000), base_url="http://127.0.0.1:8000") as client:
        yield client


def floats(answer: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(answer["data"]), "<f4").reshape(answer["shape"])


PASS = {"texts": {"source": "The red house is big.", "target": "La casa roja es grande."}}
FIRST = [{"kind": kind} for kind in ("description", "text", "overview")]


def opened(ask: Any, of: dict[str, Any]) -> dict[str, Any]:
    """What a page draws first."""
    found: dict[str, Any] = {}
    for answer in ask.post("/secret/answer", json={"of": of, "questions": FIRST}).json():
        found |= answer
    return found


def asking(ask: Any, of: dict[str, Any], *questions: dict[str, Any]) -> Any:
    return ask.post("/secret/answer", json={"of": of, "questions": questions or FIRST})


def logits(ask: Any, of: dict[str, Any]) -> np.ndarray:
    (found,) = asking(ask, of, {"kind": "values", "path": "logits"}).json()
    return floats(found)


def test_the_document_and_the_numbers_are_the_model_s(ask: Any, task: Any) -> None:
    document = opened(ask, PASS)
    trace = task.trace(PASS["texts"]["source"], PASS["texts"]["target"])
    assert document["labels"] == trace.labels
    assert [station["path"] for station in document["stations"]] == list(trace)
    wants = [
        {"kind": "values", "path": ACT, "step": "masked", "head": 2},
        {"kind": "values", "path": "encoder.out", "rows": [1, 3], "columns": [2, 7]},
        {"kind": "weight", "name": "head.weight", "rows": [5, 6]},
        {"kind": "proof", "path": ACT, "head": 1},
    ]
    found = asking(ask, PASS, *wants).json()
    np.testing.assert_allclose(floats(found[0]), trace[ACT].masked()[0, 2].numpy(), rtol=1e-5, atol=1e-6)
    assert np.array_equal(floats(found[1]), trace["encoder.out"][0, 1:3, 2:7].numpy())
    assert np.array_equal(floats(found[2])[0], task.module.head.weight[5].detach().numpy())
    assert 0 < found[3]["proof"] < 1e-5


def test_an_edit_in_the_page_is_the_edit_in_python(ask: Any, task: Any) -> None:
    edit = Edit(ACT, (0, 1, 2, 3), "set", 5.0, step="scaled")
    question = {**PASS, "edits": [edit.to_json()]}
    trace = task.trace(*PASS["texts"].values(), edits=[edit])
    assert np.array_equal(logits(ask, question), trace["logits"][0].numpy())
    plain = task.trace(*PASS["texts"].values())
    assert not torch.equal(trace["logits"], plain["logits"])
    first = opened(ask, question)["output"][2]["candidates"][0]
    shares = trace["logits"][0, 2].softmax(-1)
    assert first["id"] == int(shares.argmax()) and first["probability"] == pytest.approx(float(shares.max()))


def test_a_moment_of_the_training(ask: Any, task: Any) -> None:
    document = opened(ask, PASS)
    steps = [moment["step"] for moment in document["moments"]]
    assert steps == [0, 4]
    early, late, now = (logits(ask, {**PASS, "moment": step}) for step in (0, 4, None))
    assert not np.array_equal(early, now) and np.array_equal(late, now)


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        ("/", {}, 404),
        ("/other/", {}, 404),
        ("/secret/", {"host": "evil.example"}, 404),
        ("/secret/", {"host": "127.0.0.1:9"}, 404),
        ("/secret/", {"origin": "http://evil.example"}, 403),
        ("/secret/../app.py", {}, 404),
        ("/secret/%2e%2e%2finspector.py", {}, 404),
        ("/secret/", {}, 200),
        ("/secret/page.js", {}, 200),
    ],
)
def test_who_may_read(ask: Any, path: str, headers: dict[str, str], code: int) -> None:
    response = ask.get(path, headers={**HOST, **headers})
    assert response.status_code == code
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_what_is_refused(ask: Any) -> None:
    post = lambda body, **headers: ask.post("/secret/answer", content=body, headers=headers)  # noqa: E731
    plain = json.dumps({"of": PASS, "questions": FIRST})
    assert post(plain, **{"content-type": "text/plain"}).status_code == 415
    assert post(plain, **{"content-type": "application/json", "origin": "http://evil.example"}).status_code == 403
    assert post(b" " * (5 * 2**20), **{"content-type": "application/json"}).status_code == 413


def test_half_a_character_is_no_text(ask: Any) -> None:
    name = next(iter(PASS["texts"]))
    response = ask.post(
        "/secret/answer",
        content=f'{{"of": {{"texts": {{"{name}": "\\ud800"}}}}, "questions": []}}',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 422 and "surrogates not allowed" in response.json()["error"]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"texts": {"source": " "}}, "the source is empty"),
        ({"texts": {"nonsense": "x"}}, "reads no 'nonsense'"),
        ({"token_ids": {"source": [99999], "target": [1]}}, "outside the vocabulary"),
        ({"token_ids": {"source": [5]}}, "this model reads"),
        ({**PASS, "moment": 3}, "no checkpoint of step 3"),
        ({**PASS, "edits": [{"path": "nowhere"}]}, "nowhere"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "where": [0, 9]}]}, "axis 1"),
        ({**PASS, "edits": [{"path": ACT, "what": 1}]}, "no field"),
        ({**PASS, "edits": [{"where": []}]}, "path"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "value": "x"}]}, "not a number"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "value": None}]}, "not a number"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "where": "abc"}]}, "not a place"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "where": [None, 1.5]}]}, "not a place"),
        ({**PASS, "edits": [{"path": ACT, "step": "weights", "value": "inf"}]}, "infinite"),
        ({"anything": 1}, "anything"),
    ],
)
def test_bad_questions_are_told_what_to_fix(ask: Any, question: dict[str, Any], said: str) -> None:
    response = asking(ask, question)
    assert response.status_code == 422
    assert said in response.json()["error"]


NESTED = "[" * 900 + "1" + "]" * 900
DECODER = "decoder.blocks.1.self_attention"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ('"step": 3', "step is a text"),
        ('"value": 1' + "0" * 400, "not a number"),
        ('"value": -1' + "0" * 400, "not a number"),
        (f'"value": {NESTED}', "not a number"),
        ('"value": [[1], [2, 3]]', "not a number"),
        (f'"where": {NESTED}', "not a place"),
        ('"where": [0, 1180591620717411303424]', "axis 1"),
        (f'"op": {NESTED}', "op is set, add or multiply"),
        ('"call": "x"', "call is a whole number"),
        ('"call": -1', "call is a whole number"),
    ],
)
def test_an_edit_of_any_form_is_told_what_to_fix(ask: Any, edit: str, said: str) -> None:
    step = "" if '"step"' in edit else ', "step": "weights"'
    body = f'{{"of": {json.dumps(PASS)[:-1]}, "edits": [{{"path": "{ACT}"{step}, {edit}}}]}}, "questions": []}}'
    response = ask.post("/secret/answer", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert said in response.json()["error"] and len(response.text) < 1000


@pytest.mark.parametrize("body", [NESTED, f'{{"texts": {NESTED}}}', "[" * 100_000, '{"moment": 1' + "0" * 5000, "\xff"])
@pytest.mark.parametrize("within", ["", '{"of": ', '{"of": {}, "questions": '])
def test_a_body_of_any_form_is_refused_in_words(ask: Any, within: str, body: str) -> None:
    content = f"{within}{body}{'}' * bool(within)}".encode("latin1")
    response = ask.post("/secret/answer", content=content, headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert response.json()["error"] and len(response.text) < 1000


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"kind": "proof", "path": ACT, "head": 99}, "no head 99\n  fix: choose one from 0 to 3"),
        ({"kind": "proof", "path": "logits"}, "not an act of attention"),
        ({"kind": "proof", "path": f"{DECODER}.q"}, "not an act of attention"),
        ({"kind": "candidates", "row": 99}, "no token 99"),
        ({"kind": "candidates", "row": 99, "cuts": {"top_k": 3}}, "no token 99"),
        ({"kind": "contributions", "row": 2, "token": 10**9}, "no token 1000000000"),
        ({"kind": "contributions", "row": 99, "token": 0}, "no row 99"),
        ({"kind": "lens", "row": 10**9}, "no token 1000000000"),
        ({"kind": "names", "first": 10**6, "last": 10**6 + 1}, "no entry 1000000"),
        ({"kind": "tokens", "label": "nobody", "text": "red"}, "reads no 'nobody'"),
        ({"kind": "words", "label": "nobody", "text": "red"}, "reads no 'nobody'"),
        ({"kind": "values", "path": ACT, "head": 4}, "no head 4"),
        ({"kind": "values", "path": ACT, "rows": [99, 100]}, "no rows 99"),
        ({"kind": "values", "path": ACT, "step": "k", "rows": [99, 100]}, "no rows 99"),
        ({"kind": "values", "path": ACT, "columns": [3, 1]}, "columns from 3 to 1"),
        ({"kind": "weight", "name": "head.weight", "rows": [10**6, 10**6 + 1]}, "no rows 1000000"),
        ({"kind": "weight", "name": "head.wieght"}, "head.weight"),
        ({"kind": "values", "path": "decoder.blocks.99.self_attention.attention"}, "no value"),
        ({"kind": "values", "path": ACT, "step": "nope"}, "no step 'nope'"),
    ],
)
def test_places_that_are_not_there_are_refused(ask: Any, question: dict[str, Any], said: str) -> None:
    """And what else was asked is answered."""
    response = asking(ask, PASS, question, {"kind": "lens", "row": 0})
    refused, answered = response.json()
    assert response.status_code == 200 and list(refused) == ["error"] and answered["lens"]
    assert said in refused["error"] and len(refused["error"]) < 1000


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ({"kind": "candidates", "row": 2**70}, "questions.0.candidates.row"),
        ({"kind": "candidates", "row": 0, "cuts": {"top_k": 2**70}}, "questions.0.candidates.cuts.top_k"),
        ({"kind": "candidates", "row": 0, "cuts": {"chance": 1.0}}, "questions.0.candidates.cuts.chance"),
        ({"kind": "contributions", "row": 0, "token": -(10**9)}, "questions.0.contributions.token"),
        ({"kind": "contributions", "row": 0}, "questions.0.contributions.token"),
        ({"kind": "values", "path": ACT, "head": 2**70}, "questions.0.values.head"),
        ({"kind": "values", "path": "logits", "columns": [-1, 4]}, "questions.0.values.columns.0"),
        ({"kind": "values", "path": "x" * 100_000}, "questions.0.values.path"),
        ({"kind": "lens", "row": 0, "path": ACT}, "questions.0.lens.path"),
        ({"kind": "words", "label": "source", "text": "x" * 10_001}, "questions.0.words.text"),
        ({"kind": "nothing"}, "questions.0"),
        ({"path": ACT}, "questions.0"),
    ],
)
def test_questions_of_no_kind_are_refused(ask: Any, question: dict[str, Any], said: str) -> None:
    """Each kind has its own fields, in their ranges."""
    response = asking(ask, PASS, question)
    assert response.status_code == 422
    assert said in response.json()["error"] and len(response.text) < 1000


@pytest.mark.parametrize("count", [65, 16_384])
def test_more_tokens_than_the_model_reads_are_refused(ask: Any, count: int) -> None:
    for ids in ({"source": [5] * count, "target": [1]}, {"source": [5], "target": [1] * count}):
        response = asking(ask, {"token_ids": ids})
        assert response.status_code == 422 and "give 1 to 64: the model's max_len" in response.json()["error"]


def test_an_answer_of_too_many_numbers_is_refused(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearhead.explorer.inspector._MOST_NUMBERS", 1000)
    response = asking(ask, PASS, *[{"kind": "values", "path": "logits"}] * 200)
    assert response.status_code == 422 and "ask for windows" in response.json()["error"]


@pytest.mark.parametrize("host", ["[", "127.0.0.1:8000[", "a b"])
def test_a_host_that_is_no_address_is_not_known(ask: Any, host: str) -> None:
    assert ask.get("/secret/", headers={"host": host}).status_code == 404


def test_remarks_are_told(ask: Any, task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was cut or stopped; of texts written anew too."""
    assert opened(ask, PASS)["remarks"] == []
    source = {"texts": {"source": "The red house is big. " * 30}}
    (cut, *_) = opened(ask, source)["remarks"]
    assert "was cut to 63: the model's max_len" in cut
    monkeypatch.setattr("clearhead.explorer.inspector._MOST_WRITTEN", 3)
    anew, words = {"kind": "written"}, {"kind": "tokens", "label": "source", "text": "red"}
    written, tokens = asking(ask, PASS, anew, words).json()
    assert len(written["token_ids"]["target"]) == 3 and "after 2 tokens" in written["remarks"][0]
    assert tokens == {"token_ids": task.tokens_of("source", "red"), "remarks": []}


def test_text_is_only_text(ask: Any) -> None:
    """What a person writes comes back as JSON, and pages load no code but their own."""
    document = asking(ask, {"texts": {"source": "<script>alert(1)</script>"}})
    assert document.headers["content-type"] == "application/json"
    assert document.headers["x-content-type-options"] == "nosniff"


def test_a_hundred_open_pages(ask: Any) -> None:
    """All are answered, each what it asked."""

    best = {
        heat: opened(ask, {**PASS, "temperature": heat})["output"][0]["candidates"][0]["probability"]
        for heat in range(1, 6)
    }
    assert len(set(best.values())) == 5

    def one(number: int) -> float:
        answer = asking(ask, {**PASS, "temperature": 1 + number % 5}, {"kind": "overview"})
        return answer.json()[0]["output"][0]["candidates"][0]["probability"]

    with ThreadPoolExecutor(100) as pages:
        assert list(pages.map(one, range(100))) == [best[1 + number % 5] for number in range(100)]


def test_too_many_questions_are_told_to_wait(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from clearhead.explorer import app

    monkeypatch.setattr(app, "_WAITING", 0)
    assert asking(ask, PASS).status_code == 503


def test_windows_and_pictures_of_large_matrices() -> None:
    """A pooled picture holds the number furthest from 0 of each patch."""
    from clearhead.explorer.document import _pooled

    x = torch.zeros(600, 512)
    x[599, 0], x[3, 511] = -7.0, 2.0
    small = _pooled(x, 256, 256)
    assert small.shape == (256, 256)
    assert small[255, 0] == -7 and small[1, 255] == 2 and small.abs().sum() >= 9


def test_rows_of_an_act_alone_are_the_rows_of_all(task: Any) -> None:
    trace = task.trace(*PASS["texts"].values())
    for step in ("similarities", "scaled", "biased", "masked", "weights"):
        whole = values(trace, Values(ACT, step, 3))
        some = values(trace, Values(ACT, step, 3, rows=(2, 4), columns=(1, 3)))
        torch.testing.assert_close(some, whole[2:4, 1:3])  # products of other shapes differ in the last bit
        torch.testing.assert_close(whole, getattr(trace[ACT], step)()[0, 3])


def test_the_files_of_the_page_are_in_the_package() -> None:
    assert {"index.html", "page.js", "program.js", "style.css"} <= set(page_files())
