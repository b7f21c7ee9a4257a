"""Figures of the tree: how long functions and files are, how many parameters, which names stand twice.

    .venv/bin/python benchmarks/tree.py [--list]

Read from the source, nothing is imported. A function's lines are those without its docstring; parameters without self.
Bars: functions p90 at most 17 and none over 60 lines; no file over 400; at most 6 parameters; 4 `type: ignore`, 140
`Any`; 6 doubled file stems and 6 doubled public classes; 28,366 lines of Python in src.
"""

from __future__ import annotations

import argparse
import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from _rounds import table

SRC = Path(__file__).parent.parent / "src"
_SPECIAL = {"__init__", "__main__"}  # names that every package has
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module, within: str = "") -> Iterator[tuple[str, _Function]]:
    """(dotted name, definition) of every function and method."""
    pending: list[tuple[str, ast.AST]] = [(within, tree)]
    while pending:
        name, node = pending.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _Function | ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
                if isinstance(child, _Function):
                    yield inner, child
                pending.append((inner, child))
            else:
                pending.append((name, child))


def length(function: _Function) -> int:
    """Lines from `def` to the last, without the docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters(function: _Function) -> int:
    """How many a caller may give, but for self and cls."""
    given = function.args
    names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"])) + (given.vararg is not None) + (given.kwarg is not None)


def words(text: str, name: str) -> int:
    """How often a name stands in the code, imports not counted; comments count for `type: ignore`."""
    found = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if name == "type: ignore":
            found += token.type == tokenize.COMMENT and name in token.string
        else:
            found += token.type == tokenize.NAME and token.string == name and "import" not in token.line
    return found


def doubled(names: Iterable[str]) -> dict[str, int]:
    """Those that stand more than once."""
    return {name: count for name, count in sorted(Counter(names).items()) if count > 1}


def main() -> None:
    """Print the figures, and with --list what is over a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="name what is over a bar")
    options = parser.parse_args()
    files = sorted(SRC.rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    place = {path: str(path.relative_to(SRC / "clearhead")) for path in files}
    each = [(place[path], name, node) for path, tree in trees.items() for name, node in functions(tree)]
    lengths = {f"{file}:{name}": length(node) for file, name, node in each}
    wide = {f"{file}:{name}": count for file, name, node in each if (count := parameters(node)) > 6}
    lines = {place[path]: text.count("\n") for path, text in texts.items()}
    classes = [n.name for tree in trees.values() for n in tree.body if isinstance(n, ast.ClassDef)]
    stems = doubled(path.stem for path in files if path.stem not in _SPECIAL)
    kinds = doubled(name for name in classes if not name.startswith("_"))
    over = {
        "functions over 60 lines": {k: v for k, v in lengths.items() if v > 60},
        "files over 400 lines": {k: v for k, v in lines.items() if v > 400},
        "more than 6 parameters": wide,
        "type: ignore": {place[p]: n for p, t in texts.items() if (n := words(t, "type: ignore"))},
        "Any": {place[p]: n for p, t in texts.items() if (n := words(t, "Any"))},
        "doubled file stems": stems,
        "doubled public classes": kinds,
    }
    table(
        ["", "now", "bar"],
        [
            ["functions", f"{len(lengths):,}", ""],
            ["function lines, median", f"{statistics.median(lengths.values()):.0f}", ""],
            ["function lines, p90", f"{statistics.quantiles(lengths.values(), n=10)[-1]:.0f}", "17"],
            ["function lines, most", f"{max(lengths.values())}", "60"],
            ["files over 400 lines", f"{len(over['files over 400 lines'])}", "0"],
            ["more than 6 parameters", f"{len(wide)}", "bricks, commands"],
            ["type: ignore", f"{sum(over['type: ignore'].values())}", "4"],
            ["Any", f"{sum(over['Any'].values())}", "140"],
            ["doubled file stems", f"{len(stems)}", "6"],
            ["doubled public classes", f"{len(kinds)}", "6"],
            ["lines of Python", f"{sum(lines.values()):,}", "28,366"],
        ],
    )
    for title, found in over.items() if options.list else ():
        print(f"\n{title}")
        for name, count in sorted(found.items(), key=lambda item: -item[1]):
            print(f"  {count:5}  {name}")


if __name__ == "__main__":
    main()
