"""Compiled blocks: the same training, only where it pays, and never where a model writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clearhead.folder import Folder
from clearhead.models.architecture import DecoderConfig
from clearhead.models.decoder import Decoder
from clearhead.training import precision
from clearhead.training.loop import read_metrics
from clearhead.training.precision import Weights, choose_compiling

PROGRAM = str(Path(sys.executable).with_name("clearhead"))
ARCH = {"d_model": 16, "d_ff": 32, "heads": 2, "layers": 1, "max_len": 16}


def test_a_compiled_run_is_the_same_run(tmp_path: Path) -> None:
    """To rounding; with the command itself, as the types that are checked in tests are nothing to compile."""
    (tmp_path / "t.txt").write_text("one two three four five six seven.\n" * 60)
    losses = {}
    for way in ("yes", "no"):
        words = f"train language {tmp_path}/t.txt --out {tmp_path}/{way} --tokenizer.kind byte --max-steps 6 "
        words += "--arch.d-model 16 --arch.d-ff 32 --arch.heads 2 --arch.layers 1 --arch.max-len 16 "
        words += (
            f"--training.batch-tokens 64 --training.precision float32 --training.evaluations 2 --training.compile {way}"
        )
        done = subprocess.run([PROGRAM, *words.split()], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        losses[way] = [m["loss"] for m in read_metrics(Folder(tmp_path / way)) if m["kind"] == "valid"]
    assert losses["yes"] == pytest.approx(losses["no"], abs=1e-4) and len(losses["yes"]) == 2


_ANY_LENGTH = """
from clearhead.training import precision
precision._SECONDS = 0.0
from clearhead.cli import main
main()
"""


@pytest.mark.parametrize("way", ["yes", "auto"])
def test_a_machine_without_a_compiler(tmp_path: Path, way: str) -> None:
    """Asked for, it is an error that says what to do; where it was only an offer, the run goes on and says so."""
    (tmp_path / "t.txt").write_text("one two three four five six seven.\n" * 60)
    words = f"train language {tmp_path}/t.txt --out {tmp_path}/m --tokenizer.kind byte --max-steps 2 --device cpu "
    words += "--arch.d-model 16 --arch.d-ff 32 --arch.heads 2 --arch.layers 1 --arch.max-len 16 "
    words += (
        f"--training.batch-tokens 64 --training.precision float32 --training.evaluations 1 --training.compile {way}"
    )
    without = {**os.environ, "CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "made")}
    command = [sys.executable, "-c", _ANY_LENGTH, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, env=without)
    said = "PyTorch cannot compile on this machine ("
    if way == "auto":
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("not compiled") == 1 and f"not compiled: {said}" in done.stderr
    else:
        assert done.returncode == 1 and f"clearhead: {said}" in done.stderr, done.stderr
        assert "mend: install a C++ compiler" in done.stderr and "--training.compile no" in done.stderr
    assert "Traceback" not in done.stderr and "C++ compiler" in done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the compiler's own parts
def test_only_training_passes_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "check_compiler", lambda device: None)
    weights = Weights(Decoder(DecoderConfig.model_validate(ARCH), 30), "bfloat16", compiled=True)
    (block,) = weights.working.decoder.blocks  # type: ignore[union-attr]
    assert weights.train().training and block._compiled_call_impl is not None
    assert not weights.eval().training and block._compiled_call_impl is None


@pytest.mark.parametrize(
    ("plain", "compiled", "passes", "wanted"),
    [
        (1.0, 0.5, 100, ""),
        (1.0, 0.5, 1000, "compiled: a pass takes 500 ms compiled"),
        (1.0, 0.95, 1000, "not compiled: a pass takes 950 ms compiled"),
        (1.0, None, 1000, "not compiled: RuntimeError: no compiler"),
    ],
)
def test_it_is_measured_whether_it_pays(
    monkeypatch: pytest.MonkeyPatch, plain: float, compiled: float | None, passes: int, wanted: str
) -> None:
    def seconds(module: nn.Module, loss: Any, precision: str, is_compiled: bool) -> float:
        if not is_compiled:
            return plain
        if compiled is None:
            raise RuntimeError("no compiler\nmore")
        return compiled

    def loss(module: nn.Module) -> Tensor:
        return torch.zeros(())

    monkeypatch.setattr(precision, "_seconds", seconds)
    model = Decoder(DecoderConfig.model_validate(ARCH), 30)
    worth, why = choose_compiling(model, loss, "float32", passes)
    assert (why.startswith(wanted) if wanted else not why) and worth == wanted.startswith("compiled")
    assert choose_compiling(nn.Linear(1, 1), loss, "float32", passes) == (False, "")
