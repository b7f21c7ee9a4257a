"""Compiled blocks: the same training, only where it pays, and never where a model writes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.training import precision
from clearhead.training.log import read_metrics
from clearhead.training.precision import MasterWeights, choose_compiling

ARCH = {"d_model": 16, "d_ff": 32, "heads": 2, "layers": 1, "max_len": 16}


_RUNS = """
import sys
import clearhead
from clearhead.errors import ClearheadError
from clearhead.training import precision
folder, steps, *ways = sys.argv[1:]
precision._SECONDS, precision._SHARE = 0.0, 1e9  # no run is too short
for way in ways:
    training = {"batch_tokens": 64, "precision": "float32", "evaluations": 2, "compile": way}
    arch = {"d_model": 16, "d_ff": 32, "heads": 2, "layers": 1, "max_len": 16}
    options = {"arch": arch, "training": training, "tokenizer": {"kind": "byte"}, "device": "cpu"}
    try:
        clearhead.train("language", f"{folder}/t.txt", out=f"{folder}/{way}", max_steps=int(steps), **options)
    except ClearheadError as error:
        print(f"{way}: {error}", file=sys.stderr)
"""


def runs(folder: Path, steps: int, *ways: str, **environment: str) -> str:
    """What small runs say: in a process of their own, as the types that are checked in tests are nothing to compile."""
    (folder / "t.txt").write_text("one two three four five six seven.\n" * 60)
    command = [sys.executable, "-c", _RUNS, str(folder), str(steps), *ways]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_compiled_run_is_the_same_run(tmp_path: Path) -> None:
    """To rounding."""
    runs(tmp_path, 6, "yes", "no")
    losses = {
        way: [m["loss"] for m in read_metrics(Folder(tmp_path / way)) if m["kind"] == "valid"] for way in ("yes", "no")
    }
    assert losses["yes"] == pytest.approx(losses["no"], abs=1e-4) and len(losses["yes"]) == 2


def test_a_machine_without_a_compiler(tmp_path: Path) -> None:
    """Asked for, it is an error that says what to do; where it was only an offer, the run goes on and says so."""
    without = {"CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "made")}
    lines = runs(tmp_path, 2, "auto", "yes", **without).splitlines()
    problem = "PyTorch cannot compile on this machine ("
    assert sum(line.startswith(f"not compiled: {problem}") for line in lines) == 1
    assert lines[-2].startswith(f"yes: {problem}") and "C++ compiler" in lines[-2]
    assert lines[-1].startswith("  fix: install a C++ compiler") and lines[-1].endswith("--training.compile no")
    assert read_metrics(Folder(tmp_path / "auto"))[-1]["kind"] == "final"
    assert not (tmp_path / "yes/training").exists()


_PAIRS = """
import sys
import clearhead
from clearhead.training import precision
folder, *ways = sys.argv[1:]
precision._SECONDS, precision._SHARE = 0.0, 1e9
arch = {"d_model": 16, "d_ff": 32, "heads": 2, "layers": 1, "max_len": 16}
for way in ways:
    training = {"batch_tokens": 64, "precision": "float32", "evaluations": 1, "compile": way}
    clearhead.train("translate", f"{folder}/p.tsv", out=f"{folder}/{way}", max_steps=2, arch=arch, training=training)
    print("-" * 80, file=sys.stderr)
"""


def test_batches_that_differ_in_length(tmp_path: Path) -> None:
    """What is compiled for them depends on those before: unasked never, asked for with a word about it."""
    rows = [f"{'a ' * n}b{i}\t{'c ' * n}d{i}" for n in range(1, 17) for i in range(6)]
    (tmp_path / "p.tsv").write_text("\n".join(rows))
    command = [sys.executable, "-c", _PAIRS, str(tmp_path), "auto", "yes"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unasked, asked, _ = done.stderr.split("-" * 80)
    for said, wanted in ((unasked, 0), (asked, 1)):
        assert said.count("compiled") == wanted and said.count("differ in the last bits") == wanted, said


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own parts
def test_only_training_passes_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "check_compiler", lambda device: None)
    weights = MasterWeights(Decoder(DecoderConfig.model_validate(ARCH), 30), "bfloat16", compiled=True)
    (block,) = weights.working.decoder.blocks  # type: ignore[union-attr]
    assert weights.train().training and block._compiled_call_impl is not None
    assert not weights.eval().training and block._compiled_call_impl is None


@pytest.mark.parametrize(
    ("plain", "when_compiled", "passes", "wanted"),
    [
        (1.0, 0.5, 100, ""),
        (1.0, 0.5, 1000, "compiled: a pass takes 500 ms compiled"),
        (1.0, 0.95, 1000, "not compiled: a pass takes 950 ms compiled"),
        (1.0, None, 1000, "not compiled: RuntimeError: no compiler"),
    ],
)
def test_it_is_measured_whether_it_pays(
    monkeypatch: pytest.MonkeyPatch, plain: float, when_compiled: float | None, passes: int, wanted: str
) -> None:
    def seconds(trial: Any, precision: str, *, compiled: bool = False) -> float:
        if not compiled:
            return plain
        if when_compiled is None:
            raise RuntimeError("no compiler\nmore")
        return when_compiled

    said: list[str] = []

    def loss(module: nn.Module) -> Tensor:
        return torch.zeros(())

    monkeypatch.setattr(precision._Trial, "seconds", seconds)
    model = Decoder(DecoderConfig.model_validate(ARCH), 30)
    worth, why = choose_compiling(model, loss, "float32", passes, said.append)
    assert len(said) == bool(wanted)  # what takes long is announced
    assert (why.startswith(wanted) if wanted else not why) and worth == wanted.startswith("compiled")
    assert choose_compiling(nn.Linear(1, 1), loss, "float32", passes, said.append) == (False, "")


def test_compiling_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial may take a tenth of the run, here 0.2 s; it ends wherever it is, in a compiler's own `except` too."""

    def seconds(trial: Any, precision: str, *, compiled: bool = False) -> float:
        while compiled:
            try:
                time.sleep(0.01)
            except Exception:
                pytest.fail("taken for an error of the compiler's")
        return 0.01

    monkeypatch.setattr(precision._Trial, "seconds", seconds)
    monkeypatch.setattr(precision, "_SECONDS", 0.0)
    model = Decoder(DecoderConfig.model_validate(ARCH), 30)
    start = time.monotonic()
    worth, why = choose_compiling(model, lambda _: torch.zeros(()), "float32", 200, lambda _: None)
    assert not worth and why.startswith("not compiled: to try it takes longer than 0 s")
    assert 0.15 < time.monotonic() - start < 5
