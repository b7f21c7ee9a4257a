"""The model folder: written whole or not at all, read with care, never unpickled."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from torch import nn

import clearhead
from clearhead.disk import write_text
from clearhead.errors import ClearheadError, ConfigError, FolderError
from clearhead.folder import FORMAT, STATE, Folder, unshared
from clearhead.tasks.head_examination import examine

SRC = Path(__file__).parents[2] / "src"
ARCH = {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "max_len": 64}


def listing(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


# Writing


def test_tensors_that_cannot_be_written_leave_the_old_ones(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write_tensors("model.safetensors", {"w": torch.ones(2)}, {"step": "3"})
    with pytest.raises(RuntimeError, match="unsupported"):
        folder.write_tensors("model.safetensors", {"w": torch.zeros(2).to_sparse()})
    tensors, metadata = folder.tensors()
    assert tensors["w"].equal(torch.ones(2))
    assert metadata == {"step": "3"}
    assert listing(tmp_path) == ["model.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="rights of owner, group and others")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_who_may_read_a_file_is_what_the_process_says(tmp_path: Path, umask: int, mode: int) -> None:
    folder, before = Folder(tmp_path), os.umask(umask)
    try:
        folder.write_tensors("model.safetensors", {"w": torch.ones(2)})
        folder.write_json("config.json", {})
    finally:
        os.umask(before)
    assert {p.name: p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {
        "model.safetensors": mode,
        "config.json": mode,
    }


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file" / "config.json", tmp_path / "file" / "deep" / "config.json"):
        with pytest.raises(FolderError, match=r"cannot be written.*\n  fix: "):
            write_text(path, "x")
    with pytest.raises(FolderError, match="cannot be written"):
        clearhead.train("translate", "sample:english-spanish/train:20", out=tmp_path / "file" / "m", quiet=True)
    assert (tmp_path / "file").read_text() == "in the way"


def test_what_a_kill_left_half_written_is_swept_away(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.add_checkpoint(1, {"w": torch.ones(1)})
    keep = listing(tmp_path)
    for name in (
        ".model.safetensors.12.aside",
        "checkpoints/.index.json.3.aside",
        "training/.state.safetensors.4.aside",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    folder.sweep()
    assert listing(tmp_path) == keep


def test_the_error_of_safetensors_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path)
    folder.write_tensors("model.safetensors", {"w": torch.ones(2)})

    def full(_: object, path: Path, *__: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(FolderError, match=r"model\.safetensors: .*the disk is full \(8 bytes wanted, .* free\)"):
        folder.write_tensors("model.safetensors", {"w": torch.zeros(2)})
    assert folder.tensors()[0]["w"].equal(torch.ones(2))
    assert listing(tmp_path) == ["model.safetensors"]


# The folder goes, or is another's


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.write_text("training/a.txt", "x"),
        lambda f: f.append_line("metrics.jsonl", "{}", lasting=True),
        lambda f: f.write_tensors("model.safetensors", {"w": torch.ones(1)}),
        lambda f: f.add_checkpoint(2, {"w": torch.ones(1)}),
        lambda f: f.remove("config.json"),
    ],
    ids=["text", "line", "tensors", "checkpoint", "remove"],
)
def test_a_folder_that_vanished_is_not_made_again(
    tmp_path: Path, change: Callable[[Folder], None], replaced: bool
) -> None:
    folder = Folder(tmp_path / "m")
    folder.write_text("config.json", "{}")
    (tmp_path / "m").rename(tmp_path / "elsewhere")
    if replaced:
        (tmp_path / "m").mkdir()
        (tmp_path / "m/config.json").write_text("another's")
    with pytest.raises(FolderError, match=r"removed or moved while it was written to\n  fix: put it back"):
        change(folder)
    assert listing(tmp_path) == ["elsewhere/config.json", *(["m/config.json"] if replaced else [])]
    assert (tmp_path / "m").exists() == replaced


def test_two_trainings_into_one_folder(tmp_path: Path) -> None:
    first, files = Folder(tmp_path / "m"), "sample:english-spanish/train:20"
    with first.locked():
        assert listing(tmp_path) == []  # a training that cannot begin leaves nothing
        first.write_text("tokenizer.json", "{}")
        for resume in (False, True):
            with pytest.raises(FolderError, match=rf"m: process {os.getpid()} on \S+ is training into this folder"):
                clearhead.train("translate", files, out=tmp_path / "m", quiet=True, resume=resume)
        assert listing(tmp_path) == ["m/.lock", "m/tokenizer.json"]
    assert listing(tmp_path) == ["m/tokenizer.json"]
    with Folder(tmp_path / "m").locked():
        assert listing(tmp_path) == ["m/.lock", "m/tokenizer.json"]


@pytest.mark.parametrize("ended", [False, True])
def test_two_trainings_into_one_new_folder(tmp_path: Path, ended: bool) -> None:
    """Both begin where there is no folder yet: the second to write is refused, also when the first has ended."""
    first, second = Folder(tmp_path / "m"), Folder(tmp_path / "m")
    with second.locked():
        with first.locked():
            first.write_text("config.json", "mine")
            if not ended:
                with pytest.raises(FolderError, match="is training into this folder"):
                    second.write_text("config.json", "other")
        if ended:
            with pytest.raises(FolderError, match="another training has written into this folder meanwhile"):
                second.write_text("config.json", "other")
    assert (tmp_path / "m/config.json").read_text() == "mine"
    assert listing(tmp_path) == ["m/config.json"]


@pytest.mark.parametrize(
    ("error", "saved", "left"),
    [
        (ValueError("mine"), False, False),
        (ValueError("mine"), True, True),
        (FolderError("the disk is full", "free some space"), False, True),
        (KeyboardInterrupt(), False, True),
    ],
    ids=["error", "saved", "full", "stopped"],
)
def test_an_error_before_a_state_is_saved_leaves_no_folder(
    tmp_path: Path, error: BaseException, saved: bool, left: bool
) -> None:
    folder = Folder(tmp_path / "m")
    with pytest.raises(type(error)), folder.locked():
        folder.write_text("config.json", "{}")
        if saved:
            folder.write_text(STATE, "")
        raise error
    assert (tmp_path / "m/config.json").exists() == (tmp_path / "m").exists() == left


def test_another_folder_of_the_name_is_not_taken_away(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "m")
    with pytest.raises(ValueError, match="mine"), folder.locked():
        folder.write_text("config.json", "{}")
        (tmp_path / "m").rename(tmp_path / "away")
        (tmp_path / "m").mkdir()
        raise ValueError("mine")
    assert (tmp_path / "m").exists() and (tmp_path / "away/config.json").exists()


# Reading


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three untrained-looking models: two of one architecture and other words, one that is wider."""
    place = tmp_path_factory.mktemp("models")
    for name, files, d_model in (
        ("mine", "sample:english-spanish/train:60", 16),
        ("other", "sample:english-spanish/train:90", 16),
        ("wide", "sample:english-spanish/train:60", 32),
    ):
        arch = {**ARCH, "d_model": d_model}
        clearhead.train("translate", files, out=place / name, max_steps=1, arch=arch, quiet=True)
    return {name: place / name for name in ("mine", "other", "wide")}


@pytest.fixture
def mine(models: dict[str, Path], tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(models["mine"], tmp_path / "mine"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def put(**changed: object) -> Callable[[Path], None]:
    """Change entries of a JSON file (None: take them out)."""

    def change(path: Path) -> None:
        data = {**json.loads(path.read_text(encoding="utf-8")), **changed}
        path.write_text(json.dumps({k: v for k, v in data.items() if v is not None}), encoding="utf-8")

    return change


def write(content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(content)

    return change


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("model.safetensors", cut, "not a whole safetensors file"),
        ("model.safetensors", write(b""), "not a whole safetensors file"),
        ("model.safetensors", write(b"PK\x03\x04 a pickle in a zip"), "not a whole safetensors file"),
        ("model.safetensors", Path.unlink, "the file is missing"),
        ("tokenizer.json", cut, "not a tokenizer"),
        ("tokenizer.json", write(b"{}"), "not a tokenizer"),
        ("tokenizer.json", write(b"\xff\xfe"), "cannot be read"),
        ("tokenizer.json", Path.unlink, "the file is missing"),
        ("config.json", cut, "not valid JSON"),
        ("config.json", write(b"[1]"), "not a JSON object"),
        ("config.json", write(b"\xff{}"), "cannot be read"),
        ("config.json", Path.unlink, "this folder holds no model|the file is missing"),
        ("config.json", put(format=None), "a model of another library"),
        ("config.json", write(b'{"architectures": ["MarianMTModel"]}'), "a model of another library"),
        (
            "config.json",
            put(format=FORMAT + 1),
            f"format {FORMAT + 1}; this version of clearhead reads formats 1 to {FORMAT}",
        ),
        ("config.json", put(arch=None), "this is not a configuration of a model that can translate: 'arch'"),
        ("config.json", put(arch={"d_model": 10, "heads": 3}), "not a configuration of a model that can translate"),
        ("config.json", put(alignment={"layer": 0, "colour": 1}), "not a configuration of a model that can translate"),
    ],
)
def test_damage_is_named_with_the_file_and_a_fix(
    mine: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    damage(mine / name)
    with pytest.raises(FolderError, match=message) as caught:
        clearhead.load(mine)
    assert str(mine / name) in str(caught.value)
    assert "\n  fix: " in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_said_once(mine: Path, value: float) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(mine / "model.safetensors")
    for tensor in list(tensors.values())[:2]:
        tensor.view(-1)[0] = value
    save_file(tensors, mine / "model.safetensors")
    with pytest.warns(
        UserWarning, match=r"model.safetensors: not every weight is a finite number \(\S+ and 1 more\)"
    ) as said:
        model = clearhead.load(mine)
    assert len(said) == 1
    for tensor in model.module.parameters():
        tensor.data.fill_(value)
    for beam in (1, 4):
        with pytest.raises(ConfigError, match="no text can be written: the model's probabilities are not numbers"):
            model.translate(["A house."], beam=beam)
    for act in (lambda: model.translate(["A house."], precision="int8"), lambda: examine(model, [])):
        with pytest.raises(ConfigError, match="not every weight is a finite number"):
            act()


def test_where_json_is_cut_is_named_with_its_line(mine: Path) -> None:
    cut(mine / "config.json")
    with pytest.raises(FolderError, match=r"config\.json, line [1-9]\d*: "):
        clearhead.load(mine)


def test_a_task_of_a_later_version(mine: Path) -> None:
    put(task="translat")(mine / "config.json")
    with pytest.raises(ClearheadError, match=r"no task 'translat'\n.*'translate'"):
        clearhead.load(mine)


def test_weights_of_another_model(mine: Path, models: dict[str, Path]) -> None:
    shutil.copy(models["wide"] / "model.safetensors", mine / "model.safetensors")
    with pytest.raises(FolderError, match=r"do not fit the model: .*\(16.* in config\.json\n  fix: .*two models"):
        clearhead.load(mine)


def test_a_tokenizer_of_another_model(mine: Path, models: dict[str, Path]) -> None:
    shutil.copy(models["other"] / "tokenizer.json", mine / "tokenizer.json")
    with pytest.raises(FolderError, match=r"the tokenizer has \d+ entries, the model \d+\n  fix: .*two models"):
        clearhead.load(mine)


def test_a_tokenizer_of_another_library(mine: Path) -> None:
    data = json.loads((mine / "tokenizer.json").read_text(encoding="utf-8"))
    data["added_tokens"] = []
    data["model"]["vocab"] = {f"x{v}" if v < 4 else k: v for k, v in data["model"]["vocab"].items()}
    (mine / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(FolderError, match="not the tokenizer that the model was trained with"):
        clearhead.load(mine)


def test_a_missing_folder_names_a_near_one(models: dict[str, Path]) -> None:
    with pytest.raises(FolderError, match="no such model folder\n  fix: did you mean 'other'"):
        clearhead.load(models["other"].with_name("othre"))
    with pytest.raises(FolderError, match="no such model folder\n  fix: train one"):
        clearhead.load(models["mine"] / "nowhere" / "xyz")


def test_a_folder_that_holds_a_model_is_not_trained_over(models: dict[str, Path]) -> None:
    before = (models["mine"] / "model.safetensors").read_bytes()
    with pytest.raises(FolderError, match="holds a model already\n  fix: add --resume"):
        clearhead.train("translate", "sample:english-spanish/train:60", out=models["mine"], quiet=True)
    assert (models["mine"] / "model.safetensors").read_bytes() == before


# Tensors


def test_tied_matrices_are_written_once(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    module[1].weight = module[0].weight
    assert list(unshared(module)) == ["0.weight"]
    Folder(tmp_path).write_tensors("model.safetensors", unshared(module))
    with torch.no_grad():
        module[0].weight.zero_()
    Folder(tmp_path).load_into(module)
    assert module[1].weight is module[0].weight
    assert module[1].weight.abs().sum() > 0


# The history


def test_the_checkpoint_history(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.checkpoints() == []
    for step in (20, 0, 10):
        folder.add_checkpoint(step, {"w": torch.full((1,), float(step))}, loss=step / 2)
    assert [c["step"] for c in folder.checkpoints()] == [0, 10, 20]
    assert folder.checkpoints()[1] == {"step": 10, "file": "checkpoints/step-000010.safetensors", "loss": 5.0}
    folder.add_checkpoint(10, {"w": torch.full((1,), 7.0)})  # a step again replaces it
    assert [c.get("loss") for c in folder.checkpoints()] == [0.0, None, 10.0]
    for checkpoint, value in zip(folder.checkpoints(), (0.0, 7.0, 20.0), strict=True):
        tensors, metadata = folder.tensors(checkpoint["file"])
        assert tensors["w"].item() == value
        assert metadata == {"step": str(checkpoint["step"])}
    folder.drop_checkpoint(10)
    assert [c["step"] for c in folder.checkpoints()] == [0, 20]
    assert listing(tmp_path) == [
        "checkpoints/index.json",
        "checkpoints/step-000000.safetensors",
        "checkpoints/step-000020.safetensors",
    ]


def test_dropping_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.drop_checkpoint(3)
    assert listing(tmp_path) == []
    folder.add_checkpoint(1, {"w": torch.ones(1)})
    when = (tmp_path / "checkpoints/index.json").stat().st_mtime_ns
    folder.drop_checkpoint(3)
    assert (tmp_path / "checkpoints/index.json").stat().st_mtime_ns == when
    folder.write_tensors("checkpoints/step-000003.safetensors", {"w": torch.ones(1)})  # a kill left only the file
    folder.drop_checkpoint(3)
    assert listing(tmp_path) == ["checkpoints/index.json", "checkpoints/step-000001.safetensors"]


# Nothing is unpickled


def unsafe(source: str) -> list[str]:
    """What in a source could run code that a file brings along."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [n for n in names if n.split(".")[0] in {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            if called in {"eval", "exec", "compile"} or (
                called in {"torch.load", "np.load", "numpy.load"} and not safe
            ):
                found.append(called)
    return found


def test_nothing_is_unpickled_or_evaluated() -> None:
    assert {str(p): bad for p in SRC.rglob("*.py") if (bad := unsafe(p.read_text(encoding="utf-8")))} == {}


@pytest.mark.parametrize(
    ("source", "is_safe"),
    [
        ("import pickle", False),
        ("from pickle import loads", False),
        ("import torch\ntorch.load('x')", False),
        ("torch.load('x', weights_only=False)", False),
        ("torch.load('x', weights_only=True)", True),
        ("eval('1')", False),
        ("exec(text)", False),
        ("model.eval()", True),
        ("re.compile('x')", True),
    ],
)
def test_the_guard_knows_what_it_sees(source: str, is_safe: bool) -> None:
    assert (unsafe(source) == []) == is_safe


@pytest.mark.parametrize("change", [put(decoder={"type": "Fuse"}), put(normalizer={"type": "Lowercase"}), "swapped"])
def test_a_tokenizer_that_was_changed(mine: Path, change: Callable[[Path], None] | str) -> None:
    if isinstance(change, str):
        data = json.loads((mine / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = data["model"]["vocab"]
        vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
        (mine / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
    else:
        change(mine / "tokenizer.json")
    with pytest.raises(FolderError, match=r"tokenizer\.json: this is not the tokenizer that the model"):
        clearhead.load(mine)


def test_a_tokenizer_may_be_laid_out_otherwise(mine: Path) -> None:
    data = json.loads((mine / "tokenizer.json").read_text(encoding="utf-8"))
    (mine / "tokenizer.json").write_text(json.dumps(data, indent=4, sort_keys=False), encoding="utf-8")
    clearhead.load(mine)
