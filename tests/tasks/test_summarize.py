"""A second task on the same pair objective: a summarizer from a file to ROUGE, and the metric beside its reference."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import clearhead
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ConfigError
from clearhead.tasks.metrics import rouge_scores
from clearhead.tasks.opened import load_for
from clearhead.tasks.summarizer import Summarizer

ROWS = [s.english for s in sentences("train", 300)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Summarizer:
    """Texts of two sentences; the summary is the first."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("summaries")
    file = place / "texts.tsv"
    file.write_text("".join(f"{a} {b}\t{a}\n" for a, b in zip(ROWS[::2], ROWS[1::2], strict=True)), encoding="utf-8")
    made = clearhead.train(
        "summarize",
        file,
        out=place / "m",
        quiet=True,
        max_steps=60,
        arch={"layers": 1, "d_model": 32, "d_ff": 32, "heads": 2},
        tokenizer={"kind": "word", "min_count": 1},
        optimizer={"lr": 0.01, "muon_lr": 0.01},
        training={"precision": "float32", "evaluations": 2, "batch_tokens": 1024},
    )
    assert isinstance(made, Summarizer)
    return made


def test_from_a_file_to_summaries(trained: Summarizer) -> None:
    assert trained.folder is not None
    loaded = clearhead.load(trained.folder.path)
    texts = [f"{ROWS[0]} {ROWS[1]}", "", ROWS[5]]
    found = loaded.summarize(texts, beam=2)
    assert len(found) == 3
    assert found[0] and found[1] == ""
    assert found == trained.summarize(texts, beam=2)
    assert trained.module.config.max_len == 512


def test_it_is_measured_with_rouge(trained: Summarizer, tmp_path: Path) -> None:
    file = tmp_path / "test.tsv"
    texts = [f"{a} {b}" for a, b in zip(ROWS[:4], ROWS[4:8], strict=True)]
    written = trained.summarize(texts)
    file.write_text("".join(f"{t}\t{w}\n" for t, w in zip(texts, written, strict=True)), encoding="utf-8")
    scores = trained.evaluate([str(file)])
    assert list(scores) == ["sentences", "references", "ROUGE-1", "ROUGE-2", "ROUGE-L"]
    assert scores["ROUGE-1"].value == pytest.approx(100.0)  # its own output
    assert trained.folder is not None
    results = trained.folder.config()["results"]["written"]
    assert list(results) == ["ROUGE-1", "ROUGE-2", "ROUGE-L"]
    assert all(0 <= value <= 100 for value in results.values())


def test_it_can_be_looked_into(trained: Summarizer) -> None:
    seen = trained.look(ROWS[0], ROWS[0])
    assert seen.weights.shape == (len(ROWS[0].split()), len(ROWS[0].split()))
    assert seen.gap < 1e-5


def test_a_verb_of_another_task(trained: Summarizer) -> None:
    assert trained.folder is not None
    with pytest.raises(ConfigError, match=r"does not translate: its task is summarize\n  fix: write: clearhead summ"):
        load_for("translate", trained.folder.path)
    assert isinstance(load_for("summarize", trained.folder.path), Summarizer)


# ROUGE


def test_rouge_by_hand() -> None:
    """The cat sat / the cat ran home: 2 words of 3 and of 4 are common, F1 = 4/7; 1 bigram of 2 and of 3."""
    scores = rouge_scores(["The cat sat"], [["the cat ran home"]])
    assert scores["ROUGE-1"].value == pytest.approx(100 * 4 / 7)
    assert scores["ROUGE-2"].value == pytest.approx(100 * 2 / 5)
    assert scores["ROUGE-L"].value == pytest.approx(100 * 4 / 7)
    assert "nrefs:1" in scores["ROUGE-1"].signature


def test_rouge_is_the_library_on_ascii_text() -> None:
    from rouge_score.rouge_scorer import RougeScorer  # with it scipy: no other test shall wait for that

    outputs, references = ROWS[:20], ROWS[20:40]
    theirs = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    wanted = [theirs.score(r, o) for o, r in zip(outputs, references, strict=True)]
    ours = rouge_scores(outputs, [[r] for r in references])
    for name, key in (("ROUGE-1", "rouge1"), ("ROUGE-2", "rouge2"), ("ROUGE-L", "rougeL")):
        assert ours[name].value == pytest.approx(100 * sum(w[key].fmeasure for w in wanted) / 20)


def test_rouge_reads_letters_that_are_not_ascii() -> None:
    """The library alone would compare the pieces "sch" and "n" of "schön"."""
    scores = rouge_scores(["это дом", "schön"], [["это дом"], ["schn"]])
    assert scores["ROUGE-1"].value == pytest.approx(50.0)


def test_the_nearest_of_several_references_counts() -> None:
    assert rouge_scores(["a b"], [["c d", "a b"]])["ROUGE-1"].value == pytest.approx(100.0)
