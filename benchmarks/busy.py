"""Training beside busy programs: steps a second of the demo, with threads that are chosen and with fixed ones.

    .venv/bin/python benchmarks/busy.py [--loops 0 2] [--steps 120] [--rounds 3]

`clearhead train translate --recipe demo`, a process each, in turns: as it is (the number of threads is chosen, and
again when the pace falls), with OMP_NUM_THREADS=1 and with one thread for each core. Beside them so many processes that
only count. Seconds are those of the training's own metrics, without the set-up.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _rounds import machine, table

_CORES = str(os.cpu_count())
_WAYS = {"as it is": None, "OMP_NUM_THREADS=1": "1", f"OMP_NUM_THREADS={_CORES}": _CORES}


def steps_a_second(threads: str | None, steps: int) -> float:
    """Of a training, from its first report on."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with tempfile.TemporaryDirectory() as place:
        words = f"train translate sample:english-spanish/train:6000 --recipe demo --max-steps {steps} --out {place}/m"
        subprocess.run(
            [sys.executable, "-m", "clearhead", *words.split(), "--training.evaluations", "1"],
            env=environment | ({} if threads is None else {"OMP_NUM_THREADS": threads}),
            check=True,
            capture_output=True,
        )
        lines = [json.loads(line) for line in Path(place, "m/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    trained = [line for line in lines if line["kind"] == "train"]
    first, last = trained[0], trained[-1]
    return (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", nargs="+", type=int, default=[0, 2])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    for count in options.loops:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        rates: dict[str, list[float]] = {name: [] for name in _WAYS}
        try:
            for _ in range(options.rounds):
                for name, threads in _WAYS.items():
                    rates[name].append(steps_a_second(threads, options.steps))
        finally:
            for process in busy:
                process.kill()
        print(f"beside {count} busy processes:")
        ours = statistics.median(rates["as it is"])
        table(
            ["", "steps/s", "rounds", "as it is / this"],
            [
                [f"  {name}", f"{statistics.median(each):.1f}", f"{min(each):.1f} to {max(each):.1f}",
                 f"{ours / statistics.median(each):.2f}"]
                for name, each in rates.items()
            ],
        )  # fmt: skip


if __name__ == "__main__":
    main()
