"""Kills at any instant: do resumed trainings and translations repeat every bit, and how much work does a kill cost?

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

import json
import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.case import case
from benchmarks.commands import begin, differences, wait
from benchmarks.results import Cell, Table, say, spread
from clearhead.data.samples.english_spanish import sentences
from clearhead.errors import ClearheadError
from clearhead.folder import STATE as FILE
from clearhead.folder import Folder
from clearhead.training.log import read_metrics

_SIZES = "--arch.layers 2 --arch.d-model 64 --arch.d-ff 128 --arch.heads 4 --arch.max-len 64 --keep-checkpoints 4"
_RUN = f"{_SIZES} --training.precision float32 --training.save-seconds 0.3"
SETTINGS = f"{_RUN} --tokenizer.kind word --training.evaluations 10 --training.batch-tokens 2048"
LANGUAGE = f"{_RUN} --tokenizer.vocab-size 1000 --training.evaluations 4 --training.batch-tokens 1024"
_COLUMNS = {
    "": "",
    "kills": "{:,}",
    "of them": "",
    "lost": "{:,.1f}",
    "lost seconds": "{:.1f}",
    "bit-identical resumes": "{:,}",
}


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

    def __init__(self, place: Path, steps: int):
        self.place, self._steps, self.reference = place, steps, place / self.reference_name

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
            saved: dict[str, Any] = json.loads(Folder(out).tensors(FILE)[1]["position"])
            last = max(read_metrics(Folder(out)), key=lambda m: m["step"], default={"step": 0, "seconds": 0.0})
        except ClearheadError:  # before the first state: nothing was done yet
            return Kill(writing, 0, 0.0)
        age = time.time() - (out / FILE).stat().st_mtime
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

    def __init__(self, place: Path, lines: int):
        self.place, self.reference, self._kills = place, place / "translations", 0
        rows = [s.english for s in sentences("train", lines)]
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


Work = Training | Translating


@case("kills", about="resumes after SIGKILL at any instant: every bit, and the work that is lost", duration="5 min")
def kills(*, kills: int = 20, seed: int = 0, steps: int = 120, lines: int = 3000) -> Iterator[Table]:
    """Train, translate, kill, resume, compare.

    Args:
        kills: how many, of two trainings and a translation together.
        steps: of each training.
        lines: that are translated.
    """
    with tempfile.TemporaryDirectory() as name:
        place, start = Path(name), time.monotonic()
        works: list[Work] = [Training(place, steps), Translating(place, lines), Language(place, steps)]
        whole = [_reference(work) for work in works]
        shares = [len(range(i, kills, len(works))) for i in range(len(works))]
        with ThreadPoolExecutor(len(works)) as all_:
            done = list(all_.map(lambda w, n, s: _kill_often(w, n, s, seed), works, shares, whole))
    same = sum(good for _, good in done)
    minutes = (time.monotonic() - start) / 60
    remark = f"{kills} kills, {same} bit-identical resumes, in {minutes:.1f} min; lost seconds count the start-up"
    rows = [_summary(work, each, good) for work, (each, good) in zip(works, done, strict=True)]
    yield Table(_COLUMNS, rows, remarks=[remark], good=same == kills)


def _reference(work: Work) -> float:
    """A run that nobody kills; its seconds."""
    start = time.monotonic()
    wait(work.begin(work.reference))
    say(f"{work.name}: reference in {time.monotonic() - start:.1f} s")
    return time.monotonic() - start


def _kill_often(work: Work, count: int, whole: float, seed: int) -> tuple[list[Kill], int]:
    """(so many kills in runs to their end, how many of them were in runs that ended as the reference)."""
    chance, kills, same, run = random.Random(seed), list[Kill](), 0, 0
    while len(kills) < count:
        run += 1
        out, before = work.place / f"{work.name}{run}", len(kills)
        _killed_run(work, out, kills, count, whole, chance)
        wrong = work.wrong(out)
        same += 0 if wrong else len(kills) - before
        end = f"differs in {', '.join(wrong)}" if wrong else "every bit as the reference"
        say(f"{work.name} {run}: killed {len(kills) - before} times, {len(kills)} of {count}: {end}")
    return kills, same


def _killed_run(work: Work, out: Path, kills: list[Kill], count: int, whole: float, chance: random.Random) -> None:
    """One run to its end, killed again and again."""
    while True:
        process, start = work.begin(out), time.monotonic()
        # Start-up included: half of them at any instant, half of them while a file is being written.
        after = chance.uniform(0.1, 0.8) * whole
        while time.monotonic() - start <= after and process.poll() is None:
            time.sleep(0.002)
        if len(kills) % 2 == 1:
            work.wait_for_writing(out, process)
        if len(kills) == count or process.poll() is not None:
            wait(process)
            return
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills.append(work.cost(out, time.monotonic() - start, chance))


def _summary(work: Work, kills: list[Kill], same: int) -> list[Cell]:
    lost, seconds = ([getattr(kill, name) for kill in kills] or [0] for name in ("lost", "seconds"))
    about = "while a file was written" if isinstance(work, Training) else "and the file cut at a random byte"
    writing = f"{sum(kill.writing for kill in kills)} {about}"
    return [f"{work.name} ({work.unit})", len(kills), writing, spread(lost), spread(seconds), same]


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
