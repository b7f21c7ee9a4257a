"""What a person sees at once: the answer is open, a phone holds the page, changes say where, links may be damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch
from test_explorer import click, ready, served, settled

import clearhead
from clearhead.data.tokenizer_training import train_tokenizer
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.edits import Edit
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Pass
from clearhead.explorer.wordlist import matching, whole_words
from clearhead.models.architecture import EncoderDecoderConfig
from clearhead.models.seq2seq import make_seq2seq
from clearhead.tasks.pair_inside import PairInside
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translator import Translator

SIZES = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 64}
ENGLISH, SPANISH = ["the red house is big .", "a dog is here ."], ["la casa roja es grande .", "un perro está aquí ."]
TEXTS = {"source": "the red house is big .", "target": "la casa roja es grande ."}
PAIR = Pass(texts=TEXTS)
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
WIDE = {"viewport": {"width": 1440, "height": 900}}
ACT = "decoder.blocks.1.cross_attention.attention"


@pytest.fixture(scope="module")
def translator() -> PairInside:
    """Each side has a vocabulary of its own."""
    torch.manual_seed(0)
    words = [train_tokenizer(texts, TokenizerConfig(kind="word", min_count=1)) for texts in (ENGLISH, SPANISH)]
    config = EncoderDecoderConfig.model_validate(SIZES)
    module = make_seq2seq(config, words[0].vocab_size, words[1].vocab_size)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return Translator(module, TokenizerPair(*words)).inside


@pytest.fixture
def shown(translator: PairInside, new_page: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Opens the model in the application, at a state or at whatever stands in a link."""
    with ExitStack() as stack:

        def show(state: Any = None, **options: Any) -> Any:
            state = {"texts": TEXTS} if state is None else state
            address, page = stack.enter_context(served(translator)), new_page(**{**WIDE, **options})
            stack.callback(page.goto, "about:blank")
            page.goto(f"{address}#{state if isinstance(state, str) else 's=' + quote(json.dumps(state))}")
            page.wait_for_selector("[data-drawn], .message p")
            return page

        yield show


@pytest.fixture
def in_file(translator: PairInside, new_page: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def show(html: str | None = None, **options: Any) -> Any:
        page = Inspector(translator, "a model").page(PAIR)
        page.save(tmp_path / "page.html")
        if html is not None:
            (tmp_path / "page.html").write_text(f"<!doctype html><link rel=icon href=data:,>{page._repr_html_()}")
        shown = new_page(**{**WIDE, **options})
        shown.goto((tmp_path / "page.html").as_uri())
        return ready(shown if html is None else shown.frames[1])

    return show


# The first screen -----------------------------------------------------------------------------------------------------


def test_the_answer_for_the_first_word_that_says_much_is_open(shown: Any, in_file: Any) -> None:
    for page in (shown(), in_file()):
        assert page.inner_text(".why h2") == "Why “casa”?"  # not for an article
        assert page.locator(".written.open").inner_text() == "casa"
        click(page, "[data-key='why 1']")  # whoever chooses it sees it; chosen again it closes
        assert page.inner_text(".why h2") == "Why “casa”?"
        click(page, "[data-key='why 1']")
        assert page.locator("section.why").count() == 0
        click(page, "[data-key='why 4']")
        assert page.inner_text(".why h2") == "Why “grande”?"


def test_a_closed_answer_stays_closed_in_a_link(shown: Any) -> None:
    page = shown()
    settled(page, lambda: page.keyboard.press("Escape"))
    page.reload()
    assert ready(page).locator("section.why").count() == 0


@pytest.mark.parametrize("number", [False, True])
def test_the_open_matrix_is_as_wide_as_there_is_room_and_the_question_stays(shown: Any, number: bool) -> None:
    page = shown()
    click(page, f"[data-key='head {ACT} 1']")
    if number:
        click(page, "[data-row='1'][data-column='2']")
    width = page.locator("#opened").bounding_box()["width"]
    assert width > (1000 if number else 1350)
    scroll = page.locator("#opened .scroll").first
    assert scroll.evaluate("box => box.scrollWidth <= box.clientWidth")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_selector(".question:not([hidden]) button")
    box = page.locator(".question button").bounding_box()
    assert 0 <= box["y"] < 50 and page.inner_text(".question").startswith("Why “casa”? ")
    page.click(".question button")
    page.wait_for_function("() => document.querySelector('.why h2').getBoundingClientRect().top >= 0")
    page.wait_for_selector(".question", state="hidden")


# A phone --------------------------------------------------------------------------------------------------------------


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= 390 && innerWidth <= 390"))


def test_nothing_is_wider_than_a_phone(shown: Any) -> None:
    page = shown(**PHONE)
    assert fits(page)
    for name in ("source", "target"):
        box = page.locator(f"[name='{name}']").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["width"] > 150
    for step in (f"[data-key='head {ACT} 0']", "[data-row='1'][data-column='2']", "[data-key='off']"):
        click(page, step)
        assert fits(page), step
    page.click("[data-key='glossary']")
    assert fits(page)


def test_on_a_phone_the_number_is_a_drawer(shown: Any) -> None:
    page = shown(**PHONE)
    click(page, f"[data-key='head {ACT} 0']")
    click(page, "[data-row='1'][data-column='2']")
    page.wait_for_function(
        "() => document.querySelector('td.chosen').getBoundingClientRect().bottom"
        " <= document.querySelector('aside').getBoundingClientRect().top"
    )
    high = page.locator("aside").bounding_box()["height"]
    assert high < 844 / 2 and page.locator(".handle").bounding_box()["width"] > 100
    click(page, "[data-key='handle']")
    assert page.locator("aside").bounding_box()["height"] < high / 2
    assert page.get_attribute("[data-key='handle']", "aria-expanded") == "false"
    click(page, "[data-key='handle']")
    click(page, "[data-key='close number']")
    assert page.locator("[data-role='value'], td.chosen").count() == 0
    assert page.evaluate("document.activeElement.dataset.key") == "cell 1,2"
    settled(page, lambda: page.keyboard.press("Enter"))
    assert page.locator("[data-role='value']").count() == 1
    settled(page, lambda: page.keyboard.press("Escape"))  # the number first, then the matrix
    assert page.locator("[data-role='value']").count() == 0 and page.locator("table.matrix").count() == 1
    settled(page, lambda: page.keyboard.press("Escape"))
    assert page.locator("table.matrix").count() == 0


# Words ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["app", "file", "cell"])
def test_the_words_that_can_be_put_in_are_listed(shown: Any, in_file: Any, host: str) -> None:
    page = shown() if host == "app" else in_file("cell" if host == "cell" else None)
    page.click("[data-key='token source 1']")
    page.wait_for_selector("dialog option", state="attached")
    words = page.locator("dialog option").evaluate_all("all => all.map((one) => one.value)")
    assert words == sorted({word for text in ENGLISH for word in text.split()} - {"."})
    assert page.evaluate("document.querySelector('dialog input').list === document.querySelector('dialog datalist')")
    assert page.inner_text("dialog .hint").startswith(f"the model knows {len(words)} words")
    page.fill("dialog input", "h")
    page.wait_for_function("() => document.querySelectorAll('dialog option').length === 3")
    words = page.locator("dialog option").evaluate_all("all => all.map((one) => one.value)")
    assert words == ["here", "house", "the"]  # those first that begin so
    page.fill("dialog input", "dog")
    click(page, "dialog button >> nth=0")
    assert page.inner_text("[data-key='token source 1']") == "dog"
    assert not page.locator(".message .error").count()


def test_a_file_reads_the_word_of_the_right_vocabulary(translator: PairInside, in_file: Any) -> None:
    page = in_file()
    click(page, "[data-key='why 1']")
    page.click("[data-key='token source 1']")
    page.fill("dialog input", "dog")
    click(page, "dialog button >> nth=0")
    ids = Inspector(translator, "").trace(PAIR).token_ids
    changed = [*ids["source"]]
    changed[1:2] = translator.tokens_of("source", "dog")
    logits = translator.trace_tokens({**ids, "source": changed})["logits"][0, 1]
    said = float(page.locator(".candidates td.logit").first.inner_text().replace("−", "-"))
    assert said == pytest.approx(float(logits.max()), rel=1e-3)


def test_a_file_says_which_word_it_does_not_know(in_file: Any) -> None:
    page = in_file()
    page.click("[data-key='token source 1']")
    page.fill("dialog input", "zebra")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message .error >> text=“zebra” is not a single entry of the vocabulary")
    assert page.inner_text("[data-key='token source 1']") == "red"


def test_of_a_large_vocabulary_some_words_are_listed() -> None:
    words = whole_words(["<unk>", " ", ".", "ing", *(f" word{i}" for i in range(9_000)), " Sword"])
    assert len(words) == 9_001 and "ing" not in words
    found, count = matching(words, "WORD1")
    assert count == 2_000 - 889 and found == sorted(found) and len(found) == count
    found, count = matching(words, "word")
    assert len(found) == 2_000 and count == 9_001 and "Sword" not in found
    assert whole_words(["the", "<eos>", "cat", "?"]) == ["cat", "the"]


def test_the_words_of_a_label_that_is_none_are_refused(translator: PairInside) -> None:
    with pytest.raises(clearhead.ClearheadError, match="reads no 'nobody'"):
        Inspector(translator, "").words("nobody", "")


# What a change does ---------------------------------------------------------------------------------------------------


def test_the_effect_says_which_word_and_how_much(translator: PairInside, shown: Any) -> None:
    edits = [Edit(ACT, (0, head), "set", 0.0, step="context") for head in range(4)]
    page = shown({"texts": TEXTS, "edits": [edit.to_json() for edit in edits]})
    before, now = (
        Inspector(translator, "").trace(PAIR.model_copy(update={"edits": given}))
        for given in ([], [e.to_json() for e in edits])
    )
    ids = before.token_ids["target"]
    rows = range(len(ids) - 1)
    shares = [[float(one["logits"][0, row].softmax(-1)[ids[row + 1]]) for row in rows] for one in (before, now)]
    best = [[int(one["logits"][0, row].argmax()) for row in rows] for one in (before, now)]
    said = page.inner_text("[data-role='effect']")
    most = max(rows, key=lambda row: abs(shares[1][row] - shares[0][row]))
    word = before.labels["target"][most + 1]
    found = re.search(rf"the largest change: “{re.escape(word)}” ([\d.]+) % → ([\d.]+) %\.", said)
    assert found is not None, said
    for told, share in zip(found.groups(), (shares[0][most], shares[1][most]), strict=True):
        assert float(told) == pytest.approx(100 * share, rel=1e-2)
    marked = [
        int(key.split()[-1])
        for key in page.locator(".written.changed").evaluate_all("all => all.map((one) => one.dataset.key)")
    ]
    moved = [row for row in rows if best[0][row] != best[1][row] or abs(shares[1][row] - shares[0][row]) >= 0.01]
    assert marked == moved and moved
    settled(page, lambda: page.click(f"[data-key^='effect {most} “{word}” ']:has-text('%')"))
    assert page.inner_text(".why h2") == f"Why “{word}”?"
    assert page.locator(".why h2").bounding_box()["y"] >= 0


# Links ----------------------------------------------------------------------------------------------------------------

SOUND = {"path": ACT, "step": "context", "where": [0, 1], "value": 0}


DAMAGED: list[tuple[dict[str, Any], str]] = [
    ({"edits": [SOUND, 7]}, "edits could not be read"),
    ({"edits": [{**SOUND, "where": "x"}]}, "edits could not be read"),
    ({"edits": [{**SOUND, "value": "x", "what": 1}]}, "edits could not be read"),
    ({"open": 5, "cell": [1], "token": "x"}, "open, cell, token could not be read"),
    ({"other": {"texts": 5}, "level": 3, "temperature": None}, "other, level, temperature could not be read"),
    ({"other": {"beside": 1}}, "other could not be read"),
    ({"nobody": 1, "toString": 1}, "nobody, toString could not be read"),
    ({"open": {"path": "nowhere"}, "cell": [1, 1], "token": 99}, ""),
    ({"open": {"path": ACT, "step": "nope", "head": 99, "first": [99, 99]}, "cell": [99, 99]}, ""),
    ({"edits": [{"path": "decoder.embedded", "op": "multiply", "value": 1}]}, ""),  # the whole of it
]


def test_a_link_that_is_damaged_opens_the_page_and_says_so(shown: Any) -> None:
    page = shown()
    address = page.url.partition("#")[0]
    for state, said in DAMAGED:
        page.goto("about:blank")
        page.goto(f"{address}#s={quote(json.dumps({'texts': TEXTS, **state}))}")
        message = ready(page).inner_text(".message")
        assert page.locator("[data-key='why 1']").count() == 1
        assert (f"The link is damaged: {said}" in message) if said else not message, state
        assert not page.locator(".error").all_inner_texts(), state
        assert page.locator(".edits li").count() == (1 if state.get("edits") and not said else 0), state


def test_a_link_that_was_cut_opens_the_page_and_says_so(shown: Any, in_file: Any) -> None:
    page, file = shown(), in_file()
    address, path = page.url.partition("#")[0], file.url
    for link in ("s=%7B%22texts", "x=1", "s=%E0%A4%A"):
        page.goto("about:blank")
        page.goto(f"{address}#{link}")
        page.wait_for_selector(".message >> text=Write a text above")
        assert "The link is damaged: all of it could not be read" in page.inner_text(".message")
    file.goto(f"{path}#s=5")  # in the page that is open
    file.wait_for_selector(".message >> text=The link is damaged")


# Light, dark and the film ---------------------------------------------------------------------------------------------


def test_an_open_page_follows_the_system_s_light(shown: Any) -> None:
    page = shown(color_scheme="light")
    click(page, f"[data-key='head {ACT} 0']")
    pictures = (
        "[...document.querySelectorAll('.thumb canvas, td[role]')].map((x) => x.toDataURL?.() ?? x.style.background)"
    )
    light = page.evaluate(pictures)
    settled(page, lambda: page.emulate_media(color_scheme="dark"))
    dark = page.evaluate(pictures)
    assert all(a != b for a, b in zip(light, dark, strict=True))
    settled(page, lambda: page.emulate_media(color_scheme="light"))
    assert page.evaluate(pictures) == light


def test_the_label_of_the_film_follows_its_pictures_and_nothing_moves(
    translator: PairInside, new_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [0, 20_000]
    monkeypatch.setattr("clearhead.explorer.inspector._kept", lambda _: [{"step": step, "file": ""} for step in steps])
    program = served(translator)
    program.inspector._moments = {(False, step): translator for step in steps}
    held: list[Any] = []
    with program as address:
        page = new_page(**WIDE)
        first = lambda route: held.append(route) if "overview" in route.request.post_data else route.fallback()  # noqa: E731
        page.route("**/answer", first)
        page.goto(f"{address}#s={quote(json.dumps({'texts': TEXTS}))}")
        page.wait_for_function("() => document.querySelector('[aria-busy]')")
        assert page.locator("[data-role='moment']").count() == 0 or not page.inner_text("[data-role='moment']")
        held.pop().fallback()
        ready(page)
        places = "[...document.querySelectorAll('header *')].map((x) => [x.offsetLeft, x.offsetWidth, x.offsetTop])"
        assert page.inner_text("[data-role='moment']") == "as it is"
        before = page.evaluate(places)
        page.click("[data-key='play']")
        for told, following in (("as it is", "step 0"), ("step 0", "step 20000")):
            page.wait_for_function("() => document.querySelector('[aria-busy]')")
            assert page.inner_text("[data-role='moment']") == told
            held.pop().fallback()
            page.wait_for_selector(f"[data-role='moment']:text-is('{following}')")
            assert page.evaluate(places) == before
        page.wait_for_selector("[data-key='play']:text-is('play the training')")
        assert page.inner_text("[data-role='moment']") == "as it is"
        page.goto("about:blank")
