"""Small translators for comparisons: the same sentences, steps and seeds; only what is compared differs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean
from typing import TypeAlias

from clearhead.data.samples.english_spanish import Split, sentences
from clearhead.data.tokenizers import TokenizerConfig
from clearhead.folder import Folder
from clearhead.insight.findings import Curve
from clearhead.models.seq2seq import Seq2Seq
from clearhead.tasks.config import TranslateConfig
from clearhead.tasks.fit import train_parts
from clearhead.tasks.session import Session
from clearhead.tasks.task import TrainingRequest
from clearhead.tasks.tokenizer_pair import TokenizerPair
from clearhead.tasks.translate import TASK
from clearhead.tasks.translator import Translator
from clearhead.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig

__all__ = ["Made", "Pairs", "exact", "made", "sample", "spread"]

Pairs: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Made:
    """A translator that was trained, and what that took: seconds, and nats a token on the validation part."""

    model: Translator
    parameters: int
    seconds: float
    loss: float


@cache
def sample(split: Split, count: int) -> Pairs:
    """(English, Spanish) of the built-in grammar; the test part has pairs of words that the training part has not."""
    return [(s.english, s.spanish) for s in sentences(split, count)]


def made(arch: Mapping[str, object], train: Pairs, *, seed: int, steps: int, batch_tokens: int = 2048) -> Made:
    """Train a small translator (whole words, float32) on pairs of sentences."""
    config = TranslateConfig.model_validate(
        {
            "recipe": "study",
            "seed": seed,
            "max_steps": steps,
            "tokenizer": TokenizerConfig(kind="word", vocab_size=2000, min_count=1),
            "arch": {"dropout": 0.1, "max_len": 96, **arch},
            "optimizer": OptimizerConfig(lr=3e-3, muon_lr=3e-3),
            "schedule": ScheduleConfig(warmup=50),
            "training": TrainingConfig(
                batch_tokens=batch_tokens, precision="float32", evaluations=1, patience=0, average=0, save_seconds=3600
            ),
        }
    )
    with tempfile.TemporaryDirectory() as place:
        files = [str(Path(place) / name) for name in ("train.tsv", "valid.tsv")]
        for file, pairs in zip(files, (train, train[:: max(1, len(train) // 100)]), strict=True):
            Path(file).write_text("".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
        folder = Folder(Path(place) / "model")
        asked = TrainingRequest(files[:1], files[1:], config, Session(quiet=True))
        _, module = train_parts(TASK, asked, folder)
        results, tokenizers = folder.config()["results"], TokenizerPair.load(folder)
    assert isinstance(module, Seq2Seq), "a translator is trained"
    model = Translator(module, tokenizers)
    parameters = sum(weight.numel() for weight in model.module.parameters())
    return Made(model, parameters, results["seconds"], results["validation"]["loss"])


def exact(model: Translator, pairs: Pairs) -> float:
    """Per cent of sentences that are written word for word as they should be, greedily."""
    outputs = model.translate([source for source, _ in pairs], beam=1)
    return 100 * mean(output == target for output, (_, target) in zip(outputs, pairs, strict=True))


def spread(name: str, xs: Sequence[float | str], runs: Sequence[Sequence[float]]) -> Curve:
    """A curve of means over runs, with the lowest and highest of each point; `runs[i]` are those of point i."""
    return Curve(name, xs, [mean(values) for values in runs], [(min(values), max(values)) for values in runs])
