"""Training beside busy programs: steps a second of the demo, with threads that are chosen and with fixed ones.

`clearhead train translate --recipe demo`, a process each, in turns: as it is (the number of threads is chosen, and
again when the pace falls), with OMP_NUM_THREADS=1 and with one thread for each core. Beside them so many processes that
only count. Seconds are those of the training's own metrics, without the set-up.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.case import case
from benchmarks.commands import PROGRAM, training_reports
from benchmarks.results import Table, spread

_CORES = str(os.cpu_count())
_WAYS = {"as it is": None, "OMP_NUM_THREADS=1": "1", f"OMP_NUM_THREADS={_CORES}": _CORES}


def steps_a_second(threads: str | None, steps: int) -> float:
    """Of a training, from its first report on."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    environment |= {} if threads is None else {"OMP_NUM_THREADS": threads}
    with tempfile.TemporaryDirectory() as place:
        words = f"train translate sample:english-spanish/train:6000 --recipe demo --max-steps {steps} --out {place}/m"
        command = [*PROGRAM, *words.split(), "--training.evaluations", "1"]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        first, *_, last = training_reports(f"{place}/m")
    return (last["step"] - first["step"]) / (last["seconds"] - first["seconds"])


@case("busy", about="training beside busy programs: threads that are chosen and fixed ones", duration="10 min")
def busy(*, loops: tuple[int, ...] = (0, 2), steps: int = 120, rounds: int = 3) -> Iterator[Table]:
    """Train in turns.

    Args:
        loops: how many processes only count beside it.
        steps: of each training.
    """
    for count in loops:
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        rates: dict[str, list[float]] = {name: [] for name in _WAYS}
        try:
            for _ in range(rounds):
                for name, threads in _WAYS.items():
                    rates[name].append(steps_a_second(threads, steps))
        finally:
            for process in others:
                process.kill()
        ours = statistics.median(rates["as it is"])
        rows = [[name, spread(each), ours / statistics.median(each)] for name, each in rates.items()]
        columns = {"": "", "steps/s": "{:.1f}", "as it is / this": "{:.2f}"}
        yield Table(columns, rows, title=f"beside {count} busy processes")
