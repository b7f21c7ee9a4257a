"""A training in trouble: the disk fills at any write, a signal comes at a bad moment; a resume repeats every bit."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
from safetensors import SafetensorError

import clearhead
from clearhead import disk
from clearhead.errors import ClearheadError, FolderError, StoppedError
from clearhead.folder import Folder
from clearhead.tasks.pair_training import PairJob
from clearhead.training.log import read_metrics

OPTIONS: dict[str, Any] = {
    "max_steps": 4,
    "keep_checkpoints": 2,
    "arch": {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "max_len": 24},
    "training": {"precision": "float32", "evaluations": 2, "average": 2, "save_seconds": 1e-9},
}


def train(out: Path, *, resume: bool = False) -> None:
    clearhead.train("translate", "sample:english-spanish/train:60", out=out, quiet=True, resume=resume, **OPTIONS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "m"
    train(out)
    return out


def content(out: Path) -> dict[str, Any]:
    """All that a run left, seconds and rates apart."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        name = str(path.relative_to(out))
        if path.suffix == ".safetensors":
            tensors, about = Folder(out).tensors(name)
            found[name] = {k: v.numpy().tobytes() for k, v in tensors.items()}, about.get("step")
        elif path.suffix == ".json":
            data = json.loads(path.read_text(encoding="utf-8"))
            data.get("results", {}).pop("seconds", None)
            found[name] = data
        else:
            found[name] = [
                {k: v for k, v in m.items() if k not in ("seconds", "rate")} for m in read_metrics(Folder(out))
            ]
    return found


def fill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """The disk is full at the n-th write, half of which it takes; what was being written is noted."""
    count, failed, write, save = [0], list[str](), Path.write_bytes, safetensors.torch.save_file

    def full(path: Path) -> bool:
        count[0] += 1
        if count[0] == number:
            failed.append(path.name)
            write(path, b"half")
        return count[0] == number

    def write_bytes(self: Path, data: bytes) -> int:
        if full(self):
            raise OSError(28, "No space left on device")
        return write(self, data)

    def save_file(tensors: Any, path: Path, *rest: Any) -> None:
        if full(path):
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        save(tensors, path, *rest)

    def sync(file: int) -> None:
        name = Path(f"/proc/self/fd/{file}").readlink().name
        if name == "metrics.jsonl":
            count[0] += 1
            if count[0] == number:
                failed.append(name)
                raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    monkeypatch.setattr(safetensors.torch, "save_file", save_file)
    monkeypatch.setattr(disk.os, "fsync", sync)
    return failed


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files")
def test_a_disk_that_fills_at_any_write(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = set[str]()
    for number in range(1, 100):
        out = tmp_path / str(number)
        with monkeypatch.context() as patch:
            failed = fill_at(patch, number)
            try:
                train(out)
            except FolderError as error:
                assert "the disk is full" in str(error)
        if not failed:
            break
        assert not [p.name for p in out.rglob(".*")]
        train(out, resume=True)
        assert content(out) == content(whole)
        names.add(failed[0].removeprefix(".").partition(".")[0])
    assert not failed
    assert names >= {"tokenizer", "config", "metrics", "state", "model", "index", "step-000000"}


def at_validation(monkeypatch: pytest.MonkeyPatch, number: int, do: Callable[[], None]) -> None:
    """Something happens in the middle of the n-th evaluation (the first is of the untrained model)."""
    held_out, count = PairJob.held_out, [0]

    def disturbed(self: PairJob) -> Iterator[Any]:
        count[0] += 1
        if count[0] == number:
            do()
        return held_out(self)

    monkeypatch.setattr(PairJob, "held_out", disturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_an_evaluation(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with monkeypatch.context() as patch:
        at_validation(patch, 2, lambda: os.kill(os.getpid(), number))
        with pytest.raises(StoppedError, match="stopped after step 2 of 4") as caught:
            train(tmp_path / "m")
    assert caught.value.exit_code == 128 + number
    train(tmp_path / "m", resume=True)
    assert content(tmp_path / "m") == content(whole)


def test_a_signal_while_the_average_is_judged(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    with monkeypatch.context() as patch:
        at_validation(patch, 4, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "m")
    signal.signal(signal.SIGINT, before)
    train(tmp_path / "m", resume=True)
    assert content(tmp_path / "m") == content(whole)


def test_a_folder_that_is_removed_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_validation(monkeypatch, 2, lambda: (tmp_path / "m").rename(tmp_path / "away") and None)
    with pytest.raises(FolderError, match="removed or moved while it was written to"):
        train(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    monkeypatch.undo()
    (tmp_path / "away").rename(tmp_path / "m")
    train(tmp_path / "m", resume=True)
    assert clearhead.load(tmp_path / "m").translate(["the house"])


def test_errors_have_exit_codes() -> None:
    assert ClearheadError("a", "b").exit_code == 1
    assert StoppedError("a", "b", signal.SIGTERM).exit_code == 143
