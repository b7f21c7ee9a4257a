"""What a person meets who opens the explorer for the first time: words explain themselves, and nothing jumps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from test_explorer import click, ready, served, settled

from clearhead.data.tokenizer_training import text_tokenizer, train_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, TokenizerConfig
from clearhead.explorer.document import values
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Pass, Values
from clearhead.insight.findings import Findings
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.pair_inside import PairInside
from clearhead.tasks.text_inside import TextInside
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translator import Translator

SIZES = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 256}
TEXTS = ["the red house is big .", "la casa roja es grande .", "a dog is here .", "un perro está aquí ."]
PAIR = Pass(texts={"source": "the red house is big .", "target": "la casa roja es grande ."})
WIDE = {"viewport": {"width": 1400, "height": 1000}}


@pytest.fixture(scope="module")
def translator() -> PairInside:
    """It knows few words, and none of its weights is trained."""
    torch.manual_seed(0)
    words = train_tokenizer(TEXTS, TokenizerConfig(kind="word", min_count=1))
    module = make_seq2seq(EncoderDecoderConfig.model_validate(SIZES), words.vocab_size, words.vocab_size)
    return Translator(module, TokenizerPair(words, words)).inside


@pytest.fixture(scope="module")
def language() -> TextInside:
    """Rotary positions, and values mixed with those of the first block."""
    torch.manual_seed(0)
    tokenizer = text_tokenizer(["the cat sat on the mat "], TextTokenizerConfig(kind="byte"))
    model = Decoder(DecoderConfig.model_validate({**SIZES, "preset": "modern"}), tokenizer.vocab_size)
    with torch.no_grad():  # it begins with a head of zeros
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return LanguageModel(model, tokenizer).inside


@pytest.fixture
def shown(new_page: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """Opens a model in the application: shown(task, question, viewport=...)."""
    with ExitStack() as stack:

        def show(task: Any, question: Pass, **options: Any) -> Any:
            address, page = stack.enter_context(served(task)), new_page(**{**WIDE, **options})
            stack.callback(page.goto, "about:blank")
            page.goto(f"{address}#s={question.model_dump_json(include={'texts'})}")
            return ready(page)

        yield show


def in_file(task: Any, question: Pass, page: Any, tmp_path: Path) -> Any:
    Inspector(task, "a model").page(question).save(tmp_path / "page.html")
    page.goto((tmp_path / "page.html").as_uri())
    return ready(page)


def test_a_model_says_what_it_is(translator: PairInside, language: TextInside) -> None:
    count = sum(one.numel() for one in translator.module.parameters())
    assert repr(Translator(translator.module, translator.tokenizers)).startswith(
        f"<Translator of {count:,} numbers: .translate(), .trace(), "
    )
    assert ".generate()" in repr(LanguageModel(language.module, language.tokenizer))
    findings = Findings("order", "Does order matter?", "a setting", answers=["It does."])
    assert repr(findings).startswith("Findings of order: Does order matter?\n  It does.\n")


@pytest.mark.parametrize("host", ["app", "file"])
def test_what_an_act_holds_is_named_and_an_operand_leads_to_one_place(
    language: TextInside, shown: Any, new_page: Any, tmp_path: Path, host: str
) -> None:
    question = Pass(texts={"text": "the cat sat"})
    page = shown(language, question) if host == "app" else in_file(language, question, new_page(**WIDE), tmp_path)
    act = "decoder.blocks.1.self_attention.attention"
    names = page.locator(f"[data-key^='step {act} ']").all_inner_texts()
    held = ["q, turned by position", "k, turned by position", "v, mixed with the first block's"]
    assert names[:3] == held and not any("placed" in name for name in names)
    assert "v, mixed" not in " ".join(page.locator("[data-key^='step decoder.blocks.0']").all_inner_texts())
    click(page, f"[data-key='step {act} similarities']")
    click(page, "[data-row='5'][data-column='2']")
    q, k = page.locator(".terms tbody tr").first.locator("button").all()
    assert q.inner_text().startswith("q[") and k.inner_text().startswith("k[")
    number = int(k.inner_text()[2:-1])
    settled(page, k.click)
    assert page.locator(".step.open").inner_text() == "k, turned by position"
    assert page.inner_text(".chosen .place").endswith(f", number {number}")
    assert (
        page.locator(".chosen [data-row]").count() == 0
        and page.locator(f"[data-row='2'][data-column='{number}'].chosen").count()
    )
    click(page, ".terms button")  # from the turned key to the key as it was projected
    assert page.locator(".step.open").inner_text() == "k"
    click(page, f"[data-key='step {act} context']")
    click(page, "[data-row='5'][data-column='1']")
    click(page, ".terms tbody tr:first-child button:last-child")
    assert page.locator(".step.open").inner_text() == held[2]


def test_operands_that_were_not_turned_are_those_that_were_projected(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    act = "decoder.blocks.1.cross_attention.attention"
    assert page.locator(f"[data-key^='step {act} ']").first.inner_text() == "similarities"
    click(page, f"[data-key='step {act} similarities']")
    click(page, "[data-row='3'][data-column='2']")
    click(page, ".terms tbody tr:first-child button:last-child")
    assert page.locator(".step.open").get_attribute("data-key") == "step decoder.blocks.1.cross_attention.k "


@pytest.mark.parametrize("which", ["translator", "language"])
def test_every_step_says_what_it_is(which: str, request: pytest.FixtureRequest, shown: Any) -> None:
    task = request.getfixturevalue(which)
    page = shown(task, PAIR if which == "translator" else Pass(texts={"text": "the cat"}))
    chips = page.locator(".step").all()
    for chip in chips:
        assert len(chip.get_attribute("title")) > 15, chip.inner_text()
    some = {chip.inner_text(): chip.get_attribute("data-key") for chip in chips}
    for name, key in some.items():
        click(page, f"[data-key='{key}']")
        assert len(page.inner_text(".opened .about")) > 15, name
    for selector in ("[data-key='roles']", ".compare label", ".opened .proof"):
        click(page, ".thumb >> nth=0")
        assert len(page.locator(selector).get_attribute("title")) > 15, selector
    click(page, ".sentence .written >> nth=0")
    for word in ("temperature", "top k", "top p"):
        assert len(page.locator(f".sampling label:has([data-key='{word}'])").get_attribute("title")) > 15
    page.locator("[data-key='link']").focus()
    page.keyboard.press("?")
    words = page.inner_text("dialog.glossary")
    for word in (
        "residual stream",
        "logits",
        "logit lens",
        "masked",
        "top p",
        "induction",
        "<unk>",
        "act of attention",
    ):
        assert word in words
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert page.locator(".opened").count() == 1  # the window is closed, not what was open


def test_a_named_head_is_told_where_it_is_open(
    translator: PairInside, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "decoder.blocks.0.self_attention.attention"
    monkeypatch.setattr(Inspector, "roles", lambda *_: {path: ["", "previous token", "", ""]})
    page = shown(translator, PAIR)
    settled(page, lambda: page.click("[data-key='roles']"))
    click(page, f"[data-key='head {path} 1']")
    assert "This head: previous token. Looks at the token before." in page.inner_text(".opened .about")
    assert (
        page.locator(f"[data-key='head {path} 1']").get_attribute("title")
        == "previous token: looks at the token before"
    )


def test_of_a_long_text_one_sees_that_there_is_more(language: TextInside, shown: Any) -> None:
    page = shown(language, Pass(texts={"text": "the cat sat on the mat. " * 20}))
    assert "was cut to its last 256: the model's max_len" in page.inner_text(".message")
    assert page.inner_text(".sentence .count") == "256 tokens"
    tokens = page.locator(".tokens")
    page.wait_for_selector(".tokens.more-below")
    tokens.evaluate("box => box.scrollTo(0, box.scrollHeight)")
    page.wait_for_selector(".tokens:not(.more-below)")
    click(page, "[data-key='step decoder.blocks.0.self_attention.attention weights']")
    page.wait_for_selector(".opened .scroll.more-right, .opened .scroll.more-below, .opened .scroll")
    assert "rows 0 to 23 of 256" in page.inner_text(".opened .foot")
    assert page.locator(".scroll .foot").count() == 0  # it stands below what scrolls


def test_unknown_words_and_a_text_that_was_stopped_are_told(
    translator: PairInside, shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(translator.writer, "limit", lambda _: 1)
    page = shown(translator, Pass(texts={"source": "the zyx is big ."}))
    said = page.inner_text(".message")
    assert "the model does not know “zyx”: it reads <unk>" in said
    assert "the model had not come to an end after 1 token" in said
    page.click("[data-key='token source 0']")
    page.fill("dialog input", "qux")
    click(page, "dialog button >> nth=0")
    assert "the model does not know “qux”" in page.inner_text(".message")


def places(page: Any) -> list[float]:
    return [stack.bounding_box()["x"] for stack in page.locator(".stack").all()]


@pytest.mark.parametrize("size", [(1400, 1000), (900, 700)])
def test_what_was_clicked_stays_where_it_is(translator: PairInside, shown: Any, size: tuple[int, int]) -> None:
    page = shown(translator, PAIR, viewport=dict(zip(("width", "height"), size, strict=True)))
    stacks = places(page)
    for key in (
        "head encoder.blocks.0.self_attention.attention 1",
        "step decoder.blocks.1.self_attention.attention masked",
        "head decoder.blocks.1.cross_attention.attention 3",
        "step encoder.blocks.1.resid_out ",
        "step encoder.blocks.1.self_attention.attention context",
    ):
        element = page.locator(f"[data-key='{key}']")
        element.evaluate("element => element.scrollIntoView({ block: 'center' })")
        before = element.bounding_box()
        settled(page, element.click)
        after = element.bounding_box()
        assert abs(after["y"] - before["y"]) < 1.5 and abs(after["x"] - before["x"]) < 1.5, key
        assert places(page) == stacks
        assert page.locator("#opened").bounding_box()["y"] < size[1] - 100, key  # and what it opened can be seen
    before = page.locator("[data-key='head before']").bounding_box()
    click(page, "[data-key='head before']")
    assert abs(page.locator("[data-key='head before']").bounding_box()["y"] - before["y"]) < 1.5


def test_a_chosen_number_is_told_on_the_screen_of_any_width(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR, viewport={"width": 900, "height": 700})
    click(page, ".thumb >> nth=0")
    click(page, "[data-row='1'][data-column='0']")
    box = page.locator("[data-role='value']").bounding_box()
    assert 0 <= box["y"] < 700


def test_a_comparison_says_which_numbers_are_which_and_ends(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    path = "encoder.blocks.0.self_attention.attention"
    click(page, f"[data-key='head {path} 0']")
    page.click("[data-key='compare another text']")
    page.fill("dialog input", "a dog is here")
    click(page, "dialog button >> nth=0")
    assert "different in “a dog is here”" in page.inner_text(".comparing")
    there = Inspector(translator, "").trace(Pass(texts={"source": "a dog is here"}))
    read, written = page.locator(".compared .tokens").all()
    assert read.locator(".token").all_inner_texts() == there.labels["source"]
    assert written.locator(".token").all_inner_texts() == there.labels["target"]
    other = values(there, Values(path, "weights", 0))
    framed = page.locator("td.changed").all()
    assert framed
    for (
        cell
    ) in framed:  # the other text is shorter: its numbers are those of the same row and column, or there are none
        row, column = int(cell.get_attribute("data-row")), int(cell.get_attribute("data-column"))
        said = cell.get_attribute("title").split("in “a dog is here”: ")[1]
        assert float(said) == pytest.approx(float(other[row, column]), rel=1e-4)
    settled(page, framed[0].click)
    assert "in “a dog is here”: " in page.inner_text(".chosen .value")
    click(page, "[data-row='5'][data-column='5']")  # a place that the other text does not have
    assert "a dog" not in page.inner_text(".chosen .value")
    click(page, "[data-key='end comparison']")
    assert page.locator("td.changed, .comparing, .compared").count() == 0


def test_a_chosen_theme_is_kept(translator: PairInside, shown: Any, new_page: Any, tmp_path: Path) -> None:
    page = shown(translator, PAIR, color_scheme="light")
    assert page.evaluate("document.documentElement.dataset.theme") is None
    click(page, "[data-key='theme']")
    page.reload()
    ready(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    cell = new_page(**WIDE)  # a page in a frame of its own may keep nothing: and says nothing of it
    written = Inspector(translator, "a model").page(PAIR)
    (tmp_path / "cell.html").write_text(
        f"<!doctype html><link rel=icon href=data:,><title>cell</title>{written._repr_html_()}"
    )
    cell.goto((tmp_path / "cell.html").as_uri())
    frame = ready(cell.frames[1])
    click(frame, "[data-key='theme']")
    assert frame.evaluate("document.documentElement.dataset.theme") in ("dark", "light")


def test_a_change_marks_only_the_words_that_it_changes_and_is_undone_beside_them(
    language: TextInside, shown: Any
) -> None:
    page = shown(language, Pass(texts={"text": "the cat sat"}))
    click(page, "[data-key='head decoder.blocks.0.self_attention.attention 0']")
    click(page, "[data-row='5'][data-column='1']")
    number = page.inner_text("[data-role='value']")
    page.fill("[data-key='another number']", str(float(number) + 1e-6))
    click(page, "[data-key='set']")
    assert page.inner_text("[data-role='effect']").startswith("Effect: no place would get another word")
    assert page.locator(".sentence .now").count() == 0
    click(page, "[data-key='undo here']")
    assert page.inner_text("[data-role='value']") == number
    assert page.locator("[data-key='undo here']").count() == page.locator(".edits li").count() == 0


def test_keys_are_heard_before_anything_was_clicked(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    page.keyboard.press("a")
    assert "thumb" in page.evaluate("document.activeElement.className")


def test_a_number_that_is_too_large_is_refused_and_every_change_can_be_taken_back(
    translator: PairInside, shown: Any
) -> None:
    page = shown(translator, PAIR, refused=True)
    click(page, "[data-key='head decoder.blocks.1.cross_attention.attention 0']")
    click(page, "[data-row='1'][data-column='0']")
    page.fill("[data-key='another number']", "1e999")
    page.keyboard.press("Enter")
    assert "a number up to" in page.evaluate("document.activeElement.validationMessage")
    page.fill("[data-key='another number']", "inf")
    page.keyboard.press("Enter")
    page.wait_for_selector(".message .error")
    assert "take the last change back" in page.inner_text(".message")
    assert page.locator(".edits li").count() == 1
    click(page, "[data-key='undo']")
    assert not page.locator(".message .error").count() and not page.locator(".edits li").count()


def test_the_same_number_changed_twice_is_one_change(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    click(page, "[data-key='head decoder.blocks.1.cross_attention.attention 0']")
    click(page, "[data-row='1'][data-column='0']")
    for value in ("0.5", "0.25"):
        page.fill("[data-key='another number']", value)
        click(page, "[data-key='set']")
    assert [text.partition(" take out")[0][-6:] for text in page.locator(".edits li").all_inner_texts()] == ["= 0.25"]
    click(page, "[data-key='off']")
    click(page, "[data-key='average']")
    assert not any("switched off" in text for text in page.locator(".edits li").all_inner_texts())
    click(page, "[data-key='undo']")
    assert any("switched off" in text for text in page.locator(".edits li").all_inner_texts())


def test_a_word_that_is_not_known_stays_where_it_stands(translator: PairInside, shown: Any) -> None:
    page = shown(translator, Pass(texts={"source": "the qux is big .", "target": "la casa ."}))
    page.click("[data-key='token source 3']")
    page.fill("dialog input", "house")
    click(page, "dialog button >> nth=0")
    assert page.input_value("[name='source']") == "the <unk> is house ."
    tokens = page.locator("[data-key^='token source']").all_inner_texts()
    ids = page.evaluate("JSON.parse(new URLSearchParams(location.hash.slice(1)).get('s')).token_ids")
    written = [{"token_ids": ids, "edits": [], "remarks": []}]  # untrained, it would write for long
    page.route(
        "**/answer",
        lambda route: route.fulfill(json=written) if "written" in route.request.post_data else route.continue_(),
    )
    with page.expect_request(lambda request: "written" in (request.post_data or "")):
        page.click("[data-key='run']")  # nothing was typed: it is written anew behind the words that were put in
    assert page.locator("[data-key^='token source']").all_inner_texts() == tokens


def test_an_empty_text_leaves_nothing_of_the_one_before(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    page.fill("[name='source']", "")
    page.click("[data-key='run']")
    page.wait_for_selector(".message >> text=Write a text above")
    assert page.input_value("[name='source']") == "" and not page.locator(".token, .step").count()


@pytest.mark.parametrize("broken", [{"edits": None}, {"edits": "x"}, {"open": "x"}, {"texts": [1]}, {"nobody": 1}])
def test_a_link_that_somebody_has_written_wrongly(
    translator: PairInside, new_page: Any, broken: dict[str, Any]
) -> None:
    with served(translator) as address:
        page = new_page(**WIDE, refused=True)
        state = {**PAIR.model_dump(include={"texts"}), **broken}
        page.goto(f"{address}#s={json.dumps(state)}")
        page.wait_for_selector(".token" if "texts" not in broken else ".message >> text=Write a text above")
        page.goto("about:blank")


def test_an_entry_of_the_vocabulary_is_named_and_the_cuts_are_in_the_link(language: TextInside, shown: Any) -> None:
    page = shown(language, Pass(texts={"text": "the cat sat"}))
    click(page, "[data-key='step logits ']")
    click(page, "[data-row='3'][data-column='20']")
    assert page.inner_text(".chosen .place").endswith(f"number 20, “{language.tokenizer.pieces([20])[0]}”")
    click(page, "[data-key='why 3']")
    page.fill("[data-key='top k']", "5")
    settled(page, lambda: page.press("[data-key='top k']", "Enter"))
    assert "left by the cuts: 5 of" in page.inner_text("[data-role='left']")
    page.reload()
    assert "left by the cuts: 5 of" in ready(page).inner_text("[data-role='left']")


def test_the_head_that_looked_there_most_is_opened(language: TextInside, shown: Any) -> None:
    question = Pass(texts={"text": "the cat sat"})
    page = shown(language, question)
    click(page, "[data-key='why 5']")
    told = page.inner_text("[data-key='open looked']")
    trace = Inspector(language, "").trace(question)
    weights = trace["decoder.blocks.1.self_attention.attention"].weights()[0, :, 5]
    words = trace.words["tokens"]
    there = {word: weights[:, [w == word for w in words]].sum(-1) for word in set(words)}
    most = max(there, key=lambda word: float(there[word].mean()))
    assert told == f"open head {int(there[most].argmax())}, which looked there most"
    click(page, "[data-key='open looked']")
    assert f"head {int(there[most].argmax())}" in page.inner_text(".opened .title")


def test_what_cannot_be_told_is_said(new_page: Any, tmp_path: Path, language: TextInside, shown: Any) -> None:
    torch.manual_seed(0)
    words = train_tokenizer(TEXTS, TokenizerConfig(kind="word", min_count=1))
    module = make_seq2seq(RecurrentConfig(d_model=16), words.vocab_size, words.vocab_size)
    page = shown(Translator(module, TokenizerPair(words, words)).inside, PAIR)
    click(page, ".sentence .written >> nth=0")
    assert "this logit is not a plain sum" in page.inner_text(".pushed")
    click(page, "[data-key$='input_gate '] >> nth=0")
    assert page.inner_text(".opened .foot").split() == ["0.0", "%", "100", "%"]  # a gate is no signed number
    config = DecoderConfig.model_validate({**SIZES, "preset": "gpt2"})
    plain = LanguageModel(Decoder(config, language.tokenizer.vocab_size), language.tokenizer).inside
    page = in_file(plain, Pass(texts={"text": "the cat"}), new_page(**WIDE), tmp_path)
    click(page, "[data-key='why 3']")
    assert page.locator(".pushed td").count() and page.locator(".grown td").count()
    click(page, "[data-key='without best']")
    assert page.locator(".pushed td").count() and page.locator(".grown td").count()  # computed anew


def test_a_comparison_tells_what_the_same_word_had_there(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    click(page, "[data-key='why 2']")
    page.click("[data-key='compare another text']")
    page.fill("dialog input", "a dog is here .")
    click(page, "dialog button >> nth=0")
    there = Inspector(translator, "").trace(Pass(texts={"source": "a dog is here ."}))
    asked = Inspector(translator, "").trace(PAIR).token_ids["target"][3]
    shares = there["logits"][0, 2].softmax(-1)
    rank = int((shares > shares[asked]).sum())
    following = there.token_ids["target"][3]
    told = page.inner_text(".why h2 + p").partition("in “a dog is here .” ")[2].partition(")")[0]
    if rank < 8 or following == asked:
        assert float(told.removesuffix(" %")) == pytest.approx(100 * float(shares[asked]), rel=6e-3)
    else:
        assert told == "it is not among the first 8"
    box, table = (page.locator(f".candidates{part}").bounding_box() for part in ("", " table"))
    assert table["x"] + table["width"] <= box["x"] + box["width"] + 1  # the numbers of both can be seen


def test_another_model_is_compared_on_the_same_words(translator: PairInside, new_page: Callable[..., Any]) -> None:
    torch.manual_seed(7)
    words = translator.tokenizers.target
    module = make_seq2seq(EncoderDecoderConfig.model_validate(SIZES), words.vocab_size, words.vocab_size)
    beside = Translator(module, translator.tokenizers).inside
    with served(translator, beside) as address:
        page = new_page(**WIDE)
        page.goto(f"{address}#s={json.dumps({'texts': {'source': 'the red house is big .'}})}")
        ready(page)
        click(page, "[data-key='step logits ']")
        click(page, "[data-row='1'][data-column='9']")
        click(page, "[data-key='compare the other model']")
        assert page.locator(".compared").count() == 0  # both read the same
        ids = Inspector(translator, "").trace(Pass(texts={"source": "the red house is big ."})).token_ids
        told = page.inner_text(".chosen .value").partition("in the other model: ")[2].replace("−", "-")
        assert float(told) == pytest.approx(float(beside.trace_tokens(ids)["logits"][0, 1, 9]), rel=1e-4)
        page.goto("about:blank")


def test_changes_are_listed_in_words_and_the_keys_are_the_page_s_again(translator: PairInside, shown: Any) -> None:
    page = shown(translator, PAIR)
    act = "decoder.blocks.1.cross_attention.attention"
    click(page, f"[data-key='head {act} 0']")
    click(page, "[data-row='1'][data-column='2']")
    page.fill("[data-key='another number']", "0.5")
    settled(page, lambda: page.press("[data-key='another number']", "Enter"))
    assert page.evaluate("document.activeElement.dataset.key") == "cell 1,2"
    settled(page, lambda: page.keyboard.press("]"))
    click(page, "[data-key='average']")
    settled(page, lambda: page.keyboard.press("]"))
    click(page, "[data-key='off']")
    listed = [text.removesuffix(" take out") for text in page.locator(".edits li").all_inner_texts()]
    place = "decoder block 1, cross-attention, head"
    assert listed == [
        f"{place} 0, weights: “la” looks at “house” = 0.5", f"{place} 1: averaged", f"{place} 2: switched off",
    ]  # fmt: skip
    click(page, f"[data-key='step {act} masked']")
    assert "scaled + (0 or −∞)" in page.inner_text(".opened .formula")  # there is no bias
