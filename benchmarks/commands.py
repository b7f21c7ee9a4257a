"""Runs of the real command line, and whether two finished trainings are the same bit by bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from clearhead.folder import Folder
from clearhead.training.log import read_metrics

# The command line of the clearhead that is imported here: an installed `clearhead` may be another checkout's.
PROGRAM = [sys.executable, "-m", "clearhead"]


def begin(*words: object, stdout: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """The command line, as a person types it."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    command = [*PROGRAM, *map(str, words)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment)


def wait(process: subprocess.Popen[bytes]) -> str:
    """Until it has ended well; what it said."""
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"a run that should have ended well failed:\n{said.decode()}")
    return said.decode()


def training_reports(out: str | Path) -> list[dict[str, Any]]:
    """What a training has reported of its steps, from the first report on."""
    lines = Path(out, "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["kind"] == "train"]


def differences(a: Path, b: Path) -> list[str]:
    """The files in which two finished trainings differ, seconds and rates apart."""
    names = {str(p.relative_to(f)) for f in (a, b) for p in f.rglob("*") if p.is_file()} - {"loss.png"}
    return sorted(name for name in names if content(a, name) != content(b, name))


def content(out: Path, name: str) -> object:
    """A file as something to compare."""
    path = out / name
    if not path.exists():
        return "missing"
    if name.endswith(".safetensors"):
        tensors, about = Folder(out).tensors(name)
        places = {k: timeless(json.loads(v)) if k == "position" else v for k, v in about.items()}
        return {k: (str(v.dtype), tuple(v.shape), v.numpy().tobytes()) for k, v in tensors.items()}, places
    if name == "metrics.jsonl":  # the loss of training is the mean since the last report or resume: not compared
        return [timeless(m) for m in read_metrics(Folder(out)) if m["kind"] != "train"]
    return timeless(json.loads(path.read_text(encoding="utf-8"))) if path.suffix == ".json" else path.read_bytes()


def timeless(data: Any) -> Any:
    """JSON without its seconds."""
    if isinstance(data, dict):
        return {k: timeless(v) for k, v in data.items() if k != "seconds"}
    return [timeless(v) for v in data] if isinstance(data, list) else data
