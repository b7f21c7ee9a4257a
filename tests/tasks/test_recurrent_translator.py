"""A recurrent translator does what every translator does, through the same task, search, views and worksheets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import clearhead
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ConfigError
from clearhead.tasks.translator import Translator
from clearhead.worksheet import attention_paper
from tests.generation.writing import searched

BOS, EOS = 1, 2  # as tokenizers that are trained here number them

TEXTS = [s.english for s in sentences("train", 6)]
OPTIONS: dict[str, Any] = {
    "quiet": True,
    "tokenizer": {"kind": "word", "min_count": 1},
    "training": {"precision": "float32", "evaluations": 2, "batch_tokens": 512},
}


def train(folder: Path, arch: dict[str, Any], **more: Any) -> Translator:
    torch.set_num_threads(1)
    files = "sample:english-spanish/train:100"
    return clearhead.train(
        "translate",
        files,
        out=folder,
        arch={"d_model": 32, "max_len": 48, **arch},
        **{"max_steps": 40, **OPTIONS, **more},
    )


@pytest.fixture(scope="module", params=["bahdanau", "luong"])
def trained(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Translator:
    family = {"bahdanau": "gru", "luong": "lstm"}[request.param]
    return train(tmp_path_factory.mktemp("models") / "m", {"family": family, "attention": request.param})


def test_it_is_saved_and_writes_the_same_in_every_batch(trained: Translator) -> None:
    assert trained.folder is not None
    loaded = clearhead.load(trained.folder.path)
    assert loaded.module.config == trained.module.config
    for beam in (1, 4):
        together = loaded.n_best(TEXTS, n=beam, beam=beam)
        assert together == trained.n_best(TEXTS, n=beam, beam=beam)
        for text, best in zip(TEXTS, together, strict=True):
            alone = loaded.n_best([text], n=beam, beam=beam)[0]
            assert [b.text for b in alone] == [b.text for b in best]
            assert [b.score for b in alone] == pytest.approx([b.score for b in best], abs=1e-4)


def test_what_the_search_counted_is_the_forced_pass(trained: Translator) -> None:
    """The score of a hypothesis, step by step through the cache and its tree, is that of one pass without them."""
    module, limit = trained.module, 12
    src = torch.tensor([[*trained.tokenizers.source.encode([TEXTS[0]])[0], EOS]])
    with torch.inference_mode():
        memory = module.encode(src)
    for hypothesis in searched(module, memory, [limit], bos=BOS, eos=EOS, beam=5)[0]:
        ids = [*hypothesis.ids, EOS][:limit]  # at the limit no end is written
        log_p = module(src, torch.tensor([[BOS, *hypothesis.ids]]))[0].log_softmax(-1)[torch.arange(len(ids)), ids]
        assert log_p.sum().item() == pytest.approx(hypothesis.log_probability, abs=1e-4)


def test_where_it_looked(trained: Translator) -> None:
    seen = trained.look(TEXTS[0])
    assert seen.gap < 1e-6
    assert seen.weights.shape == (len(seen.target), len(seen.source))
    assert trained.align(TEXTS[:1], [" ".join(seen.target)]) == [seen.links]
    with pytest.raises(ConfigError, match="no layer 1"):
        trained.look(TEXTS[0], layer=1)


def test_its_attention_on_paper(trained: Translator) -> None:
    paper = attention_paper(trained.arithmetic(TEXTS[0]))
    assert paper.gap < 1e-6
    trace = trained.trace(TEXTS[0])
    steps = torch.cat([act.weights() for act in trace.calls("decoder.cross_attention.attention")], dim=2)
    torch.testing.assert_close(torch.from_numpy(paper.table("percentages").values).float(), steps[0, 0])
    with pytest.raises(ConfigError, match="no such attention"):
        trained.arithmetic(TEXTS[0], part="encoder")


def test_what_is_in_it(trained: Translator) -> None:
    about = trained.describe()
    assert about["architecture"]["family"] in ("lstm", "gru")
    numbers = 3 if about["architecture"]["family"] == "lstm" else 2
    assert about["cache of a token (float32)"] == f"{numbers * 32 * 4 / 1e3:.1f} kB if written, 0.3 kB if of the source"


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole", {"family": "gru"}, max_steps=8)
    assert whole.folder is not None
    monkeypatch.setattr("clearhead.training.run._finish", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", {"family": "gru"}, max_steps=8)
    monkeypatch.undo()
    again = train(tmp_path / "cut", {"family": "gru"}, max_steps=8, resume=True)
    for one, other in zip(whole.module.parameters(), again.module.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_fixed_vector_has_nowhere_to_look(tmp_path: Path) -> None:
    model = train(tmp_path / "m", {"family": "lstm", "attention": "none"}, max_steps=5)
    assert len(model.translate(TEXTS)) == len(TEXTS)
    assert model.describe()["alignments"] == "none: the model has no attention"
    assert "alignment error rate" not in model.evaluate(["sample:english-spanish/test:5"])
    for ask in (lambda: model.look(TEXTS[0]), lambda: model.align(TEXTS[:1], TEXTS[:1])):
        with pytest.raises(ConfigError, match="no attention"):
            ask()


@pytest.mark.parametrize(
    ("arch", "words"),
    [
        ({"family": "lst"}, "there is no family 'lst'.*\n.*lstm"),
        ({"family": "gru", "d_ff": 3}, "a model of family gru has no arch.d_ff"),
        ({"family": "gru", "head": 3}, "there is no option 'arch.head'.*\n.*heads"),
        ({"attention": "luong"}, "^arch.attention.kind = 'luong'"),
        ({"family": "lstm", "heads": 5}, r"^arch: d_model 32 does not divide"),
        ({"family": "lstm", "score": "dott"}, r"^arch.attention.score = 'dott'"),
    ],
)
def test_wrong_options(arch: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        train(tmp_path / "m", arch)
