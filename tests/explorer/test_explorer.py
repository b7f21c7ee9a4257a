"""The explorer in a real browser: one walk for a translator, a language model and an LSTM, in every host.

Hosts: the application, a file, and a notebook's cell. The browser fixture fails on any error that a page logs and on
any request that leaves this machine.
"""

from __future__ import annotations

import base64
import copy
import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import clearhead
from browser import PLAIN
from clearhead.edits import Edit
from clearhead.explorer.document import values
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Asked, Overview, Pass, Values
from clearhead.explorer.stations import stations
from clearhead.look import Trace

SMALL = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64}
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "translator": ("translate", SMALL, {"source": "The red house is big.", "target": "La casa roja es grande."}),
    "lstm": ("translate", {"family": "lstm", "d_model": 16}, {"source": "A dog is here.", "target": "Un perro."}),
    "text": ("language", SMALL, {"text": "The red house is"}),
}
DATA = {
    "translate": (
        "pairs.tsv",
        "The red house is big.\tLa casa roja es grande.\nA dog is here.\tUn perro está aquí.\n" * 20,
    ),
    "language": ("text.txt", "The red house is big. A dog is here, and the house is red. " * 200),
}


@pytest.fixture(scope="session", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Pass]:
    """A model, trained for a few steps, and what is asked of it."""
    task, arch, texts = FAMILIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    name, text = DATA[task]
    (folder / name).write_text(text)
    options = {"tokenizer": {"vocab_size": 400}, "arch": arch}
    trained = clearhead.train(
        task, [str(folder / name)], out=folder / "m", max_steps=2, keep_checkpoints=2, quiet=True, **options
    )
    with torch.no_grad():  # large enough weights that heads differ, and words too
        chance = torch.Generator().manual_seed(1)
        for weight in trained.module.parameters():
            weight.add_(0.15 * torch.randn(weight.shape, generator=chance))
    return trained.inside, Pass(texts=texts)


@pytest.fixture(params=["app", "file", "notebook"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shown(
    family: tuple[Any, Pass], host: str, new_page: Callable[..., Any], tmp_path: Path
) -> Iterator[tuple[Any, Any, Any, Pass]]:
    """(the page or the frame in it, the task whose numbers it shows, the browser's page, the question)."""
    task, question = family
    page = new_page(viewport={"width": 1400, "height": 1000}, offline=host != "app")
    if host == "app":
        with served(task) as address:
            page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
            yield ready(page), task, page, question
            page.goto("about:blank")
        return
    written = Inspector(task, "a model").page(question)
    path = tmp_path / "page.html"
    if host == "file":
        written.save(path)
    else:
        path.write_text(f"<!doctype html><link rel=icon href=data:,><title>cell</title>{written._repr_html_()}")
    page.goto(path.as_uri())
    frame = page if host == "file" else page.frames[1]
    exact = copy.copy(task)  # the page computes in float64
    exact.module = copy.deepcopy(task.module).double()
    yield ready(frame), exact, page, question


class served:
    """The application on a free port, in a thread."""

    def __init__(self, task: Any, beside: Any = None):
        self.inspector = Inspector(task, "a model", beside)

    def __enter__(self) -> str:
        import socket

        import uvicorn

        from clearhead.explorer.app import explorer

        self.place = socket.socket()
        self.place.bind(("127.0.0.1", 0))
        port = self.place.getsockname()[1]
        config = uvicorn.Config(explorer(self.inspector, "secret", port), log_level="error", ws="none")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.place]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{port}/secret/"

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.place.close()


def ready(frame: Any) -> Any:
    frame.wait_for_selector("[data-drawn]", timeout=30_000)
    return frame


def settled(frame: Any, act: Callable[[], Any]) -> None:
    """Do something, and wait until the page has drawn what it leads to."""
    before = frame.locator("[data-drawn]").get_attribute("data-drawn")
    act()
    frame.wait_for_function(
        "before => Number(document.querySelector('[data-drawn]').dataset.drawn) > before", arg=int(before)
    )


def click(frame: Any, selector: str) -> None:
    settled(frame, lambda: frame.click(selector))


def parsed(text: str) -> float:
    text = text.replace("−", "-").replace("∞", "inf")
    return float(text)


def one_unit(text: str, digits: int) -> float:
    value = abs(parsed(text))
    return 10.0 ** (math.floor(math.log10(value)) - digits + 1) if value and math.isfinite(value) else 10.0**-digits


def traced(task: Any, question: Pass, edits: list[Edit] | None = None) -> Trace:
    ids = task.read(**question.texts).token_ids
    found: Trace = task.trace_tokens(ids, edits=edits or [])
    return found


def places(trace: Trace) -> list[tuple[str, str, int]]:
    """Some of what can be opened: (path, step, head), every kind once."""
    chosen: dict[str, tuple[str, str, int]] = {}
    for station in stations(trace):
        name = station.path.rsplit(".", 1)[-1]
        if station.kind == "act":
            for step in ("similarities", "scaled", "masked", "weights", "context"):
                chosen[f"{station.part} {step}"] = (station.path, step, station.shape[0] - 1)
        elif name != "context":
            heads = station.shape[0] if len(station.shape) > 2 else 1
            chosen[f"{station.part} {name}"] = (station.path, "", heads - 1)
    return list(chosen.values())


def test_every_kind_of_number_is_pytorch_s_and_explains_itself(shown: Any, host: str) -> None:
    frame, task, _, question = shown
    trace = traced(task, question)
    chance = random.Random(0)
    for path, step, head in places(trace)[:: 1 if host == "app" else 3]:
        click(frame, f"[data-key='step {path} {step}']")
        while head and frame.locator("[data-key='next head']:enabled").count():
            click(frame, "[data-key='next head']")
        wanted = values(trace, Values(path, step, head)).double()
        row, column = chance.randrange(wanted.size(0)), chance.randrange(min(20, wanted.size(1)))
        check_cell(frame, row, column, float(wanted[row, column]), share=step == "weights")


def check_cell(frame: Any, row: int, column: int, true: float, *, share: bool) -> None:
    """The number in the table, beside it, and the one that its operands make."""
    place = f"[data-row='{row}'][data-column='{column}']"
    click(frame, place)
    assert not frame.locator(".error").all_inner_texts()
    said = frame.inner_text("[data-role='value']")
    if math.isinf(true):
        assert said == "−∞" and frame.locator("td.masked.chosen").count() == 1
        return
    where = frame.inner_text(".chosen .place")
    assert abs(parsed(said) - true) <= 1.01 * one_unit(said, 6), where
    if frame.locator("[data-role='total']").count():
        total = parsed(frame.inner_text("[data-role='total']"))
        assert total == pytest.approx(true, rel=1e-4, abs=2e-6), where
    cell = frame.inner_text(place).replace("·", "0")
    assert abs(parsed(cell) - true) <= 1.01 * (1e-3 if share else one_unit(cell, 3)), where


def test_a_number_is_changed_and_all_behind_it_computed_again(shown: Any, host: str) -> None:
    frame, task, _, question = shown
    path, _, _ = next(p for p in reversed(places(traced(task, question))) if p[1] == "weights")
    last = len(list(task.read(**question.texts).token_ids.values())[-1]) - 1
    click(frame, f"[data-key='why {last}']")
    before = candidates(frame)
    click(frame, f"[data-key='step {path} weights']")
    click(frame, f"[data-row='{last}'][data-column='0']")
    frame.fill("[data-key='another number']", "3,5")
    click(frame, "[data-key='set']")
    recurrent = len(traced(task, question).calls(path)) > 1
    where = (0, 0, 0, 0) if recurrent else (0, 0, last, 0)
    edit = Edit(path, where, "set", 3.5, step="weights", call=last if recurrent else None)
    logits = torch.cat(traced(task, question, [edit]).calls("logits"), dim=1)[0, last]
    after = candidates(frame)
    assert after != before
    best = logits.topk(8)
    assert [name for name, _ in after] == [task_name(task, i) for i in best.indices.tolist()]
    for (_, said), true in zip(after, best.values.tolist(), strict=True):
        assert abs(said - true) <= 2e-3 * max(1.0, abs(true))
    assert frame.locator("td.changed").count() == 1
    click(frame, "[data-key='undo']")
    assert candidates(frame) == before
    click(frame, "[data-key='redo']")
    assert candidates(frame) == after
    click(frame, "[data-key='off']")
    assert frame.locator(".thumb.off").count() == 1
    click(frame, "[data-key='average']")
    assert frame.locator(".edits li").count() == 2 + (last if recurrent else 0)  # averaged, it is on again
    assert frame.locator(".error").count() == 0
    assert frame.inner_text("[data-role='effect']").startswith("Effect: ")
    if host == "app" and not recurrent:  # whose many passes, a step a token each, take a while
        click(frame, "[data-key='rewrite']")
        if "text" in question.texts:  # which grows behind the places that were averaged
            assert "after them it is the model's own" in frame.inner_text(".message")
        click(frame, "[data-key='own words']")


def candidates(frame: Any) -> list[tuple[str, float]]:
    rows = frame.locator(".candidates tbody tr").all()
    return [(row.locator("th").inner_text(), parsed(row.locator("td.logit").inner_text())) for row in rows]


def task_name(task: Any, token: int) -> str:
    tokenizer = task.tokenizer if hasattr(task, "tokenizer") else task.tokenizers.target
    name = tokenizer.pieces([token])[0]
    return name.replace("\n", "⏎").replace("\t", "⇥").strip() if name.strip(" ") else "␣" * len(name)


def test_the_whole_way_by_keyboard_alone(shown: Any) -> None:
    frame, _, page, _ = shown
    keys = page.keyboard
    frame.evaluate("document.querySelector('.sentence button').focus()")  # the first Tab stops are the host's own
    keys.press("w")
    settled(frame, lambda: keys.press("Enter"))
    assert frame.locator("section.why h2").inner_text().startswith("Why")
    keys.press("a")
    settled(frame, lambda: keys.press("Enter"))
    assert frame.locator("table.matrix").count() == 1
    keys.press("n")
    settled(frame, lambda: keys.press("Enter"))
    settled(frame, lambda: keys.press("ArrowDown"))
    assert frame.evaluate("document.activeElement.dataset.row") == "1"
    assert "“" in frame.inner_text(".chosen .place")
    keys.press("e")
    frame.evaluate("document.activeElement.select()")
    keys.type("0.25")
    settled(frame, lambda: keys.press("Enter"))
    assert frame.inner_text("[data-role='value']") == "0.25"
    assert frame.locator(".edits li").count() == 1
    frame.evaluate("document.activeElement.blur()")
    frame.evaluate("document.querySelector('.thumb').focus()")
    settled(frame, lambda: keys.press("]"))
    assert frame.locator(".thumb.open").count() == 1
    settled(frame, lambda: keys.press("u"))
    assert frame.locator(".edits li").count() == 0
    settled(frame, lambda: keys.press("Escape"))
    assert frame.locator("table.matrix").count() == 0


def test_a_link_shows_the_same(family: tuple[Any, Pass], new_page: Callable[..., Any]) -> None:
    task, question = family
    page = new_page(viewport={"width": 1400, "height": 1000})
    with served(task) as address:
        page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
        ready(page)
        click(page, ".thumb >> nth=0")
        click(page, "[data-row='0'][data-column='0']")
        page.fill("[data-key='another number']", "0.5")
        click(page, "[data-key='set']")
        second = new_page(viewport={"width": 1400, "height": 1000})
        second.goto(page.url)
        ready(second)
        second.wait_for_selector("[data-role='value']")
        assert second.inner_text("[data-role='value']") == "0.5"
        assert second.locator(".edits li").count() == 1
        for other in (page, second):
            other.goto("about:blank")


def test_the_film_comparisons_and_the_names_of_heads(family: tuple[Any, Pass], new_page: Callable[..., Any]) -> None:
    """A moment of the training is another model; numbers that differ from what they are compared with are framed."""
    task, question = family
    page = new_page(viewport={"width": 1400, "height": 1000})
    with served(task) as address:
        page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
        click(ready(page), ".thumb >> nth=0")
        now = page.inner_text("table.matrix")
        page.locator("[data-key='moment']").focus()
        settled(page, lambda: page.keyboard.press("Home"))
        page.wait_for_function("now => document.querySelector('table.matrix')?.innerText !== now", arg=now)
        assert "step 0" in page.inner_text(".film")
        then = Inspector(task, "a model").trace(question.model_copy(update={"moment": 0}))
        path = next(station.path for station in stations(then) if station.kind == "act")
        weight = float(values(then, Values(path, "weights", 0))[1, 0])
        assert abs(parsed(page.inner_text("[data-row='1'][data-column='0']")) - weight) <= 1.01e-3
        click(page, "[data-key='compare the end of the training']")
        page.wait_for_selector("td.changed")
        click(page, "[data-key='compare nothing']")
        assert page.locator("td.changed").count() == 0
        click(page, "[data-key='sharpest']")
        acts = then.calls(path)
        sharp = torch.cat([act.weights()[0] for act in acts], dim=-2).max(-1).values.mean(-1).tolist()
        thumbs = page.locator(".multiples").nth(0).locator(".thumb").all()
        order = [sharp[int(thumb.get_attribute("data-key").split()[-1])] for thumb in thumbs]
        assert len(order) == len(sharp) and all(a >= b - 0.01 for a, b in itertools.pairwise(order))
        page.click("[data-key='roles']")
        page.wait_for_selector("[data-key='roles']:disabled", timeout=60_000)
        assert not page.locator(".error").all_inner_texts()
        page.goto("about:blank")


SEEN = f"() => [...document.querySelectorAll('.sentences, .way')].map({PLAIN})"
PROVED = "() => [...document.querySelectorAll('[data-role=proof]')].every((one) => one.textContent !== '…')"


def test_a_page_that_was_changed_step_by_step_shows_what_a_fresh_one_does(
    family: tuple[Any, Pass], new_page: Callable[..., Any]
) -> None:
    task, question = family
    page, fresh = (new_page(viewport={"width": 1400, "height": 1000}) for _ in range(2))
    path, _, _ = next(p for p in reversed(places(traced(task, question))) if p[1] == "weights")
    ways: list[list[str]] = [
        [f"[data-key='head {path} 0']", "[data-row='1'][data-column='0']"],
        ["[data-key='off']"],
        [f"[data-key='step {path} masked']", "[data-key='set']", ".thumb >> nth=0"],
        ["[data-key='undo']", "[data-key='undo']"],
        [f"[data-key='step {path} weights']", "[data-key='words']", f"[data-key='head {path} 0']"],
    ]
    with served(task) as address:
        page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
        ready(page)
        for way in ways:
            for selector in way:
                if selector == "[data-key='set']":
                    click(page, "[data-row='1'][data-column='0']")
                    page.fill("[data-key='another number']", "0.5")
                click(page, selector)
            fresh.goto("about:blank")
            fresh.goto(page.url)
            ready(fresh)
            for one in (page, fresh):
                one.wait_for_function(PROVED)
                one.evaluate("document.activeElement.blur()")
            assert not page.locator(".error").all_inner_texts()
            assert page.evaluate(SEEN) == fresh.evaluate(SEEN), way
        for one in (page, fresh):
            one.goto("about:blank")


def test_only_the_heads_that_changed_are_painted_again(family: tuple[Any, Pass], new_page: Callable[..., Any]) -> None:
    task, question = family
    page = new_page(viewport={"width": 1400, "height": 1000})
    path, _, _ = next(p for p in reversed(places(traced(task, question))) if p[1] == "weights")
    recurrent = len(traced(task, question).calls(path)) > 1
    edit = Edit(path, (0, 0, 0 if recurrent else 1, 0), "set", 0.5, step="weights", call=1 if recurrent else None)
    inspector = Inspector(task, "a model")
    small = [
        {
            (path, head): base64.b64decode(about["data"])[head * size : (head + 1) * size]
            for path, about in inspector.answer(Asked(of=asked, questions=[Overview()]))[0]["pictures"].items()
            for size in [about["shape"][1] * about["shape"][2]]
            for head in range(about["shape"][0])
        }
        for asked in (question, question.model_copy(update={"edits": [edit.to_json()]}))
    ]
    changed = {f"head {path} {head}" for path, head in small[0] if small[0][path, head] != small[1][path, head]}
    with served(task) as address:
        page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
        click(ready(page), f"[data-key='head {path} 0']")
        click(page, "[data-row='1'][data-column='0']")
        page.fill("[data-key='another number']", "0.5")
        page.evaluate("""() => {
            window.painted = new Set();
            const put = CanvasRenderingContext2D.prototype.putImageData;
            CanvasRenderingContext2D.prototype.putImageData = function (...given) {
                window.painted.add(this.canvas.closest(".thumb")?.dataset.key);
                put.apply(this, given);
            };
            window.were = [...document.querySelectorAll(".thumb canvas, table.matrix td")];
        }""")
        click(page, "[data-key='set']")
        assert changed and (recurrent or len(changed) < len(small[0]))  # a recurrent network has this one head
        assert set(page.evaluate("[...window.painted]")) == changed
        assert page.evaluate("window.were.every((one) => one.isConnected)")
        page.goto("about:blank")


def test_the_proof_comes_after_the_numbers(family: tuple[Any, Pass], new_page: Callable[..., Any]) -> None:
    task, question = family
    page = new_page(viewport={"width": 1400, "height": 1000})
    held: list[Any] = []
    page.route(
        "**/answer", lambda route: held.append(route) if '"proof"' in route.request.post_data else route.fallback()
    )
    path, _, head = next(p for p in places(traced(task, question)) if p[1] == "weights")
    with served(task) as address:
        page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
        click(ready(page), f"[data-key='head {path} {head}']")
        assert page.locator("table.matrix").count() == 1
        assert page.inner_text("[data-role='proof']") == "…"
        held.pop().fallback()
        page.wait_for_function(PROVED)
        assert parsed(page.inner_text("[data-role='proof']")) < 1e-5
        page.goto("about:blank")


def test_the_open_matrix_as_figures(family: tuple[Any, Pass], new_page: Callable[..., Any], tmp_path: Path) -> None:
    task, question = family
    page = new_page()
    path = tmp_path / "page.html"
    Inspector(task, "a model").page(question).save(path)
    page.goto(path.as_uri())
    click(ready(page), ".thumb >> nth=0")
    begins = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF-1.4"}
    for form, beginning in begins.items():
        with page.expect_download() as started:
            page.click(f"[data-key='{form}']")
        written = Path(started.value.path()).read_bytes()
        assert written.startswith(beginning) and started.value.suggested_filename.endswith(f"head-0-weights.{form}")
        if form == "svg":
            assert ", head 0: weights</text>" in written.decode()
            shown = page.inner_text("[data-row='1'][data-column='0']")
            assert f">{shown}</text>" in written.decode()  # a number as the page has it
            labels = task.trace(*question.texts.values()).labels
            assert written.decode().count("<text") > len(next(iter(labels.values())))
        if form == "pdf":  # the table of its parts says truly where they are
            place = int(written.rsplit(b"startxref\n", 1)[1].split()[0])
            assert written[place:].startswith(b"xref")
            first = int(written[place:].split(b"\n")[3].split()[0])
            assert written[first:].startswith(b"1 0 obj")


def test_a_picture_that_the_browser_cannot_make_is_not_saved(
    family: tuple[Any, Pass], new_page: Callable[..., Any], tmp_path: Path
) -> None:
    """A canvas that is too large encodes to nothing."""
    task, question = family
    page = new_page()
    page.add_init_script("HTMLCanvasElement.prototype.toBlob = (call) => call(null)")
    Inspector(task, "a model").page(question).save(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    click(ready(page), ".thumb >> nth=0")
    for form in ("png", "pdf"):
        page.evaluate("document.querySelector('.message').replaceChildren()")
        page.click(f"[data-key='{form}']")
        page.wait_for_selector(".message .error >> text=save it as SVG")


def test_a_model_without_attention_offers_no_head(tmp_path: Path, new_page: Callable[..., Any]) -> None:
    name, text = DATA["translate"]
    (tmp_path / name).write_text(text)
    arch = {"family": "lstm", "d_model": 8, "attention": "none"}
    options = {"tokenizer": {"vocab_size": 400}, "arch": arch, "max_steps": 1, "quiet": True}
    task = clearhead.train("translate", [str(tmp_path / name)], out=tmp_path / "m", **options).inside
    Inspector(task, "a model").page(Pass(texts=FAMILIES["lstm"][2])).save(tmp_path / "page.html")
    page = new_page()
    page.goto((tmp_path / "page.html").as_uri())
    assert ready(page).locator("section.why h2").count() == 1
    assert page.locator("[data-key='without best'], [data-key='another source']").count() == 0


def test_what_is_wrong_is_said_in_the_page(family: tuple[Any, Pass], new_page: Callable[..., Any]) -> None:
    task, question = family
    page = new_page()
    with served(task) as address:
        page.goto(address)
        name, text = next(iter(question.texts.items()))
        page.fill(f"[data-key='input {name}']", text)
        page.click("[data-key='run']")
        ready(page)
        assert page.locator("script:not([src])").count() == 0
        page.fill(f"[data-key='input {name}']", "<b id=evil>bold</b>")
        click(page, "[data-key='run']")
        assert page.locator("#evil").count() == 0  # a token is text, whatever it says
        page.goto("about:blank")
