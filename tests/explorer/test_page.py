"""A trace as one page: what is in it, and that it needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import torch

import clearhead
from clearhead.exchange.torch_nn import drop_in
from clearhead.explorer import page as page_module
from clearhead.explorer.bundle import bundle, page_files, static
from clearhead.explorer.page import page
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder


def test_a_bundle_holds_every_module_once_behind_those_it_needs() -> None:
    text = bundle("file.js")
    places = {name: text.index(f'modules["{name}"] = ') for name in re.findall(r'modules\["([\w-]+\.js)"\] = ', text)}
    assert {"page.js", "program.js", "host-file.js", "file.js"} <= set(places)
    assert "host-app.js" not in places and text.count('modules["dom.js"] = ') == 1
    for name, place in places.items():
        for needed in re.findall(r'from "\./([\w-]+\.js)";$', static(name), re.MULTILINE):
            assert places[needed] < place, (needed, name)
    assert not re.search(r"^(import|export) ", text, re.MULTILINE)


def test_a_bundle_spares_comments_and_indentation_and_keeps_every_text() -> None:
    text = bundle("file.js")
    assert len(text) < 0.9 * sum(len(static(name)) for name in re.findall(r'modules\["([\w-]+\.js)"\] = ', text))
    assert not re.search(r"^(?:[ \t]|/\*|\*/|//)", text, re.MULTILINE)
    # A template over several lines would lose its indentation: each ends where it begins.
    assert not [line for line in text.splitlines() if line.count("`") % 2]


def test_the_modules_ask_nothing_of_the_network() -> None:
    for path in page_files().values():
        text = path.read_text(encoding="utf-8")
        addresses = re.findall(r"https?://[^\s\"'`)]+", text)
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name
        assert "innerHTML" not in text and "eval(" not in text, path.name


def traced(**config: Any) -> clearhead.Trace:
    """A language model's trace as a task makes it."""
    from clearhead.data.tokenizer_training import text_tokenizer
    from clearhead.data.tokenizers import TextTokenizerConfig
    from clearhead.tasks.language_model import LanguageModel

    torch.manual_seed(0)
    tokenizer = text_tokenizer(["the cat sat </script> "], TextTokenizerConfig(kind="byte"))
    sizes = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 32}
    model = Decoder(DecoderConfig.model_validate({**sizes, **config}), tokenizer.vocab_size)
    return LanguageModel(model, tokenizer).trace("the </script>")


def test_what_a_text_says_stays_text() -> None:
    text = page(traced(), title="<b>title</b>").html
    assert text.count("</script>") == 2  # the data's and the code's own
    assert "<title>&lt;b&gt;title&lt;/b&gt;</title>" in text
    assert "default-src 'none'" in text and "unsafe" not in text


def test_show_makes_the_page_of_a_trace(tmp_path: Path) -> None:
    shown = clearhead.show(traced())
    assert "srcdoc" in shown._repr_html_() and repr(shown).startswith("<a page of")
    shown.save(tmp_path / "p.html")
    assert (tmp_path / "p.html").read_text(encoding="utf-8") == shown.html


def test_a_larger_model_s_page_opens_its_acts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, new_page: Callable[..., Any]
) -> None:
    """Without weights: the acts' numbers are derived from what they hold, edits reach to their context."""
    monkeypatch.setattr(page_module, "_MOST_WEIGHTS", 0)
    trace = traced(preset="modern")
    page(trace).save(tmp_path / "p.html")
    shown = new_page(viewport={"width": 1400, "height": 1000}, offline=True)
    shown.goto((tmp_path / "p.html").as_uri())
    shown.wait_for_selector("[data-drawn]")
    path = "decoder.blocks.1.self_attention.attention"
    shown.click(f"[data-key='head {path} 2']")
    shown.click("[data-row='5'][data-column='1']")
    shown.wait_for_selector("[data-role='value']")
    said = float(shown.inner_text("[data-role='value']").replace("−", "-"))
    assert said == pytest.approx(float(trace[path].weights()[0, 2, 5, 1]), rel=2e-5)
    shown.fill("[data-key='another number']", "0.9")
    shown.click("[data-key='set']")
    shown.wait_for_selector("td.changed")
    shown.click(f"[data-key='step {path} context']")
    shown.wait_for_selector("table.matrix td.changed")
    changed = {int(x.get_attribute("data-row")) for x in shown.locator("td.changed").all()}
    assert changed == {5}
    assert "holds no weights" in shown.inner_text(".message")
    assert shown.locator("[data-role='effect']").count() == 0  # of words that were not computed again nothing is told


def opened(new_page: Callable[..., Any], file: Path, path: str) -> Any:
    """The page of a file, with a value open."""
    shown = new_page(viewport={"width": 1400, "height": 1000}, offline=True)
    shown.goto(f"{file.as_uri()}#s={quote(json.dumps({'open': {'path': path}}))}")
    shown.wait_for_selector("[data-drawn]")
    return shown


def test_a_larger_model_s_page_shows_a_change_of_any_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, new_page: Callable[..., Any]
) -> None:
    monkeypatch.setattr(page_module, "_MOST_WEIGHTS", 0)
    page(traced()).save(tmp_path / "p.html")
    shown = opened(new_page, tmp_path / "p.html", "decoder.blocks.0.resid_mid")
    shown.click("[data-row='1'][data-column='2']")
    shown.fill("[data-key='another number']", "7.5")
    shown.click("[data-key='set']")
    shown.wait_for_selector("td.changed")
    assert [x.inner_text() for x in shown.locator("td.changed").all()] == ["7.5"]


def test_an_act_too_large_for_a_page_shows_its_pictures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, new_page: Callable[..., Any]
) -> None:
    monkeypatch.setattr(page_module, "_MOST_WEIGHTS", 0)
    monkeypatch.setattr(page_module, "_MOST_COMPUTED", 0)
    page(traced()).save(tmp_path / "p.html")
    shown = opened(new_page, tmp_path / "p.html", "decoder.blocks.0.self_attention.attention")
    assert shown.locator(".thumb").count() == 8
    assert "does not hold these numbers: open the model with" in shown.inner_text("#opened .error")


def test_a_trace_of_any_module_has_a_page(tmp_path: Path, new_page: Callable[..., Any]) -> None:
    """PyTorch's own layers, watched: no tokens and no formulas, but every act opens."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)).eval()
    drop_in(model)
    with torch.no_grad(), clearhead.watch(model) as trace:
        model(torch.randn(1, 7, 16))
    clearhead.show(trace).save(tmp_path / "p.html")
    shown = new_page(viewport={"width": 1400, "height": 1000})
    shown.goto((tmp_path / "p.html").as_uri())
    shown.wait_for_selector("[data-drawn]")
    shown.click(".thumb >> nth=1")
    shown.wait_for_selector("table.matrix")
    assert shown.locator("table.matrix tbody tr").count() == 7


def test_a_trace_that_no_task_has_made_has_a_page(tmp_path: Path, new_page: Callable[..., Any]) -> None:
    """One of ours, watched: it has logits, and nothing says which words they are of."""
    torch.manual_seed(0)
    model = Decoder(DecoderConfig(d_model=16, d_ff=24, heads=4, layers=2, max_len=32), 40).eval()
    with torch.no_grad(), clearhead.watch(model) as trace:
        model(torch.tensor([[1, 2, 3]]))
    page(trace).save(tmp_path / "p.html")
    shown = new_page()
    shown.goto((tmp_path / "p.html").as_uri())
    shown.wait_for_selector("[data-drawn]")
    assert shown.locator(".thumb").count() == 8 and shown.locator(".error").count() == 0
