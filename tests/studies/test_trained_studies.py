"""Studies that train: their parts are what they say, and each runs from end to end on a few steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clearhead.figures.chart import charts_figure
from clearhead.insight.findings import Findings
from clearhead.models.architecture import Seq2SeqConfig
from clearhead.models.seq2seq import make_seq2seq
from clearhead.studies import context, heads, lstm, scores, size, small, study
from clearhead.studies.small import exact, made, sample
from clearhead.tasks.translator import Translator


def few(monkeypatch: pytest.MonkeyPatch, module: Any, **values: Any) -> None:
    """Small numbers for a study's own; and a model of two steps does not know when to end what it writes."""
    monkeypatch.setattr(Translator, "limit", staticmethod(lambda source_tokens: 8))
    for name, value in values.items():
        monkeypatch.setattr(module, name, value)


def counted(config: Seq2SeqConfig, vocab: int) -> int:
    """How many parameters a network has, without any number in them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in make_seq2seq(config, vocab, vocab).parameters())


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def whole(findings: Findings) -> None:
    """Tables and charts have a number everywhere, and the answers are sentences made of them."""
    for table in findings.tables:
        assert all(len(row) == len(table.columns) and None not in row for row in table.rows)
    assert charts_figure(findings.charts).axes
    assert all("nan" not in answer for answer in findings.answers)


def test_a_small_translator_is_made_and_judged() -> None:
    trained = made({"d_model": 32, "d_ff": 32, "heads": 2, "layers": 1}, sample("train", 60), seed=1, steps=3)
    again = made({"d_model": 32, "d_ff": 32, "heads": 2, "layers": 1}, sample("train", 60), seed=1, steps=3)
    assert trained.loss == again.loss > 0
    assert trained.parameters == sum(w.numel() for w in trained.model.module.parameters())
    sources = [source for source, _ in sample("train", 4)]
    written = trained.model.translate(sources, beam=1)
    assert exact(trained.model, list(zip(sources, [*written[:2], "?", "?"], strict=True))) == 50.0
    assert small.sample("test", 3) != small.sample("train", 3)


def test_scores_have_equal_parameters() -> None:
    parameters = [scores._parameters(score, scores._even(score)) for score in scores._SCORES]
    assert max(parameters) / min(parameters) < 1.005
    assert scores._even("dot") == scores._even("cosine") == scores._D_FF > scores._even("bilinear")


def test_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, scores, _SEEDS=(0,), _STEPS=2, _TRAIN=24, _TEST=4)
    whole(study("scores"))


def test_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, heads, _SEEDS=(0,), _STEPS=2, _TRAIN=24, _TEST=4)
    found = study("heads")
    whole(found)
    cache = {row[0]: row[6] for row in found.tables[0].rows}
    assert cache["8 heads"] == 2 * 2 * 64 * 4  # layers, keys and values, numbers, bytes
    assert cache["8, 2 groups"] == cache["8 heads"] / 4 and cache["8, 1 group"] == cache["8 heads"] / 8
    assert cache["4 full-width"] == 4 * cache["4 heads"]


def test_size(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, size, _SEEDS=(0,), _STEPS=2, _TRAIN=24, _TEST=4)
    found = study("size")
    whole(found)
    numbers = [float(row[1]) for row in found.tables[0].rows]  # type: ignore[arg-type]
    assert max(numbers) / min(numbers) < 1.1


def test_context(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, context, _STEPS=2, _TRAIN=100, _SENTENCES=20)
    found = study("context")
    whole(found)
    first = found.tables[0].rows[0]
    assert first[1] == pytest.approx(0, abs=1e-6) and first[2] == pytest.approx(0, abs=1e-6)  # one word, one vector
    assert float(first[3]) > 0.5  # type: ignore[arg-type]
    assert float(found.tables[0].rows[1][2]) > 1e-3  # type: ignore[arg-type]


def test_what_is_recalled() -> None:
    src, tgt, answers = lstm._reversed(torch.Generator().manual_seed(0), 50)
    assert torch.equal(tgt[:, 1:], answers[:, :-1])
    for row, wanted in zip(src.tolist(), answers.tolist(), strict=True):
        assert wanted == row[::-1]
        both = [*row, *wanted]
        for place, distance in enumerate(lstm._distances()):
            assert both[len(row) + place - distance] == wanted[place]


def test_the_compared_networks_have_equal_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    count = lstm._count
    monkeypatch.setattr(lstm, "_count", counted)  # of every width there is
    config = lstm._config("LSTM, Bahdanau", 52)
    assert counted(config, 52) == count(config, 52)
    for vocab in (52, 400, 1000):
        counts = [lstm._count(lstm._config(kind, vocab), vocab) for kind in lstm._KINDS]
        assert max(counts) / min(counts) < 1.06


def test_lstm(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, lstm, _LENGTHS=(4, 8), _TOKENS=16, _STEPS=2, _RECALL_STEPS=2, _BATCH=4, _SYMBOLS=3)
    monkeypatch.setattr(lstm, "_count", counted)
    monkeypatch.setattr(lstm, "sample", lambda split, count: sample(split, 60))
    monkeypatch.setattr(lstm, "_joined", lambda pairs, count, seed: list(pairs)[:60])
    found = study("lstm")
    whole(found)
    assert [table.columns[-1] for table in found.tables] == ["8 tokens", found.charts[1].curves[0].xs[-1], "5"]
