"""Do the ten frozen folders give the same bits as under another commit, on this machine?

Bar: every text, loss and digest equal. tests/frozen/test_frozen.py compares with what the first commit wrote down,
within rounding, as processors differ; here both commits compute anew, one after the other.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.case import case
from benchmarks.results import ROOT, Table
from benchmarks.worktrees import checked_out

SCRIPT = ROOT / "tests" / "frozen" / "frozen.py"


def outputs(source: Path) -> Any:
    """What a checkout makes of the folders."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "outputs.json")
        subprocess.run([sys.executable, SCRIPT, place], env={**os.environ, "PYTHONPATH": str(source)}, check=True)
        return json.loads(place.read_text(encoding="utf-8"))


def differences(one: Any, other: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """(place, there, here) of each difference of two outputs."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{where}/{name}")
    elif one != other:
        yield where, str(one), str(other)


@case("frozen", about="the frozen folders give the same bits as under another commit", duration="2 min")
def frozen(*, against: str) -> Iterator[Table]:
    """Compare, and name each difference.

    Args:
        against: a commit, as git names it: HEAD~1, main, a hash.
    """
    with checked_out(against) as tree:
        before, now = outputs(tree / "src"), outputs(ROOT / "src")
    found = [list(line) for line in differences(before, now)]
    remark = f"{len(found)} differences" if found else f"{len(now)} folders give the same bits as under {against}"
    columns = {"": "", against: "", "here": ""} if found else {}
    yield Table(columns, found, remarks=[remark], good=not found)
