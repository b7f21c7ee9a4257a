"""How soon commands answer: import clearhead beside import torch, and two --help pages.

    .venv/bin/python benchmarks/startup.py [--rounds 9]

Bar: `import clearhead` adds less than 0.25 s to `import torch`; `clearhead --help` and `clearhead train translate
--help` answer in less than 0.5 s. Whole processes, wall-clock medians, in turns; a bare Python is the trivial baseline.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    command = str(Path(sys.executable).with_name("clearhead"))
    ways = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import torch": [sys.executable, "-c", "import torch"],
        "import torch, clearhead": [sys.executable, "-c", "import torch, clearhead"],
        "import torch, clearhead; all of its names": [sys.executable, "-c", "import torch; from clearhead import *"],
        "clearhead --help": [command, "--help"],
        "clearhead train translate --help": [command, "train", "translate", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            subprocess.run(way, check=True, capture_output=True)
            if round_:
                times[name].append(time.perf_counter() - start)
    for name, found in times.items():
        print(f"{name:<44}{statistics.median(found):>7.3f} s   ({min(found):.3f} to {max(found):.3f})")


if __name__ == "__main__":
    main()
