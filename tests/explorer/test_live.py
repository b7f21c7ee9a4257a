"""The page as a notebook's widget: its messages, and a walk in a page whose model is this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

import clearhead
from clearhead.edits import Edit
from clearhead.errors import ConfigError

pytest.importorskip("anywidget", reason="the notebook's extra is not installed")

ACT = "decoder.blocks.1.cross_attention.attention"
SOURCE = "The red house is big."


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    pairs = "The red house is big.\tLa casa roja es grande.\nA dog is here.\tUn perro está aquí.\n" * 20
    (folder / "pairs.tsv").write_text(pairs)
    arch = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64}
    more: dict[str, Any] = {"arch": arch, "tokenizer": {"vocab_size": 400}, "quiet": True}
    task = clearhead.train("translate", [str(folder / "pairs.tsv")], out=folder / "m", max_steps=2, **more)
    with torch.no_grad():  # large enough weights that words differ
        chance = torch.Generator().manual_seed(1)
        for weight in task.module.parameters():
            weight.add_(0.15 * torch.randn(weight.shape, generator=chance))
    return task.inside


class Kernel:
    """A widget whose line ends here instead of in a notebook."""

    comm_id = "line"

    def __init__(self, trace: clearhead.Trace):
        self.widget = clearhead.show(trace, live=True)
        self.sent: list[dict[str, Any]] = []
        self.widget.comm = self

    def on_msg(self, _: Any) -> None:
        """Messages come by `hears`."""

    def send(self, data: dict[str, Any], **_: Any) -> None:
        self.sent.append(data)

    def hears(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """What the widget sends back."""
        self.sent.clear()
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})
        return json.loads(json.dumps(self.sent))

    def ask(self, of: dict[str, Any], *questions: dict[str, Any]) -> dict[str, Any]:
        """The one message that answers."""
        content = {"id": "7", "asked": {"of": of, "questions": questions}}
        (answer,) = (told["content"] for told in self.hears({"method": "custom", "content": content}))
        assert answer.pop("id") == "7"
        return answer


def test_a_question_is_answered_by_the_model(task: Any) -> None:
    trace = task.trace(SOURCE, "La casa roja es grande.")
    kernel = Kernel(trace)
    assert kernel.widget.state == {"texts": {"source": SOURCE, "target": "La casa roja es grande."}, "edits": []}
    question = {**kernel.widget.state, "edits": [Edit(ACT, (0, 1, 2, 3), "set", 5.0, step="scaled").to_json()]}
    (text,) = kernel.ask(question, {"kind": "text"})["answers"]
    edited = task.trace(SOURCE, "La casa roja es grande.", edits=[Edit.from_json(question["edits"][0])])
    assert text["labels"] == edited.labels
    best, proof = {"kind": "candidates", "row": 2}, {"kind": "proof", "path": ACT}
    (found, proof) = kernel.ask(question, best, proof)["answers"]
    best = found["candidates"][0]
    assert best["logit"] == pytest.approx(edited["logits"][0, 2].max().item())
    assert 0 <= proof["proof"] < 1e-5


def test_what_the_model_wrote_itself_is_asked_by_its_source_alone(task: Any) -> None:
    """So that another source, written in the page, is translated anew."""
    edit = Edit(ACT, (0, 1), "multiply", 0, step="weights")
    widget = clearhead.show(task.trace(SOURCE, edits=[edit]), live=True)
    assert widget.state == {"texts": {"source": SOURCE}, "edits": [edit.to_json()]}
    tokens = {"source": [5, 6, 2], "target": [1, 9, 2, 9]}  # no text leads to an end within
    assert clearhead.show(task.trace_tokens(tokens), live=True).state["token_ids"] == tokens


def test_a_language_model_s_trace_is_alive_too() -> None:
    from test_page import traced

    trace = traced()
    kernel = Kernel(trace)
    assert kernel.widget.inputs == ["text"] and kernel.widget.state["texts"] == {"text": "the </script>"}
    assert kernel.ask(kernel.widget.state, {"kind": "text"})["answers"][0]["labels"] == trace.labels


def test_changes_made_in_the_page_are_python_s_too(task: Any) -> None:
    kernel = Kernel(task.trace(SOURCE, "La casa."))
    edit = Edit(ACT, (0, 1, 0, 0), "set", 3.0, step="weights")
    state = {**kernel.widget.state, "edits": [edit.to_json()], "open": {"path": ACT, "step": "weights", "head": 1}}
    kernel.hears({"method": "update", "state": {"state": state}, "buffer_paths": []})
    assert kernel.widget.trace.edits == (edit,)
    assert torch.equal(kernel.widget.trace["logits"], task.trace(SOURCE, "La casa.", edits=[edit])["logits"])


def test_what_is_wrong_is_told(task: Any) -> None:
    kernel = Kernel(task.trace(SOURCE, "La casa."))
    assert "the source is empty" in kernel.ask({"texts": {"source": " "}})["error"]
    assert "edits" in kernel.ask({**kernel.widget.state, "edits": 3})["error"]
    (answer,) = kernel.ask(kernel.widget.state, {"kind": "values", "path": "no.such.value"})["answers"]
    assert "no.such.value" in answer["error"]


def test_a_bug_of_ours_is_told_too(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the page would wait for its answer for ever."""
    kernel = Kernel(task.trace(SOURCE, "La casa."))
    monkeypatch.setattr("clearhead.explorer.inspector.document.overview", lambda *_, **__: 1 / 0)
    asked = {"of": kernel.widget.state, "questions": [{"kind": "overview"}]}
    with pytest.raises(ZeroDivisionError):
        kernel.widget._hear(None, {"id": "1", "asked": asked}, [])
    assert "ZeroDivisionError" in kernel.sent[0]["content"]["error"]


def test_a_trace_without_a_task_has_nobody_to_ask() -> None:
    with pytest.raises(ConfigError, match="nobody to ask"):
        clearhead.show(clearhead.Trace(), live=True)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    monkeypatch.delitem(sys.modules, "clearhead.explorer.live", raising=False)
    with pytest.raises(ConfigError) as caught:
        clearhead.show(clearhead.Trace(), live=True)
    assert caught.value.fix == 'pip install "clearhead[notebook]"'


# In a browser ---------------------------------------------------------------------------------------------------------

NOTEBOOK = """async ({ esm, state }) => {
  document.body.innerHTML = `<style>button, table { visibility: hidden } p { font-size: 40px }</style>
    <h1>Mine</h1><div id=cell></div>`;
  const heard = new Map();
  const tell = (name, ...args) => (heard.get(name) ?? []).forEach((call) => call(...args));
  window.keys = [];
  document.addEventListener("keydown", (event) => window.keys.push(event.key));
  const kernel = async (data) => (await window.toPython(data)).forEach(({ method, content }) => {
    if (method === "custom") tell("msg:custom", content, []);
  });
  window.model = {
    get: (name) => state[name],
    set(name, value) { state[name] = value; tell(`change:${name}`); },
    save_changes: () => kernel({ method: "update", state, buffer_paths: [] }),
    send: (content) => kernel({ method: "custom", content }),
    on: (name, call) => heard.set(name, [...(heard.get(name) ?? []), call]),
    off: (name, call) => heard.set(name, heard.get(name).filter((one) => one !== call)),
  };
  const { default: widget } = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  window.render = () => widget.render({ model: window.model, el: document.getElementById("cell") });
  window.leave = render();
  window.listeners = () => [...heard.values()].flat().length;
}"""


@pytest.fixture
def notebook(task: Any, new_page: Callable[..., Any], site: str) -> tuple[Any, Kernel]:
    """A page that shows a widget, with styles and keys of its own, and the kernel that answers it."""
    kernel = Kernel(task.trace(SOURCE, "La casa roja."))
    page = new_page(viewport={"width": 1400, "height": 1000})
    page.goto(site)
    page.expose_function("toPython", kernel.hears)
    state = {name: getattr(kernel.widget, name) for name in ("title", "inputs", "state")}
    page.evaluate(NOTEBOOK, {"esm": kernel.widget._esm, "state": state})
    page.wait_for_selector("[data-drawn]")
    return page, kernel


def settled(page: Any, act: Callable[[], Any]) -> None:
    """Do something, and wait until the widget has drawn what it leads to."""
    drawn = "document.querySelector('#cell > div').shadowRoot.querySelector('[data-drawn]').dataset.drawn"
    before = int(page.evaluate(drawn))
    act()
    page.wait_for_function(f"before => Number({drawn}) > before", arg=before)


def test_a_weight_is_changed_and_the_model_computes_the_candidates(notebook: Any, task: Any) -> None:
    page, kernel = notebook
    row = len(task.read(SOURCE, "La casa roja.").token_ids["target"]) - 1
    settled(page, lambda: page.click(f"[data-key='why {row}']"))
    before = page.locator(".candidates tbody td.logit").all_inner_texts()
    settled(page, lambda: page.click(f"[data-key='head {ACT} 1']"))
    settled(page, lambda: page.click(f"[data-row='{row}'][data-column='0']"))
    page.fill("[data-key='another number']", "3.5")
    settled(page, lambda: page.click("[data-key='set']"))
    after = page.locator(".candidates tbody td.logit").all_inner_texts()
    assert after != before
    edit = Edit(ACT, (0, 1, row, 0), "set", 3.5, step="weights")
    true = task.trace(SOURCE, "La casa roja.", edits=[edit])["logits"][0, row].topk(len(after)).values.tolist()
    assert [float(x.replace("−", "-")) for x in after] == pytest.approx(true, rel=2e-3, abs=2e-3)
    assert kernel.widget.trace.edits == (edit,)
    settled(page, lambda: page.click("[data-key='undo']"))
    assert page.locator(".candidates tbody td.logit").all_inner_texts() == before
    assert kernel.widget.trace.edits == ()


def test_an_error_stands_in_the_page(notebook: Any) -> None:
    page, _ = notebook
    edit = Edit("no.such.value", (), "set", 1)
    page.evaluate("state => model.set('state', state)", {"texts": {"source": "A dog."}, "edits": [edit.to_json()]})
    page.wait_for_selector(".error")
    assert "no.such.value" in page.inner_text(".error")


def test_the_widget_and_the_notebook_leave_each_other_alone(notebook: Any) -> None:
    page, _ = notebook
    assert page.locator("[data-key='run']").is_visible()  # though the notebook hides its buttons
    assert page.locator(".hint").first.evaluate("x => getComputedStyle(x).fontSize") != "40px"
    assert page.locator("h1").first.evaluate("x => getComputedStyle(x).fontSize") == "32px"  # the notebook's own
    assert page.title() == "test" and "#" not in page.url
    assert page.evaluate("document.documentElement.dataset.theme") is None
    assert page.locator("[data-key='link']").count() == 0
    settled(page, lambda: page.click(f"[data-key='head {ACT} 1']"))
    settled(page, lambda: page.keyboard.press("["))
    assert page.locator(f"[data-key='head {ACT} 0'].open").count() == 1
    assert page.evaluate("keys") == []  # a letter that is pressed inside is no command of the notebook
    page.keyboard.press("Control+i")
    assert page.evaluate("keys") == ["Control", "i"]  # these are
    settled(page, lambda: page.keyboard.press("t"))
    assert page.locator("#cell > div").get_attribute("data-theme") == "dark"
    assert page.evaluate("document.documentElement.dataset.theme") is None


def test_a_notebook_in_the_dark_has_a_dark_page(notebook: Any) -> None:
    page, _ = notebook
    assert page.locator("#cell > div").get_attribute("data-theme") == "light"
    page.evaluate("leave()")
    assert page.evaluate("listeners()") == 0
    page.evaluate("document.body.style.color = 'rgb(230, 230, 230)'")
    page.evaluate("() => { render(); }")
    page.wait_for_selector("[data-theme='dark'] [data-drawn]")
