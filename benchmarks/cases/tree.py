"""Figures of the tree: how long functions and files are, how many parameters, which names stand twice.

Read from the source, nothing is imported. A function's lines are those without its docstring; parameters without self.
Bars: functions p90 at most 17 and none over 60 lines; no file over 400; at most 6 parameters; 4 `type: ignore`, 140
`Any`; 6 doubled file stems and 6 doubled public classes; 28,366 lines of Python in src.
"""

from __future__ import annotations

import ast
import io
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator

from benchmarks.case import case
from benchmarks.results import ROOT, Table

SRC = ROOT / "src"
_SPECIAL = {"__init__", "__main__"}  # names that every package has
# File stems that stand in several rooms and mean one thing, seen from each. No class has the name of another.
KEPT = {
    "chat": "the task, and its command",
    "config": "what may be chosen: of data, of tasks, of a training",
    "positions": "how a model is told where tokens stand, and the study of it",
    "scores": "how a query and a key are compared: the scores, the exercises, the study",
    "train": "a training, and its command",
    "translate": "the task, and its command",
}
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


@case("tree", about="sizes of functions and files, parameters, names that stand twice", duration="5 s")
def tree(*, list: bool = False) -> Iterator[Table]:
    """Print the figures.

    Args:
        list: name what is over a bar.
    """
    files = sorted(SRC.rglob("*.py"))
    texts = {str(path.relative_to(SRC / "clearhead")): path.read_text(encoding="utf-8") for path in files}
    trees = {place: ast.parse(text) for place, text in texts.items()}
    each = {f"{place}:{name}": node for place, parsed in trees.items() for name, node in functions(parsed)}
    lengths = {name: length(node) for name, node in each.items()}
    lines = {place: text.count("\n") for place, text in texts.items()}
    classes = [n.name for parsed in trees.values() for n in parsed.body if isinstance(n, ast.ClassDef)]
    over = {
        "functions over 60 lines": {k: v for k, v in lengths.items() if v > 60},
        "files over 400 lines": {k: v for k, v in lines.items() if v > 400},
        "more than 6 parameters": {k: n for k, node in each.items() if (n := parameters(node)) > 6},
        "type: ignore": {place: n for place, text in texts.items() if (n := words(text, "type: ignore"))},
        "Any": {place: n for place, text in texts.items() if (n := words(text, "Any"))},
        "doubled file stems": doubled(path.stem for path in files if path.stem not in _SPECIAL),
        "doubled public classes": doubled(name for name in classes if not name.startswith("_")),
    }
    rows = [
        ["functions", len(lengths), ""],
        ["function lines, median", statistics.median(lengths.values()), ""],
        ["function lines, p90", statistics.quantiles(lengths.values(), n=10)[-1], "17"],
        ["function lines, most", max(lengths.values()), "60"],
        ["files over 400 lines", len(over["files over 400 lines"]), "0"],
        ["more than 6 parameters", len(over["more than 6 parameters"]), "bricks, commands"],
        ["type: ignore", sum(over["type: ignore"].values()), "4"],
        ["Any", sum(over["Any"].values()), "140"],
        ["doubled file stems", len(over["doubled file stems"]), "6"],
        ["doubled public classes", len(over["doubled public classes"]), "6"],
        ["lines of Python", sum(lines.values()), "28,366"],
    ]
    yield Table({"": "", "now": "{:,.0f}", "bar": ""}, rows)
    if list:
        yield Table({"doubled file stem": "", "means in each room": ""}, [[name, why] for name, why in KEPT.items()])
    for title, found in over.items() if list else ():
        yield Table({"": "", title: "{}"}, [[k, n] for k, n in sorted(found.items(), key=lambda item: -item[1])])
