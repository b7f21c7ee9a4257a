"""docs/results.md, made of the results kept in benchmarks/results: nothing on the page is written by hand."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.results import ROOT, Result, Table, read

KEPT, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "results.md"
_WIDTH = 120
_ABOUT = (
    "Made by `python -m benchmarks report` from the results in `benchmarks/results`. Medians, with the least and the "
    "largest of the rounds or seeds; seconds differ between machines and hours, and a figure means something beside "
    "another of the same table. Date and commit are those of the measurement; of figures that were moved here, those "
    "that wrote them down. `python -m benchmarks list` shows every case."
)
_SECTIONS = {  # heading -> the names of results, in the order of the page
    "Translation": ("multi30k", "multi30k-by-length", "tatoeba"),
    "Word vectors": ("words",),
    "Language models": (
        "shakespeare",
        "gpt-small",
        "gpt-gpt2",
        "gpt-gpt2-another-machine",
        "gpt-100m",
        "generating",
        "generating-int8-equal",
        "generating-int8-trained",
        "generating-int8-speed",
        "chat-lora",
        "exploring",
    ),
    "Training as it is by default, on a processor without bfloat16": ("everywhere-avx2",),
}
PLACES = {name: heading for heading, names in _SECTIONS.items() for name in names}


def read_kept() -> dict[str, Result]:
    """Name -> result, of all files that are kept."""
    return {path.stem: read(path) for path in sorted(KEPT.glob("*.json"))}


def make(kept: Mapping[str, Result], cases: Sequence[str]) -> str:
    """The page.

    Raises:
        KeyError: a kept result has no place on the page.
    """
    if lost := sorted(set(kept) - set(PLACES)):
        raise KeyError(f"no place on the page for {', '.join(lost)}: add them to benchmarks/report.py")
    blocks = ["# What the recipes reach", _paragraph(_ABOUT)]
    for heading, names in _SECTIONS.items():
        blocks.append(f"## {heading}")
        blocks += [block for name in names if name in kept for block in _result(kept[name])]
    without = [f"`{name}`" for name in cases if name not in {result.case for result in kept.values()}]
    if without:
        blocks += ["## Cases without a kept result", _paragraph(", ".join(without) + ".")]
    return "\n\n".join(blocks) + "\n"


def _result(result: Result) -> Iterator[str]:
    for table in result.tables:
        if table.title:
            yield _paragraph(table.title)
        if table.rows:
            yield _grid(table)
        yield from map(_paragraph, table.remarks)
    if result.command:
        yield "\n".join(f"    {line}" for line in result.command)
    yield _paragraph(f"Measured: {_origin(result)}.")


def _origin(result: Result) -> str:
    """When, by which commit, where and beside which versions it was measured."""
    machine = [f"{name} {value}" for name, value in result.machine.items()]
    versions = [f"{name} {value}" for name, value in result.versions.items()]
    return "; ".join(filter(None, [result.date, f"commit {result.commit}", *machine, ", ".join(versions)]))


def _grid(table: Table) -> str:
    first, *rows = table.cells()
    lines = [first, ["---"] * len(first), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _paragraph(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
