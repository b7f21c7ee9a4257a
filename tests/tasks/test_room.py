"""A folder's configuration is held against its weights before anything is made: nonsense costs neither time nor memory.

The folders hold models that were made and never trained.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import clearhead
from clearhead.data.tokenizer_training import text_tokenizer, train_tokenizer, word_tokenizer
from clearhead.data.tokenizers import TextTokenizerConfig, Tokenizer, TokenizerConfig
from clearhead.errors import ClearheadError, ConfigError, FolderError
from clearhead.folder import FORMAT, Folder, unshared
from clearhead.generation.template import DEFAULT
from clearhead.models.decoder import Decoder
from clearhead.models.lora import adapter, add_lora
from clearhead.models.seq2seq import make_seq2seq
from clearhead.models.word_vectors import WordVectors
from clearhead.tasks.room import check_room, outline
from clearhead.tasks.train import configure
from command import call

TEXT = ["the white cats do not see the small red house", "el gato blanco no ve la casa roja"] * 3
SMALL = {"d_model": 16, "layers": 2, "max_len": 32}
ARCH: dict[str, dict[str, Any]] = {
    "translate": {**SMALL, "d_ff": 16, "heads": 2},
    "summarize": {**SMALL, "d_ff": 16, "heads": 2, "positions": "learned", "score": "additive", "tied": "none"},
    "lstm": {**SMALL, "family": "lstm"},
    "language": {**SMALL, "d_ff": 16, "heads": 2},
    "chat": {**SMALL, "d_ff": 16, "heads": 2, "preset": "gpt2"},
    "words": {"d_model": 8},
}


def written(path: Path, kind: str) -> Path:
    """A folder of an untrained model; a chat's has been trained beside another model too."""
    task = "translate" if kind == "lstm" else kind
    lora = {"lora": {"rank": 4}, "optimizer": {"kind": "adamw", "weight_decay": 0.0}, "base": "base"}
    config: Any = configure(
        task,
        options={"arch": ARCH[kind], **(lora if kind == "chat" else {})} | ({"base": None} if kind == "chat" else {}),
    )
    tokenizer = tokenizer_of(task)
    size, folder = tokenizer.vocab_size, Folder(path)
    if task in ("translate", "summarize"):
        module: nn.Module = make_seq2seq(config.arch, size, size)
    elif task == "words":
        module = WordVectors(config.arch, size)
    else:
        module = Decoder(config.arch, size)
    if kind == "chat":
        add_lora(module, config.lora, [5, 6])
        folder.write_text("chat_template.jinja", DEFAULT)
        folder.write_tensors("adapter.safetensors", adapter(module))
    folder.write_text("tokenizer.json", tokenizer.to_json())
    folder.write_tensors("model.safetensors", unshared(module))
    said = {"format": FORMAT, "task": task, "vocab_size": size, "data": {}}
    arch, run = config.arch.model_dump(mode="json"), config.model_dump(mode="json")
    folder.write_json("config.json", {**said, "arch": arch, "run": run})
    return path


def tokenizer_of(task: str) -> Tokenizer:
    if task == "words":
        return word_tokenizer(TEXT, vocab_size=100, min_count=1, lowercase=True)
    if task in ("language", "chat"):
        return text_tokenizer(TEXT, TextTokenizerConfig(vocab_size=300))
    return train_tokenizer(TEXT, TokenizerConfig(vocab_size=300))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("folders")
    return {kind: written(place / kind, kind) for kind in ARCH}


@pytest.fixture
def changed(folders: dict[str, Path], tmp_path: Path) -> Callable[..., Path]:
    """A folder of a kind of which some fields of config.json are others: changed("lstm", "arch.layers", 10**9)."""

    def change(kind: str, name: str, value: Any) -> Path:
        folder = tmp_path / kind
        folder.mkdir()
        for file in folders[kind].iterdir():
            (folder / file.name).symlink_to(file)
        config = json.loads((folder / "config.json").read_text())
        inner, *names = config, *name.split(".")
        for part in names[:-1]:
            inner = inner[part]
        inner[names[-1]] = value
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return change


def test_what_is_as_it_was_written_is_opened(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        assert clearhead.load(folder).describe()["parameters"] > 0


SIZES = {
    **dict.fromkeys(
        ("translate", "summarize", "language", "chat"),
        ("d_model", "feed_forward.d_ff", "layers", "max_len", "attention.heads"),
    ),
    "lstm": ("d_model", "layers", "max_len"),
    "words": ("d_model",),
}


@pytest.mark.parametrize(("kind", "size"), [(kind, size) for kind, sizes in SIZES.items() for size in sizes])
def test_a_size_that_no_model_has_is_refused_at_once(changed: Callable[..., Path], kind: str, size: str) -> None:
    folder = changed(kind, f"arch.{size}", 10**10)
    began = time.process_time()
    with pytest.raises(FolderError, match=rf"config\.json: .*arch.*\.{size} = 10000000000: .*less than"):
        clearhead.load(folder)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("translate", "arch.layers", 1024),
        ("translate", "arch.d_model", 10**9),
        ("translate", "arch.positions", "learned"),
        ("summarize", "arch.max_len", 2**20),
        ("summarize", "arch.feed_forward.d_ff", 2**20),
        ("lstm", "arch.layers", 1000),
        ("lstm", "arch.d_model", 2**28),
        ("language", "arch.layers", 1000),
        ("language", "arch.feed_forward.d_ff", 2**20),
        ("language", "arch.attention.head_dim", 2**18),
        ("chat", "arch.max_len", 2**20),
        ("chat", "run.lora.rank", 10_000),
        ("words", "arch.d_model", 10**9),
    ],
)
def test_what_a_model_could_have_and_the_file_has_not_is_refused_before_it_is_made(
    changed: Callable[..., Path], kind: str, name: str, value: Any
) -> None:
    folder = changed(kind, name, value)
    with pytest.raises(FolderError, match=r"model\.safetensors: the weights do not fit the model: \w\S+ is"):
        clearhead.load(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", ["translate"]),
        ("task", None),
        ("arch", []),
        ("arch", {"family": ["lstm"]}),
        ("arch.d_model", "wide"),
        ("arch.dropout", float("nan")),
        ("arch.layers", True),
        ("vocab_size", -1),
        ("vocab_size", 10**12),
        ("vocab_size", float("inf")),
        ("vocab_size", "7"),
        ("run", None),
        ("run", "x"),
        ("data", 7),
        ("results", []),
        ("alignment", {"layer": 9}),
        ("alignment", {"layer": 0, "head": 7}),
        ("alignment", {"layer": -1}),
        ("alignment", [0]),
    ],
)
def test_a_field_of_another_kind_is_named(changed: Callable[..., Path], name: str, value: Any) -> None:
    with pytest.raises(FolderError, match=r"config\.json: .*\n  fix: take it from an intact copy"):
        clearhead.load(changed("translate", name, value))


@pytest.mark.parametrize(
    "text", ['{"format": 1, "x": ' + "[" * 500 + "]" * 500 + "}", '{"format": ' + "1" * 5000 + "}"]
)
def test_a_configuration_beyond_bounds_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(FolderError, match=r"config\.json.*: not valid JSON here: "):
        clearhead.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"])
@pytest.mark.parametrize("what", ["pipe", "/dev/zero", "folder"])
def test_only_files_are_read(changed: Callable[..., Path], name: str, what: str) -> None:
    folder = changed("chat", "task", "chat")
    (folder / name).unlink()
    if what == "pipe":
        os.mkfifo(folder / name)
    elif what == "folder":
        (folder / name).mkdir()
    else:
        (folder / name).symlink_to(what)
    with pytest.raises(FolderError, match=rf"{name}: (cannot be read: a file was wanted|the file is missing)"):
        clearhead.load(folder)


def test_a_template_of_a_size_that_none_has_is_not_read(changed: Callable[..., Path]) -> None:
    folder = changed("chat", "task", "chat")
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.jinja").write_text("x" * (2**20 + 1))
    with pytest.raises(FolderError, match=r"chat_template\.jinja: cannot be read: it has 1,048,577 bytes"):
        clearhead.load(folder)


def test_a_conversation_is_not_kept_in_a_device(folders: dict[str, Path]) -> None:
    done = call("chat", folders["chat"], "hello", "--save", "/dev/full")
    assert done.returncode == 1 and "/dev/full: cannot be read: a file was wanted" in done.stderr


def test_models_that_were_trained_beside_one_another_in_a_circle(changed: Callable[..., Path]) -> None:
    folder = changed("chat", "run.base", "elsewhere")
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["run"]["base"] = str(folder)
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FolderError, match="the model it was trained beside leads back to it"):
        clearhead.load(folder)


def test_an_adapter_of_another_rank(changed: Callable[..., Path], folders: dict[str, Path]) -> None:
    folder = changed("chat", "run.base", str(folders["language"]))
    (folder / "model.safetensors").unlink()
    config = json.loads((folder / "config.json").read_text())
    config["run"]["lora"]["rank"] = 9
    config["run"]["arch"] = config["arch"] = json.loads((folders["language"] / "config.json").read_text())["arch"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ClearheadError, match="the adapter does not fit the model: of rank 4, not 9"):
        clearhead.load(folder)


@pytest.mark.parametrize("kind", ["translate", "summarize", "lstm", "language", "chat", "words"])
def test_an_outline_has_the_shapes_of_the_model(kind: str) -> None:
    config: Any = configure("translate" if kind == "lstm" else kind, options={"arch": ARCH[kind]})

    def make() -> nn.Module:
        if kind in ("translate", "summarize", "lstm"):
            return make_seq2seq(config.arch, 50, 50)
        return WordVectors(config.arch, 50) if kind == "words" else Decoder(config.arch, 50)

    shapes = outline(make)
    assert all(value.is_meta for value in shapes.state_dict().values())
    assert [(name, value.shape) for name, value in shapes.state_dict().items()] == [
        (name, value.shape) for name, value in make().state_dict().items()
    ]


@pytest.mark.parametrize("arch", [{"d_model": 2**30, "d_ff": 2**30, "layers": 1}, {"family": "lstm", "d_model": 2**30}])
def test_sizes_whose_product_cannot_be_counted(arch: dict[str, Any]) -> None:
    config: Any = configure("translate", options={"arch": arch})
    with pytest.raises(ConfigError, match="does not fit into memory"):
        check_room(lambda: make_seq2seq(config.arch, 2**22, 2**22))


def test_waves_of_positions_need_room_too() -> None:
    config: Any = configure("translate", options={"arch": {"max_len": 2**20, "d_model": 2**20, "d_ff": 1}})
    with pytest.raises(ConfigError, match="does not fit into memory"):
        check_room(lambda: make_seq2seq(config.arch, 50, 50))


def test_an_argument_that_is_no_such_number_is_named(folders: dict[str, Path]) -> None:
    pairs, text, words = (clearhead.load(folders[kind]) for kind in ("translate", "language", "words"))
    for value in (1.5, "x", True, -1, 2**70):
        for act in (
            lambda value: pairs.look("the cat", "el gato", layer=value),
            lambda value: pairs.look("the cat", "el gato", layer=0, head=value),
            lambda value: pairs.arithmetic("the cat", "el gato", part="cross", layer=value),
            lambda value: pairs.n_best(["the"], n=value),
            lambda value: pairs.translate(["the"], beam=value),
            lambda value: text.look("the cat", layer=value),
            lambda value: text.generate(["the"], beam=value),
            lambda value: text.generate(["the"], max_tokens=value),
            lambda value: text.generate(["the"], seed=value),
            lambda value: words.nearest(["the"], n=value),
        ):
            with pytest.raises(ConfigError, match=str(value)):
                act(value)
    with pytest.raises(ConfigError, match="length_penalty x"):
        pairs.translate(["the"], length_penalty="x")
