"""Notes on single texts, on standard error, with the places that the texts came from."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from clearhead.cli.inputs import Line

if TYPE_CHECKING:
    from clearhead.tasks.notes import Note

__all__ = ["Notes"]

_LINES = 20  # with a note of one kind
_MORE = {
    "unknown words": "have words that the model does not know",
    "unknown characters": "have characters that the model does not know",
    "cut": "were cut",
    "no room": "were cut, or could not be written on",
    "unended": "were not ended",
}


class Notes:
    """Prints the notes on the first lines that have one of a kind, and says once that there are more."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()

    def tell(self, line: Line, notes: Iterable[Note]) -> None:
        """The notes on a line."""
        for note in notes:
            self._lines[note.kind] += 1
            if self._lines[note.kind] <= _LINES:
                print(f"note: {note.of(line.place)}", file=sys.stderr)
            elif self._lines[note.kind] == _LINES + 1:
                print(f"note: further lines {_MORE[note.kind]}", file=sys.stderr)

    def on(self, lines: Sequence[Line]) -> Callable[[int, Note], None]:
        """What takes the notes on lines by their numbers, from 0."""
        return lambda number, note: self.tell(lines[number], [note])
