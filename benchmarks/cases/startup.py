"""How soon commands answer: import clearhead beside import torch, and two --help pages.

Bar: `import clearhead` adds less than 0.25 s to `import torch`; `clearhead --help` and `clearhead train translate
--help` answer in less than 0.5 s. Whole processes, wall-clock medians, in turns; a bare Python is the trivial baseline.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.case import case
from benchmarks.commands import PROGRAM
from benchmarks.results import Table, spread
from benchmarks.timing import Row, constant, in_turns

_WAYS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import torch": [sys.executable, "-c", "import torch"],
    "import torch, clearhead": [sys.executable, "-c", "import torch, clearhead"],
    "import torch, clearhead; all of its names": [sys.executable, "-c", "import torch; from clearhead import *"],
    "clearhead --help": [*PROGRAM, "--help"],
    "clearhead train translate --help": [*PROGRAM, "train", "translate", "--help"],
}


@case("startup", about="import clearhead beside import torch, and two --help pages", duration="2 min")
def startup(*, rounds: int = 9) -> Iterator[Table]:
    """Start processes in turns."""

    def row(name: str, words: Sequence[str]) -> Row:
        return Row(name, constant(lambda: subprocess.run(words, check=True, capture_output=True)))

    rows = [row(name, words) for name, words in _WAYS.items()]
    in_turns(rows, rounds, steady=False)
    yield Table({"": "", "seconds": "{:.3f}"}, [[row.name, spread(row.times)] for row in rows])
