"""What a test needs beside Python and PyTorch: a browser, processes of its own, a compiler; found by reading it.

`pytest -m "not (browser or process or compiler)"` leaves out what is slow for such a reason. A test is of a kind where
it, a fixture it asks for, or a function of the tests that either calls reaches what the kind is about. A chat template
counts as a process: each rendering of one is.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import command

__all__ = ["KINDS", "kinds_of"]

KINDS = {
    "browser": "drives Chromium",
    "process": "begins processes of its own",
    "compiler": "compiles, which needs a C++ compiler",
}
_TESTS = str(Path(__file__).parent)
_PROCESS = {id(subprocess), id(subprocess.run), id(subprocess.Popen), id(command.call), id(get_context)}
_TEMPLATES = "clearhead.generation.template"
_COMPILER = "test_compiling.py"  # trains with compiled passes from end to end


def kinds_of(item: Any) -> set[str]:
    """The kinds of a collected test."""
    fixtures = item._fixtureinfo.name2fixturedefs
    found = {"browser"} & set(fixtures)
    functions = [item.function, *(each.func for defined in fixtures.values() for each in defined)]
    reached = list(_reached(functions))
    if any(id(value) in _PROCESS or getattr(value, "__module__", "") == _TEMPLATES for value in reached):
        found.add("process")
    if item.path.name == _COMPILER or any("torch.compile" in str(value) for value in reached if isinstance(value, str)):
        found.add("compiler")
    return found


def _reached(functions: list[Callable[..., Any]]) -> Iterator[Any]:
    """Every global that functions, and those of the tests that they call, name."""
    pending, known = list(functions), set()
    while pending:
        function = pending.pop()
        function = getattr(function, "__wrapped__", function)
        function = getattr(getattr(function, "hypothesis", None), "inner_test", function)
        if not isinstance(function, FunctionType) or id(function.__code__) in known:
            continue
        known.add(id(function.__code__))
        for code in _codes(function.__code__):
            for value in _named(code, function.__globals__):
                if isinstance(value, FunctionType) and value.__code__.co_filename.startswith(_TESTS):
                    pending.append(value)
                if isinstance(value, type) and value.__module__.startswith(("test_", "command")):
                    pending += [each for each in vars(value).values() if isinstance(each, FunctionType)]
                if isinstance(value, ModuleType | FunctionType | type):
                    yield value
            if {"torch", "compile"} <= set(code.co_names):
                yield "torch.compile"


def _named(code: CodeType, known: dict[str, Any]) -> Iterator[Any]:
    """The globals that code names, and what it names of the modules of the tests among them."""
    for name in code.co_names:
        value = known.get(name)
        yield value
        if isinstance(value, ModuleType) and str(getattr(value, "__file__", "")).startswith(_TESTS):
            yield from (vars(value).get(each) for each in code.co_names)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)
