"""Text as it is written: whole characters, and never a part of what the text is to stop before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["TextStream"]

_HELD = 8  # tokens that may hold one character between them: more are bytes that make none


class Decodes(Protocol):
    """What turns token ids into text."""

    def exactly(self, ids: Sequence[int]) -> str: ...


class TextStream:
    """Takes tokens and gives text.

    Args:
        tokenizer: what turns token ids into text.
        stop: the text ends before the first of these; they may begin and end anywhere in tokens.

    `stopped` tells whether one has come.
    """

    def __init__(self, tokenizer: Decodes, stop: Sequence[str] = ()):
        self._tokenizer, self._stop = tokenizer, [s for s in stop if s]
        self._tokens: list[int] = []
        self._text = ""  # that may be the beginning of a stop
        self.stopped = False

    def add(self, token: int) -> str:
        """What can be shown now that this token has come; "" if that is not yet known."""
        self._tokens.append(token)
        text = self._tokenizer.exactly(self._tokens)
        if text.endswith("\ufffd") and len(self._tokens) < _HELD:  # perhaps a character's first bytes
            return ""
        self._tokens.clear()
        return self._released(text)

    def rest(self) -> str:
        """What was held back, once no more tokens come."""
        text = self._released(self._tokenizer.exactly(self._tokens)) if self._tokens else ""
        text, self._text = text + self._text, ""
        self._tokens.clear()
        return text

    def _released(self, text: str) -> str:
        if self.stopped:
            return ""
        text = self._text + text
        places = [place for stop in self._stop if (place := text.find(stop)) >= 0]
        if places:
            self.stopped, self._text = True, ""
            return text[: min(places)]
        held = max((n for stop in self._stop for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self._text = text[len(text) - held :]
        return text[: len(text) - held]
