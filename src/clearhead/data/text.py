"""Running text: files, folders, columns of tables, data sets -> documents, in pieces that fit in memory.

    .jsonl .ndjson .parquet .csv .tsv, hub:NAME     a document each row, of one column
    sample:python                                   the documentation inside Python's own standard library
    a folder                                        all files in it, in the order of their names
    anything else                                   text; a line that holds nothing but the separator ends a document

Text keeps every character, line ends as "\\n"; where a file ends without one, none is added. A piece ends where a line
does and the next one begins with no space, so that no tokenizer sees a difference; a line of more than some megabytes
is cut where it stands.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clearhead.data.sources.files import form_of, open_file, read_lines
from clearhead.data.sources.readers import FORMS, read_records
from clearhead.data.sources.records import Column, Dropped
from clearhead.errors import DataError

__all__ = ["SAMPLE", "Piece", "read_pieces"]

SAMPLE = "sample:python"

_TABLES = tuple(form for form in FORMS if form not in (".txt", ".po", ".tmx"))
_TEXTS = (".txt", ".text", ".md", ".rst", *_TABLES)  # what is read of a folder
_PIECE, _LONGEST = 2**18, 2**22  # characters: from here on a piece ends with the next line; at the latest here


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a document; `ends` says whether the document ends with it."""

    text: str
    ends: bool


def read_pieces(
    files: Sequence[str], *, column: Column | None = None, separator: str = "", empty: Dropped | None = None
) -> Iterator[Piece]:
    """The documents of all files, in order.

    Args:
        column: of tables: position (from 1), header name or key; None: "text", or the only one.
        separator: a line of a text file that stands between documents.
        empty: is given the rows that hold no text; they are no documents.

    Raises:
        DataError: while iterating: a file cannot be read, is no text, or nothing was found at all.
    """
    some = False
    for file in _listed(files):
        for piece in _of_file(file, column, separator, Dropped() if empty is None else empty):
            some = some or bool(piece.text.strip())
            yield piece
    if not some:
        raise DataError("there is no text in it", "name a file of running text", file=", ".join(files) or None)


def _listed(files: Sequence[str]) -> Iterator[str]:
    """Folders replaced by the files in them."""
    for file in files:
        path = Path(file)
        if ":" in file.partition("/")[0] or not path.is_dir():
            yield file
            continue
        inside = sorted(
            p for p in path.rglob("*") if p.is_file() and form_of(p) in _TEXTS and not _is_hidden(p.relative_to(path))
        )
        if not inside:
            raise DataError(
                f"no file in this folder ends in {' '.join(_TEXTS)} (or these with .gz or .xz)",
                "name the files themselves: any suffix is read as text then",
                file=path,
            )
        yield from map(str, inside)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _of_file(file: str, column: Column | None, separator: str, empty: Dropped) -> Iterator[Piece]:
    form = "" if file.startswith("hub:") else form_of(Path(file))
    if file == SAMPLE:
        yield from (Piece(text, True) for text in _python_documentation())
    elif file.startswith("sample:"):
        raise DataError(f"there is no {file!r}", f"the sample of running text is {SAMPLE}")
    elif file.startswith("hub:") or form in _TABLES:
        asked = "text" if column is None and form in (".csv", ".tsv") else column
        for record in read_records(file, [asked], wanted=["text"]):
            if not record.values[0]:
                empty.add(record)
            yield from _pieces(iter(record.values[0].replace("\r\n", "\n").splitlines(keepends=True)))
    else:
        path = Path(file)
        with open_file(path) as stream:
            yield from _pieces((text for _, text in read_lines(stream, path, ends=True)), separator)


def _pieces(lines: Iterator[str], separator: str = "") -> Iterator[Piece]:
    """Lines joined; the line `separator` ends a document, and the last of them does."""
    held: list[str] = []
    size, begun = 0, False
    for line in lines:
        if separator and line.removesuffix("\n") == separator:
            if held or begun:
                yield Piece("".join(held), True)
            held, size, begun = [], 0, False
            continue
        if size >= _PIECE and not line[:1].isspace() and held[-1].endswith("\n"):
            yield Piece("".join(held), False)
            held, size, begun = [], 0, True
        for start in range(0, len(line), _LONGEST):
            if size >= _LONGEST:
                yield Piece("".join(held), False)
                held, size, begun = [], 0, True
            held.append(line[start : start + _LONGEST])
            size += len(held[-1])
    if held or begun:
        yield Piece("".join(held), True)


def _python_documentation() -> Iterator[str]:
    """The docstrings of the standard library's modules, each module a document."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        if {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"} & set(parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, ValueError):
            continue
        texts = [_documented(node) for node in ast.walk(tree)]
        if text := "\n\n".join(t for t in texts if t):
            yield f"{'.'.join(parts).removesuffix('.py')}\n\n{text}\n"


def _documented(node: ast.AST) -> str:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    text = ast.get_docstring(node) or ""
    name = getattr(node, "name", "")
    return f"{name}\n{text}" if text and name else text
