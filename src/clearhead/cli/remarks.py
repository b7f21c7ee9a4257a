"""Remarks on single texts, on standard error, with the places that the texts came from."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from clearhead.cli.inputs import Line

__all__ = ["Remarks"]

_REMARKED = 20  # lines of each kind of remark


class Remarks:
    """Remarks of one kind: on the first lines that have one; `more` is said of the others."""

    def __init__(self, more: str):
        self._more, self._lines = more, 0

    def tell(self, line: Line, remarks: Sequence[str]) -> None:
        """The remarks on a line."""
        for remark in remarks:
            self._say(f"{line.place}: {remark}")

    @contextmanager
    def placed(self, chunk: Sequence[Line]) -> Iterator[None]:
        """What a model warns of meanwhile, said at the end."""
        from clearhead.tasks.reading import TextWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        for remark in caught:
            about = remark.message
            if isinstance(about, TextWarning):
                self._say(f"{chunk[about.number - 1].place} {about.said}")
            else:
                print(f"note: {about}", file=sys.stderr)

    def _say(self, words: str) -> None:
        self._lines += 1
        if self._lines <= _REMARKED:
            print(f"note: {words}", file=sys.stderr)
        elif self._lines == _REMARKED + 1:
            print(f"note: further lines {self._more}", file=sys.stderr)
