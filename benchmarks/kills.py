"""Kills at any instant: does a resumed training repeat every bit, and how much work does a kill cost?

    .venv/bin/python benchmarks/kills.py [--kills 20] [--seed 0] [--steps 300]

Bar: every resume is bit-identical. A small translator is trained with the real command line, once to its end as the
reference; then again, killed (SIGKILL) at random instants and resumed until it has finished, run after run, for as many
kills as are asked for. Every second kill waits for a file that is just being written. Every tensor of every file and
the evaluations are compared with the reference; only seconds and rates may differ. Lost work is what the resumed run
does again: the seconds since the last saved state (or since the process began), and about how many steps they held.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearhead.errors import ClearheadError
from clearhead.folder import Folder
from clearhead.training.loop import read_metrics
from clearhead.training.state import FILE

SETTINGS = (
    "--arch.layers 2 --arch.d-model 64 --arch.d-ff 128 --arch.heads 4 --arch.max-len 64 --tokenizer.kind word "
    "--training.precision float32 --training.save-seconds 1 --training.evaluations 10 --training.batch-tokens 2048 "
    "--keep-checkpoints 4"
)


@dataclass(frozen=True)
class Kill:
    """One kill: after how many seconds, whether a file was being written, and the steps and seconds it cost."""

    run: int
    after: float
    writing: bool
    step: int
    lost_steps: int
    lost_seconds: float


def main() -> None:
    """Train, kill, resume, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        start = time.monotonic()
        wait(begin(place / "reference", options.steps))
        whole = time.monotonic() - start
        print(f"reference: {options.steps} steps in {whole:.0f} s\n")
        print(f"{'run':>3} {'killed after':>12} {'while writing':>13} {'at step':>8} {'lost steps':>10} {'seconds':>8}")
        kills, same, run = list[Kill](), 0, 0
        while len(kills) < options.kills:
            run += 1
            found = killed_run(place / f"run{run}", run, options, chance, whole, options.kills - len(kills))
            wrong = differences(place / "reference", place / f"run{run}")
            kills += found
            same += 0 if wrong else len(found)
            print(f"{run:>3} finished: {', '.join(wrong) if wrong else 'every bit as the reference'}")
    for what, values in (("steps", [k.lost_steps for k in kills]), ("seconds", [k.lost_seconds for k in kills])):
        print(f"work lost at a kill: median {statistics.median(values):.1f}, at most {max(values):.1f} {what}")
    print(f"{len(kills)} kills, {same} bit-identical resumes")
    sys.exit(same != len(kills))


def killed_run(
    out: Path, run: int, options: argparse.Namespace, chance: random.Random, whole: float, most: int
) -> list[Kill]:
    """One training to its end, killed at most `most` times on the way."""
    kills: list[Kill] = []
    while True:
        process = begin(out, options.steps)
        if len(kills) == most:
            wait(process)
            return kills
        # Half of them early, start-up and data included; half of them while a file is being written.
        start, after = time.monotonic(), chance.uniform(0.05, 0.6) * whole
        writing = len(kills) % 2 == 1
        while process.poll() is None and time.monotonic() - start < after:
            time.sleep(0.002)
        while writing and process.poll() is None and not any(out.rglob(".*.aside")):
            pass
        if process.poll() is not None:
            wait(process)
            return kills
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills.append(cost(out, run, time.monotonic() - start, writing=any(out.rglob(".*.aside"))))
        k = kills[-1]
        mark = "yes" if k.writing else "no"
        line = f"{k.run:>3} {k.after:>10.1f} s {mark:>13} {k.step:>8} {k.lost_steps:>10} {k.lost_seconds:>8.2f}"
        print(line, flush=True)


def cost(out: Path, run: int, after: float, *, writing: bool) -> Kill:
    """What the kill that has just happened costs: reports after the saved state tell how far the run had come."""
    try:
        saved = position(out)
        last = max(read_metrics(Folder(out)), key=lambda m: m["step"], default={"step": 0, "seconds": 0.0})
    except ClearheadError:  # before the first state: nothing was done yet
        return Kill(run, after, writing, 0, 0, 0.0)
    age = time.time() - (out / FILE).stat().st_mtime
    steps = max(0, last["step"] - saved["step"])
    if age < after and saved["seconds"]:  # reports come every few steps only: those since the last one by its pace
        steps = max(steps, round(age * saved["step"] / saved["seconds"]))
    return Kill(run, after, writing, saved["step"] + steps, steps, min(age, after))


def position(out: Path) -> dict[str, Any]:
    """Where the saved state stands."""
    found: dict[str, Any] = json.loads(Folder(out).tensors(FILE)[1]["position"])
    return found


def begin(out: Path, steps: int) -> subprocess.Popen[bytes]:
    """The command line, as a person types it; --resume also where there is nothing yet to go on with."""
    words = ["train", "translate", "sample:english-spanish/train:2000", "--out", str(out), "--max-steps", str(steps)]
    program = str(Path(sys.executable).with_name("clearhead"))
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    return subprocess.Popen(
        [program, *words, "--resume", *SETTINGS.split()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )


def wait(process: subprocess.Popen[bytes]) -> None:
    """Until it has ended well."""
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"the training failed:\n{said.decode()}")


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


if __name__ == "__main__":
    main()
