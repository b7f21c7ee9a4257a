"""What a file computes of the residual stream, after a change too, is what the library says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from test_explorer import click, ready

from clearhead.data.tokenizer_training import text_tokenizer, train_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, TokenizerConfig
from clearhead.edits import Edit
from clearhead.explorer import page as page_module
from clearhead.explorer.document import lens
from clearhead.explorer.page import page as page_of
from clearhead.insight.contributions import contributions
from clearhead.look import Trace
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translator import Translator

SIZES: dict[str, Any] = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 32}
IDS = {"source": [5, 6, 7, 2], "target": [1, 8, 9, 6]}
HEAD = Edit("decoder.blocks.1.self_attention.attention", (0, 1), "set", 0.0, step="context")
STREAM = Edit("decoder.blocks.0.resid_mid", (0, 2, 3), "add", 2.0)


def model(name: str) -> Any:
    torch.manual_seed(0)
    if name in ("pre", "post", "bare", "recurrent"):
        words = train_tokenizer(["a b c d e f g h i"], TokenizerConfig(kind="word", min_count=1))
        own = {"pre": {}, "post": {"norm_order": "post"}, "bare": {"o_proj": False, "head_dim": 4, "norm": "rms"}}
        config = RecurrentConfig(d_model=8) if name == "recurrent" else EncoderDecoderConfig(**{**SIZES, **own[name]})
        made: Any = Translator(make_seq2seq(config, words.vocab_size, words.vocab_size), TokenizerPair(words, words))
    else:
        tokenizer = text_tokenizer(["the cat"], TextTokenizerConfig(kind="byte"))
        decoder = Decoder(DecoderConfig.model_validate({**SIZES, "preset": name}), tokenizer.vocab_size)
        made = LanguageModel(decoder, tokenizer)
    with torch.no_grad():
        for weight in made.module.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    made.module.double()
    return made.inside


def traced(task: Any, *edits: Edit) -> Trace:
    ids = IDS if task.name == "translate" else {"tokens": [70, 71, 72, 73]}
    found: Trace = task.trace_tokens(ids, edits=edits)
    return found


# Contributions to two logits, and the lens, of one pass.
FILE = """async ([given, edits]) => {
    const { FileHost } = await import("/host-file.js");
    const host = await FileHost.open(given);
    const added = (token) => ({ kind: "contributions", row: 2, token });
    return host.answer({ edits, token_ids: null, temperature: 1 }, [added(7), added(9), { kind: "lens", row: 2 }]);
}"""


@pytest.mark.parametrize("name", ["pre", "post", "bare", "recurrent", "gpt2", "llama", "modern"])
def test_a_file_says_what_the_library_says(page: Any, site: str, name: str) -> None:
    task = model(name)
    found = re.search(r'id="given">(.*?)</script>', page_of(traced(task)).html, re.DOTALL)
    assert found is not None
    page.goto(site)
    for edits in [[]] if name == "recurrent" else [[], [HEAD], [STREAM]]:
        trace = traced(task, *edits)
        *told, seen = page.evaluate(FILE, [json.loads(found[1]), [edit.to_json() for edit in edits]])
        for token, answer in zip((7, 9), told, strict=True):
            wanted = [one.to_json() for one in contributions(trace, 2, token)]
            assert len(answer["contributions"]) == len(wanted)
            for ours, theirs in zip(answer["contributions"], wanted, strict=True):
                assert ours["value"] == pytest.approx(theirs.pop("value"), rel=1e-6, abs=1e-8)
                assert {**ours, **theirs} == ours
        for block, theirs in zip(seen["lens"], lens(trace, 2), strict=True):
            assert block["path"] == theirs["path"]
            assert [one["id"] for one in block["candidates"]] == [one["id"] for one in theirs["candidates"]]
            assert block["candidates"][0]["probability"] == pytest.approx(
                theirs["candidates"][0]["probability"], rel=1e-6
            )


def test_without_weights_it_says_what_can_be_done(
    new_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "_MOST_WEIGHTS", 0)
    page_of(traced(model("gpt2"))).save(tmp_path / "page.html")
    page = new_page(viewport={"width": 1400, "height": 1000}, offline=True)
    page.goto((tmp_path / "page.html").as_uri())
    click(ready(page), "[data-key='why 0']")
    assert page.locator(".pushed td").count() and page.locator(".grown td").count()
    click(page, "[data-key='without best']")
    said = "it cannot compute this here: take your changes back, or open the model with `clearhead explore`"
    assert said in page.inner_text(".pushed") and said in page.inner_text(".grown")
