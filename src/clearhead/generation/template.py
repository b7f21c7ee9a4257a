"""Chat templates: a conversation as the text a model reads, in the Hugging Face form (Jinja).

What people say never becomes a special token, whatever it reads like: of each character it is known whether the
template wrote it itself (see `template_worker`), and the text is cut at special tokens only where it did. Templates see
what people say as it is.

The stretches the assistant writes, its mark of the end with them, are what `{% generation %}` stands around; in
templates without it, what is added to "everything before, asking for an answer" by the answer.

Templates are strangers' code: they run in jinja2's sandbox, in a process that is ended after some seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from itertools import cycle, repeat
from pathlib import Path
from typing import TypeAlias

from clearhead.data.chat.chats import Message
from clearhead.errors import ConfigError

__all__ = ["DEFAULT", "ChatStretch", "ChatTemplate"]

DEFAULT = """\
{%- for message in messages -%}
    {{- '<' + message['role'] + '>' -}}
    {%- if message['role'] == 'assistant' -%}
        {%- generation -%}{{- message['content'] + '<end>' -}}{%- endgeneration -%}
    {%- else -%}
        {{- message['content'] + '<end>' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<assistant>' -}}
{%- endif -%}
"""

_SECONDS, _EACH = 5.0, 0.01  # that a template may take, and for each rendering more
_MOST, _TIMES = 2**20, 16  # characters it may write, and as many times what it is given
_PRIVATE = range(0xF0000, 0xFFFFE)  # characters that nobody has given a meaning


Written: TypeAlias = list[tuple[str, bool]]  # pieces, and whether the template wrote them itself


@dataclass(frozen=True, slots=True)
class ChatStretch:
    """A part of a rendered conversation: a special token, or plain text; `learned`: the assistant writes it."""

    text: str
    special: bool
    learned: bool
    answer: bool = field(default=False, compare=False)  # whether the assistant wrote it, learned or not


class ChatTemplate:
    """A template and the special tokens it may write.

    Args:
        source: the template.
        specials: the texts of the tokenizer's special tokens.
        bos, eos: those that begin and end a text, known to templates as `bos_token` and `eos_token`.
        file: where the template came from, for messages.
    """

    def __init__(
        self,
        source: str,
        specials: Iterable[str],
        *,
        bos: str = "",
        eos: str = "<eos>",
        file: str | Path | None = None,
    ):
        self.source, self._specials, self._file = source, sorted(specials, key=len, reverse=True), file
        self._variables = {"bos_token": bos, "eos_token": eos}
        self._by_tag = bool(re.search(r"\{%[-+]?\s*generation\b", source))

    def render(
        self, chats: Sequence[Sequence[Message]], *, ask: bool = False, answers: bool | None = None
    ) -> list[list[ChatStretch]]:
        """The stretches of each conversation.

        Args:
            ask: the assistant's turn is begun after it.
            answers: whether to find out what the assistant wrote (default: unless asked for more).

        Raises:
            ConfigError: the template is wrong, takes too long, or refuses the conversation.
        """
        said = [m.content for chat in chats for m in chat]
        marks = self._unused([self.source, *said])
        shown = [[{"role": m.role, "content": m.content} for m in chat] for chat in chats]
        if self._by_tag or (ask if answers is None else not answers):
            texts = self._rendered([(chat, ask) for chat in shown], marks)
        else:
            texts = self._by_difference(shown, ask, marks)
        return [list(self._cut(text, marks, chat)) for text, chat in zip(texts, chats, strict=True)]

    def ending(self) -> ChatStretch | None:
        """What the assistant writes after its answer: a special token, or text that is not blank.

        Raises:
            ConfigError: the template is wrong, or has no part that the assistant writes.
        """
        return self._ending

    @cached_property
    def _ending(self) -> ChatStretch | None:
        """Found out once: each rendering is a process of its own."""
        probe = [Message("user", "1"), Message("assistant", "2")]
        learned = [stretch for stretch in self.render([probe])[0] if stretch.learned]
        if not learned:
            raise self._wrong("the assistant writes nothing in it", "put {% generation %} around its messages")
        for stretch in learned:
            text = stretch.text if stretch.special else stretch.text.replace("2", "", 1).strip()
            if text:
                return ChatStretch(text, stretch.special, True)
        return None

    def _by_difference(self, chats: Sequence[Sequence[dict[str, str]]], ask: bool, marks: list[str]) -> list[Written]:
        """Each conversation with marks around what an answer adds to everything before it."""
        calls: list[tuple[Sequence[dict[str, str]], bool]] = []
        for chat in chats:
            calls.append((chat, ask))
            for number, message in enumerate(chat):
                if message["role"] == "assistant":
                    calls += [(chat[:number], True), (chat[: number + 1], False)]
        texts = iter(self._rendered(calls, marks))
        marked = []
        for chat in chats:
            written, borders = next(texts), []
            whole = _text(written)
            for _ in (m for m in chat if m["role"] == "assistant"):
                before, after = _text(next(texts)), _text(next(texts))
                if not (whole.startswith(after) and after.startswith(before)):
                    raise self._wrong(
                        "it writes earlier messages otherwise once others follow: no telling what the assistant wrote",
                        "put {% generation %} and {% endgeneration %} around the assistant's messages",
                    )
                borders += [len(before), len(after)]
            marked.append(_marked(written, borders, marks))
        return marked

    def _rendered(self, calls: Sequence[tuple[Sequence[dict[str, str]], bool]], marks: list[str]) -> list[Written]:
        size = sum(len(m["content"]) for messages, _ in calls for m in messages)
        asked = {
            "path": _path_of_jinja(),
            "source": self.source,
            "marks": marks,
            "variables": self._variables,
            "calls": [{"messages": messages, "add_generation_prompt": ask} for messages, ask in calls],
            "most": _MOST + _TIMES * (size + len(self.source)),
        }
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("template_worker.py"))]
        seconds = _SECONDS + _EACH * len(calls)
        try:
            done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise self._wrong(f"it was not done after {seconds:.0f} seconds", "make its loops end") from None
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            said = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
            raise self._wrong(f"it ended the process that renders it ({said})", "make it simpler") from None
        if "error" in answer:
            raise self._wrong(answer["error"], "fix the template, or the conversation it refuses")
        texts: list[Written] = answer["texts"]
        return texts

    def _cut(self, written: Written, marks: list[str], chat: Sequence[Message]) -> Iterable[ChatStretch]:
        """Special tokens are those that stand in what the template wrote itself, in one stretch."""
        known = re.compile(f"({'|'.join(re.escape(mark) for mark in (*marks, *self._specials))})")
        weights = self._weights(chat, _text(written).count(marks[0]))
        learned, answer, plain = False, False, ""
        for piece, own in written:
            for number, part in enumerate(known.split(piece) if own else [piece]):
                if number % 2 == 0:
                    plain += part
                    continue
                if plain:
                    yield ChatStretch(plain, False, learned, answer)
                    plain = ""
                if part in marks:
                    answer = part == marks[0]
                    learned = answer and next(weights)
                else:
                    yield ChatStretch(part, True, learned, answer)
        if plain:
            yield ChatStretch(plain, False, learned, answer)

    def _weights(self, chat: Sequence[Message], parts: int) -> Iterator[bool]:
        """Whether each part that the assistant wrote is learned."""
        weights = [m.learned for m in chat if m.role == "assistant"]
        if all(weights):
            return repeat(True)
        if len(weights) != parts:
            problem = f"it writes {parts} parts for {len(weights)} answers: no telling which are not to be learned"
            raise self._wrong(problem, "put {% generation %} around each of the assistant's messages, once")
        return iter(weights)

    @staticmethod
    def _unused(texts: Sequence[str]) -> list[str]:
        used = {c for text in texts for c in text if c >= chr(_PRIVATE[0])}
        return [chr(code) for code in _PRIVATE if chr(code) not in used][:2]

    def _wrong(self, problem: str, fix: str) -> ConfigError:
        return ConfigError(f"the chat template cannot be used: {problem}", fix, file=self._file)


def _text(written: Written) -> str:
    return "".join(piece for piece, _ in written)


def _marked(written: Written, places: Sequence[int], marks: Sequence[str]) -> Written:
    """A text with the marks in turn at these places of it."""
    found: Written = []
    wanted, at = list(zip(places, cycle(marks), strict=False)), 0
    for piece, own in written:
        while wanted and wanted[0][0] <= at + len(piece):
            place, mark = wanted.pop(0)
            found += [(piece[: place - at], own), (mark, True)]
            piece, at = piece[place - at :], place
        found.append((piece, own))
        at += len(piece)
    return found


def _path_of_jinja() -> list[str]:
    """Where the process, which knows no place of its own, finds jinja2 and what it needs."""
    found = [find_spec(name) for name in ("jinja2", "markupsafe")]
    return list(dict.fromkeys(str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin))
