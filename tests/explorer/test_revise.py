"""A part of the page drawn again: it becomes what was drawn anew, and what did not change is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from browser import PLAIN

TOOLS = (
    """async () => {
    const modules = await Promise.all(["dom", "revise", "colour"].map((name) => import(`/${name}.js`)));
    const { h, revise, paint } = Object.assign({}, ...modules);
    window.clicks = [];
    window.paints = 0;
    const put = CanvasRenderingContext2D.prototype.putImageData;
    CanvasRenderingContext2D.prototype.putImageData = function (...given) { window.paints++; put.apply(this, given); };
    const build = (tree) => {
        if (typeof tree === "string") return tree;
        const [kind, { said, shows, ...attributes }, ...children] = tree;
        const onclick = said && (() => window.clicks.push(said));
        const element = h(kind, { ...attributes, onclick }, children.map(build));
        if (shows) paint(element, Float32Array.from(shows), 1, shows.length, 1, false);
        return element;
    };
    window.become = (trees) => {
        window.box ??= document.body.appendChild(document.createElement("div"));
        revise(window.box, () => trees.map(build));
        return [...window.box.childNodes].map(plain);
    };
    window.anew = (trees) => {
        window.box = null;
        return window.become(trees);
    };
    """
    + PLAIN
    + "}"
)


@pytest.fixture
def ask(page: Any, site: str) -> Callable[..., Any]:
    page.goto(site)
    page.evaluate(TOOLS)
    return page.evaluate


def tree(chance: random.Random, depth: int = 3) -> Any:
    """A random part of a page."""
    if depth == 0 or chance.random() < 0.2:
        return chance.choice(["one", "two", "three"])
    kind = chance.choice(["div", "span.a", "span.a.b", "button.c", "p"])
    attributes: dict[str, Any] = {
        "data-key": chance.choice([None, "k", "l", "m"]),
        "title": chance.choice([None, "t", "u"]),
        "disabled": chance.random() < 0.2 if kind == "button.c" else None,
        "style": chance.choice([None, {"color": "red"}, {"color": "blue", "width": "3px"}]),
        "said": chance.choice([None, "x", "y"]),
    }
    children = [tree(chance, depth - 1) for _ in range(chance.randrange(4))]
    leaf = chance.randrange(6)
    if leaf == 0:
        children.append(["input", {"type": "text", "value": chance.choice("pq")}])
    elif leaf == 1:
        children.append(["input", {"type": "checkbox", "checked": chance.random() < 0.5}])
    elif leaf == 2:
        children.append(["canvas", {"shows": [chance.choice([0, 0.5, 1]) for _ in range(3)]}])
    return [kind, attributes, *children]


def test_a_part_becomes_what_would_be_drawn_anew(ask: Callable[..., Any]) -> None:
    for seed in range(60):
        chance = random.Random(seed)
        first, second = ([tree(chance) for _ in range(3)] for _ in range(2))
        ask("(trees) => window.anew(trees)", first)
        revised = ask("(trees) => window.become(trees)", second)
        assert revised == ask("(trees) => window.anew(trees)", second), seed


def test_what_is_the_same_stays_the_same_element_and_is_not_painted_again(ask: Callable[..., Any]) -> None:
    def trees(number: float) -> list[Any]:
        return [
            ["p", {}, "text"],
            ["button", {"data-key": "a"}, ["canvas", {"shows": [0.25, number]}]],
            ["p", {}, "end"],
        ]

    ask("(trees) => window.become(trees)", trees(0.5))
    ask("() => { window.was = [...window.box.querySelectorAll('*')]; window.paints = 0; window.was[1].focus(); }")
    same = "() => [...window.box.querySelectorAll('*')].every((one, i) => one === window.was[i])"
    for number, paints in ((0.5, 0), (0.75, 1)):
        ask("(trees) => window.become(trees)", trees(number))
        assert ask(same) and ask("() => window.paints") == paints
        assert ask("() => document.activeElement.dataset.key") == "a"


def test_one_hears_with_what_was_drawn_last_and_once(ask: Callable[..., Any]) -> None:
    for said in ("first", None, "second", "third"):
        ask("(said) => window.become([['button', { said }, 'press']])", said)
        ask("() => window.box.firstChild.click()")
    assert ask("() => window.clicks") == ["first", "second", "third"]


def test_what_was_typed_is_not_what_is_shown(ask: Callable[..., Any]) -> None:
    for _ in range(2):
        ask("() => window.become([['input', { type: 'text', value: '0.5' }]])")
        assert ask("() => window.box.firstChild.value") == "0.5"
        ask("() => { window.box.firstChild.value = '7'; }")


def test_what_another_fills_is_left_to_it(ask: Callable[..., Any]) -> None:
    for own in ("a", "b"):
        ask("(own) => window.become([['div', { 'data-filled': 'apart', title: own }]])", own)
        ask("() => { window.box.firstChild.textContent += 'x'; }")
    assert ask("() => window.box.firstChild.textContent") == "xx"
    assert ask("() => window.box.firstChild.title") == "b"
