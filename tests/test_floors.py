"""The house has floors: an import runs down, never up, never sideways, never in a circle (DESIGN.md, "The rooms").

Imports are read from the source, those inside functions and under TYPE_CHECKING too. The package root hands out names
from everywhere, lazily, and is asked by nobody inside for more than its version.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src"
PACKAGE = SRC / "clearhead"

FLOORS = (
    ("look", "atlas", "formula", "edits", "regions", "errors", "processor", "ranges", "runtime"),
    ("attention", "devices", "disk", "fields", "interrupting", "parsing", "progress"),
    ("models", "data", "folder"),
    ("training", "generation", "exchange", "insight"),
    ("tasks",),
    ("figures", "program"),
    ("studies", "worksheet", "explorer"),
    ("check",),
    ("cli",),
    ("__main__",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Rooms of one floor that may meet: (who imports, what) -> why. Empty is best.
NEIGHBOURS: dict[tuple[str, str], str] = {
    ("look", "errors"): "the errors people read are the ground that everything stands on",
    ("edits", "errors"): "the same",
    ("regions", "errors"): "the same",
    ("ranges", "errors"): "the same",
    ("look", "atlas"): "a watch finds each module under its path, and what it states",
    ("look", "runtime"): "a watch changes how the process runs while it lasts",
    ("look", "edits"): "a watch hands edits to the values it is shown",
    ("look", "regions"): "the labels of a trace may be parts of a picture or spans of time",
}


def modules(package: Path = PACKAGE) -> dict[str, Path]:
    """Dotted name -> file, of every module."""
    names = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """(line, module) of every import of ours in a file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                if inner != "clearhead.__version__":
                    yield node.lineno, inner if inner in known else base
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def arrows(package: Path = PACKAGE) -> list[tuple[str, int, str]]:
    """(module, line, module that it imports), the root's own left out."""
    known = modules(package)
    return [
        (name, line, target)
        for name, path in known.items()
        if name != package.name
        for line, target in imports(name, path, known)
        if target.split(".")[0] == package.name and target != name
    ]


def wrong(package: Path = PACKAGE) -> list[str]:
    """Every arrow that runs up or sideways, in words."""
    found = []
    for name, line, target in arrows(package):
        if target == package.name:
            found.append(f"{name}, line {line}: imports the package root; import the room itself")
            continue
        here, there = name.split(".")[1], target.split(".")[1]
        if here != there and FLOOR[there] >= FLOOR[here] and (here, there) not in NEIGHBOURS:
            found.append(f"{name}, line {line}: {here} (floor {FLOOR[here]}) imports {there} (floor {FLOOR[there]})")
    return found


def circle(package: Path = PACKAGE) -> list[str]:
    """The modules of one circle of imports, or nothing."""
    graph: dict[str, set[str]] = {}
    for name, _, target in arrows(package):
        graph.setdefault(name, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_has_a_floor() -> None:
    rooms = {name.split(".")[1] for name in modules() if "." in name}
    assert not rooms - set(FLOOR), "give the new room a floor in FLOORS and in DESIGN.md"


def test_no_import_runs_up_or_sideways() -> None:
    assert not wrong()


def test_no_imports_run_in_a_circle() -> None:
    assert not circle()


def test_the_walk_sees_what_it_must_see(tmp_path: Path) -> None:
    """Each forbidden form, written into a small house, is found."""
    house = tmp_path / "clearhead"
    for room in ("attention", "models", "data", "cli"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").touch()
    (house / "__init__.py").write_text("from clearhead.cli import main\n")
    (house / "errors.py").write_text("def f():\n    from .models import x\n")
    (house / "attention" / "act.py").write_text("import importlib\nimportlib.import_module('clearhead.cli')\n")
    (house / "models" / "a.py").write_text("from clearhead import data\nfrom clearhead.models import b\n")
    (house / "models" / "b.py").write_text("from . import a\nimport clearhead\nfrom .. import errors, __version__\n")
    assert wrong(house) == [
        "clearhead.attention.act, line 2: attention (floor 1) imports cli (floor 8)",
        "clearhead.errors, line 2: errors (floor 0) imports models (floor 2)",
        "clearhead.models.a, line 1: models (floor 2) imports data (floor 2)",
        "clearhead.models.b, line 2: imports the package root; import the room itself",
    ]
    assert set(circle(house)) == {"clearhead.models.a", "clearhead.models.b"}


LIGHT = ["clearhead", "clearhead.errors"] + [
    ".".join(path.relative_to(SRC).with_suffix("").parts)
    for path in sorted([*PACKAGE.rglob("config.py"), *PACKAGE.glob("models/architecture.py")])
]


@pytest.mark.parametrize("module", LIGHT)
def test_configuration_is_there_without_torch(module: str) -> None:
    """So that `--help` and a wrong option are answered at once."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules and 'importing {module} imports torch')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
