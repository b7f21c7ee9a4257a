"""Whole commands that are stopped, crowded out or cut off: exit codes and words."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import clearhead
from clearhead.progress import Bar
from command import call, without_notes

PROGRAM = str(Path(sys.executable).with_name("clearhead"))
TRAIN = (
    "train translate sample:english-spanish/train:60 --max-steps 100000 --training.precision float32 --arch.layers 1 "
    "--arch.d-model 16 --arch.d-ff 16 --arch.heads 2 --arch.max-len 64"
)
HOW_ON = "\n  fix: go on with the same command and --resume\n"


def begin(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, *map(str, words)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=listening,
    )


def listening() -> None:
    """A shell's background job, as these tests may be part of, is deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def until(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not there():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_training_that_is_asked_to_stop(tmp_path: Path, number: int, code: int) -> None:
    process = begin(*TRAIN.split(), "--out", tmp_path / "m")
    metrics = tmp_path / "m/metrics.jsonl"
    until(lambda: metrics.exists() and '"kind": "train"' in metrics.read_text(), process)
    assert (tmp_path / "m/.lock").exists()
    process.send_signal(number)
    said = process.communicate()[1]
    assert process.returncode == code
    assert re.search(r"clearhead: stopped after step \d+ of 100000; everything is saved in \S+" + HOW_ON, said)
    assert "Traceback" not in said
    assert (tmp_path / "m/training/state.safetensors").exists()
    assert not (tmp_path / "m/.lock").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("after", [0.0, 0.5])
def test_a_stop_while_torch_is_imported(tmp_path: Path, number: int, code: int, after: float) -> None:
    process = begin(*TRAIN.split(), "--out", tmp_path / "m")
    assert process.stderr is not None
    first = process.stderr.readline()  # said before torch is imported
    time.sleep(after)
    process.send_signal(number)
    said = process.communicate()[1]
    assert first.startswith("task translate")
    assert process.returncode == code
    assert "Traceback" not in said
    assert "terminate" not in said
    assert said.endswith(HOW_ON)


def test_a_stop_that_was_swallowed_is_asked_for_again() -> None:
    code = """
import os, signal, sys, time
from clearhead import cli

class Swallowing:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)  # Python only prints what a finalizer raises
        time.sleep(0.01)

def command(words):
    Swallowing()
    print("went on", flush=True)
    time.sleep(60)

cli.app, cli._AGAIN = command, 0.2
sys.argv = ["clearhead", "train"]
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.stdout == "went on\n"
    assert done.returncode == 143
    assert done.stderr.endswith("clearhead: stopped at once" + HOW_ON)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "m"
    arch = {"layers": 1, "d_model": 16, "d_ff": 16, "heads": 2, "max_len": 64}
    clearhead.train("translate", "sample:english-spanish/train:80", out=out, quiet=True, max_steps=3, arch=arch)
    return out


def test_a_translation_that_is_killed_or_stopped(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("the house is red\n" * 1500)
    words = ["translate", model, tmp_path / "in.txt", "--beam", 1]
    reference = call(*words).stdout
    assert reference.count("\n") == 1500
    out = tmp_path / "out"
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 143)):
        process, before = begin(*words, "--out", out, "--resume"), out.stat().st_size if out.exists() else 0
        until(lambda before=before: out.exists() and out.stat().st_size > before, process)  # type: ignore[misc]
        process.send_signal(number)
        said = without_notes(process.communicate()[1])
        assert process.returncode == code
        if code > 0:
            assert re.fullmatch(r"(512|1,024) lines stand in \S+\nclearhead: stopped at once" + HOW_ON, said)
        assert reference.startswith(out.read_text())
    assert call(*words, "--out", out, "--resume").returncode == 0
    assert out.read_text() == reference


def test_standard_output_of_an_encoding_that_lacks_characters() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([PROGRAM, "worksheet", "poem"], capture_output=True, env=environment, check=False)
    assert done.returncode == 0
    assert b"?" in done.stdout and b"Write a poem" in done.stdout
    assert done.stderr.decode().startswith("note: standard output is ascii, and ? stands for characters that it lacks;")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
def test_standard_output_on_a_full_disk(model: Path) -> None:
    for words, message in (
        (["translate", model, "a house"], "standard output cannot be written: the disk is full; its first 0 lines are"),
        (["info", model], "the disk is full: the output is not whole\n  fix: free some space"),
    ):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run([PROGRAM, *map(str, words)], stdout=full, stderr=subprocess.PIPE, check=False)
        said = done.stderr.decode()
        assert done.returncode == 1
        assert message in said
        assert "Traceback" not in said
        assert "Exception ignored" not in said


def test_the_bar_says_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with Bar("translating", 4000, "lines") as bar:
        bar.advance(1000, skipped=True)
        assert bar.pace() == ""
        clock[0] += 10
        bar.advance(500)
        assert bar.pace() == "50.0 lines/s  left 0:50"  # 500 in 10 s, 2,500 to go
    assert capsys.readouterr().err == ""  # standard error is no terminal here


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals")
def test_the_bar_is_shown_on_a_terminal(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("the house is red\n" * 10)
    here, there = os.openpty()
    words = [PROGRAM, "translate", str(model), str(tmp_path / "in.txt"), "--out", str(tmp_path / "out")]
    process, said = subprocess.Popen(words, stderr=there), b""
    os.close(there)
    with contextlib.suppress(OSError):  # how a terminal ends
        while part := os.read(here, 65536):
            said += part
    os.close(here)
    assert process.wait() == 0
    assert "10/10 lines" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
