"""How a training is gone about: what a person asks for that has no part in the model it makes."""

from __future__ import annotations

import sys
from dataclasses import dataclass

__all__ = ["Session"]


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
        """Tell the person a line, on standard error."""
        if not self.quiet:
            print(line, file=sys.stderr)
