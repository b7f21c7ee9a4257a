"""CoNLL-U: sentences with their parts of speech and dependencies (Universal Dependencies; Nivre et al., 2020).

    ID  FORM  LEMMA  UPOS  XPOS  FEATS  HEAD  DEPREL  DEPS  MISC        ten columns, TAB between them, _ for nothing

A blank line ends a sentence, lines with # are remarks. The words are those of the syntax: of "1-2 al" with its parts
"1 a" and "2 el" the parts are read, and empty nodes (8.1) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from clearhead.data.sources.files import open_file, read_lines
from clearhead.errors import DataError

__all__ = ["Parsed", "read_conllu"]


@dataclass(frozen=True)
class Parsed:
    """A sentence: its words, the part of speech of each, and (relation, dependent, head), words counted from 0."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    arcs: tuple[tuple[str, int, int], ...]

    @property
    def text(self) -> str:
        """The words with a space between them, so that word i is the i-th of the text."""
        return " ".join(self.words)


def read_conllu(file: str | PathLike[str]) -> Iterator[Parsed]:
    """The sentences of a file (.gz and .xz unpacked); the root has no arc, subtypes (nsubj:pass) are left out.

    Raises:
        DataError: while iterating: a line is not of that form, or the file holds no sentence.
    """
    path, some = Path(file), False
    held: list[tuple[int, list[str]]] = []
    with open_file(path) as stream:
        for number, line in read_lines(stream, path):
            if not line.strip():
                some = some or bool(held)
                yield from _sentence(held, path)
                held = []
            elif not line.startswith("#"):
                held.append((number, _fields(line, path, number)))
        yield from _sentence(held, path)
    if not some and not held:
        raise DataError("the file holds no sentence", "give one in the form of CoNLL-U", file=path)


def _fields(line: str, path: Path, number: int) -> list[str]:
    fields = line.split("\t")
    if len(fields) != 10:
        raise DataError(
            f"a line of CoNLL-U has 10 columns with a TAB between them, this one {len(fields)}",
            "write _ where there is nothing",
            file=path,
            line=number,
        )
    return fields


def _sentence(lines: list[tuple[int, list[str]]], path: Path) -> Iterator[Parsed]:
    """The sentence of these lines, if there are any."""
    rows = [(number, fields) for number, fields in lines if fields[0].isdigit()]
    if not rows:
        return
    arcs = []
    for place, (number, fields) in enumerate(rows):
        head = _number(fields[6], len(rows), path, number)
        if int(fields[0]) != place + 1:
            raise DataError(f"word {place + 1} has the ID {fields[0]}", "count from 1", file=path, line=number)
        if head > 0:
            arcs.append((fields[7].partition(":")[0], place, head - 1))
    words = tuple(fields[1].replace(" ", "\u00a0") for _, fields in rows)  # a word with a space in it stays one
    yield Parsed(words, tuple(fields[3].replace("_", "") for _, fields in rows), tuple(arcs))


def _number(head: str, words: int, path: Path, line: int) -> int:
    """The number of the head, 0 for the root and where nobody knows."""
    if head == "_":
        return 0
    if not head.isdigit() or int(head) > words:
        raise DataError(f"the head {head!r} is not a word of the sentence", f"0 to {words}", file=path, line=line)
    return int(head)
