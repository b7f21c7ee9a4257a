"""How a training is gone about: what a person asks for that has no part in the model it makes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clearhead.data.sources.records import Dropped

__all__ = ["Session", "say", "say_dropped", "say_empty"]


def say(line: str) -> None:
    """Tell the person a line, on standard error."""
    print(line, file=sys.stderr)


def say_dropped(lines: Sequence[str]) -> None:
    """What is not measured: the lines of a report on rows, the first of which is of all that were read."""
    if len(lines) > 1:
        say("\n".join(lines))


def say_empty(empty: Dropped, say: Callable[[str], None] = say) -> None:
    """How many rows had no text, if any."""
    if empty.count:
        say(f"{empty.count:,} row{'s' * (empty.count != 1)} without a text left out (first: {empty.first})")


@dataclass(frozen=True)
class Session:
    """How a training is gone about; nothing of it changes what is learned.

    Args:
        resume: go on with what the folder holds.
        quiet: say nothing.
    """

    resume: bool = False
    quiet: bool = False

    def say(self, line: str) -> None:
        """Tell the person a line, if anything is to be said."""
        if not self.quiet:
            say(line)
