"""Names of the hub: what its library has on this machine is opened; without a network nothing else is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import clearhead
from clearhead.errors import FolderError
from clearhead.exchange.forms import is_hub_name
from exchange.folders import write_folder
from exchange.theirs import one_config

constants = pytest.importorskip("huggingface_hub.constants", reason="names of the hub need its library")
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as the library keeps it: blobs, links to them in a snapshot, and what `main` is."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "model", one_config("bert"), "BertModel")
    home = tmp_path / "cache" / "models--someone--tiny"
    for folder in ("blobs", f"snapshots/{REVISION}", "refs"):
        (home / folder).mkdir(parents=True)
    (home / "refs" / "main").write_text(REVISION)
    for number, file in enumerate(sorted((tmp_path / "model").iterdir())):
        shutil.move(file, home / "blobs" / str(number))
        (home / "snapshots" / REVISION / file.name).symlink_to(f"../../blobs/{number}")
    return home


def test_a_model_by_its_name(cache: Path) -> None:
    assert clearhead.load("someone/tiny").embed(["the cat"]).shape == (1, one_config("bert").hidden_size)
    assert clearhead.load(f"someone/tiny@{REVISION}").name == "embed"


def test_a_model_that_is_not_here_is_said_to_be_missing(cache: Path) -> None:
    with pytest.raises(FolderError, match="someone/other is neither a folder here nor a model that the hub gives"):
        clearhead.load("someone/other")


def test_a_folder_here_is_meant_where_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("someone/model") and is_hub_name("some-one/model-1.0@main")
    assert not is_hub_name("model") and not is_hub_name("./someone/model") and not is_hub_name("a/b/c")
    Path("models").mkdir()
    assert not is_hub_name("models/mine")
