"""Training and writing on another device than texts are on: shapes and devices alone, so no such device is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from clearhead.data.batches import PairSet
from clearhead.data.vocabulary import Specials
from clearhead.data.windows import TextBatch
from clearhead.data.word_corpus import WordSet
from clearhead.devices import find_device, move
from clearhead.errors import ConfigError
from clearhead.generation.prepared import Ready, prepared
from clearhead.generation.writer import Writing
from clearhead.models.architecture import DecoderConfig, EncoderDecoderConfig, RecurrentConfig, WordVectorsConfig
from clearhead.models.decoder import Decoder
from clearhead.models.seq2seq import make_seq2seq
from clearhead.models.word_vectors import WordVectors
from clearhead.tasks.pair_training import PairJob
from clearhead.tasks.texts import text_loss
from clearhead.tasks.word_training import WordJob

META = torch.device("meta")
SIZES = {"d_model": 32, "d_ff": 64, "heads": 4, "layers": 2, "max_len": 64, "dropout": 0.1}
DECODERS: list[dict[str, Any]] = [
    {"preset": "modern"},
    {"preset": "gpt2"},
    {"preset": "llama", "kv_heads": 2},
    {"preset": "qwen3"},
    {"preset": "gpt2", "positions": "alibi"},
    {"preset": "gpt2", "positions": "relative"},
    {"preset": "gpt2", "positions": "sinusoidal"},
]
SEQ2SEQ: list[dict[str, Any]] = [
    {"positions": "sinusoidal"},
    {"positions": "rotary", "score": "additive"},
    {"positions": "relative"},
    {"family": "lstm"},
    {"family": "gru", "attention": "luong"},
    {"family": "gru", "attention": "none"},
]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tensors without numbers: those that are asked for are not there, and devices that are mixed are an error."""
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)
    monkeypatch.setattr(torch.Tensor, "__int__", lambda _: 1)
    monkeypatch.setattr(torch.Tensor, "item", lambda _: 1.0)
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield


def on_meta(make: Callable[[], Any]) -> Any:
    with torch.device("meta"):
        return make()


def seq2seq(config: dict[str, Any]) -> Any:
    kind = RecurrentConfig if "family" in config else EncoderDecoderConfig
    sizes = {"d_model": 32, "layers": 2} if "family" in config else SIZES
    return make_seq2seq(kind.model_validate({**sizes, **config}), 40, 40)


def assert_step(job: Any, module: Any, batch: Any) -> None:
    """A step and an evaluation stay where the weights are."""
    moved = move(batch, META)
    assert all(getattr(moved, f.name) is None or getattr(moved, f.name).device == META for f in fields(moved))
    loss, count = job.loss(module, moved)
    loss.backward()
    assert loss.device == META and count > 0
    assert all(w.grad is not None and w.grad.device == META for w in module.parameters())
    with torch.no_grad():
        assert job.measure(module, moved)["loss"] == 1.0


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("arch", DECODERS, ids=str)
def test_a_step_of_a_language_model(arch: dict[str, Any], apart: bool) -> None:
    model = on_meta(lambda: Decoder(DecoderConfig.model_validate({**SIZES, **arch}), 100).train())
    ids = torch.randint(5, 100, (2, 33))
    documents = torch.zeros(2, 32, dtype=torch.long) if apart else None
    at = torch.arange(32).expand(2, -1) if apart else None
    wanted = torch.arange(3, 40) if apart else None
    batch = move(TextBatch(ids[:, :-1], ids[:, 1:], documents, at, wanted), META)
    loss, count = text_loss(model, batch)
    loss.backward()
    assert loss.device == META and count == (37 if apart else 64)
    assert all(w.grad is not None and w.grad.device == META for w in model.parameters())


def pairs() -> PairSet:
    specials = Specials(pad=0, bos=1, eos=2)
    src, tgt = [[5, 6, 7], [8], [9, 10]], [[5], [6, 7, 8], [9]]
    return PairSet(src, tgt, 16, (specials, specials))


@pytest.mark.parametrize("config", [c for c in SEQ2SEQ if "family" not in c], ids=str)
def test_a_step_of_a_translator(config: dict[str, Any], request: pytest.FixtureRequest) -> None:
    batch = pairs().batch(np.arange(3))  # made of numbers, before there are none
    request.getfixturevalue("elsewhere")
    module = on_meta(lambda: seq2seq(config).train())
    job = PairJob(module, pairs(), pairs(), seed=0, batch_tokens=100, label_smoothing=0.1)
    assert_step(job, module, batch)


@pytest.mark.parametrize("objective", ["skip-gram", "cbow"])
def test_a_step_of_word_vectors(objective: Any, request: pytest.FixtureRequest) -> None:
    words = WordSet([np.arange(4, 24), np.arange(4, 14)], 30, window=2, sample=0, drawn=8, seed=0)
    batch = words.stretch(words.epoch(0, 64)[0], 64)
    request.getfixturevalue("elsewhere")
    module = on_meta(lambda: WordVectors(WordVectorsConfig(d_model=8, objective=objective), 30).train())
    assert_step(WordJob(module, words, words, negatives=3, size=64), module, batch)


@dataclass
class Dictated:
    """A strategy that chooses by rote: whatever the scores, these branches and tokens."""

    device: torch.device
    plan: list[tuple[list[list[int]], list[int] | None]]
    branches: bool = True

    def choose(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        assert logits.device == self.device
        parents = torch.tensor(self.plan[0][0])
        return parents, torch.full_like(parents, 5)

    def written(self) -> dict[int, int]:
        return {}

    def stop(self, numbers: Iterable[int]) -> None:
        """Nothing is read of what was written."""

    def leave(self) -> Tensor | None:
        rows = self.plan.pop(0)[1]
        return None if rows is None else torch.tensor(rows)


PLAN: list[tuple[list[list[int]], list[int] | None]] = [
    ([[0, 0], [0, 0], [0, 0]], None),
    ([[1, 0], [0, 1], [0, 0]], [0, 2]),
    ([[1, 0], [1, 1]], None),
]


@contextmanager
def no_numbers() -> Iterator[None]:
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        yield


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("arch", DECODERS, ids=str)
def test_a_language_model_writes(arch: dict[str, Any], precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)
    monkeypatch.setattr(torch.Tensor, "__int__", lambda _: 1)
    with no_numbers():
        model = prepared(Decoder(DecoderConfig.model_validate({**SIZES, **arch}), 40).eval(), precision, META)
        assert model.device == META
        writing = Writing(model, Dictated(META, list(PLAN)))
        writing.enter([[4, 5, 6], [7], [8, 9]])
        for _ in PLAN:
            writing.step()
            assert writing.go_on()
        alone = Writing(model, Dictated(META, [([[0]], None), ([[0], [0]], None)], branches=False))
        alone.enter([[4, 5, 6]])
        alone.step()
        alone.go_on()
        alone.enter([[7]])
        alone.step()
        alone.go_on()


@pytest.mark.parametrize("config", SEQ2SEQ, ids=str)
def test_a_translator_writes(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = torch.tensor([4, 2, 3])
    if "family" in config:  # the library asks for the numbers of lengths that it packs
        lengths = torch.tensor([4, 4, 4])
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda _: True)
    monkeypatch.setattr(torch.Tensor, "__int__", lambda _: 1)
    with no_numbers():
        model = prepared(seq2seq(config).eval(), "float32", META)
        src = torch.randint(5, 40, (3, 4))
        memory = model.encode(*move((src, None if "family" in config else lengths), META))
        writing = Writing(model, Dictated(META, list(PLAN)))
        writing.enter([[1]] * 3, memory)
        for _ in PLAN:
            writing.step()
            assert writing.go_on()


def test_a_device_that_is_not_there_is_named() -> None:
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="NVIDIA GPU\n  fix: leave --device out"):
            find_device("cuda")
    if not torch.backends.mps.is_available():
        with pytest.raises(ConfigError, match="Apple"):
            Ready("mps")
    assert find_device("cpu") == torch.device("cpu")


def test_tied_weights_stay_tied_where_they_are_moved() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = Decoder(DecoderConfig.model_validate({**SIZES, "preset": "gpt2"}), 40)
        copied = prepared(model, "float32", META)
        assert copied.head.weight is copied.embedding.weight and model.device == torch.device("cpu")


def test_int8_is_multiplied_on_cpus() -> None:
    model = Decoder(DecoderConfig.model_validate({**SIZES, "preset": "gpt2"}), 40)
    with pytest.raises(ConfigError, match="int8 needs PyTorch's products of bytes for CPUs"):
        prepared(model, "int8", META)
    assert Ready("auto")(model, "int8").device == torch.device("cpu")
