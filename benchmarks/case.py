"""What a case is, and how one is found: the function NAME of the module `benchmarks.cases.NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from benchmarks.results import Table

Work = Callable[..., Iterator[Table]]


@dataclass(frozen=True)
class Case:
    """A benchmark.

    Args:
        name: as it is run.
        about: one line: what is measured, beside what.
        duration: about how long it takes on two cores.
        work: yields tables as they are measured; its parameters are the options of the case.
    """

    name: str
    about: str
    duration: str
    work: Work


_CASES: dict[str, Case] = {}


def case(name: str, *, about: str, duration: str) -> Callable[[Work], Work]:
    """Register a function as a case."""

    def register(work: Work) -> Work:
        _CASES[name] = Case(name, about, duration, work)
        return work

    return register


def names() -> list[str]:
    """Of all cases."""
    return sorted(path.stem for path in (Path(__file__).parent / "cases").glob("[!_]*.py"))


def find(name: str) -> Case:
    """A case; no other one's module is imported: `fuzz` and `commits` begin before anything else does.

    Raises:
        SystemExit: there is no case of this name.
    """
    if name not in names():
        raise SystemExit(f"there is no case {name!r}; there are: {', '.join(names())}")
    import_module(f"benchmarks.cases.{name}")
    return _CASES[name]
