"""Kills at any instant: do resumed trainings and translations repeat every bit, and how much work does a kill cost?

    .venv/bin/python benchmarks/kills.py [--kills 20] [--seed 0] [--steps 120] [--lines 3000]

Bar: every resume is bit-identical. A small translator is trained with the real command line, once to its end as the
reference, and translates a file, and a small language model is trained on the text of Python's documentation, which
is first cut into tokens; then all of them again, side by side, killed (SIGKILL) at random instants and resumed until
they have finished, run after run, a third of the kills each. Every second kill of a training waits for a file that is
just being written; after every second kill of a translation the file is cut at a random byte, as a power cut leaves it.
Every tensor of every file, the evaluations and the translations are compared with the reference; only seconds and rates
may differ. Lost work is what the resumed run does again: the seconds since the last saved state or written lines (or
since the process began), and about how many steps or lines they held.
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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _runs import begin, differences, wait
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ClearheadError
from clearhead.folder import STATE, Folder
from clearhead.training.log import read_metrics

SETTINGS = (
    "--arch.layers 2 --arch.d-model 64 --arch.d-ff 128 --arch.heads 4 --arch.max-len 64 --tokenizer.kind word "
    "--training.precision float32 --training.save-seconds 0.3 --training.evaluations 10 --training.batch-tokens 2048 "
    "--keep-checkpoints 4"
)

LANGUAGE = (
    "--arch.layers 2 --arch.d-model 64 --arch.d-ff 128 --arch.heads 4 --arch.max-len 64 --tokenizer.vocab-size 1000 "
    "--training.precision float32 --training.save-seconds 0.3 --training.evaluations 4 --training.batch-tokens 1024 "
    "--keep-checkpoints 4"
)


@dataclass(frozen=True)
class Kill:
    """One kill: whether a file was being written (or cut afterwards), and the steps or lines and seconds it cost."""

    writing: bool
    lost: int
    seconds: float


class Training:
    """A training that is killed; `out` is its folder, and where it had finished the reference stands."""

    name, unit, reference_name = "training", "steps", "model"
    what = ("translate", "sample:english-spanish/train:2000", *SETTINGS.split())

    def __init__(self, place: Path, options: argparse.Namespace):
        self.place, self._steps, self.reference = place, options.steps, place / self.reference_name

    def begin(self, out: Path) -> subprocess.Popen[bytes]:
        """With --resume also where there is nothing yet to go on with."""
        return begin("train", *self.what, "--out", out, "--max-steps", self._steps, "--resume")

    def wait_for_writing(self, out: Path, process: subprocess.Popen[bytes]) -> None:
        """Until a file is just being written."""
        while process.poll() is None and not any(out.rglob(".*.aside")):
            time.sleep(0.0002)

    def cost(self, out: Path, after: float, chance: random.Random) -> Kill:
        """What the kill that has just happened costs: reports after the saved state tell how far the run had come."""
        writing = any(out.rglob(".*.aside"))
        try:
            saved: dict[str, Any] = json.loads(Folder(out).tensors(STATE)[1]["position"])
            last = max(read_metrics(Folder(out)), key=lambda m: m["step"], default={"step": 0, "seconds": 0.0})
        except ClearheadError:  # before the first state: nothing was done yet
            return Kill(writing, 0, 0.0)
        age = time.time() - (out / STATE).stat().st_mtime
        steps = max(0, last["step"] - saved["step"])
        if age < after and saved["seconds"]:  # reports come every few steps only: those since the last one by its pace
            steps = max(steps, round(age * saved["step"] / saved["seconds"]))
        return Kill(writing, steps, min(age, after))

    def wrong(self, out: Path) -> list[str]:
        """The files that differ from the reference."""
        return differences(self.reference, out)


class Language(Training):
    """The training of a language model: before the first step its text is counted and tokenised."""

    name, reference_name = "language", "language-model"
    what = ("language", "sample:python", *LANGUAGE.split())


class Translating:
    """A file that is translated, killed; `out` is the file of translations."""

    name, unit = "translating", "lines"

    def __init__(self, place: Path, options: argparse.Namespace):
        self.place, self.reference, self._kills = place, place / "translations", 0
        rows = [s.english for s in sentences("train", options.lines)]
        (place / "input.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")

    def begin(self, out: Path) -> subprocess.Popen[bytes]:
        """With --resume also where there is nothing yet to go on with."""
        words = ["translate", self.place / "model", self.place / "input.txt", "--out", out, "--resume"]
        return begin(*words, "--beam", 2, "--alignments")

    def wait_for_writing(self, out: Path, process: subprocess.Popen[bytes]) -> None:
        """Until the file grows."""
        before = _bytes(out)
        while process.poll() is None and _bytes(out) == before:
            time.sleep(0.0002)

    def cost(self, out: Path, after: float, chance: random.Random) -> Kill:
        """Lines of a chunk come out together: what was under way is lost. Every second file is cut besides."""
        self._kills += 1
        if not out.exists():
            return Kill(False, 0, after)
        age = time.time() - out.stat().st_mtime
        before, cut = out.read_bytes(), self._kills % 2 == 0
        if cut:
            os.truncate(out, chance.randint(max(0, len(before) - 20_000), len(before)))
        lost = before.count(b"\n") - out.read_bytes().count(b"\n")
        return Kill(cut, lost, min(age, after))

    def wrong(self, out: Path) -> list[str]:
        """The file, if it differs from the reference."""
        return [] if out.read_bytes() == self.reference.read_bytes() else [out.name]


def main() -> None:
    """Train, translate, kill, resume, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--lines", type=int, default=3000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        start = time.monotonic()
        works = [kind(Path(name), options) for kind in (Training, Translating, Language)]
        whole = [_reference(work) for work in works]
        shares = [len(range(i, options.kills, len(works))) for i in range(len(works))]
        with ThreadPoolExecutor(len(works)) as both:
            done = list(both.map(lambda w, n, s: _kill_often(w, n, s, options.seed), works, shares, whole))
    same = sum(_summary(work, kills, good) for work, (kills, good) in zip(works, done, strict=True))
    print(f"{options.kills} kills, {same} bit-identical resumes, in {(time.monotonic() - start) / 60:.1f} min")
    sys.exit(same != options.kills)


def _reference(work: Training | Translating) -> float:
    """A run that nobody kills; its seconds."""
    start = time.monotonic()
    wait(work.begin(work.reference))
    print(f"{work.name}: reference in {time.monotonic() - start:.1f} s", flush=True)
    return time.monotonic() - start


def _kill_often(work: Training | Translating, count: int, whole: float, seed: int) -> tuple[list[Kill], int]:
    """(so many kills in runs to their end, how many of them were in runs that ended as the reference)."""
    chance, kills, same, run = random.Random(seed), list[Kill](), 0, 0
    while len(kills) < count:
        run += 1
        out, before = work.place / f"{work.name}{run}", len(kills)
        _killed_run(work, out, kills, count, whole, chance)
        wrong = work.wrong(out)
        same += 0 if wrong else len(kills) - before
        end = f"differs in {', '.join(wrong)}" if wrong else "every bit as the reference"
        print(f"{work.name} {run}: killed {len(kills) - before} times, {len(kills)} of {count}: {end}", flush=True)
    return kills, same


def _killed_run(
    work: Training | Translating, out: Path, kills: list[Kill], count: int, whole: float, chance: random.Random
) -> None:
    """One run to its end, killed again and again."""
    while True:
        process, start = work.begin(out), time.monotonic()
        # Start-up included: half of them at any instant, half of them while a file is being written.
        after = chance.uniform(0.1, 0.8) * whole
        _until(lambda a=after, s=start, p=process: time.monotonic() - s > a or p.poll() is not None)
        if len(kills) % 2 == 1:
            work.wait_for_writing(out, process)
        if len(kills) == count or process.poll() is not None:
            wait(process)
            return
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills.append(work.cost(out, time.monotonic() - start, chance))


def _until(there: Callable[[], bool]) -> None:
    while not there():
        time.sleep(0.002)


def _summary(work: Training | Translating, kills: list[Kill], same: int) -> int:
    seconds = "seconds, start-up counted"
    for unit, values in ((work.unit, [k.lost for k in kills]), (seconds, [k.seconds for k in kills])):
        if values:
            print(f"{work.name}, lost at a kill: median {statistics.median(values):.1f}, most {max(values):.1f} {unit}")
    about = "while a file was written" if isinstance(work, Training) else "and the file cut at a random byte"
    print(f"{work.name}: {len(kills)} kills, {sum(k.writing for k in kills)} {about}, {same} bit-identical resumes")
    return same


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


if __name__ == "__main__":
    main()
