"""What a page asks: one request an edit, what the numbers do not change once, and every host answers alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from test_explorer import click, ready, served, settled
from test_taken_apart import HEAD, IDS, STREAM, model

from clearhead.edits import Edit
from clearhead.explorer.page import page as page_of

WIDE = {"viewport": {"width": 1400, "height": 1000}}
TEXT_IDS = {"tokens": [70, 71, 72, 73]}
ACT = "decoder.blocks.0.self_attention.attention"


def link(address: str, **state: Any) -> str:
    return f"{address}#s={quote(json.dumps(state))}"


@pytest.fixture
def asked() -> list[dict[str, Any]]:
    """The requests of a page, as JSON."""
    return []


@pytest.fixture
def shown(new_page: Callable[..., Any], asked: list[dict[str, Any]]) -> Iterator[Any]:
    """The application of a small GPT, a head and a number of it open, and why a word was written."""
    page = new_page(**WIDE)
    with served(model("gpt2")) as address:
        page.on("request", lambda request: asked.append(request.post_data_json) if request.method == "POST" else None)
        page.goto(link(address, token_ids=TEXT_IDS, token=1))
        click(ready(page), f"[data-key='head {ACT} 1']")
        click(page, "[data-row='2'][data-column='1']")
        proved(page)
        yield page
        page.goto("about:blank")


def proved(page: Any) -> None:
    page.wait_for_function("() => !/…/.test(document.querySelector(\"[data-role='proof']\").textContent)")


def change(page: Any, number: str) -> None:
    page.fill("[data-key='another number']", number)
    click(page, "[data-key='set']")
    proved(page)


def test_an_edit_is_one_request(shown: Any, asked: list[dict[str, Any]]) -> None:
    """Of everything that is shown; taken back, or done again, it is none."""
    asked.clear()
    change(shown, "0.5")
    (request,) = asked
    kinds = {question["kind"] for question in request["questions"]}
    assert kinds == {"overview", "values", "proof", "candidates", "contributions", "lens"}
    assert shown.locator("td.changed").count() and shown.locator(".value .old").count() == 1
    asked.clear()
    change(shown, "0.25")
    assert len(asked) == 1
    for key in ("undo", "redo"):
        click(shown, f"[data-key='{key}']")
        proved(shown)
    assert len(asked) == 1
    assert not shown.locator(".error").count()


def test_a_temperature_asks_only_what_depends_on_it(shown: Any, asked: list[dict[str, Any]]) -> None:
    asked.clear()
    settled(shown, lambda: shown.locator("[data-key='temperature']").fill("2"))
    (request,) = asked
    assert [question["kind"] for question in request["questions"]] == ["overview", "candidates"]


def test_what_numbers_do_not_change_travels_once(shown: Any, asked: list[dict[str, Any]]) -> None:
    first = [question["kind"] for request in asked for question in request["questions"]]
    assert first.count("description") == first.count("text") == first.count("overview") == 1
    asked.clear()
    click(shown, "[data-key='step logits ']")
    names = [one for request in asked for one in request["questions"] if one["kind"] == "names"]
    assert len(names) == 1
    asked.clear()
    click(shown, "[data-key='take 9'], .candidates button >> nth=3")  # another text: of another shape
    later = [question["kind"] for request in asked for question in request["questions"]]
    assert later.count("description") == later.count("text") == 1
    assert "names" not in later


def test_a_question_without_an_answer_keeps_no_other(new_page: Callable[..., Any]) -> None:
    """What cannot be said stands in its place; a request that fails is asked again."""
    page = new_page(**WIDE)
    with served(model("gpt2")) as address:
        failing = lambda route: route.fulfill(  # noqa: E731
            json=[
                {"error": "no lens today"} if question["kind"] == "lens" else answer
                for question, answer in zip(
                    route.request.post_data_json["questions"], route.fetch().json(), strict=True
                )
            ]
        )
        page.route("**/answer", failing)
        page.goto(link(address, token_ids=TEXT_IDS, token=1))
        assert "no lens today" in ready(page).inner_text(".error") and page.locator(".thumb").count() == 8
        page.unroute("**/answer")
        click(page, "[data-key='why 2']")
        click(page, "[data-key='why 1']")
        assert not page.locator(".error").count() and page.locator(".grown td").count()
        page.goto("about:blank")


@pytest.mark.parametrize("edit", [HEAD, STREAM], ids=["head", "stream"])
@pytest.mark.parametrize("name", ["pre", "gpt2", "modern", "recurrent"])
def test_a_file_tells_after_an_edit_what_the_application_tells(
    name: str, edit: Edit, new_page: Callable[..., Any], tmp_path: Path
) -> None:
    """What added to a word, and how it came up: the same numbers, or the same reason why there are none."""
    task = model(name)
    ids = IDS if task.name == "translate" else TEXT_IDS
    if name == "recurrent":
        edit = Edit("decoder.states", (0, 0, 3), "add", 2.0, call=1)
    state: dict[str, Any] = {"edits": [edit.to_json()], "token": 2}
    page_of(task.trace_tokens(ids)).save(tmp_path / "page.html")

    def told(page: Any) -> list[str]:
        ready(page)
        assert not page.locator(".error").count()
        return [page.inner_text(box) for box in (".pushed", ".grown", ".candidates table")]

    file, app = new_page(**WIDE, offline=True), new_page(**WIDE)
    file.goto(link((tmp_path / "page.html").as_uri(), **state))
    with served(task) as address:
        app.goto(link(address, token_ids=ids, **state))
        assert told(file) == told(app)
        app.goto("about:blank")
    assert ("Not known here" in file.inner_text(".pushed")) == (edit is not HEAD or name == "modern")
    assert ("Not known here" in file.inner_text(".grown")) == (name == "recurrent")
