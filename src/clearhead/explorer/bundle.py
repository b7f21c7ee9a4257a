"""The page's modules as one script, for pages that may load nothing.

Each module becomes a function that returns what it exports; what it imports it takes from those before it. The modules
keep to a form that lines can tell: `import { a, b as c } from "./x.js";`, `import * as x from "./x.js";`, and `export`
before a declaration at the beginning of a line. Comments that have lines of their own and the indentation are left out:
every saved page carries the script. No template of theirs goes over several lines, where that would change a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

__all__ = ["bundle", "page_files", "static"]

_IMPORT = re.compile(r'^import (?:\{([^}]*)\}|\* as (\w+)) from "\./([\w-]+\.js)";$', re.MULTILINE)
_SPARED = re.compile(r"^[ \t]*(?:/\*\*(?:(?!\*/)[\s\S])*\*/\n|//.*\n|\n)|^[ \t]+", re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|class|const|let) (\w+))", re.MULTILINE)


@cache
def page_files() -> Mapping[str, Traversable]:
    """The files that a page is made of, by their names: the explorer's own, and what runs a program there."""
    rooms = [files(f"clearhead.{room}") / "static" for room in ("explorer", "program")]
    return {entry.name: entry for room in rooms for entry in room.iterdir()}


def static(name: str) -> str:
    """The text of one of them."""
    return page_files()[name].read_text(encoding="utf-8")


@cache
def bundle(entry: str) -> str:
    """A script that does what the module `entry` does, with all that it imports."""
    order: list[str] = []
    _visit(entry, order, ())
    return '"use strict";\nconst modules = {};\n' + "\n".join(_function(name) for name in order)


def _visit(name: str, order: list[str], above: tuple[str, ...]) -> None:
    if name in above:
        raise ValueError(f"modules import each other in a circle: {' -> '.join((*above, name))}")
    for found in _IMPORT.finditer(static(name)):
        if found[3] not in order:
            _visit(found[3], order, (*above, name))
    order.append(name)


def _function(name: str) -> str:
    text = _SPARED.sub("", static(name))
    exported = [found[2] for found in _EXPORT.finditer(text)]
    text = _EXPORT.sub(r"\1", _IMPORT.sub(_taken, text))
    return f'modules["{name}"] = (() => {{\n{text}\nreturn {{ {", ".join(exported)} }};\n}})();'


def _taken(found: re.Match[str]) -> str:
    if found[2]:
        return f'const {found[2]} = modules["{found[3]}"];'
    names = ", ".join(part.strip().replace(" as ", ": ") for part in found[1].split(",") if part.strip())
    return f'const {{ {names} }} = modules["{found[3]}"];'
