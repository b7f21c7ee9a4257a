"""Text as it is written: whole characters, and never a part of what the text is to stop before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["TextStream"]

_HELD = 8  # tokens after which those are forgotten whose characters are whole
_NEAR = 4  # tokens before, with which new ones are read
_NONE = "\ufffd"  # stands for bytes that make no character, and is one itself


class Decodes(Protocol):
    """What turns token ids into text."""

    def exactly(self, ids: Sequence[int]) -> str: ...


class TextStream:
    """Takes tokens and gives text.

    Args:
        tokenizer: what turns token ids into text.
        stop: the text ends before the first of these; they may begin and end anywhere in tokens.
        before: the tokens that the text goes on from: some tokenizers write a blank between two words alone.

    `stopped` tells whether one has come.
    """

    def __init__(self, tokenizer: Decodes, stop: Sequence[str] = (), before: Sequence[int] = ()):
        self._tokenizer, self._stop = tokenizer, [s for s in stop if s]
        self._before = list(before[-_NEAR:])
        self._tokens: list[int] = []
        self._shown = 0  # characters of theirs that were given already
        self._text = ""  # that may be the beginning of a stop
        self.stopped = False

    def add(self, token: int) -> str:
        """What can be shown now that this token has come; "" if that is not yet known."""
        self._tokens.append(token)
        text = self._said(self._tokens)
        settled = text.removesuffix(_NONE)  # the last one may be the first bytes of a character
        more, self._shown = settled[self._shown :], len(settled)
        if settled == text:
            self._before, self._tokens, self._shown = [*self._before, *self._tokens][-_NEAR:], [], 0
        elif len(self._tokens) >= _HELD:
            self._forget(text)
        return self._released(more)

    def rest(self) -> str:
        """What was held back, once no more tokens come."""
        text = self._said(self._tokens)[self._shown :] if self._tokens else ""
        text = self._released(text)
        text, self._text = text + self._text, ""
        self._tokens, self._shown = [], 0
        return text

    def _said(self, tokens: Sequence[int]) -> str:
        """The text of tokens where they stand."""
        before = self._tokenizer.exactly(self._before)
        text = self._tokenizer.exactly([*self._before, *tokens])
        return text[len(before) :] if text.startswith(before) else self._tokenizer.exactly(tokens)

    def _forget(self, text: str) -> None:
        """Keep only the last tokens, those that hold the character which is perhaps not whole."""
        for count in range(1, len(self._tokens)):
            before, last = self._said(self._tokens[:-count]), self._tokenizer.exactly(self._tokens[-count:])
            if before + last == text:
                self._before = [*self._before, *self._tokens[:-count]][-_NEAR:]
                self._tokens, self._shown = self._tokens[-count:], len(text) - 1 - len(before)
                return

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
