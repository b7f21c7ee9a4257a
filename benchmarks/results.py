"""What a case gives: tables of figures; how they are printed, and kept as JSON.

A cell is a text, a number, a spread or nothing. A spread is a dict: {"median", "least", "most"}, without a median where
only the ends are shown. Each column has a form of `str.format` for its numbers, such as "{:,.0f} s".
"""

from __future__ import annotations

import datetime
import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
Cell = str | float | Mapping[str, float] | None
_PEERS = ("torch", "transformers", "x_transformers", "ctranslate2", "gensim", "sacrebleu", "spacy", "playwright")


@dataclass
class Table:
    """Figures.

    Args:
        columns: name -> form of its numbers.
        rows: a cell for each column.
        title: what is measured, before the table.
        remarks: what a reader needs to know, after it.
        good: whether the bar of the case is met.
    """

    columns: dict[str, str]
    rows: list[list[Cell]]
    title: str = ""
    remarks: list[str] = field(default_factory=list)
    good: bool = True

    def cells(self) -> list[list[str]]:
        """The names of the columns and the rows, as texts."""
        forms = list(self.columns.values())
        return [list(self.columns), *([shown(c, f) for c, f in zip(row, forms, strict=True)] for row in self.rows)]


@dataclass
class Result:
    """A run of a case, or figures that stand beside it.

    Args:
        date: of the measurement, as ISO writes it.
        commit: of this project.
        machine: processor, threads; for figures moved from elsewhere what is known of them.
        versions: of torch and of the peers.
        settings: the options of the case, for both sides.
        command: how to measure again.
    """

    case: str
    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, Any]
    tables: list[Table]
    command: list[str] = field(default_factory=list)


def spread(values: Sequence[float]) -> dict[str, float]:
    """The median of some values, and their ends."""
    return {"median": statistics.median(values), **ends(values)}


def ends(values: Sequence[float]) -> dict[str, float]:
    """The least and the largest of some values."""
    return {"least": min(values), "most": max(values)}


def shown(cell: Cell, form: str = "{}") -> str:
    """A cell as text: "3.1", "3.1 (2.9 to 3.4)" or "2.9 to 3.4"."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if not isinstance(cell, Mapping):
        return form.format(cell)
    limits = f"{form.format(cell['least'])} to {form.format(cell['most'])}"
    return f"{form.format(cell['median'])} ({limits})" if "median" in cell else limits


def say(text: str) -> None:
    """A line about progress, which is not a result."""
    print(text, file=sys.stderr, flush=True)


def print_table(table: Table) -> None:
    """Print a title, columns (texts to the left, numbers to the right) and remarks."""
    if table.title:
        print(f"\n{table.title}")
    lines = table.cells()
    sides = ["><"[not form] for form in table.columns.values()]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines if table.columns else ():
        cells = (f"{cell:{side}{width}}" for cell, side, width in zip(line, sides, widths, strict=True))
        print("  ".join(cells).rstrip())
    for remark in table.remarks:
        print(f"  {remark}")
    sys.stdout.flush()


def describe_machine() -> tuple[dict[str, str], dict[str, str]]:
    """(processor and threads, versions of torch and of the peers that are here)."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    about = {"processor": models[0] if models else platform.processor()}
    if "torch" in sys.modules:  # a case that only reads or starts processes needs no torch
        import torch

        about |= {"threads": str(torch.get_num_threads()), "kernels": torch.backends.cpu.get_cpu_capability()}
    return about, {name: version(name.replace("_", "-")) for name in _PEERS if find_spec(name)}


def commit() -> str:
    """The commit that is checked out, with a plus where files differ from it."""
    told = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip()


def today() -> str:
    """The date of now."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def keep(result: Result, path: Path) -> None:
    """Write a result as JSON, aside and renamed."""
    from clearhead.disk import write_text  # another commit's clearhead may have none: `commits` imports this module

    write_text(path, json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n")


def read(path: Path) -> Result:
    """A result that was kept."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**data, "tables": [Table(**table) for table in data["tables"]]})
