"""Full disks at 20 points of writing: is what stood there whole, are the words clear, does a resume repeat every bit?

Bar: every point. A small translator is trained into a file system in memory that is too small, again and again, so that
it fills while the tokenizer, the configuration, a state, a checkpoint, the best weights or the metrics are written, and
at the end; then a file is translated onto a full disk. After each the message must name the disk, the exit code be 1,
every file be whole and no half-written one be left; a model that stood there must translate. Then space is made, and
the same command with --resume must end as the run on a large disk did, bit by bit. Linux only: it mounts a tmpfs in a
name space of its own (as root or where `unshare --map-root-user` is allowed).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import clearhead
from benchmarks.case import case
from benchmarks.commands import begin, differences, wait
from benchmarks.results import ROOT, Table, read, say
from clearhead.data.samples.english_spanish import sentences
from clearhead.folder import Folder

INSIDE = "CLEARHEAD_FULL_DISK"
PAGE = 4096
SMALL = (
    "train translate sample:english-spanish/train:400 --arch.layers 1 --arch.d-model 48 --arch.d-ff 48 --arch.heads 2 "
    "--arch.max-len 64 --tokenizer.kind word --training.precision float32 --training.batch-tokens 1024 "
)
# A state after each step; at four evaluations only; hardly ever.
OFTEN = SMALL + "--max-steps 40 --training.evaluations 4 --training.save-seconds 1e-9 --keep-checkpoints 5"
SOMETIMES = SMALL + "--max-steps 200 --training.evaluations 4 --training.save-seconds 1e6 --keep-checkpoints 5"
SELDOM = SMALL + "--max-steps 900 --training.evaluations 1 --training.save-seconds 1e6"


@dataclass(frozen=True)
class Point:
    """What happened at one point: what was being written, what is wrong (nothing: good)."""

    name: str
    written: str
    wrong: list[str]


class Disk:
    """A tmpfs of a size that can be changed; the content goes with it."""

    def __init__(self, path: Path):
        self.path = path
        _system("mount", "-t", "tmpfs", "-o", "size=1g", "clearhead", str(path))

    def resize(self, size: int) -> None:
        """Give it so many bytes, in whole pages."""
        _system("mount", "-o", f"remount,size={max(1, size // PAGE) * PAGE}", str(self.path))

    def used(self) -> int:
        """Bytes in use."""
        about = os.statvfs(self.path)
        return (about.f_blocks - about.f_bfree) * about.f_frsize

    def clear(self) -> None:
        """Empty it."""
        self.resize(1 << 30)
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


@case("full_disk", about="full disks at 20 points of writing: whole files, clear words, resumes", duration="4 min")
def full_disk() -> Iterator[Table]:
    """Mount, fill, look, resume, compare."""
    if INSIDE not in os.environ:
        yield _inside()
        return
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "disk").mkdir()
        disk = Disk(place / "disk")
        try:
            points = [*_training(disk, place), *_translating(disk, place)]
        finally:
            _system("umount", "--lazy", str(disk.path))
    good = sum(not point.wrong for point in points)
    rows = [[p.name, p.written, "; ".join(p.wrong) or "every file whole, the same bits after --resume"] for p in points]
    remark = f"{len(points)} full disks, {good} good: clear words, whole files, bit-identical resumes"
    yield Table(
        {"the disk": "", "stopped while writing": "", "then": ""}, rows, remarks=[remark], good=good == len(points)
    )


def _inside() -> Table:
    """The table of this case, run again in a name space where it may mount."""
    with tempfile.TemporaryDirectory() as kept:
        command = [*_mounting(), sys.executable, "-m", "benchmarks", "run", "full_disk", "--keep", kept]
        subprocess.run(command, env={**os.environ, INSIDE: "1"}, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
        if not (files := list(Path(kept).glob("*.json"))):
            raise SystemExit("full_disk has ended without a result")
        (table,) = read(files[0]).tables
    return table


def _training(disk: Disk, place: Path) -> list[Point]:
    often, sometimes, seldom, out = place / "often", place / "sometimes", place / "seldom", disk.path / "m"
    peak = _peak(disk, OFTEN, often)
    wait(begin(*SOMETIMES.split(), "--out", sometimes))
    wait(begin(*SELDOM.split(), "--out", seldom))
    tokenizer, model = _pages(often / "tokenizer.json"), _pages(often / "model.safetensors")
    points = []
    for pages in [1, tokenizer, tokenizer + 1, tokenizer + 2, *(peak * i // 6 // PAGE for i in range(1, 6))]:
        disk.clear()
        disk.resize(pages * PAGE)
        points.append(_point(f"of {pages * PAGE / 1e3:,.0f} kB", disk, OFTEN, often))
    # After an evaluation, in the order of writing: a checkpoint, the list of them, the best weights, the state.
    for text, free in [('"step": 60,', n) for n in (0, model, model + 1, 2 * model)] + [
        ('"step": 160,', 0),
        ('"kind": "final"', 0),
    ]:
        disk.clear()
        when = partial(_reported, out, text)
        points.append(_point(f"full but {free * PAGE:,} bytes after {text}", disk, SOMETIMES, sometimes, when, free))
    disk.clear()
    state = out / "training/state.safetensors"
    points.append(_point("full after the first state", disk, SELDOM, seldom, state.exists))
    return points


def _translating(disk: Disk, place: Path) -> list[Point]:
    rows = [s.english for s in sentences("train", 1400)]
    (place / "input.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    reference, out = place / "translations", disk.path / "translations"
    words = ["translate", place / "often", place / "input.txt", "--beam", 1]
    wait(begin(*words, "--out", reference))
    points = []
    for third, redirected in ((0, False), (1, False), (2, False), (2, True)):
        disk.clear()
        disk.resize(reference.stat().st_size * third // 3)
        if redirected:
            with out.open("wb") as file:
                wrong, written = _said(begin(*words, stdout=file))
        else:
            wrong, written = _said(begin(*words, "--out", out))
            held = out.read_bytes()
            whole = reference.read_bytes().startswith(held) and held[-1:] in (b"", b"\n")
            wrong += [] if whole else ["not whole lines"]
        disk.resize(1 << 30)
        wait(begin(*words, "--out", out, "--resume"))
        wrong += [] if out.read_bytes() == reference.read_bytes() else ["other translations"]
        points.append(_shown(Point(f"of {third}/3 of the translations", written, wrong)))
    return points


def _point(
    name: str, disk: Disk, settings: str, reference: Path, when: Callable[[], bool] | None = None, free: int = 0
) -> Point:
    """Train onto a disk that is too small, or that fills when something has happened; look; resume."""
    out = disk.path / "m"
    process = begin(*settings.split(), "--out", out)
    if when is not None:
        while not when() and process.poll() is None:
            time.sleep(0.0002)
        process.send_signal(signal.SIGSTOP)  # so that the disk fills now and not after the next file
        disk.resize(disk.used() + free * PAGE)
        process.send_signal(signal.SIGCONT)
    wrong, written = _said(process)
    wrong += _broken(out)
    disk.resize(1 << 30)
    wait(begin(*settings.split(), "--out", out, "--resume"))
    wrong += [f"{file} differs" for file in differences(reference, out)]
    return _shown(Point(name, written, wrong))


def _reported(out: Path, text: str) -> bool:
    return (out / "metrics.jsonl").exists() and text in (out / "metrics.jsonl").read_text(encoding="utf-8")


def _pages(path: Path) -> int:
    return -(-path.stat().st_size // PAGE)


def _said(process: subprocess.Popen[bytes]) -> tuple[list[str], str]:
    """(what is wrong with how it ended, the file that it names)."""
    said = process.communicate()[1].decode()
    wrong = [] if process.returncode == 1 else [f"exit code {process.returncode}"]
    last = said[said.rfind("clearhead: ") :]
    clear = "the disk is full" in last and "\n  fix: free some" in last
    wrong += [] if clear and "Traceback" not in said else [f"it said {said[-300:]!r}"]
    return wrong, last.removeprefix("clearhead: ").partition(":")[0].rpartition("/disk/")[2]


def _broken(out: Path) -> list[str]:
    """Files that are not whole, and files that should have gone."""
    wrong = [f"{path.name} is left" for path in out.rglob(".*") if path.is_file()]
    for path in out.rglob("*"):
        try:
            if path.suffix == ".safetensors":
                Folder(out).tensors(str(path.relative_to(out)))
            elif path.suffix in (".json", ".jsonl"):
                text = path.read_text(encoding="utf-8")
                for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
                    json.loads(part)
        except (clearhead.ClearheadError, ValueError) as error:
            wrong.append(f"{path.name}: {error}")
    if (out / "model.safetensors").exists() and not clearhead.load(out).translate(["the house"])[0]:
        wrong.append("the model does not translate")
    return wrong


def _peak(disk: Disk, settings: str, reference: Path) -> int:
    """Train on a large disk, keep the result as the reference; the most bytes that were in use."""
    process, peak = begin(*settings.split(), "--out", disk.path / "m"), 0
    while process.poll() is None:
        peak = max(peak, disk.used())
        time.sleep(0.0005)
    wait(process)
    shutil.copytree(disk.path / "m", reference)
    say(f"a whole run needs {peak / 1e3:,.0f} kB for a moment")
    return peak


def _shown(point: Point) -> Point:
    say(f"{point.name}: stopped while writing {point.written}; {'; '.join(point.wrong) or 'good'}")
    return point


def _mounting() -> list[str]:
    """The words that begin a program in a name space where it may mount."""
    for way in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        with tempfile.TemporaryDirectory() as name:
            test = [*way, "mount", "-t", "tmpfs", "clearhead", name]
            if shutil.which("unshare") and not subprocess.run(test, capture_output=True, check=False).returncode:
                return way
    raise SystemExit(
        "no tmpfs can be mounted here (it needs Linux, and root or unprivileged name spaces): nothing was measured"
    )


def _system(*words: str) -> None:
    subprocess.run(words, check=True)
