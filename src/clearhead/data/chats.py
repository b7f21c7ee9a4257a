"""Chats: files -> conversations of a system, a user and an assistant.

    messages           [{"role": "user", "content": "..."}, ...]; conversations with "from" and "value" are read too
    prompt, completion one question and its answer, as texts or as lists of messages
    instruction        [, input], output: the same, the input behind the instruction   (Taori et al., 2023, "Alpaca")

JSON lines, lists in a .json file, Parquet, CSV and TSV with a header line, data sets of the hub.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

from clearhead.data.keys import Number, kind_of
from clearhead.data.parts import held_keys
from clearhead.data.records import Dropped, Row, listed
from clearhead.data.rows import read_rows
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


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation; at least one message is the assistant's."""

    messages: tuple[Message, ...]

    def to_json(self) -> dict[str, Any]:
        """As `read_chats` reads it."""
        return {"messages": [asdict(message) for message in self.messages]}


@dataclass
class ChatReport:
    """What became of the conversations that were read."""

    read: int = 0
    silent: Dropped = field(default_factory=Dropped)  # without an answer

    def lines(self) -> list[str]:
        """One line for the whole, and one for what was left out."""
        lines = [f"{self.read:,} chat{'s' * (self.read != 1)} read"]
        if self.silent.count:
            what = f"the assistant says nothing in them (first: {self.silent.first})"
            lines.append(f"{self.silent.count:,} dropped: {what}")
        return lines


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
            if any(m.role == "assistant" and m.content.strip() for m in chat.messages):
                chats.append(chat)
            else:
                report.silent.add(row)
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
        messages.append(Message(role, str(content)))
    return tuple(messages)


def hold_out_chats(chats: Sequence[Chat], share: float, rows: int) -> tuple[list[Chat], list[Chat]]:
    """(train, valid): `share` of the conversations, at most `rows`, chosen by the SHA-1 of how they begin.

    Conversations that begin alike stand in one part; if even the rarest beginning is of more conversations than are to
    be held out, all of its are.

    Raises:
        DataError: there is only one, or all begin alike.
    """
    if len(chats) == 1:
        raise DataError(
            "there is only one chat, and some must be held out",
            "bring more chats, or give a validation file: --valid FILE",
        )
    keys = [hashlib.sha1(_begin(chat).encode(), usedforsecurity=False).digest() for chat in chats]
    if len(set(keys)) == 1:
        raise DataError(
            "chats to hold out must begin otherwise than the others", "give a validation file: --valid FILE"
        )
    held = held_keys(keys, share, rows)
    train = [chat for chat, key in zip(chats, keys, strict=True) if key not in held]
    return train, [chat for chat, key in zip(chats, keys, strict=True) if key in held]


def _begin(chat: Chat) -> str:
    return next((" ".join(m.content.casefold().split()) for m in chat.messages if m.role == "user"), "")


def _chat(row: Row) -> Chat:
    values, where = row.values, _Place(file=row.file, line=row.line)
    for key in ("messages", "conversations", "conversation"):
        if key in values:
            return Chat(messages_of(values[key], **where))
    asked = next((key for key in _ASKED if key in values), None)
    answered = next((key for key in _ANSWERED if key in values), None)
    if asked is None or answered is None:
        raise DataError(f"no telling who says what; this row has {listed(values)}", _FORMS, **where)
    if not {asked, answered} <= _PLAIN:
        warnings.warn(f"chats: column {asked!r} is what the user says, {answered!r} the assistant", stacklevel=2)
    said = [*_said(values[asked], "user", asked, where), *_said(values[answered], "assistant", answered, where)]
    more = next((values[key] for key in _MORE if values.get(key)), None)
    if isinstance(more, str) and more.strip() and said and said[0].role == "user":
        said[0] = Message("user", f"{said[0].content}\n\n{more}")
    system = values.get("system")
    if isinstance(system, str) and system:
        said.insert(0, Message("system", system))
    return Chat(tuple(said))


def _said(given: object, role: str, key: str, where: _Place) -> tuple[Message, ...]:
    if _is_text(given):
        return (Message(role, str(given)),)
    if isinstance(given, Sequence) and not isinstance(given, Number):
        return messages_of(given, **where)
    raise DataError(f"{key!r} is {kind_of(given)}, no text", _FORMS, **where)


def _is_text(given: object) -> bool:
    """Whether it is a string, and not a number as it is written."""
    return isinstance(given, str) and not isinstance(given, Number)


def chat_digest(*parts: Sequence[Chat]) -> str:
    """What tells these conversations from others."""
    digest = hashlib.sha256()
    for part in parts:
        for chat in part:
            digest.update(repr([(m.role, m.content) for m in chat.messages]).encode())
        digest.update(b"\n")
    return digest.hexdigest()
