"""What the page says of sampling is what generation does: every probability behind the cuts, in every host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from clearhead.data.tokenizer_training import text_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.page import page as page_of
from clearhead.explorer.questions import Asked, Candidates, Cuts, Pass
from clearhead.generation.sampling import Choice, Sampling, draw
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.tasks.language_model import LanguageModel
from clearhead.tasks.text_inside import TextInside
from tests.generation.writing import continued

EOS = 2  # as tokenizers that are trained here number it

TOKENS = [70, 71, 72, 73, 74]
SETTINGS = [
    Sampling(1.0, 0, 1.0),
    Sampling(1.0, 12, 1.0),  # more than the eight that the page names
    Sampling(0.7, 0, 0.97),  # far into the tail
    Sampling(1.5, 0, 0.5),
    Sampling(0.9, 40, 0.9),
    Sampling(1.0, 0, 1.0, min_p=0.3),
    Sampling(2.0, 100, 0.99, min_p=0.05),
    Sampling(1.0, 1, 1.0),
    Sampling(0.0, 0, 1.0),
]


def task() -> TextInside:
    torch.manual_seed(0)
    tokenizer = text_tokenizer(["the cat sat"], TextTokenizerConfig(kind="byte"))
    sizes = {"d_model": 16, "d_ff": 24, "heads": 4, "layers": 2, "max_len": 32}
    model = Decoder(DecoderConfig.model_validate(sizes), tokenizer.vocab_size)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
        model.head.weight[tokenizer.unwritten()[0]] *= 4  # one that is never written would be likely
    return LanguageModel(model, tokenizer).inside


def chosen(model: TextInside, sampling: Sampling) -> Choice:
    """What clearhead's own generation chooses from behind the tokens."""
    told: list[Choice] = []
    banned = model.tokenizer.unwritten()
    steps = continued(
        model.module,
        [TOKENS],
        [1],
        sampling,
        eos=EOS,
        forbidden=banned,
        on_choice=lambda _, choice: told.append(choice),
    )
    next(steps)
    return told[0]


def asked(sampling: Sampling, chance: float | None = None) -> Asked:
    of = Pass(token_ids={"tokens": TOKENS}, temperature=sampling.temperature)
    cuts = Cuts(top_k=sampling.top_k, top_p=sampling.top_p, min_p=sampling.min_p, chance=chance)
    return Asked(of=of, questions=[Candidates(4, cuts)])


def agrees(answer: dict[str, Any], after: torch.Tensor, rel: float) -> None:
    assert answer["left"] == int((after > 0).sum())
    assert len(answer["candidates"]) == min(50, answer["left"])
    shares = [one["share"] for one in answer["candidates"]]
    assert shares == pytest.approx(after.sort(descending=True).values[: len(shares)].tolist(), rel=rel)
    for one in answer["candidates"]:
        assert one["share"] == pytest.approx(float(after[one["id"]]), rel=rel)


@pytest.mark.parametrize("sampling", SETTINGS, ids=str)
def test_the_application_cuts_as_generation_does(sampling: Sampling) -> None:
    model = task()
    (answer,) = Inspector(model, "m").answer(asked(sampling, chance=0.4))
    after = chosen(model, sampling).after
    agrees(answer, after, 1e-4)
    assert answer["drawn"]["id"] == draw(after[None], [0.4])[0]


# Every setting in a file: its candidates, and a token drawn.
FILE = """async ([given, asked]) => {
    const { FileHost } = await import("/host-file.js");
    const host = await FileHost.open(given);
    return Promise.all(asked.map(async ({ of, questions }) => (await host.answer(of, questions))[0]));
}"""


def test_a_file_cuts_as_generation_does(page: Any, site: str) -> None:
    model = task()
    exact = LanguageModel(model.module.double(), model.tokenizer)
    found = re.search(r'id="given">(.*?)</script>', page_of(exact.trace_tokens({"tokens": TOKENS})).html, re.DOTALL)
    assert found is not None
    chances = [i / len(SETTINGS) for i in range(len(SETTINGS))]
    pairs = zip(SETTINGS, chances, strict=True)
    plain = [asked(sampling, chance).model_dump(mode="json") for sampling, chance in pairs]
    for one in plain:
        one["of"]["token_ids"] = None
    page.goto(site)
    answers = page.evaluate(FILE, [json.loads(found[1]), plain])
    for sampling, chance, answer in zip(SETTINGS, chances, answers, strict=True):
        after = chosen(exact, sampling).after
        agrees(answer, after, 1e-4)
        assert answer["drawn"]["id"] == draw(after[None], [chance])[0]


def test_the_page_says_how_many_are_left(new_page: Callable[..., Any], tmp_path: Path) -> None:
    model = task()
    page_of(model.trace_tokens({"tokens": TOKENS})).save(tmp_path / "p.html")
    shown = new_page(viewport={"width": 1400, "height": 1000}, offline=True)
    shown.goto((tmp_path / "p.html").as_uri())
    shown.click("[data-key='why 4']")
    shown.wait_for_selector("[data-role='left']")
    size = model.tokenizer.vocab_size
    banned = len(model.tokenizer.unwritten())
    assert shown.inner_text("[data-role='left']").startswith(
        f"left by the cuts: {size - banned} of {size} ({banned} special tokens are never written): "
    )
    shown.fill("[data-key='top k']", "12")
    shown.press("[data-key='top k']", "Enter")
    shown.wait_for_selector(f"[data-role='left']:has-text(': 12 of {size} (')")
    after = chosen(model, Sampling(1.0, 12, 1.0)).after.max()
    said = re.search(r"([\d.]+) %", shown.inner_text("[data-role='left']").partition(f"of {size}")[2])
    assert said is not None and float(said[1]) == pytest.approx(100 * float(after), rel=6e-3)


CUT = """async ([rows, settings]) => {
    const { cut, shares } = await import("/sampling.js");
    return rows.map((z, i) => Array.from(cut(shares(Float64Array.from(z), settings[i].temperature), settings[i])));
}"""


def test_the_cuts_of_chance_distributions_are_ours(page: Any, site: str) -> None:
    """Of flat, steep and tied distributions, every probability, in float64."""
    random = np.random.default_rng(0)
    rows, settings = [], []
    for number in range(200):
        z = random.normal(scale=random.choice([0.1, 1.0, 4.0]), size=40)
        rows.append(np.zeros(40) if number % 20 == 0 else np.round(z) if number % 4 == 0 else z)
        cuts = {"top_k": int(random.integers(0, 45)), "top_p": float(random.uniform(0.05, 1)), "min_p": 0.0}
        cuts["min_p"] = float(random.choice([0.0, 0.02, 0.4]))
        if number % 20 == 0:
            cuts["top_p"] = (
                number // 20 + 1
            ) / 20  # of forty equal ones an even number: what rounding adds is no token
        warm = [0.0, 1e-5, 1e-300, 5e-324] if number % 5 == 1 else [float(random.uniform(0.2, 2))]
        settings.append({"temperature": warm[number % len(warm)], **cuts})
    page.goto(site)
    found = page.evaluate(CUT, [[row.tolist() for row in rows], settings])
    for row, setting, p in zip(rows, settings, found, strict=True):
        wanted = Sampling(**setting).probabilities(torch.tensor(row)[None])[0]
        np.testing.assert_allclose(p, wanted.numpy(), rtol=1e-9, atol=1e-12, err_msg=str(setting))


@pytest.mark.parametrize("cuts", [{"top_p": 0}, {"top_k": -1}, {"min_p": 2}, {"chance": 1}])
def test_cuts_out_of_range_are_refused(cuts: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Cuts(**cuts)
