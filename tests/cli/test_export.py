"""`clearhead export`: models leave into the forms of other libraries, which open them with the same numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import clearhead
from clearhead.errors import ConfigError, FolderError
from clearhead.exchange.leaving import check_leaving, write_leaving
from exchange.folders import write_folder
from exchange.theirs import one_config

transformers = pytest.importorskip("transformers", reason="the reference is the transformers library")


def leave(model: Any, place: Path, **how: Any) -> str:
    """Export, and compare with the other library."""
    leaving = model.leaving()
    name = write_leaving(place, leaving, **how)
    assert check_leaving(place, leaving, name) < 1e-4
    return name


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("bert", "BertForMaskedLM"),
        ("roberta", "RobertaForSequenceClassification"),
        ("modernbert", "ModernBertModel"),
        ("llama", "LlamaForCausalLM"),
        ("gpt2", "GPT2LMHeadModel"),
        ("bart", "BartForConditionalGeneration"),
        ("marian", "MarianMTModel"),
    ],
)
def test_what_came_from_there_goes_back_as_it_was(family: str, kind: str, tmp_path: Path) -> None:
    write_folder(tmp_path / "theirs", one_config(family), kind)
    assert leave(clearhead.load(tmp_path / "theirs"), tmp_path / "out") == kind
    before, after = (json.loads((tmp_path / place / "config.json").read_text()) for place in ("theirs", "out"))
    own = ("pad_token_id", "bos_token_id", "eos_token_id", "dtype", "decoder_start_token_id")
    assert {k: x for k, x in before.items() if k not in own and after.get(k, "") != x} == {}
    again = clearhead.load(tmp_path / "out")
    assert again.name == clearhead.load(tmp_path / "theirs").name


def test_texts_are_framed_there_as_here(tmp_path: Path) -> None:
    write_folder(tmp_path / "theirs", one_config("bert"), "BertModel")
    model = clearhead.load(tmp_path / "theirs")
    leave(model, tmp_path / "out", sentences=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("the cat sees")["input_ids"] == model.tokenizer.framed("the cat sees")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write_folder(tmp_path / "theirs", one_config("bert"), "BertModel")
    with pytest.raises(FolderError, match="is there already"):
        write_leaving(tmp_path / "theirs", clearhead.load(tmp_path / "theirs").leaving())
    model = clearhead.load(tmp_path / "theirs")
    model.tokenizer.backend.to_str = None  # whatever fails on the way
    with pytest.raises(Exception, match=r"NoneType|read-only|attribute"):
        write_leaving(tmp_path / "out", model.leaving())
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_a_model_whose_parts_are_in_no_family_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "theirs", one_config("llama"), "LlamaForCausalLM")
    model = clearhead.load(tmp_path / "theirs")
    object.__setattr__(model.module.config, "soft_cap", 5.0)
    with pytest.raises(ConfigError, match=r"soft_cap is 5\.0, in a llama model it is None"):
        write_leaving(tmp_path / "out", model.leaving())


def test_a_model_from_there_is_trained_on_and_goes_back(tmp_path: Path) -> None:
    write_folder(tmp_path / "theirs", one_config("llama"), "LlamaForCausalLM")
    (tmp_path / "text.txt").write_text("the cat sees a big house\n" * 300)
    options = {"base": str(tmp_path / "theirs"), "max_steps": 2, "quiet": True, "training": {"batch_tokens": 256}}
    trained = clearhead.train("language", [str(tmp_path / "text.txt")], out=tmp_path / "mine", **options)
    before = clearhead.load(tmp_path / "theirs").module.state_dict()
    assert {name: x.shape for name, x in before.items()} == {n: x.shape for n, x in trained.module.state_dict().items()}
    assert any(not torch.equal(x, before[name]) for name, x in trained.module.state_dict().items())
    assert leave(clearhead.load(tmp_path / "mine"), tmp_path / "out") == "LlamaForCausalLM"
