"""What stands beside a message's role and content: whether it is learned, and what cannot be read here.

"weight": 0, "train": false, "loss": false, "masked": true       the message is read, and not learned
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from clearhead.errors import DataError

__all__ = ["is_learned", "refuse_unread", "refuse_weight"]

_LEARNED = {"weight": True, "train": True, "loss": True, "masked": False}  # what means that it is learned
_TRUTH = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_READ = {"role", "from", "content", "value", *_LEARNED}
_EMPTY: tuple[object, ...] = (None, "", [], {}, False)
_UNREAD = (
    *("tools", "tool_calls", "tool_call_id", "tool_choice", "functions", "function_call", "history", "mask"),
    *("reasoning_content", "reasoning", "thinking", "images", "image", "audio", "video", "videos"),
)  # what somebody says or sees there changes the conversation


def is_learned(
    message: Mapping[str, object], role: str, number: int, *, file: str | None = None, line: int | None = None
) -> bool:
    """Whether what a message says is to be learned, if it is the assistant's.

    Raises:
        DataError: no telling, or it has a part that is not read.
    """
    refuse_unread(message, f"message {number}", file=file, line=line)
    for key in message:
        if key not in _READ and message[key] not in _EMPTY:
            warnings.warn(f"chats: {key!r} of a message is not read", stacklevel=2)
    learned = True
    for key in (key for key in _LEARNED if message.get(key) is not None):
        truth = _TRUTH.get(str(message[key]).strip().lower())
        if truth is None:
            problem = f"{key!r} of message {number} is {message[key]!r}: a message is learned whole or not at all"
            raise DataError(problem, "write 0 or 1, true or false", file=file, line=line)
        learned = learned and truth is _LEARNED[key]
        if role != "assistant" and key != "weight" and truth is _LEARNED[key]:
            warnings.warn("chats: only what the assistant says is learned, whatever others are marked", stacklevel=2)
    return learned


def refuse_weight(row: Mapping[str, object], *, file: str | None = None, line: int | None = None) -> None:
    """Raises:
    DataError: a whole row is marked as one that is not learned.
    """
    for key, learned in _LEARNED.items():
        if row.get(key) is not None and _TRUTH.get(str(row[key]).strip().lower()) is not learned:
            problem = f"this row has {key!r} {row[key]!r}: rows are not weighted here, answers are"
            raise DataError(problem, f'leave the row out, or write "{key}" into its answers', file=file, line=line)


def refuse_unread(given: Mapping[str, object], what: str, *, file: str | None = None, line: int | None = None) -> None:
    """Raises:
    DataError: a message or a row has a part that would be missing in what is learned.
    """
    found = next((key for key in _UNREAD if given.get(key) not in _EMPTY), None)
    if found is not None:
        problem = f"{what} has {found!r}, which is not read here: without it the conversation would be another"
        raise DataError(problem, "write it into the contents, or take it out", file=file, line=line)
