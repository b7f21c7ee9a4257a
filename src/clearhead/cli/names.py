"""The names of files and folders in a command, asked before all else whether anything could have them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from clearhead.disk import named
from clearhead.errors import ConfigError

__all__ = ["check_names"]

_NAMES = {  # options whose value names a file or a folder
    "--beside",
    "--config",
    "--data.template",
    "--from",
    "--html",
    "--out",
    "--pdf",
    "--picture",
    "--png",
    "--save",
    "--svg",
    "--valid",
}


def check_names(words: Sequence[str]) -> None:
    """Refuse an empty name (of an unset variable of the shell), one that is too long, and bytes that are no UTF-8.

    Raises:
        ClearheadError: the first of them, by its option.
    """
    for option, name in _given(words):
        named(name, option)
    for word in words:
        if not word.isascii() and any("\udc80" <= char <= "\udcff" for char in word):
            raise ConfigError(f"{word!a} is not valid UTF-8", "give it in UTF-8; rename the file, if it is one")


def _given(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(option, its value) of each that names a file or folder; after a lone -- there are none."""
    words = words[: words.index("--")] if "--" in words else words
    for word, following in zip_longest(words, words[1:]):
        option, sign, value = word.partition("=")
        name = value if sign else following
        if option in _NAMES and name is not None:
            yield option, name
