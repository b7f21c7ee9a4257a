"""Chats: files -> conversations of a system, a user and an assistant.

    messages           [{"role": "user", "content": "..."}, ...]; conversations with "from" and "value" are read too
    prompt, completion one question and its answer, as texts or as lists of messages
    instruction        [, input], output: the same, the input after the instruction   (Taori et al., 2023, "Alpaca")

A "system" column is the system prompt; an answer with "weight": 0 (or "train": false and the like) is not learned.
JSON lines, lists in a .json file, Parquet, CSV and TSV with a header line, data sets of the hub.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from clearhead.data.chat.message_keys import is_learned, refuse_unread, refuse_weight
from clearhead.data.parts import digest_of, hold_out_alike
from clearhead.data.sources.keys import Number, kind_of, whole
from clearhead.data.sources.records import Dropped, Row, listed
from clearhead.data.sources.rows import read_rows
from clearhead.errors import DataError

__all__ = ["ROLES", "Chat", "ChatReport", "Message", "chat_digest", "hold_out_chats", "messages_of", "read_chats"]

ROLES = ("system", "user", "assistant")

_NAMES = {role: role for role in ROLES} | {
    "human": "user",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
_ASKED = ("prompt", "instruction", "question")
_PLAIN = {"prompt", "completion", "instruction", "output"}  # of the two that need not be told
_MORE = ("input", "context")
_TOLD = ("system", "system_prompt", "system_message")
_ANSWERED = ("completion", "output", "response", "answer")
_FORMS = 'give "messages", or "prompt" and "completion", or "instruction" (and "input") and "output"'


class _Place(TypedDict):
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Message:
    """What one of them says."""

    role: str
    content: str
    learned: bool = True  # if the assistant's

    def to_json(self) -> dict[str, object]:
        """As `messages_of` reads it."""
        return {"role": self.role, "content": self.content, **({} if self.learned else {"weight": 0})}


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation; at least one message is the assistant's."""

    messages: tuple[Message, ...]

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """As `read_chats` reads it."""
        return {"messages": [message.to_json() for message in self.messages]}


@dataclass
class ChatReport:
    """What became of the conversations that were read."""

    read: int = 0
    silent: Dropped = field(default_factory=Dropped)  # without an answer
    unlearned: Dropped = field(default_factory=Dropped)  # without one that is to be learned

    def lines(self) -> list[str]:
        """One line for the whole, and one for what was left out."""
        lines = [f"{self.read:,} chat{'s' * (self.read != 1)} read"]
        rules = (
            (self.silent, "the assistant says nothing in them"),
            (self.unlearned, "no answer in them is to be learned"),
        )
        return lines + [f"{drop.count:,} dropped: {rule} (first: {drop.first})" for drop, rule in rules if drop.count]


def read_chats(files: Sequence[str]) -> tuple[list[Chat], ChatReport]:
    """The conversations of all files in order, those without an answer left out.

    Raises:
        DataError: a file cannot be read, a row is no conversation, or none is left.
    """
    report, chats = ChatReport(), list[Chat]()
    for file in files:
        for row in read_rows(file):
            report.read += 1
            chat = _chat(row)
            answers = [m for m in chat.messages if m.role == "assistant" and m.content.strip()]
            if not answers:
                report.silent.add(row)
            elif not any(m.learned for m in answers):
                report.unlearned.add(row)
            else:
                chats.append(chat)
    if not chats:
        raise DataError(f"no chat is left: {'; '.join(report.lines())}", "check the file", file=", ".join(files))
    return chats, report


def messages_of(given: object, *, file: str | None = None, line: int | None = None) -> tuple[Message, ...]:
    """A list of messages, checked.

    Raises:
        DataError: it is none, a role is unknown, or a content is no text.
    """
    form = 'a message is {"role": "user", "content": "..."}'
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise DataError(f"a list of messages was wanted, this is {kind_of(given)}", form, file=file, line=line)
    messages = []
    for number, message in enumerate(given, 1):
        if not isinstance(message, Mapping):
            raise DataError(f"message {number} is {kind_of(message)}", form, file=file, line=line)
        name = message.get("role", message.get("from"))
        content = message.get("content", message.get("value"))
        role = _NAMES.get(name) if isinstance(name, str) else None
        if role is None:
            raise DataError(
                f"message {number} has the role {name!r}", f"the roles are {', '.join(ROLES)}", file=file, line=line
            )
        if not _is_text(content):
            raise DataError(f"what message {number} says is {kind_of(content)}, no text", form, file=file, line=line)
        content = whole(str(content), f"what message {number} says", file, line)
        messages.append(Message(role, content, is_learned(message, role, number, file=file, line=line)))
    return tuple(messages)


def hold_out_chats(chats: Sequence[Chat], share: float, rows: int) -> tuple[list[Chat], list[Chat]]:
    """(train, valid): `share` of the conversations, at most `rows`, are held out, all that begin alike at a time.

    See `hold_out_alike`.

    Raises:
        DataError: there is only one, or all begin alike.
    """
    return hold_out_alike(chats, share, rows, _begin, "chats that begin differently")


def _begin(chat: Chat) -> str:
    return next((" ".join(m.content.casefold().split()) for m in chat.messages if m.role == "user"), "")


def _chat(row: Row) -> Chat:
    values, where = row.values, _Place(file=row.file, line=row.line)
    refuse_unread(values, "this row", **where)
    refuse_weight(values, **where)
    for key in ("messages", "conversations", "conversation"):
        if key in values:
            _warn_unread(values, (key,))
            return Chat(_behind_system(messages_of(values[key], **where), values, where))
    asked = next((key for key in _ASKED if key in values), None)
    answered = next((key for key in _ANSWERED if key in values), None)
    if asked is None or answered is None:
        raise DataError(f"no telling who says what; this row has {listed(values)}", _FORMS, **where)
    if not {asked, answered} <= _PLAIN:
        warnings.warn(f"chats: column {asked!r} is what the user says, {answered!r} the assistant", stacklevel=2)
    said = [*_said(values[asked], "user", asked, where), *_said(values[answered], "assistant", answered, where)]
    for key in _MORE:
        if more := _text_of(values, key, where):
            if not said or said[0].role != "user":
                raise DataError(f"{key!r} stands beside {asked!r}, which does not begin with the user", _FORMS, **where)
            said[0] = Message("user", f"{said[0].content}\n\n{more}")
    _warn_unread(values, (asked, answered, *_MORE))
    return Chat(_behind_system(said, values, where))


def _behind_system(said: Sequence[Message], values: Mapping[str, object], where: _Place) -> tuple[Message, ...]:
    """The messages with the row's own system prompt before them."""
    told = {key: text for key in _TOLD if (text := _text_of(values, key, where))}
    if said and said[0].role == "system":
        told["messages"] = said[0].content
    if len(set(told.values())) > 1:
        problem = f"the row has several system prompts: in {listed(told)}"
        raise DataError(problem, "leave one of them", **where)
    first = () if "messages" in told else tuple(Message("system", text) for text in {*told.values()})
    return (*first, *said)


def _text_of(values: Mapping[str, object], key: str, where: _Place) -> str:
    """The text in a column; "" where it is empty or blank, or there is none."""
    value = values.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if not _is_text(value):
        raise DataError(f"{key!r} is {kind_of(value)}, no text", "write it as a string, or leave it out", **where)
    return whole(str(value), f"the value of {key!r}", **where)


def _warn_unread(values: Mapping[str, object], read: Sequence[str]) -> None:
    for key in (*_ASKED, *_MORE, *_ANSWERED):
        if key not in read and values.get(key):
            warnings.warn(f"chats: column {key!r} is not read beside {read[0]!r}", stacklevel=2)


def _said(given: object, role: str, key: str, where: _Place) -> tuple[Message, ...]:
    if _is_text(given):
        return (Message(role, whole(str(given), f"the value of {key!r}", **where)),)
    if isinstance(given, Sequence) and not isinstance(given, Number):
        return messages_of(given, **where)
    raise DataError(f"{key!r} is {kind_of(given)}, no text", _FORMS, **where)


def _is_text(given: object) -> bool:
    """Whether it is a string, and not a number as it is written."""
    return isinstance(given, str) and not isinstance(given, Number)


def chat_digest(*parts: Sequence[Chat]) -> str:
    """What tells these conversations from others."""
    return digest_of(*(map(_written, part) for part in parts), end="\n")


def _written(chat: Chat) -> str:
    return repr([(m.role, m.content, *([] if m.learned else [0])) for m in chat.messages])
