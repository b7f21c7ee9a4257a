"""Chat templates: a conversation as the text a model reads, in the Hugging Face form (Jinja).

What people say never becomes a special token, whatever it reads like: before a template sees it, each character that
begins or ends a special token is parted from its neighbours by a character that stands nowhere in the conversations,
and only then is the text cut at special tokens and the parting taken out again.

The stretches the assistant writes, its mark of the end with them, are what `{% generation %}` stands around; in
templates without it, what is added to "everything before, asking for an answer" by the answer.

Templates are strangers' code: they run in jinja2's sandbox, in a process that is ended after some seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from clearhead.data.chats import Message
from clearhead.errors import ConfigError

__all__ = ["DEFAULT", "ChatTemplate", "Stretch"]

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


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a rendered conversation: a special token, or plain text; `learned`: the assistant writes it."""

    text: str
    special: bool
    learned: bool


class ChatTemplate:
    """A template and the special tokens it may write.

    Args:
        source: the template.
        specials: the texts of the tokenizer's special tokens.
        eos: the one that ends a text, known to templates as `eos_token`.
        file: where the template came from, for messages.
    """

    def __init__(self, source: str, specials: Iterable[str], *, eos: str = "<eos>", file: str | Path | None = None):
        self.source, self._specials, self._eos, self._file = source, sorted(specials, key=len, reverse=True), eos, file
        self._by_tag = bool(re.search(r"\{%[-+]?\s*generation\b", source))

    def render(self, chats: Sequence[Sequence[Message]], *, ask: bool = False) -> list[list[Stretch]]:
        """The stretches of each conversation; with `ask` the assistant's turn is begun behind it.

        Raises:
            ConfigError: the template is wrong, takes too long, or refuses the conversation.
        """
        said = [m.content for chat in chats for m in chat]
        guard, begin, end = self._unused([self.source, *said])
        shown = [[{"role": m.role, "content": self._parted(m.content, guard)} for m in chat] for chat in chats]
        if self._by_tag or ask:
            texts = self._rendered([(chat, ask) for chat in shown], begin, end)
        else:
            texts = self._by_difference(shown, begin, end)
        return [list(self._cut(text, guard, begin, end)) for text in texts]

    def ending(self) -> Stretch | None:
        """What the assistant writes behind its answer: a special token, or text that is not blank.

        Raises:
            ConfigError: the template is wrong, or has no part that the assistant writes.
        """
        return self._ending

    @cached_property
    def _ending(self) -> Stretch | None:
        """Found out once: each rendering is a process of its own."""
        probe = [Message("user", "1"), Message("assistant", "2")]
        learned = [stretch for stretch in self.render([probe])[0] if stretch.learned]
        if not learned:
            raise self._wrong("the assistant writes nothing in it", "put {% generation %} around its messages")
        for stretch in learned:
            text = stretch.text if stretch.special else stretch.text.replace("2", "", 1).strip()
            if text:
                return Stretch(text, stretch.special, True)
        return None

    def _by_difference(self, chats: Sequence[Sequence[dict[str, str]]], begin: str, end: str) -> list[str]:
        """Each conversation with marks around what an answer adds to everything before it."""
        calls: list[tuple[Sequence[dict[str, str]], bool]] = []
        for chat in chats:
            calls.append((chat, False))
            for number, message in enumerate(chat):
                if message["role"] == "assistant":
                    calls += [(chat[:number], True), (chat[: number + 1], False)]
        texts = iter(self._rendered(calls, begin, end))
        marked = []
        for chat in chats:
            whole, borders = next(texts), [0]
            for _ in (m for m in chat if m["role"] == "assistant"):
                before, after = next(texts), next(texts)
                if not (whole.startswith(after) and after.startswith(before)):
                    raise self._wrong(
                        "it writes earlier messages otherwise once others follow: no telling what the assistant wrote",
                        "put {% generation %} and {% endgeneration %} around the assistant's messages",
                    )
                borders += [len(before), len(after)]
            parts = [whole[a:b] for a, b in pairwise([*borders, len(whole)])]
            marked.append("".join(f"{begin}{part}{end}" if i % 2 else part for i, part in enumerate(parts)))
        return marked

    def _rendered(self, calls: Sequence[tuple[Sequence[dict[str, str]], bool]], begin: str, end: str) -> list[str]:
        size = sum(len(m["content"]) for messages, _ in calls for m in messages)
        asked = {
            "path": _path_of_jinja(),
            "source": self.source,
            "marks": [begin, end],
            "variables": {"bos_token": "", "eos_token": self._eos},
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
            raise self._wrong(answer["error"], "mend the template, or the conversation it refuses")
        texts: list[str] = answer["texts"]
        return texts

    def _cut(self, text: str, guard: str, begin: str, end: str) -> Iterable[Stretch]:
        marks = "|".join(re.escape(mark) for mark in (begin, end, *self._specials))
        learned = False
        for number, piece in enumerate(re.split(f"({marks})", text)):
            if piece in (begin, end):
                learned = piece == begin
            elif number % 2:
                yield Stretch(piece, True, learned)
            elif plain := piece.replace(guard, ""):
                yield Stretch(plain, False, learned)

    def _parted(self, content: str, guard: str) -> str:
        firsts, lasts = {s[0] for s in self._specials}, {s[-1] for s in self._specials}
        parted = "".join(f"{guard if c in lasts else ''}{c}{guard if c in firsts else ''}" for c in content)
        if any(content.strip() in special for special in self._specials) and parted.strip():
            at = len(parted) - len(parted.lstrip()) + 1  # the inside of a special token, which the template may finish
            parted = parted[:at] + guard + parted[at:]
        return parted

    @staticmethod
    def _unused(texts: Sequence[str]) -> list[str]:
        used = {c for text in texts for c in text if c >= chr(_PRIVATE[0])}
        return [chr(code) for code in _PRIVATE if chr(code) not in used][:3]

    def _wrong(self, problem: str, mend: str) -> ConfigError:
        return ConfigError(f"the chat template cannot be used: {problem}", mend, file=self._file)


def _path_of_jinja() -> list[str]:
    """Where the process, which knows no place of its own, finds jinja2 and what it needs."""
    found = [find_spec(name) for name in ("jinja2", "markupsafe")]
    return list(dict.fromkeys(str(Path(spec.origin).parent.parent) for spec in found if spec and spec.origin))
