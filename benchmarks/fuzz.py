"""Hostile input at the whole face: is it refused in words, or right, and never a traceback, a hang or a silence?

    .venv/bin/python benchmarks/fuzz.py [--tries 5000] [--seed 0] [--jobs 2] [--only N]

Bar: no fault. Options (every number, text, name and choice of every command, from the commands' own signatures), model
folders (fields, headers, templates and whole files of tiny trained models, one of each task and three that were
stopped), data files (twelve forms, spoiled in 27 ways, packed or not) and calls from Python. Each try is a fork of a
prepared process in a folder of its own; of the commands one in 17 is a process of the real program. A fault is a
traceback, no words, 20 s of processor time (or 60 s in all), 2 GB of memory more, a signal, or a silence: a number that
no option may have is taken, "nan" is printed, a field that was spoiled changes results. Linux only.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["TOKENIZERS_PARALLELISM"] = "1"

import torch

import _surfaces
from _forks import BROKEN, Ended, run_all
from _surfaces import Try, make_models, plan

_MEMORY = 2 << 30  # bytes above those of the beginning
_NAN = re.compile(r"(?<![\w-])-?nan(?!\w)", re.IGNORECASE)
_FRAME = re.compile(r'File "[^"]*/clearhead/([^"]+)", line (\d+)')
Base = tuple[str, ...]


def main() -> None:
    """Prepare, try, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _prepare(place)
        numbers = range(options.tries) if options.only is None else range(options.only, options.only + 1)
        tries = list(plan(options.seed, numbers))
        usual = _usual(place, {one.like for one in tries if one.like}, options.jobs)
        faults: list[str] = []
        counts: Counter[tuple[str, str]] = Counter()
        for one, ended in run_all(tries, lambda one: _placed(place, one), lambda one: one.act(), options.jobs):
            spoiled = (place / str(one.number) / "spoiled").read_text(encoding="utf-8", errors="replace")
            shutil.rmtree(place / str(one.number), ignore_errors=True)
            found = _fault(one, ended, usual.get(one.like))
            counts[one.surface, "faults" if found else "right" if ended.code == 0 else "refused"] += 1
            if found:
                faults.append(found)
                again = f"benchmarks/fuzz.py --seed {options.seed} --only {one.number}"
                print(f"{found}\n    {one.what[:300]}\n    {spoiled[:200]}\n    again: {again}", flush=True)
            if options.only is not None:
                print(f"exit code {ended.code}, {ended.seconds:.1f} s\n{ended.out}\n{ended.err}")
    _table(counts)
    sys.exit(bool(faults))


def _prepare(place: Path) -> None:
    (place / "prepared").mkdir()
    (place / "make" / "here").mkdir(parents=True)
    made = list(run_all([place], lambda _: place / "make", lambda _: make_models(place / "prepared"), 1))
    if made[0][1].code:
        sys.exit(f"the models could not be made:\n{made[0][1].err}")


def _placed(place: Path, one: Try) -> Path:
    folder = _surfaces.copy(place / "prepared", place / str(one.number))
    (folder / "spoiled").write_text(one.prepare(folder / "here"), encoding="utf-8", errors="replace")
    return folder


def _usual(place: Path, commands: set[Base], jobs: int) -> dict[Base, str]:
    """What commands say when nothing is spoiled."""
    ways = sorted(commands)
    for number, words in enumerate(ways):
        _surfaces.copy(place / "prepared", place / f"usual-{number}")
        (place / f"usual-{number}" / "words").write_text(repr(words), encoding="utf-8")
    tries = run_all(
        list(enumerate(ways)), lambda one: place / f"usual-{one[0]}", lambda one: _surfaces.run(list(one[1])), jobs
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


def _table(counts: Counter[tuple[str, str]]) -> None:
    columns = ("tries", "refused", "right", "faults")
    print(f"\n{'surface':<12}" + "".join(f"{name:>10}" for name in columns))
    for surface in sorted({name for name, _ in counts}):
        row = [sum(n for (s, _), n in counts.items() if s == surface), *(counts[surface, c] for c in columns[1:])]
        print(f"{surface:<12}" + "".join(f"{n:>10,}" for n in row))


if __name__ == "__main__":
    main()
