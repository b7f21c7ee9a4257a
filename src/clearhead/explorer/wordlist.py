"""The words that a person can choose from where one is put in another's place: whole words of a vocabulary, searched.

Where entries of a vocabulary hold the blank before them, those that begin with one are whole words; else all are that
have a letter or a digit. `explorer/static/host-file.js` does the same for files.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["matching", "whole_words"]

_MOST = 2_000  # that a page lists


def whole_words(entries: Sequence[str]) -> list[str]:
    """The whole words among the entries of a vocabulary, in the order of the alphabet."""
    told = [entry for entry in entries if any(map(str.isalnum, entry)) and not entry.startswith("<")]
    begin = [entry for entry in told if entry.startswith(" ")]
    return sorted({entry.strip() for entry in begin or told}, key=lambda word: (word.casefold(), word))


def matching(words: Sequence[str], typed: str) -> tuple[list[str], int]:
    """(at most 2,000 words, those first that begin with what was typed; how many hold it)."""
    wanted = typed.strip().casefold()
    held = [word for word in words if wanted in word.casefold()]
    return sorted(held, key=lambda word: not word.casefold().startswith(wanted))[:_MOST], len(held)
