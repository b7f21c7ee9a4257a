"""Do the ten frozen folders give the same bits as under another commit, on this machine?

    .venv/bin/python benchmarks/frozen.py COMMIT

Bar: every text, loss and digest equal. tests/test_frozen.py compares with what the first commit wrote down, within
rounding, as processors differ; here both commits compute anew, one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _rounds import machine

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tests" / "frozen" / "frozen.py"


def outputs(source: Path, place: Path) -> Any:
    """What a checkout makes of the folders."""
    subprocess.run([sys.executable, SCRIPT, place], env={**os.environ, "PYTHONPATH": str(source)}, check=True)
    return json.loads(place.read_text(encoding="utf-8"))


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """The places in which two outputs differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{where}/{name}")
    elif one != other:
        yield f"{where}: {one} against {other}"


def main() -> None:
    """Compare, and name each difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        subprocess.run(["git", "worktree", "add", "-q", "--detach", place / "t", options.commit], cwd=ROOT, check=True)
        try:
            before, now = outputs(place / "t" / "src", place / "before.json"), outputs(ROOT / "src", place / "now.json")
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", place / "t"], cwd=ROOT, check=True)
    found = list(differences(before, now))
    print("\n".join(found) or f"{len(now)} folders give the same bits as under {options.commit}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
