"""`clearhead chat MODEL`: a conversation in the terminal."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from clearhead.cli.drawing import AnswerOptions
from clearhead.cli.inputs import Line, Text, lines, some, sources
from clearhead.cli.note_lines import Notes
from clearhead.disk import named
from clearhead.errors import ClearheadError, ConfigError

if TYPE_CHECKING:
    from clearhead.generation.sampling import Sampling
    from clearhead.tasks.chat_model import ChatModel

__all__ = ["chat"]

_HELP = """\
/again           answer once more, otherwise
/undo            take back the last question and its answer
/new             begin a new conversation
/system TEXT     say how the model is to be; without TEXT: see what was said
/save FILE       write this conversation to a file, now and after each answer
/quit            leave (Ctrl-D too); Ctrl-C ends an answer"""


def chat(
    model: str,
    *messages: Annotated[str, Parameter(allow_leading_hyphen=True)],
    system: str | None = None,
    writing: AnswerOptions = AnswerOptions(),  # noqa: B008  (nobody can change it)
    save: Path | None = None,
    resume: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Talk with a chat model.

    Example: clearhead chat models/chat

    One question: clearhead chat models/chat "What is the capital of France?"

    Keep what was said, and go on with it another day: clearhead chat models/chat --save talk.jsonl --resume

    Parameters
    ----------
    model
        a model folder
    messages
        what you say, one message after the other; - or a file: a message a line, blank ones left out. Without, you are
        asked (/help helps)
    system
        how the model is to be
    save
        a file of conversations, one a line as JSON; this one is added, and written after each answer
    resume
        go on with the last conversation of that file
    """
    typed = not messages and sys.stdin.isatty()
    said = [] if typed else sources(messages, "chat")
    if any(isinstance(source, Text) and not source.text.strip() for source in said):
        raise ConfigError("a message is empty", "say something; or leave it out, and you are asked")
    if resume and save is None:
        raise ConfigError("--resume goes on with a file", "name it: --save FILE")
    from clearhead.cli.machine import settle
    from clearhead.generation.sampling import check_writing
    from clearhead.tasks.opened import load_for

    check_writing(writing.max_tokens, writing.seed)
    sampling = writing.drawing.sampling()  # what is impossible is refused before the model is read
    talk = _Talk(load_for("chat", model, device=writing.device), writing, sampling)
    if save is not None:
        talk.keep(save, resume=resume)
    settle(writing.precision)
    if system is not None:
        talk.be(system)
    if typed:
        _converse(talk)
        return
    for line in some(said) if messages else lines(said):  # nobody asked for anything: that is no error
        if line.text.strip():
            talk.say(line.text)


class _Talk:
    """A conversation: what was said, and where it is kept."""

    def __init__(self, model: ChatModel, writing: AnswerOptions, sampling: Sampling):
        from clearhead.generation.reader import Reader

        self.model, self._writing, self._sampling = model, writing, sampling
        self._seed, self._reader = writing.seed, Reader()
        self.messages: list[dict[str, str]] = []
        self._save: Path | None = None
        self._before: list[str] = []

    def be(self, system: str) -> None:
        """Say how the model is to be; an empty text says nothing."""
        rest = [m for m in self.messages if m["role"] != "system"]
        self.messages = ([{"role": "system", "content": system}] if system else []) + rest

    def say(self, text: str) -> None:
        """Say something, and print the answer as it comes."""
        from clearhead.tasks.notes import not_known

        for note in not_known(self.model.inside.unknown("tokens", text), "characters"):
            print(f"note: {note.said}", file=sys.stderr)
        self.messages.append({"role": "user", "content": text})
        self.answer()

    def answer(self) -> None:
        """Print an answer to the last message; one that is interrupted ends there."""
        answer = self._printed()
        self._seed += 1
        self.messages.append({"role": "assistant", "content": answer.strip()})
        self._write()

    def _printed(self) -> str:
        answer, begun = "", False
        try:
            for more in self._stream():
                answer += more
                shown = more if begun else more.lstrip()
                begun = begun or bool(shown)
                print(shown, end="", flush=True)
        except KeyboardInterrupt as error:
            if error.args and error.args[0] != signal.SIGINT:
                raise
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_REAL, 0)  # Ctrl-C meant the answer: nothing else is to be stopped
        except ClearheadError:
            self.messages.pop()
            raise
        print()
        return answer

    def _stream(self) -> Iterator[str]:
        writing = self._writing
        return self.model.stream_chat(
            self.messages,
            max_tokens=writing.max_tokens,
            sampling=self._sampling,
            seed=self._seed,
            stop=writing.stop or (),
            precision=writing.precision,
            reader=self._reader,
            on_note=Notes().on([Line("", "the answer")]),
        )

    def undo(self) -> bool:
        """Take back the last question and what followed; whether there was one."""
        asked = [i for i, message in enumerate(self.messages) if message["role"] == "user"]
        if asked:
            del self.messages[asked[-1] :]
            self._write()
        return bool(asked)

    def keep(self, file: Path, *, resume: bool = False) -> None:
        """Write the conversation to a file from now on, after those that stand there; or go on with their last."""
        before = [line for line in _text_of(file).split("\n") if line.strip()]
        if resume and before:
            from clearhead.data.chat.chats import read_chats

            self.messages = read_chats([str(file)])[0][-1].to_json()["messages"]
            before.pop()
        self._save, self._before = file, before
        self._write()

    def _write(self) -> None:
        if self._save is None or not any(m["role"] == "assistant" for m in self.messages):
            return
        from clearhead.disk import write_text

        rows = [*self._before, json.dumps({"messages": self.messages}, ensure_ascii=False)]
        write_text(self._save, "\n".join(rows) + "\n")

    def new(self) -> None:
        """A new conversation with the system message of the last one, which stays in the file."""
        if self._save is not None and any(m["role"] == "assistant" for m in self.messages):
            self._before.append(json.dumps({"messages": self.messages}, ensure_ascii=False))
        self.messages = [m for m in self.messages if m["role"] == "system"]


def _text_of(file: Path) -> str:
    from clearhead.parsing import read_file

    return read_file(file, error=ConfigError, fix="name another file") if named(file).exists() else ""


def _converse(talk: _Talk) -> None:
    """Ask, answer, until the person leaves."""
    with suppress(ImportError):
        import readline  # noqa: F401  (input() then has a history and can be edited)
    print("Say something; /help says what else can be done.", file=sys.stderr)
    for text in _typed():
        try:
            if text in ("/quit", "/exit"):
                return
            if text.startswith("/"):
                _command(talk, *text[1:].split(None, 1))
            else:
                talk.say(text)
        except ClearheadError as error:  # the conversation goes on
            print(f"clearhead: {error}", file=sys.stderr)


def _typed() -> Iterator[str]:
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            print(file=sys.stderr)
            return
        if text:
            yield text


def _command(talk: _Talk, name: str = "", words: str = "") -> None:
    match name:
        case "again":
            if talk.messages and talk.messages[-1]["role"] == "assistant":
                talk.messages.pop()
                talk.answer()
        case "undo":
            print("taken back" if talk.undo() else "nothing was said yet", file=sys.stderr)
        case "new":
            talk.new()
            print("a new conversation", file=sys.stderr)
        case "system" if words:
            talk.be(words)
        case "system":
            system = next((m["content"] for m in talk.messages if m["role"] == "system"), "nothing")
            print(f"system message: {system}", file=sys.stderr)
        case "save" if words:
            talk.keep(Path(words))
            print(f"kept in {words}", file=sys.stderr)
        case _:
            print(_HELP, file=sys.stderr)
