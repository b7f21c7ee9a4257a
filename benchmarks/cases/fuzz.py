"""Hostile input at the whole face: is it refused in words, or right, and never a traceback, a hang or a silence?

Bar: no fault. Options (every number, text, name and choice of every command, from the commands' own signatures), model
folders (fields, headers, templates and whole files of tiny trained models, one of each task and three that were
stopped), data files (twelve forms, spoiled in 27 ways, packed or not) and calls from Python. Each try is a fork of a
prepared process in a folder of its own; of the commands one in 17 is a process of the real program. A fault is a
traceback, no words, 20 s of processor time (or 60 s in all), 2 GB of memory more, a signal, or a silence: a number that
no option may have is taken, "nan" is printed, a field that was spoiled changes results. Linux only.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["TOKENIZERS_PARALLELISM"] = "1"  # before torch is imported

import torch

from benchmarks import surfaces
from benchmarks.case import case
from benchmarks.forks import BROKEN, Ended, run_all
from benchmarks.results import Cell, Table
from benchmarks.surfaces import Try, make_models, plan

_MEMORY = 2 << 30  # bytes above those of the beginning
_NAN = re.compile(r"(?<![\w-])-?nan(?!\w)", re.IGNORECASE)
_FRAME = re.compile(r'File "[^"]*/clearhead/([^"]+)", line (\d+)')
Base = tuple[str, ...]


@case("fuzz", about="hostile options, folders, data and calls: refused in words, or right", duration="30 min")
def fuzz(*, tries: int = 5000, seed: int = 0, jobs: int = 2, only: int | None = None) -> Iterator[Table]:
    """Prepare, try, print each fault as it comes.

    Args:
        tries: how many.
        seed: what they are made of.
        jobs: tries at once.
        only: the number of the one try to repeat.
    """
    torch.set_num_threads(1)
    counts: Counter[tuple[str, str]] = Counter()
    faults: list[list[Cell]] = []
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _prepare(place)
        tried = list(plan(seed, range(tries) if only is None else range(only, only + 1)))
        usual = _usual(place, {one.like for one in tried if one.like}, jobs)
        for one, ended in run_all(tried, lambda one: _placed(place, one), lambda one: one.act(), jobs):
            spoiled = (place / str(one.number) / "spoiled").read_text(encoding="utf-8", errors="replace")
            shutil.rmtree(place / str(one.number), ignore_errors=True)
            found = _fault(one, ended, usual.get(one.like))
            counts[one.surface, "faults" if found else "right" if ended.code == 0 else "refused"] += 1
            if found:
                faults.append([found, one.what[:300], spoiled[:200], f"run fuzz --seed {seed} --only {one.number}"])
                print(*faults[-1], sep="\n    ", flush=True)
            if only is not None:
                print(f"exit code {ended.code}, {ended.seconds:.1f} s\n{ended.out}\n{ended.err}")
    yield _counted(counts)
    if faults:
        yield Table(dict.fromkeys(["fault", "of", "spoiled", "again"], ""), faults)


def _prepare(place: Path) -> None:
    (place / "prepared").mkdir()
    (place / "make" / "here").mkdir(parents=True)
    made = list(run_all([place], lambda _: place / "make", lambda _: make_models(place / "prepared"), 1))
    if made[0][1].code:
        raise SystemExit(f"the models could not be made:\n{made[0][1].err}")


def _placed(place: Path, one: Try) -> Path:
    folder = surfaces.copy(place / "prepared", place / str(one.number))
    (folder / "spoiled").write_text(one.prepare(folder / "here"), encoding="utf-8", errors="replace")
    return folder


def _usual(place: Path, commands: set[Base], jobs: int) -> dict[Base, str]:
    """What commands say when nothing is spoiled."""
    ways = sorted(commands)
    for number, words in enumerate(ways):
        surfaces.copy(place / "prepared", place / f"usual-{number}")
        (place / f"usual-{number}" / "words").write_text(repr(words), encoding="utf-8")
    tries = run_all(
        list(enumerate(ways)), lambda one: place / f"usual-{one[0]}", lambda one: surfaces.run(list(one[1])), jobs
    )
    return {words: ended.out for (_, words), ended in tries}


def _fault(one: Try, ended: Ended, usual: str | None) -> str:
    """What is wrong with how a try ended; "" where nothing is."""
    if ended.memory > _MEMORY:
        return f"{ended.memory / 1e9:.1f} GB"
    if "Timeout (" in ended.err or "CPU time limit" in ended.err or ended.code in (-9, -24):
        return f"hang {_frame(ended.err)}"
    if ended.code < 0:
        return f"signal {-ended.code} {_frame(ended.err)}"
    if "Traceback" in ended.err or ended.code == BROKEN:
        return f"traceback {ended.err.strip().splitlines()[-1][:160]} {_frame(ended.err)}"
    if ended.code:
        return "" if "clearhead: " in ended.err else f"no words, exit code {ended.code}"
    if one.refuse and not _remarked(ended.err):
        return "taken in silence"
    if _NAN.search(ended.out) and "nan" not in one.what.lower():
        return "prints nan"
    if usual is not None and ended.out != usual and not _remarked(ended.err):
        return f"other results in silence: {ended.out[-100:]!r}"
    return ""


def _remarked(err: str) -> bool:
    return bool(re.search(r"^(remark|note|warning)", err, re.MULTILINE))


def _frame(err: str) -> str:
    """The last line of clearhead in a traceback (of faulthandler: the first)."""
    frames = _FRAME.findall(err)
    return "" if not frames else f"({':'.join(frames[0 if 'most recent call first' in err else -1])})"


def _counted(counts: Counter[tuple[str, str]]) -> Table:
    kinds = ("refused", "right", "faults")
    rows: list[list[Cell]] = []
    for surface in sorted({name for name, _ in counts}):
        each = [counts[surface, kind] for kind in kinds]
        rows.append([surface, sum(each), *each])
    columns = {"surface": ""} | dict.fromkeys(("tries", *kinds), "{:,}")
    return Table(columns, rows, good=not any(kind == "faults" for _, kind in counts))
